//! Rules between the methods of a block, and between the block and its arguments.
//!
//! Owns no syntax: everything here is said of a [`DialogImpl`] that could be read.

use std::collections::HashMap;

use proc_macro2::Span;
use syn::spanned::Spanned;

use crate::{
    ast::{DialogImpl, Handler, Named},
    attr::Args,
    errors::Errors,
    signature::{Context, Receiver},
};

/// Whether the arguments fit the half they are written on.
pub(crate) fn args(args: &Args, errors: &mut Errors) {
    if args.timeout.is_none() && !args.timeout_is_wrong {
        let what = if args.is_pending() {
            "pending work is kept"
        } else {
            "this dialog waits for a silent partner"
        };
        errors.here(
            Span::call_site(),
            format!("say how long {what}: `timeout = \"2 days\"`; whoever wants for ever says \"30 years\""),
        );
    }
    versions(args, errors);
    if !args.is_pending() {
        return;
    }
    if let Some(place) = args.volatile {
        errors.here(
            place,
            "the established block says where the dialog lives: move `volatile` there",
        );
    }
    if let Some(first) = args.accepts.first() {
        errors.at(
            first,
            "the established block says whose messages are understood: move `accepts` there",
        );
    }
    if let Some(name) = &args.name {
        errors.at(
            name,
            "the established block names the dialog: move `name` there",
        );
    }
    if let Some(events) = &args.events {
        errors.at(
            &events.ty,
            "pending work says nothing unasked: move `events` to the established block",
        );
    }
    if let Some((_, place)) = args.lifetime {
        errors.here(
            place,
            "pending work has only `timeout`: move `lifetime` to the established block",
        );
    }
    if let Some((_, place)) = args.on_poison {
        errors.here(
            place,
            "pending work that cannot be handled is dropped: move `on_poison` to the established block",
        );
    }
}

/// Whether what is said of earlier versions makes sense.
fn versions(args: &Args, errors: &mut Errors) {
    let named = args.version_span.filter(|_| args.version.is_some());
    if args.volatile.is_some() && !args.is_pending() {
        let place = args
            .past
            .first()
            .map(|past| past.ty.span())
            .or(args.version_span);
        if let Some(place) = place {
            errors.here(
                place,
                "a volatile dialog is never stored, so it has no versions: leave `version` and `from` out",
            );
        }
        return;
    }
    let version = args.version.unwrap_or(1);
    if let Some(past) = args.past.first()
        && (args.version_span.is_none() || (named.is_some() && version == 1))
    {
        errors.at(
            &past.ty,
            "an earlier version needs a later one: count up, `version = 2`",
        );
        return;
    }
    let unnumbered = args.past.iter().find(|past| past.version.is_none());
    if let Some(past) = unnumbered.filter(|_| args.past.len() > 1) {
        errors.at(
            &past.ty,
            "say which version it was: `from(1 => CheckoutV1, 2 => CheckoutV2)`",
        );
        return;
    }
    let mut seen = std::collections::BTreeSet::new();
    for number in args.past.iter().filter_map(|past| past.version.as_ref()) {
        match number.base10_parse::<u32>() {
            Ok(earlier) if named.is_some() && earlier >= version => errors.at(
                number,
                format!("version {earlier} is not before version {version}"),
            ),
            Ok(0) => errors.at(number, "versions are whole numbers from 1 up"),
            Ok(earlier) if !seen.insert(earlier) => errors.at(
                number,
                format!("version {earlier} is given twice: keep one"),
            ),
            Ok(_) => {}
            Err(error) => errors.push(error),
        }
    }
    for number in &args.accepts {
        if number.base10_parse::<u64>().is_err() {
            errors.at(
                number,
                "a fingerprint has 64 bits: take it from `println!(\"{}\", Checkout::CONTRACT)` of the earlier build",
            );
        }
    }
}

/// Whether the methods fit each other.
pub(crate) fn dialog(dialog: &DialogImpl, methods: usize, errors: &mut Errors) {
    if methods == 0 {
        let advice = if dialog.is_pending() {
            "a dialog without first messages needs no pending block"
        } else {
            "a dialog without messages cannot be talked to"
        };
        errors.at(
            &dialog.self_ty,
            format!("no method here is a `#[handler]`: mark the messages with it; {advice}"),
        );
    }
    if dialog.is_pending() {
        pending(dialog, errors);
    } else {
        established(dialog, errors);
    }
    for handler in &dialog.handlers {
        if handler.method.name == "dialog"
            || (dialog.is_pending() && handler.method.name == "established")
            || (dialog.events.is_some() && handler.method.name == "events")
        {
            let name = &handler.method.name;
            errors.at(
                &handler.method.ident,
                format!(
                    "`{name}` is the plumbing's own word on a client: give the handler another name"
                ),
            );
        }
    }
    dialog
        .handlers
        .iter()
        .filter(|handler| handler.currency)
        .for_each(|handler| currency(handler, errors));
    wire_ids(
        dialog.handlers.iter().map(|handler| &handler.method),
        errors,
    );
    wire_ids(dialog.resumes.iter().map(|resume| &resume.method), errors);
}

fn pending(dialog: &DialogImpl, errors: &mut Errors) {
    for handler in &dialog.handlers {
        if handler.receiver == Receiver::Take {
            errors.at(&handler.method.ident, "a first message cannot end a dialog that is not established: take `&mut self` or `&self`");
        }
        if let Some(cx) = &handler.cx {
            if !cx.pending {
                errors.at(
                    &cx.ty,
                    "pending work cannot cause effects: take `&PendingCx<'_>`",
                );
            } else if cx.mutable {
                errors.at(
                    &cx.ty,
                    "pending work only reads its context: take `&PendingCx<'_>`",
                );
            }
        }
        if handler.reply.comes_later() {
            errors.at(handler.answer(), "a first message is answered at once, because nothing is kept before the first answer: answer later in the established block");
        }
    }
    match &dialog.establish[..] {
        [] => errors.at(
            &dialog.self_ty,
            "pending work needs one `#[establish]` method that turns it into the dialog: `#[establish] fn establish(self, cx: &mut Cx<'_, Checkout>) -> Checkout`",
        ),
        [establish, more @ ..] => {
            established_context(establish.cx.as_ref(), errors);
            let second = more.iter().find(|second| second.method.cfgs.is_empty());
            if let Some(second) = second.filter(|_| establish.method.cfgs.is_empty()) {
                errors.at(&second.method.ident, format!("pending work becomes permanent in one place: `{}` is `#[establish]` already", establish.method.name));
            }
        }
    }
    let strays = dialog
        .resumes
        .iter()
        .map(|resume| (&resume.method, "resume"));
    for (method, role) in strays.chain(
        dialog
            .abandoned
            .iter()
            .map(|abandoned| (&abandoned.method, "abandoned")),
    ) {
        errors.at(&method.ident, format!("`#[{role}]` belongs to the established block: pending work causes no effects, and is dropped without a word"));
    }
}

fn established(dialog: &DialogImpl, errors: &mut Errors) {
    for establish in &dialog.establish {
        errors.at(
            &establish.method.ident,
            "`#[establish]` belongs to the pending block, `#[dialog(pending, ..)]`: move it there",
        );
    }
    for handler in &dialog.handlers {
        handler_context(handler, errors);
        if handler.receiver == Receiver::Take && handler.reply.comes_later() {
            errors.at(handler.answer(), "nobody is left to answer after a handler that takes `self`; answer later, then close: take `&mut self` and call `cx.close()`");
        }
    }
    for resume in &dialog.resumes {
        established_context(resume.cx.as_ref(), errors);
    }
    let mut constants: HashMap<String, &Named> = HashMap::new();
    for resume in dialog
        .resumes
        .iter()
        .filter(|resume| resume.method.cfgs.is_empty())
    {
        let constant = resume.method.constant();
        // Two methods of one name are the compiler's to report.
        if let Some(other) = constants
            .insert(constant.to_string(), &resume.method)
            .filter(|other| other.name != resume.method.name)
        {
            errors.at(
                &resume.method.ident,
                format!(
                    "`{}` and this would both be continued as `Self::{constant}`: rename one",
                    other.name
                ),
            );
        }
    }
    for (index, abandoned) in dialog.abandoned.iter().enumerate() {
        established_context(abandoned.cx.as_ref(), errors);
        if index > 0 && abandoned.method.cfgs.is_empty() {
            errors.at(
                &abandoned.method.ident,
                "an abandoned dialog is told once: keep one `#[abandoned]` method",
            );
        }
    }
}

/// Whoever is superseded is never heard: it can be owed nothing, and nothing can depend on it.
fn currency(handler: &Handler, errors: &mut Errors) {
    if let Some(answer) = handler.answer() {
        errors.at(
            answer,
            "a value that is superseded is never answered: a `#[handler(currency)]` returns nothing",
        );
    }
    if handler.receiver == Receiver::Take {
        errors.at(
            &handler.method.ident,
            "a value may be superseded, so it cannot end the dialog: take `&mut self`",
        );
    }
}

fn handler_context(handler: &Handler, errors: &mut Errors) {
    established_context(handler.cx.as_ref(), errors);
    if let (Receiver::Read, Some(cx)) = (handler.receiver, &handler.cx)
        && cx.mutable
    {
        errors.at(
            &cx.ty,
            "a `&self` handler only reads: take `&Cx<'_, Self>`, or `&mut self` to cause effects",
        );
    }
}

fn established_context(cx: Option<&Context>, errors: &mut Errors) {
    if let Some(cx) = cx.filter(|cx| cx.pending) {
        errors.at(
            &cx.ty,
            "nothing is pending any more here: take `&mut Cx<'_, ..>` of the established dialog",
        );
    }
}

/// Names travel as 32-bit numbers, which must differ within a dialog.
fn wire_ids<'a>(methods: impl Iterator<Item = &'a Named>, errors: &mut Errors) {
    let mut seen: HashMap<u32, &Named> = HashMap::new();
    for method in methods {
        if let Some(other) = seen
            .insert(wire_id(&method.name), method)
            .filter(|other| other.name != method.name)
        {
            errors.at(
                &method.ident,
                format!(
                    "`{}` and `{}` have the same number on the wire: rename one",
                    other.name, method.name
                ),
            );
        }
    }
}

/// `handler_id` of `actor-core`, which generated code calls: 32-bit FNV-1a, never zero.
fn wire_id(name: &str) -> u32 {
    let hash = name.bytes().fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash.max(1)
}

#[cfg(test)]
mod tests {
    use super::wire_id;

    #[test]
    fn a_wire_id_is_the_one_of_the_core() {
        assert_eq!(wire_id(""), 0x811c_9dc5);
        assert_eq!(wire_id("foobar"), 0xbf9c_f968);
    }
}
