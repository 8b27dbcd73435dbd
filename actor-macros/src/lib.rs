//! The `#[dialog]` attribute.

mod ast;
mod attr;
mod block;
mod check;
mod duration;
mod errors;
mod expand;
mod fallback;
mod signature;
#[cfg(test)]
mod tests;
mod types;

use proc_macro2::TokenStream;
use quote::quote;

use self::{
    ast::DialogImpl,
    attr::Args,
    block::{Block, Role},
    errors::Errors,
};

/// Dialog.
#[proc_macro_attribute]
pub fn dialog(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand_dialog(args.into(), &item.into()).into()
}

fn expand_dialog(args: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    let block = match syn::parse2::<Block>(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            errors.push(error);
            return quote! { #item #errors };
        }
    };
    let dialog = read(args, &block, &mut errors);
    let generated = dialog.map(|dialog| if errors.is_empty() { expand::expand(&dialog) } else { fallback::expand(&dialog) });
    quote! { #block #generated #errors }
}

fn read(args: Args, block: &Block, errors: &mut Errors) -> Option<DialogImpl> {
    check::args(&args, errors);
    let dialog = ast::lower(args, block, errors)?;
    let roles = block.methods().flat_map(|method| &method.roles);
    check::dialog(&dialog, roles.filter(|helper| helper.role == Role::Handler).count(), errors);
    Some(dialog)
}
