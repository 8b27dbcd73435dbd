//! A dialog block as the expansion sees it: handlers, continuations, and what binds them.
//!
//! Owns the shape; [`lower`](crate::lower) fills it.

use proc_macro2::{Span, TokenStream};
use quote::format_ident;
use syn::{Attribute, Expr, Ident, LitInt, LitStr, ReturnType, Type, Visibility, spanned::Spanned};

use crate::{
    attr::{Events, Half, OnPoison},
    signature::{Arg, Context, Receiver, Reply},
};

/// One attributed impl block.
pub(crate) struct DialogImpl {
    pub(crate) half: Half,
    pub(crate) self_ty: Type,
    /// The last name of the type.
    pub(crate) ident: Ident,
    /// The service's name.
    pub(crate) name: LitStr,
    pub(crate) version: u32,
    /// Earlier versions of the state, and the structs they were.
    pub(crate) past: Vec<(u32, Type)>,
    /// Fingerprints of earlier contracts whose initiators are still understood.
    pub(crate) accepts: Vec<LitInt>,
    pub(crate) volatile: bool,
    pub(crate) timeout_millis: u64,
    pub(crate) lifetime_millis: u64,
    pub(crate) events: Option<Events>,
    pub(crate) on_poison: OnPoison,
    pub(crate) uses: Vec<Type>,
    pub(crate) tables: Vec<Expr>,
    pub(crate) handlers: Vec<Handler>,
    pub(crate) establish: Vec<Establish>,
    pub(crate) resumes: Vec<Resume>,
    pub(crate) abandoned: Vec<Abandoned>,
    /// The path of what an expansion calls.
    pub(crate) private: TokenStream,
    /// The parameter of generated clients: `P`, or what no type of the block is called.
    pub(crate) port: Ident,
}

/// What a generated item takes over from a method.
pub(crate) struct Named {
    pub(crate) ident: Ident,
    /// The name on the wire.
    pub(crate) name: String,
    pub(crate) vis: Visibility,
    /// `cfg`, which every generated mention must repeat.
    pub(crate) cfgs: Vec<Attribute>,
    /// `doc` and `deprecated`, for what a user calls.
    pub(crate) docs: Vec<Attribute>,
}

/// A `#[handler]`.
pub(crate) struct Handler {
    pub(crate) method: Named,
    pub(crate) receiver: Receiver,
    pub(crate) cx: Option<Context>,
    pub(crate) args: Vec<Arg>,
    pub(crate) reply: Reply,
    /// `#[handler(currency)]`: the newest message counts.
    pub(crate) currency: bool,
    /// The whole answer as written.
    pub(crate) output: ReturnType,
    /// Where its receiver stands.
    pub(crate) self_span: Span,
}

impl Handler {
    /// The answer's type, where one is written.
    pub(crate) fn answer(&self) -> Option<&Type> {
        if let ReturnType::Type(_, ty) = &self.output {
            Some(ty)
        } else {
            None
        }
    }

    /// Where a complaint about all arguments together belongs.
    pub(crate) fn args_span(&self) -> Span {
        if let [arg] = &self.args[..] {
            arg.ty.span()
        } else {
            self.method.ident.span()
        }
    }
}

/// The `#[establish]`.
pub(crate) struct Establish {
    pub(crate) method: Named,
    pub(crate) cx: Option<Context>,
    pub(crate) established: Type,
}

/// A `#[resume]`.
pub(crate) struct Resume {
    pub(crate) method: Named,
    pub(crate) cx: Option<Context>,
    /// The answer it continues with; a timer has none.
    pub(crate) answer: Option<Type>,
    pub(crate) context: Option<Type>,
}

/// The `#[abandoned]`.
pub(crate) struct Abandoned {
    pub(crate) method: Named,
    pub(crate) cx: Option<Context>,
    pub(crate) why: bool,
}

impl DialogImpl {
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.half, Half::Pending)
    }
}

impl Named {
    /// The constant that names a continuation.
    pub(crate) fn constant(&self) -> Ident {
        format_ident!("{}", self.name.to_uppercase(), span = self.ident.span())
    }
}
