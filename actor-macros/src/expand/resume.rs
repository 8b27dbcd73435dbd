//! Continuations: the constants that name them and the dispatch that runs them.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::{allowances, here, pass_context};
use crate::ast::{DialogImpl, Named, Resume};

/// `Checkout::AUTHORIZED` and its like, each as visible as its method.
pub(super) fn constants(dialog: &DialogImpl) -> TokenStream {
    if dialog.resumes.is_empty() || dialog.is_pending() {
        return TokenStream::new();
    }
    let DialogImpl {
        private, self_ty, ..
    } = dialog;
    let constants = dialog.resumes.iter().map(|resume| {
        let Named {
            name,
            vis,
            cfgs,
            docs,
            ..
        } = &resume.method;
        let constant = resume.method.constant();
        let context = resume.context.as_ref().map(|context| quote! { , #context });
        let (ty, new) = match &resume.answer {
            Some(answer) => {
                let is_answer = quote_spanned! {answer.span()=> <#answer as #private::IsAnswer> };
                (
                    quote! { #private::Resume<Self, #is_answer::Ok, #is_answer::Err #context> },
                    quote! { #private::Resume },
                )
            }
            None => (
                quote! { #private::Timer<Self #context> },
                quote! { #private::Timer },
            ),
        };
        quote! {
            #(#cfgs)*
            #(#docs)*
            #vis const #constant: #ty = #new::new(#name);
        }
    });
    let allow = allowances();
    quote! {
        #allow
        impl #self_ty {
            #(#constants)*
        }
    }
}

/// The body of `__resume`.
pub(super) fn dispatch(dialog: &DialogImpl) -> TokenStream {
    let resumed = here("resumed");
    let name = &dialog.name;
    let arms = dialog.resumes.iter().map(|resume| arm(dialog, resume));
    quote! {
        match #resumed.resume() {
            #(#arms)*
            _ => ::core::result::Result::Err(#resumed.unknown(#name)),
        }
    }
}

fn arm(dialog: &DialogImpl, resume: &Resume) -> TokenStream {
    let private = &dialog.private;
    let (id, resumed, state, this) = (here("id"), here("resumed"), here("state"), here("this"));
    let (answer, context) = (here("answer"), here("context"));
    let Named {
        ident, name, cfgs, ..
    } = &resume.method;
    let read_answer = resume
        .answer
        .as_ref()
        .map(|ty| quote! { let #answer = #resumed.answer::<#ty>(#name)?; });
    let read_context = resume
        .context
        .as_ref()
        .map(|ty| quote! { let #context = #resumed.context::<#ty>(#name)?; });
    let cx = pass_context(resume.cx.as_ref());
    let answer = resume.answer.as_ref().map(|_| quote! { #answer, });
    let context = resume.context.as_ref().map(|_| quote! { #context, });
    let dialog_name = &dialog.name;
    quote! {
        #(#cfgs)*
        #id if #id == const { #private::handler_id(#name) } => {
            #read_answer
            #read_context
            let ::core::option::Option::Some(#this) = #state.as_mut() else {
                return ::core::result::Result::Err(#resumed.unknown(#dialog_name));
            };
            Self::#ident(#this, #cx #answer #context);
            ::core::result::Result::Ok(())
        }
    }
}
