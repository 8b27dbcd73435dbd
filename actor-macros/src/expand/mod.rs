//! From a checked block to the items that stand for it.
//!
//! Owns what both halves share: call dispatch, contract entries, bounds. All paths are absolute, all locals are out of a
//! user's reach, and everything that need not be generated is a call into `actor-core`.

mod client;
pub(crate) mod established;
pub(crate) mod pending;
mod resume;

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Ident, spanned::Spanned};

pub(crate) use client::{client, opening};

use crate::{
    ast::{DialogImpl, Handler, Named},
    attr::Half,
    signature::{Context, Receiver, Reply, local},
    types,
};

/// The items beside the user's block.
pub(crate) fn expand(dialog: &DialogImpl) -> TokenStream {
    let (trait_impl, client) = match (&dialog.half, dialog.establish.first()) {
        (Half::Pending, Some(establish)) => (
            pending::expand(dialog, establish),
            opening(dialog, &establish.established),
        ),
        (Half::Pending, None) => return TokenStream::new(),
        (Half::Established { pending }, _) => (
            established::expand(dialog, pending.as_deref()),
            client(dialog),
        ),
    };
    let resumes = resume::constants(dialog);
    let bounds = bounds(dialog);
    quote! { #trait_impl #client #resumes #bounds }
}

/// Resume constants also where the rest cannot be generated, so that `Self::BOOKED` stays known.
pub(crate) fn constants(dialog: &DialogImpl) -> TokenStream {
    resume::constants(dialog)
}

/// Generated code is not the user's to be warned about.
pub(crate) fn allowances() -> TokenStream {
    quote! {
        #[allow(
            missing_docs,
            unreachable_pub,
            private_interfaces,
            private_bounds,
            deprecated,
            unused_qualifications,
            clippy::all,
            clippy::pedantic,
            clippy::nursery
        )]
    }
}

/// A constant duration.
pub(crate) fn duration(millis: u64) -> TokenStream {
    let millis = Literal::u64_unsuffixed(millis);
    quote! { ::core::time::Duration::from_millis(#millis) }
}

/// The argument tuple's type. `Self` is spelled out, since clients are other types.
pub(crate) fn args_type(dialog: &DialogImpl, handler: &Handler) -> TokenStream {
    let types = handler
        .args
        .iter()
        .map(|arg| types::spell_self(&arg.ty, &dialog.self_ty));
    quote_spanned! {handler.args_span()=> (#(#types,)*) }
}

/// Answer and refusal, as an initiator hears them.
pub(crate) fn heard(dialog: &DialogImpl, handler: &Handler) -> (TokenStream, TokenStream) {
    let (ok, err) = handler.reply.heard(&dialog.private);
    (
        types::spell_self(ok, &dialog.self_ty),
        types::spell_self(err, &dialog.self_ty),
    )
}

/// The handlers as entries of the contract.
pub(crate) fn infos(dialog: &DialogImpl) -> TokenStream {
    let private = &dialog.private;
    let infos = dialog.handlers.iter().map(|handler| {
        let Named { name, cfgs, .. } = &handler.method;
        let signature = written(handler);
        let kind = match handler.receiver {
            Receiver::Change => quote! { Change },
            Receiver::Read => quote! { Read },
            Receiver::Take => quote! { Close },
        };
        let order = order(private, handler.currency);
        quote! {
            #(#cfgs)*
            #private::HandlerInfo { name: #name, kind: #private::HandlerKind::#kind, order: #order, signature: #signature }
        }
    });
    quote! { &[#(#infos),*] }
}

/// Whether each message counts or the newest.
pub(crate) fn order(private: &TokenStream, currency: bool) -> TokenStream {
    if currency {
        quote! { #private::MessageOrder::Currency }
    } else {
        quote! { #private::MessageOrder::History }
    }
}

fn written(handler: &Handler) -> String {
    let args = handler
        .args
        .iter()
        .map(|arg| format!("{}: {}", arg.name, types::render(&arg.ty)));
    let args = args.collect::<Vec<_>>().join(", ");
    match handler.answer().filter(|ty| !types::is_unit(ty)) {
        Some(ty) => format!("({args}) -> {}", types::render(ty)),
        None => format!("({args})"),
    }
}

/// The context to pass, at the place of the parameter: a context of the wrong kind is reported there.
pub(crate) fn pass_context(cx: Option<&Context>) -> Option<TokenStream> {
    let cx = cx?;
    let passed = local("cx", cx.ty.span());
    Some(quote! { #passed, })
}

/// One arm: decode, call, encode. `state` is what the method is called on, `prepare` obtains it.
pub(crate) fn arm(
    dialog: &DialogImpl,
    handler: &Handler,
    prepare: &TokenStream,
    state: &TokenStream,
) -> TokenStream {
    let private = &dialog.private;
    let Named {
        ident, name, cfgs, ..
    } = &handler.method;
    let (id, call, answer) = (here("id"), here("call"), here("answer"));
    let args: Vec<Ident> = (0..handler.args.len())
        .map(|index| here(&format!("arg{index}")))
        .collect();
    let types = args_type(dialog, handler);
    let cx = pass_context(handler.cx.as_ref());
    let encode = match &handler.reply {
        Reply::Nothing | Reply::Value(_) => quote! { #private::Handled::value(&#answer) },
        Reply::Result(..) => quote! { #private::Handled::result(&#answer) },
        Reply::Later(_) => quote! { #private::Handled::later(#answer) },
        Reply::LaterResult(..) => quote! { #private::Handled::later_result(#answer) },
    };
    let read_only =
        (handler.receiver == Receiver::Read).then(|| quote! { .map(#private::Handled::read_only) });
    quote! {
        #(#cfgs)*
        #id if #id == const { #private::handler_id(#name) } => {
            let (#(#args,)*) = #call.args::<#types>(#name)?;
            #prepare
            let #answer = Self::#ident(#state, #cx #(#args),*);
            #encode #read_only
        }
    }
}

/// The body of `__types`.
pub(crate) fn types_of(dialog: &DialogImpl) -> TokenStream {
    let types = here("types");
    let handlers = dialog.handlers.iter().map(|handler| {
        let Named { name, cfgs, .. } = &handler.method;
        let args = args_type(dialog, handler);
        let (ok, err) = heard(dialog, handler);
        let currency = handler
            .currency
            .then(|| quote! { #(#cfgs)* #types.currency(#name); });
        quote! { #(#cfgs)* #types.handler::<#args, #ok, #err>(#name); #currency }
    });
    let events = dialog
        .events
        .as_ref()
        .map(|_| quote! { #types.events::<Self>(); });
    let uses = dialog
        .uses
        .iter()
        .map(|ty| quote_spanned! {ty.span()=> #types.uses::<#ty>(); });
    let tables = dialog
        .tables
        .iter()
        .map(|table| quote_spanned! {table.span()=> #types.table(#table); });
    let resumes = dialog.resumes.iter().map(|resume| {
        let Named { name, cfgs, .. } = &resume.method;
        let context = resume
            .context
            .as_ref()
            .map_or_else(|| quote! { () }, ToTokens::to_token_stream);
        if let Some(answer) = &resume.answer {
            quote! { #(#cfgs)* #types.resume::<#answer, #context>(#name); }
        } else {
            quote! { #(#cfgs)* #types.timer::<#context>(#name); }
        }
    });
    let (name, version) = (&dialog.name, dialog.version);
    let past = dialog.past.iter().map(
        |(version, ty)| quote_spanned! {ty.span()=> #types.past::<#ty, Self>(#name, #version); },
    );
    quote! {
        #types.state::<Self>(#name, #version);
        #(#past)*
        #(#handlers)*
        #(#resumes)*
        #events
        #(#uses)*
        #(#tables)*
    }
}

/// How a state of an earlier version is read: the method, or nothing where there was none.
pub(crate) fn earlier(dialog: &DialogImpl) -> TokenStream {
    if dialog.past.is_empty() {
        return TokenStream::new();
    }
    let private = &dialog.private;
    let stored = here("stored");
    let name = &dialog.name;
    let arms = dialog.past.iter().map(|(version, ty)| {
        quote_spanned! {ty.span()=>
            #version => ::core::result::Result::Ok(<Self as ::core::convert::From<#ty>>::from(#stored.read::<#ty>()?)),
        }
    });
    quote! {
        fn __earlier(#stored: #private::Stored<'_>) -> ::core::result::Result<Self, #private::Unfit> {
            match #stored.version() {
                #(#arms)*
                _ => ::core::result::Result::Err(#stored.unknown(#name)),
            }
        }
    }
}

/// Says at the written type what a type lacks, where dispatch would say it somewhere in generated code.
fn bounds(dialog: &DialogImpl) -> TokenStream {
    let private = &dialog.private;
    let assertions = dialog.handlers.iter().flat_map(|handler| {
        let cfgs = &handler.method.cfgs;
        let durable = move |ty: &syn::Type| {
            let spelled = types::spell_self(ty, &dialog.self_ty);
            quote_spanned! {ty.span()=> #(#cfgs)* __durable::<#spelled>(); }
        };
        let refusal = move |ty: &syn::Type| {
            let spelled = types::spell_self(ty, &dialog.self_ty);
            quote_spanned! {ty.span()=> #(#cfgs)* __refusal::<#spelled>(); }
        };
        // A single argument is where its tuple is decoded and encoded, so it is told there.
        let many = handler.args.iter().filter(|_| handler.args.len() > 1);
        let mut all: Vec<TokenStream> = many.map(|arg| durable(&arg.ty)).collect();
        match &handler.reply {
            Reply::Nothing => {}
            Reply::Value(ok) | Reply::Later(ok) => all.push(durable(ok)),
            Reply::Result(ok, err) | Reply::LaterResult(ok, err) => {
                all.extend([durable(ok), refusal(err)]);
            }
        }
        all
    });
    let allow = allowances();
    quote! {
        #allow
        const _: () = {
            #[allow(dead_code)]
            fn __durable<__T: #private::Durable>() {}
            #[allow(dead_code)]
            fn __refusal<__T: #private::Durable + ::core::fmt::Debug + ::core::marker::Sync>() {}
            #[allow(dead_code)]
            fn __bounds() {
                #(#assertions)*
            }
        };
    }
}

/// A local without a place of its own.
pub(crate) fn here(name: &str) -> Ident {
    local(name, Span::mixed_site())
}

/// `CartOpening`, `CheckoutClient`.
pub(crate) fn generated_name(dialog: &DialogImpl, suffix: &str) -> Ident {
    format_ident!("{}{suffix}", dialog.ident)
}
