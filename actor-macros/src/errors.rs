//! The errors of one expansion, collected so that a user sees all mistakes of a block at once.
//!
//! Owns the collection; never stops an expansion.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// Everything that is wrong with one block.
#[derive(Default)]
pub(crate) struct Errors(Vec<syn::Error>);

impl Errors {
    /// An error at the culprit's tokens.
    pub(crate) fn at(&mut self, culprit: impl ToTokens, message: impl Display) {
        self.0.push(syn::Error::new_spanned(culprit, message));
    }

    /// An error where there is only a place.
    pub(crate) fn here(&mut self, place: Span, message: impl Display) {
        self.0.push(syn::Error::new(place, message));
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        self.0.push(error);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn messages(self) -> Vec<String> {
        self.0
            .into_iter()
            .flatten()
            .map(|error| error.to_string())
            .collect()
    }
}

impl ToTokens for Errors {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(self.0.iter().map(syn::Error::to_compile_error));
    }
}
