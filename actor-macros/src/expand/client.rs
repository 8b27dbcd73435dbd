//! What a partner holds: `CartOpening` with the first messages, `CheckoutClient` with those of the established dialog.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{Ident, Type};

use super::{allowances, generated_name, heard, here};
use crate::{
    ast::{DialogImpl, Handler, Named},
    signature::{Receiver, Reply},
    types,
};

/// The client of a pending block.
pub(crate) fn opening(dialog: &DialogImpl, established: &Type) -> TokenStream {
    let DialogImpl {
        private,
        port,
        ident,
        ..
    } = dialog;
    let established = types::spell_self(established, &dialog.self_ty);
    let methods = dialog
        .handlers
        .iter()
        .map(|handler| first_message(dialog, handler, &established));
    let docs = format!(
        "The first messages of a dialog, as `{ident}` takes them. One that wants an answer ends the opening."
    );
    let events = events(dialog, &established);
    let must_use = "an opening is nothing yet: end it with a message that wants an answer, or with `.established()`";
    let methods = quote! {
        #(#methods)*

        /// Ends an opening whose messages want no answer: what is left is to know that the partner is bound.
        pub fn established(self) -> #private::Request<#port, #port::Established<#established>> {
            #private::established::<#port, #established>(self.port)
        }

        #events
    };
    holder(
        dialog,
        &generated_name(dialog, "Opening"),
        &quote! { #[doc = #docs] #[must_use = #must_use] },
        &TokenStream::new(),
        &methods,
    )
}

/// The client of an established block.
pub(crate) fn client(dialog: &DialogImpl) -> TokenStream {
    let DialogImpl {
        private,
        port,
        ident,
        ..
    } = dialog;
    let methods = dialog
        .handlers
        .iter()
        .map(|handler| message(dialog, handler));
    let docs = format!("An established `{ident}`, as its partner talks to it.");
    let self_ty = dialog.self_ty.to_token_stream();
    let events = events(dialog, &self_ty);
    let methods = quote! {
        #(#methods)*

        /// The plumbing's side of this dialog: its id, what is known of the newest message, and how to end it.
        pub fn dialog(&self) -> #private::Partner<'_, #port> {
            #private::Partner::new(&self.port)
        }

        #events
    };
    let default = quote! { = #private::Remote };
    holder(
        dialog,
        &generated_name(dialog, "Client"),
        &quote! { #[doc = #docs] },
        &default,
        &methods,
    )
}

/// On every client, so that the compiler can say what a dialog without events lacks; not where a handler has the name.
fn events(dialog: &DialogImpl, established: &TokenStream) -> Option<TokenStream> {
    let DialogImpl { private, port, .. } = dialog;
    let mut handlers = dialog.handlers.iter();
    if handlers.any(|handler| handler.method.name == "events") {
        return None;
    }
    Some(quote! {
        /// What the partner says unasked, from now on.
        pub fn events(&self) -> #private::Events<#port, #established>
        where
            #port: #private::Hears<#established>,
        {
            #private::Events::new(#private::Port::fork(&self.port))
        }
    })
}

/// A struct around a port.
fn holder(
    dialog: &DialogImpl,
    name: &Ident,
    attrs: &TokenStream,
    default: &TokenStream,
    methods: &TokenStream,
) -> TokenStream {
    let DialogImpl { private, port, .. } = dialog;
    let allow = allowances();
    let (from, formatter) = (here("port"), here("f"));
    let shown = name.to_string();
    quote! {
        #attrs
        #allow
        pub struct #name<#port #default> {
            port: #port,
        }

        #[automatically_derived]
        impl<#port: #private::Port> #private::FromPort<#port> for #name<#port> {
            fn from_port(#from: #port) -> Self {
                Self { port: #from }
            }
        }

        #[automatically_derived]
        impl<#port> ::core::fmt::Debug for #name<#port> {
            fn fmt(&self, #formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                #formatter.write_str(#shown)
            }
        }

        #allow
        #[allow(dead_code)]
        impl<#port: #private::Port> #name<#port> {
            #methods
        }
    }
}

/// Name, arguments and the encoded call of a client method.
fn parts(dialog: &DialogImpl, handler: &Handler) -> (TokenStream, TokenStream) {
    let private = &dialog.private;
    let name = &handler.method.name;
    let names: Vec<&Ident> = handler.args.iter().map(|arg| &arg.name).collect();
    let types = handler
        .args
        .iter()
        .map(|arg| types::spell_self(&arg.ty, &dialog.self_ty));
    let parameters = quote! { #(#names: #types),* };
    let tuple = quote_spanned! {handler.args_span()=> &(#(#names,)*) };
    (parameters, quote! { #private::Encoded::new(#name, #tuple) })
}

fn first_message(dialog: &DialogImpl, handler: &Handler, established: &TokenStream) -> TokenStream {
    let DialogImpl { private, port, .. } = dialog;
    let Named {
        ident,
        vis,
        cfgs,
        docs,
        ..
    } = &handler.method;
    let (parameters, call) = parts(dialog, handler);
    if matches!(handler.reply, Reply::Nothing) {
        let currency = handler.currency.then(|| quote! { .currency() });
        return quote! {
            #(#cfgs)*
            #(#docs)*
            #vis fn #ident(mut self, #parameters) -> Self {
                #private::Port::tell(&mut self.port, #call #currency);
                self
            }
        };
    }
    let (ok, err) = heard(dialog, handler);
    quote! {
        #(#cfgs)*
        #(#docs)*
        #vis fn #ident(self, #parameters) -> #private::Request<#port, (#ok, #port::Established<#established>), #err> {
            #private::opening::<#port, #established, #ok, #err>(self.port, #call)
        }
    }
}

fn message(dialog: &DialogImpl, handler: &Handler) -> TokenStream {
    let DialogImpl { private, port, .. } = dialog;
    let Named {
        ident,
        vis,
        cfgs,
        docs,
        ..
    } = &handler.method;
    let (parameters, call) = parts(dialog, handler);
    if handler.currency {
        return quote! {
            #(#cfgs)*
            #(#docs)*
            #vis fn #ident(&self, #parameters) -> #private::Telling<#port> {
                #private::Telling::new(#private::Port::fork(&self.port), #call)
            }
        };
    }
    let (ok, err) = heard(dialog, handler);
    // At the user's own `self`, where the compiler says that a closing message takes the client away.
    let this = Ident::new("self", handler.self_span);
    let (receiver, from, closing) = match handler.receiver {
        Receiver::Take => (
            quote! { #this },
            quote! { #this.port },
            Some(quote! { .closing() }),
        ),
        Receiver::Read | Receiver::Change => (
            quote! { &self },
            quote! { #private::Port::fork(&self.port) },
            None,
        ),
    };
    quote! {
        #(#cfgs)*
        #(#docs)*
        #vis fn #ident(#receiver, #parameters) -> #private::Request<#port, #ok, #err> {
            #private::Request::ask(#from, #call #closing)
        }
    }
}
