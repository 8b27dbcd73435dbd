//! The `#[dialog_test]` attribute: a function of a world becomes a test of many of them.
//!
//! Owns its arguments and its expansion, which is a call of the runner in `actor_core::world`; never what the runner does.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{
    FnArg, Ident, ItemFn, LitInt, Path, ReturnType, Token, ext::IdentExt, parse::ParseStream,
    parse::Parser, spanned::Spanned,
};

use crate::errors::Errors;

/// Seeds of a test that does not say how many.
const SEEDS: u64 = 100;

const USAGE: &str =
    "a dialog test is a plain function of one world: `fn name(world: &mut World) { .. }`";

/// The arguments of one `#[dialog_test(..)]`.
#[derive(Default)]
struct Args {
    seeds: Option<u64>,
    krate: Option<Path>,
}

impl Args {
    fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        let parsed = |input: ParseStream<'_>| {
            while !input.is_empty() {
                args.argument(input)?;
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = parsed.parse2(tokens) {
            errors.push(error);
        }
        args
    }

    fn argument(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let key = input.call(Ident::parse_any)?;
        match key.to_string().as_str() {
            "seeds" => {
                input.parse::<Token![=]>()?;
                let number: LitInt = input.parse()?;
                let seeds = number.base10_parse::<u64>().ok().filter(|seeds| *seeds > 0);
                self.seeds = Some(seeds.ok_or_else(|| {
                    syn::Error::new(
                        number.span(),
                        "`seeds` is a whole number from 1 up: write `seeds = 500`",
                    )
                })?);
            }
            "crate" => {
                input.parse::<Token![=]>()?;
                self.krate = Some(input.parse()?);
            }
            name => {
                return Err(syn::Error::new(
                    key.span(),
                    format!("unknown argument `{name}`: known are seeds, crate"),
                ));
            }
        }
        Ok(())
    }
}

pub(crate) fn expand(args: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    let Ok(test) = syn::parse2::<ItemFn>(item.clone()) else {
        errors.at(item, USAGE);
        return quote! { #item #errors };
    };
    check(&test, &mut errors);
    if !errors.is_empty() {
        // The function stays what it is, so that a mistake is one error.
        return quote! { #[allow(dead_code)] #test #errors };
    }
    let seeds = args.seeds.unwrap_or(SEEDS);
    let krate = args
        .krate
        .map_or_else(|| quote! { ::actor_core }, ToTokens::into_token_stream);
    let (attributes, vis, name) = (&test.attrs, &test.vis, &test.sig.ident);
    // The caller's function keeps its span, its types and its lints; the test around it has its name.
    let body = ItemFn {
        attrs: Vec::new(),
        vis: syn::Visibility::Inherited,
        ..test.clone()
    };
    let run = match test.sig.output {
        ReturnType::Default => quote! { #name },
        ReturnType::Type(..) => quote! {
            |world: &mut #krate::world::World| if let ::core::result::Result::Err(error) = #name(world) {
                ::core::panic!("{error:?}");
            }
        },
    };
    quote! {
        #(#attributes)*
        #[::core::prelude::v1::test]
        #vis fn #name() {
            #body
            #krate::world::Seeds::first(#seeds)
                .named(
                    ::core::env!("CARGO_PKG_NAME"),
                    ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#name)),
                )
                .run(#run);
        }
    }
}

fn check(test: &ItemFn, errors: &mut Errors) {
    let signature = &test.sig;
    if let Some(asyncness) = &signature.asyncness {
        errors.at(
            asyncness,
            "a dialog test is not `async`: the world runs futures, `world.run(client.ask(..))`",
        );
    }
    if !signature.generics.params.is_empty() {
        errors.at(&signature.generics, USAGE);
    }
    let is_world = |argument: &FnArg| match argument {
        FnArg::Typed(typed) => {
            matches!(&*typed.ty, syn::Type::Reference(reference) if reference.mutability.is_some())
        }
        FnArg::Receiver(_) => false,
    };
    match signature.inputs.first() {
        Some(one) if signature.inputs.len() == 1 && is_world(one) => {}
        Some(one) => errors.at(one, USAGE),
        None => errors.here(signature.paren_token.span.join().span(), USAGE),
    }
    let tests = test.attrs.iter().filter(|one| one.path().is_ident("test"));
    for attribute in tests {
        errors.at(
            attribute,
            "`#[dialog_test]` makes it a test already: leave `#[test]` out",
        );
    }
}
