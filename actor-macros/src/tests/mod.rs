//! What an expansion looks like, and what it says of every mistake.

mod dialog_tests;
mod errors;
mod expansions;
mod signatures;

use proc_macro2::TokenStream;
use quote::ToTokens;

use crate::{attr::Args, block::Block};

/// The user's block with what stands beside it.
fn expand(args: &str, item: &str) -> TokenStream {
    crate::expand_dialog(
        args.parse().expect("arguments"),
        &item.parse().expect("item"),
    )
}

/// What stands beside the user's block, as a person would format it.
fn generated(args: &str, item: &str) -> String {
    let block: Block = syn::parse_str(item).expect("an impl block");
    let written = block.to_token_stream().to_string();
    let all = expand(args, item).to_string();
    let beside = all
        .strip_prefix(&written)
        .expect("the user's block comes first, as it was written");
    prettyplease::unparse(&syn::parse_str(beside).expect("items"))
}

/// Everything that is wrong, in the order of the text.
fn mistakes(args: &str, item: &str) -> Vec<String> {
    let mut errors = crate::errors::Errors::default();
    let args = Args::parse(args.parse().expect("arguments"), &mut errors);
    match syn::parse_str::<Block>(item) {
        Ok(block) => drop(crate::read(args, &block, &mut errors)),
        Err(error) => errors.push(error),
    }
    errors.messages()
}
