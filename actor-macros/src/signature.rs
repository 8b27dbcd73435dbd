//! What one method's signature says to the dialog: receiver, context, arguments, answer.
//!
//! Owns the rules that one signature can break alone; rules between methods are [`check`](crate::check)'s.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{
    FnArg, Ident, Pat, Receiver as SelfArg, ReceiverKind, ReturnType, Signature, Type,
    ext::IdentExt, spanned::Spanned,
};

use crate::{errors::Errors, types};

/// What a method may do to the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receiver {
    /// `&self`
    Read,
    /// `&mut self`
    Change,
    /// `self`
    Take,
}

/// A context argument: `cx: &mut Cx<'_, Self>`.
pub(crate) struct Context {
    pub(crate) mutable: bool,
    /// It is a `PendingCx`.
    pub(crate) pending: bool,
    pub(crate) ty: Type,
}

/// An argument that travels.
pub(crate) struct Arg {
    /// Its name, made up where a pattern stands instead of one.
    pub(crate) name: Ident,
    pub(crate) ty: Type,
}

/// What a method answers.
pub(crate) enum Reply {
    Nothing,
    Value(Type),
    Result(Type, Type),
    Later(Type),
    LaterResult(Type, Type),
}

/// A signature as the dialog understands it.
pub(crate) struct Parts {
    pub(crate) receiver: Receiver,
    pub(crate) cx: Option<Context>,
    pub(crate) args: Vec<Arg>,
    pub(crate) reply: Reply,
}

const RECEIVERS: &str = "`&mut self` changes, `&self` reads, `self` ends the dialog";

/// Reads a signature; `None` where nothing can be generated for it. What is wrong is noted in either case.
pub(crate) fn read(sig: &Signature, what: &str, errors: &mut Errors) -> Option<Parts> {
    if let Some(asyncness) = &sig.asyncness {
        errors.at(asyncness, format!("{what}s run inside the commit and must not await; ask a partner and `.then(..)` instead"));
    }
    let mut usable = true;
    if !sig.generics.params.is_empty() {
        errors.at(&sig.generics, format!("a {what} cannot be generic: its arguments and answer are known on the wire; write their types"));
        usable = false;
    }
    let mut inputs = sig.inputs.iter();
    let receiver = if let Some(FnArg::Receiver(receiver)) = inputs.next() {
        read_receiver(receiver, what, errors)
    } else {
        errors.at(
            &sig.ident,
            format!("a {what} needs a receiver: {RECEIVERS}"),
        );
        None
    };
    let mut cx = None;
    let mut args = Vec::new();
    for (index, input) in inputs.enumerate() {
        let FnArg::Typed(input) = input else { continue };
        match types::context_reference(&input.ty) {
            Some((reference, pending)) if index == 0 => {
                let mutable = reference.mutability.is_some();
                cx = Some(Context {
                    mutable,
                    pending,
                    ty: (*input.ty).clone(),
                });
                continue;
            }
            Some(_) => errors.at(
                &input.ty,
                "the context is the first argument: move it behind the receiver",
            ),
            None => usable &= argument_fits(&input.ty, index == 0, errors),
        }
        let name = argument_name(&input.pat, args.len());
        args.push(Arg {
            name,
            ty: (*input.ty).clone(),
        });
    }
    let reply = read_reply(&sig.output, &mut usable, errors);
    Some(Parts {
        receiver: receiver?,
        cx,
        args,
        reply,
    })
    .filter(|_| usable)
}

fn read_receiver(receiver: &SelfArg, what: &str, errors: &mut Errors) -> Option<Receiver> {
    match &receiver.kind {
        ReceiverKind::Reference(_, _, Some(_)) => Some(Receiver::Change),
        ReceiverKind::Reference(_, _, None) => Some(Receiver::Read),
        ReceiverKind::Value => Some(Receiver::Take),
        _ => {
            errors.at(
                receiver,
                format!("a {what}'s receiver is written short: {RECEIVERS}"),
            );
            None
        }
    }
}

/// Says what is wrong with an argument's type; false where a client method with it would not even parse.
fn argument_fits(ty: &Type, first: bool, errors: &mut Errors) -> bool {
    if types::mentions(ty, "impl") {
        errors.at(ty, "an argument is decoded from bytes, so its type must be known: write it instead of `impl Trait`");
        return false;
    }
    if first && types::context_name(ty).is_some() {
        let name = types::render(ty);
        errors.at(
            ty,
            format!(
                "the context is lent, not given away: take `&mut {name}`, or `&{name}` to read"
            ),
        );
    } else if types::borrows(ty) {
        errors.at(ty, "an argument travels and is kept, so it cannot be borrowed: take it by value (`String` for `&str`, `Vec<T>` for `&[T]`)");
    }
    true
}

fn argument_name(pat: &Pat, index: usize) -> Ident {
    match pat {
        Pat::Ident(named) if named.subpat.is_none() => named.ident.clone(),
        pattern => Ident::new(&format!("arg{index}"), pattern.span()),
    }
}

fn read_reply(output: &ReturnType, usable: &mut bool, errors: &mut Errors) -> Reply {
    let ReturnType::Type(_, ty) = output else {
        return Reply::Nothing;
    };
    if types::mentions(ty, "impl") {
        errors.at(ty, "an answer is encoded into bytes, so its type must be known: write it instead of `impl Trait`");
        *usable = false;
        return Reply::Nothing;
    }
    if types::borrows(ty) {
        errors.at(ty, "an answer travels, so it cannot be borrowed: give it by value (`String` for `&str`, `Vec<T>` for `&[T]`)");
        *usable = false;
    }
    if types::is_unit(ty) {
        return Reply::Nothing;
    }
    let Some(segment) = types::last_segment(ty).filter(|segment| segment.ident == "Later") else {
        return match result_of(ty, errors) {
            Some((ok, _))
                if types::last_segment(ok).is_some_and(|segment| segment.ident == "Later") =>
            {
                errors.at(
                    ty,
                    "the `Result` is part of the later answer: write `Later<Result<T, E>>`",
                );
                Reply::Value((**ty).clone())
            }
            Some((ok, err)) => Reply::Result(ok.clone(), err.clone()),
            None => Reply::Value((**ty).clone()),
        };
    };
    let [later] = types::type_arguments(segment)[..] else {
        errors.at(ty, "spell the type of the later answer: `Later<T>`");
        return Reply::Value((**ty).clone());
    };
    match result_of(later, errors) {
        Some((ok, err)) => Reply::LaterResult(ok.clone(), err.clone()),
        None => Reply::Later(later.clone()),
    }
}

fn result_of<'a>(ty: &'a Type, errors: &mut Errors) -> Option<(&'a Type, &'a Type)> {
    let segment = types::last_segment(ty).filter(|segment| segment.ident == "Result")?;
    if let [ok, err] = types::type_arguments(segment)[..] {
        return Some((ok, err));
    }
    errors.at(
        ty,
        "spell the error type: `Result<T, E>`, because a refusal is encoded like an answer",
    );
    None
}

impl Reply {
    /// The types an initiator hears: answer and refusal.
    pub(crate) fn heard(&self, private: &TokenStream) -> (TokenStream, TokenStream) {
        let never = quote! { #private::Infallible };
        match self {
            Self::Nothing => (quote! { () }, never),
            Self::Value(ok) | Self::Later(ok) => (ok.to_token_stream(), never),
            Self::Result(ok, err) | Self::LaterResult(ok, err) => {
                (ok.to_token_stream(), err.to_token_stream())
            }
        }
    }

    pub(crate) fn comes_later(&self) -> bool {
        matches!(self, Self::Later(_) | Self::LaterResult(..))
    }
}

/// The name on the wire: without `r#`.
pub(crate) fn wire_name(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// A local of generated code that no name of the user can meet, at the place of `span`.
pub(crate) fn local(name: &str, span: Span) -> Ident {
    format_ident!(
        "__dialog_{name}",
        span = span.resolved_at(Span::mixed_site())
    )
}
