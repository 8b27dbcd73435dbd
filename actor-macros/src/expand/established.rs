//! The implementation of `Dialog`: messages, continuations and the end of an established dialog.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Type, spanned::Spanned};

use super::{
    allowances, arm, duration, earlier, generated_name, here, infos, order, pass_context, resume,
    types_of,
};
use crate::{
    ast::{Abandoned, DialogImpl, Handler},
    attr::{Events, OnPoison},
    signature::Receiver,
    types,
};

pub(super) fn expand(dialog: &DialogImpl, pending: Option<&Type>) -> TokenStream {
    let call = here("call");
    let name = &dialog.name;
    let arms = dialog
        .handlers
        .iter()
        .map(|handler| established_arm(dialog, handler));
    let handle = quote! {
        match #call.handler() {
            #(#arms)*
            _ => ::core::result::Result::Err(#call.unknown(#name)),
        }
    };
    let types = types_of(dialog);
    let abandoned = dialog
        .abandoned
        .iter()
        .map(|abandoned| (abandoned, abandoned_body(abandoned)));
    frame(
        dialog,
        pending,
        &infos(dialog),
        [handle, resume::dispatch(dialog), types],
        abandoned,
    )
}

fn established_arm(dialog: &DialogImpl, handler: &Handler) -> TokenStream {
    let (call, state, this) = (here("call"), here("state"), here("this"));
    let name = &dialog.name;
    let obtain = match handler.receiver {
        Receiver::Take => quote! { take },
        Receiver::Read => quote! { as_ref },
        Receiver::Change => quote! { as_mut },
    };
    let prepare = quote! {
        let ::core::option::Option::Some(#this) = #state.#obtain() else {
            return ::core::result::Result::Err(#call.unknown(#name));
        };
    };
    arm(dialog, handler, &prepare, &quote! { #this })
}

fn abandoned_body(abandoned: &Abandoned) -> TokenStream {
    let why = abandoned.why.then(|| here("why"));
    let method = &abandoned.method.ident;
    let cx = pass_context(abandoned.cx.as_ref());
    quote! { Self::#method(self, #cx #why) }
}

/// The implementation around its bodies.
pub(crate) fn frame<'a>(
    dialog: &DialogImpl,
    pending: Option<&Type>,
    established: &TokenStream,
    [handle, resume, types]: [TokenStream; 3],
    abandoned: impl Iterator<Item = (&'a Abandoned, TokenStream)>,
) -> TokenStream {
    let DialogImpl {
        private,
        self_ty,
        port,
        name,
        version,
        accepts,
        ..
    } = dialog;
    let earlier = earlier(dialog);
    let kept = if dialog.volatile {
        quote! { Volatile }
    } else {
        quote! { Durable }
    };
    let client = generated_name(dialog, "Client");
    // At the user's type, where the compiler says that a handshake needs its `Default`.
    let handshake = || types::place(quote! { #private::Handshake<Self> }, self_ty.span());
    let pending = pending.map_or_else(handshake, ToTokens::to_token_stream);
    let (silence, lifetime) = (
        duration(dialog.timeout_millis),
        duration(dialog.lifetime_millis),
    );
    let on_poison = (dialog.on_poison == OnPoison::Hold).then(|| {
        quote! { const __ON_POISON: #private::OnPoison = #private::OnPoison::Hold; }
    });
    let allow = allowances();
    let (state, cx, call, resumed, why, types_arg) = (
        here("state"),
        here("cx"),
        here("call"),
        here("resumed"),
        here("why"),
        here("types"),
    );
    let (events_info, events) = events(dialog);
    let abandoned = abandoned.map(|(abandoned, body)| {
        let cfgs = &abandoned.method.cfgs;
        quote! {
            #(#cfgs)*
            fn __abandoned(self, #cx: &mut #private::Cx<'_, Self>, #why: #private::Abandoned) {
                #body
            }
        }
    });
    quote! {
        #[automatically_derived]
        #allow
        impl #private::Dialog for #self_ty {
            const CONTRACT: #private::Contract = {
                // Generic, so that a pending half without its block is reported where it is named and not here again.
                const fn __first<__D: #private::Dialog>() -> &'static [#private::HandlerInfo] {
                    <__D::Pending as #private::Pending>::FIRST
                }
                const fn __initiation<__D: #private::Dialog>() -> ::core::time::Duration {
                    <__D::Pending as #private::Pending>::TIMEOUT
                }
                #private::Contract {
                    name: #name,
                    version: #version,
                    kept: #private::Kept::#kept,
                    accepts: &[#(#accepts),*],
                    fingerprint: #private::Fingerprint::of::<Self>(),
                    first: __first::<Self>(),
                    established: #established,
                    events: #events_info,
                    initiation: __initiation::<Self>(),
                    silence: #silence,
                    lifetime: #lifetime,
                }
            };
            #on_poison
            type Pending = #pending;
            type Client<#port: #private::Port> = #client<#port>;

            fn __handle(
                #state: &mut ::core::option::Option<Self>,
                #cx: &mut #private::Cx<'_, Self>,
                #call: #private::Call<'_>,
            ) -> ::core::result::Result<#private::Handled, #private::Unfit> {
                #handle
            }

            fn __resume(
                #state: &mut ::core::option::Option<Self>,
                #cx: &mut #private::Cx<'_, Self>,
                #resumed: #private::Resumed<'_>,
            ) -> ::core::result::Result<(), #private::Unfit> {
                #resume
            }

            #(#abandoned)*

            #earlier

            fn __types(#types_arg: &mut #private::Types) {
                #types
            }
        }

        #events
    }
}

/// What the target says unasked: its entry in the contract, and the trait that lets it.
fn events(dialog: &DialogImpl) -> (TokenStream, TokenStream) {
    let none = quote! { ::core::option::Option::None };
    let DialogImpl {
        private, self_ty, ..
    } = dialog;
    let Some(Events { ty, currency }) = &dialog.events else {
        return (none, TokenStream::new());
    };
    let (name, order) = (types::render(ty), order(private, *currency));
    let info = quote! {
        ::core::option::Option::Some(#private::EventInfo { name: #name, order: #order })
    };
    let allow = allowances();
    let has_events = quote! {
        #[automatically_derived]
        #allow
        impl #private::HasEvents for #self_ty {
            type Event = #ty;
            const CURRENCY: bool = #currency;
        }
    };
    (info, has_events)
}
