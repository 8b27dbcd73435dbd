//! What stands for a block that has mistakes: implementations that are never run and the client of what could be read.
//!
//! Owns one promise: a mistake in a block is one error, not an error at every use of the dialog.

use proc_macro2::TokenStream;
use quote::quote;

use crate::{
    ast::DialogImpl,
    attr::Half,
    expand::{self, established, pending},
    types,
};

pub(crate) fn expand(dialog: &DialogImpl) -> TokenStream {
    let never = || quote! { ::core::unreachable!() };
    let bodies = || [never(), never(), never()];
    let nothing = quote! { &[] };
    match (&dialog.half, dialog.establish.first()) {
        (Half::Pending, Some(establish)) => {
            let established = types::spell_self(&establish.established, &dialog.self_ty);
            let trait_impl = pending::frame(dialog, &established, &nothing, bodies());
            let opening = expand::opening(dialog, &establish.established);
            quote! { #trait_impl #opening }
        }
        // Without an `#[establish]` nobody knows the established type.
        (Half::Pending, None) => TokenStream::new(),
        (Half::Established { pending }, _) => {
            let trait_impl = established::frame(
                dialog,
                pending.as_deref(),
                &nothing,
                bodies(),
                std::iter::empty(),
            );
            let client = expand::client(dialog);
            let constants = expand::constants(dialog);
            quote! { #trait_impl #client #constants }
        }
    }
}
