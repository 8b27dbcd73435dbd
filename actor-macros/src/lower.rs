//! From the methods of a block to their roles in the dialog.
//!
//! Owns what one method may be; bodies never matter here, and rules between methods are [`check`](crate::check)'s.

use proc_macro2::Span;
use syn::{Ident, LitStr, PathArguments, ReturnType, Type};

use crate::{
    ast::{Abandoned, DialogImpl, Establish, Handler, Named, Resume},
    attr::Args,
    block::{Block, Method, Role},
    errors::Errors,
    signature::{self, Parts, Receiver, Reply},
    types,
};

const GENERIC: &str = "a dialog type cannot be generic yet: its name and its bytes must mean one thing; use a concrete type";

const THIRTY_YEARS_MILLIS: u64 = 30 * 365 * 86_400_000;

/// Reads the block; `None` where not even fallbacks can be generated.
pub(crate) fn lower(args: Args, block: &Block, errors: &mut Errors) -> Option<DialogImpl> {
    let ident = type_name(block, errors)?;
    let private = args.private();
    let port = if block
        .methods()
        .any(|method| types::mentions(&method.sig, "P"))
    {
        "__P"
    } else {
        "P"
    };
    let version = args.version.unwrap_or(1);
    let past = args.past.into_iter().map(|past| {
        let number = past.version.and_then(|number| number.base10_parse().ok());
        (number.unwrap_or(version.saturating_sub(1)), past.ty)
    });
    let mut dialog = DialogImpl {
        name: args
            .name
            .unwrap_or_else(|| LitStr::new(&signature::wire_name(&ident), ident.span())),
        version,
        past: past.collect(),
        accepts: args.accepts,
        volatile: args.volatile.is_some(),
        timeout_millis: args.timeout.unwrap_or(THIRTY_YEARS_MILLIS),
        lifetime_millis: args
            .lifetime
            .map_or(THIRTY_YEARS_MILLIS, |(millis, _)| millis),
        on_poison: args
            .on_poison
            .map(|(on_poison, _)| on_poison)
            .unwrap_or_default(),
        half: args.half,
        self_ty: block.self_ty.clone(),
        ident,
        events: args.events,
        uses: args.uses,
        tables: args.tables,
        handlers: Vec::new(),
        establish: Vec::new(),
        resumes: Vec::new(),
        abandoned: Vec::new(),
        private,
        port: Ident::new(port, Span::call_site()),
    };
    for method in block.methods() {
        dialog.add(method, errors);
    }
    Some(dialog)
}

fn type_name(block: &Block, errors: &mut Errors) -> Option<Ident> {
    if let Some((of_trait, _)) = &block.of_trait {
        errors.at(of_trait, "`#[dialog]` goes on an inherent block, `impl Type { .. }`: it writes the trait implementations itself");
        return None;
    }
    if !block.generics.params.is_empty() {
        errors.at(&block.generics, GENERIC);
        return None;
    }
    match types::last_segment(&block.self_ty) {
        Some(segment) if matches!(segment.arguments, PathArguments::None) => {
            Some(segment.ident.clone())
        }
        Some(_) => {
            errors.at(&block.self_ty, GENERIC);
            None
        }
        None => {
            errors.at(
                &block.self_ty,
                "a dialog is a struct or an enum of yours: put `#[dialog]` on its impl block",
            );
            None
        }
    }
}

impl DialogImpl {
    fn add(&mut self, method: &Method, errors: &mut Errors) {
        let Some(first) = method.roles.first() else {
            return;
        };
        if let Some(second) = method.roles.get(1) {
            errors.at(
                &second.attr,
                format!(
                    "`{}` is one thing to the dialog: keep one of its helper attributes",
                    method.sig.ident
                ),
            );
        }
        if first.has_arguments() && !first.is_currency() {
            errors.at(&first.attr.meta, "the one option of a helper attribute is `#[handler(currency)]`: the newest message takes the place of older ones");
        }
        match first.role {
            Role::Handler => self.add_handler(method, first.is_currency(), errors),
            Role::Establish => self.add_establish(method, errors),
            Role::Resume => self.add_resume(method, errors),
            Role::Abandoned => self.add_abandoned(method, errors),
            Role::Effect => errors.at(
                &first.attr,
                "`#[effect]` belongs to a later step of this library: for now, let a partner dialog do outside work",
            ),
        }
    }

    fn add_handler(&mut self, method: &Method, currency: bool, errors: &mut Errors) {
        let Some(Parts {
            receiver,
            cx,
            args,
            reply,
        }) = signature::read(&method.sig, "handler", errors)
        else {
            return;
        };
        let named = Named::of(method);
        // The compiler reports a second method of the same name; generated duplicates would only echo it.
        if named.cfgs.is_empty()
            && self
                .handlers
                .iter()
                .any(|known| known.method.name == named.name)
        {
            return;
        }
        let self_span = method
            .sig
            .receiver()
            .map_or_else(Span::call_site, |receiver| receiver.self_token.span);
        let output = method.sig.output.clone();
        self.handlers.push(Handler {
            method: named,
            receiver,
            cx,
            args,
            reply,
            currency,
            output,
            self_span,
        });
    }

    fn add_establish(&mut self, method: &Method, errors: &mut Errors) {
        let Some(parts) = signature::read(&method.sig, "`#[establish]` method", errors) else {
            return;
        };
        if parts.receiver != Receiver::Take {
            errors.at(
                method.sig.inputs.first(),
                "pending work becomes the dialog: `#[establish]` takes `self` by value",
            );
        }
        if let Some(extra) = parts.args.first() {
            errors.at(&extra.ty, "`#[establish]` takes the context and nothing else: keep what it needs in the pending state");
        }
        let ReturnType::Type(_, established) = &method.sig.output else {
            errors.at(&method.sig.ident, "`#[establish]` gives the established half: write `-> Checkout` with your dialog's type");
            return;
        };
        self.establish.push(Establish {
            method: Named::of(method),
            cx: parts.cx,
            established: (**established).clone(),
        });
    }

    fn add_resume(&mut self, method: &Method, errors: &mut Errors) {
        let Some(parts) = signature::read(&method.sig, "`#[resume]` method", errors) else {
            return;
        };
        if parts.receiver == Receiver::Take {
            errors.at(
                method.sig.inputs.first(),
                "a continuation cannot consume the dialog: take `&mut self`, and call `cx.close()` to end it",
            );
        }
        if !matches!(parts.reply, Reply::Nothing) {
            errors.at(&method.sig.output, "nobody waits for a continuation: return nothing, and use `cx.reply(..)` to answer a kept `ReplyTo`");
        }
        let mut args = parts.args.into_iter().map(|arg| arg.ty).peekable();
        let answer = args.next_if(is_answer);
        let context = args.next();
        if let Some(extra) = args.next() {
            errors.at(
                extra,
                "a continuation takes the context, an `Answer<T, E>` unless a timer runs it, and one value of its own: put several into a tuple",
            );
        }
        self.resumes.push(Resume {
            method: Named::of(method),
            cx: parts.cx,
            answer,
            context,
        });
    }

    fn add_abandoned(&mut self, method: &Method, errors: &mut Errors) {
        let Some(parts) = signature::read(&method.sig, "`#[abandoned]` method", errors) else {
            return;
        };
        if parts.receiver != Receiver::Take {
            errors.at(
                method.sig.inputs.first(),
                "an abandoned dialog is over: `#[abandoned]` takes `self` by value",
            );
        }
        if !matches!(parts.reply, Reply::Nothing) {
            errors.at(
                &method.sig.output,
                "nobody waits for the end of an abandoned dialog: return nothing",
            );
        }
        if let Some(extra) = parts.args.get(1) {
            errors.at(
                &extra.ty,
                "`#[abandoned]` takes the context and `why: Abandoned`, nothing else",
            );
        }
        self.abandoned.push(Abandoned {
            method: Named::of(method),
            cx: parts.cx,
            why: !parts.args.is_empty(),
        });
    }
}

fn is_answer(ty: &Type) -> bool {
    types::last_segment(ty).is_some_and(|segment| {
        let name = segment.ident.to_string();
        name.ends_with("Answer") || name.ends_with("Result")
    })
}

impl Named {
    fn of(method: &Method) -> Self {
        let carried = |names: &[&str]| {
            let attrs = method
                .attrs
                .iter()
                .filter(|attr| names.iter().any(|name| attr.path().is_ident(name)));
            attrs.cloned().collect()
        };
        Self {
            ident: method.sig.ident.clone(),
            name: signature::wire_name(&method.sig.ident),
            vis: method.vis.clone(),
            cfgs: carried(&["cfg"]),
            docs: carried(&["doc", "deprecated"]),
        }
    }
}
