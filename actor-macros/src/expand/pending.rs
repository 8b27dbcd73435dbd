//! The implementation of `Pending`: first messages accumulate, then `#[establish]` makes them permanent.

use proc_macro2::TokenStream;
use quote::quote;

use super::{
    allowances, arm, duration, earlier, generated_name, here, infos, pass_context, types_of,
};
use crate::{
    ast::{DialogImpl, Establish},
    types,
};

pub(super) fn expand(dialog: &DialogImpl, establish: &Establish) -> TokenStream {
    let call = here("call");
    let established = types::spell_self(&establish.established, &dialog.self_ty);
    let private = &dialog.private;
    let arms = dialog
        .handlers
        .iter()
        .map(|handler| arm(dialog, handler, &TokenStream::new(), &quote! { self }));
    let accumulate = quote! {
        match #call.handler() {
            #(#arms)*
            _ => ::core::result::Result::Err(#call.unknown(<#established as #private::Dialog>::CONTRACT.name)),
        }
    };
    let method = &establish.method.ident;
    let passed = pass_context(establish.cx.as_ref());
    let types = types_of(dialog);
    frame(
        dialog,
        &established,
        &infos(dialog),
        [accumulate, quote! { Self::#method(self, #passed) }, types],
    )
}

/// The implementation around its three bodies.
pub(crate) fn frame(
    dialog: &DialogImpl,
    established: &TokenStream,
    first: &TokenStream,
    [accumulate, establish, types]: [TokenStream; 3],
) -> TokenStream {
    let DialogImpl {
        private,
        self_ty,
        port,
        version,
        ..
    } = dialog;
    let earlier = earlier(dialog);
    let opening = generated_name(dialog, "Opening");
    let timeout = duration(dialog.timeout_millis);
    let allow = allowances();
    let (cx, call, types_arg) = (here("cx"), here("call"), here("types"));
    quote! {
        #[automatically_derived]
        #allow
        impl #private::Pending for #self_ty {
            type Established = #established;
            type Opening<#port: #private::Port> = #opening<#port>;
            const MODE: #private::Mode = #private::Mode::Pending;
            const TIMEOUT: ::core::time::Duration = #timeout;
            const VERSION: u32 = #version;
            const FIRST: &'static [#private::HandlerInfo] = #first;

            fn __accumulate(
                &mut self,
                #cx: &#private::PendingCx<'_>,
                #call: #private::Call<'_>,
            ) -> ::core::result::Result<#private::Handled, #private::Unfit> {
                #accumulate
            }

            fn __establish(self, #cx: &mut #private::Cx<'_, #established>) -> #established {
                #establish
            }

            #earlier

            fn __types(#types_arg: &mut #private::Types) {
                #types
            }
        }
    }
}
