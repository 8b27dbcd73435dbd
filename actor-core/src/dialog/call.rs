//! One call of a handler as data: what arrived, what goes out, what the handler gave back.
//!
//! Owns encoding at the edge between typed code and bytes; never decides what happens with either.

use std::fmt;

use actor_store::codec::{self, CodecError};
use serde::{Serialize, de::DeserializeOwned};

use super::{Durable, EVENTS, Later};
use crate::protocol::handler_id;

/// A message as a handler's dispatcher gets it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    pub(crate) handler: u32,
    pub(crate) body: &'a [u8],
}

impl Call<'_> {
    /// The 32-bit hash of the handler's name.
    pub fn handler(&self) -> u32 {
        self.handler
    }

    /// The arguments, as the tuple the macro declares. All bytes must be used.
    pub fn args<A: DeserializeOwned>(&self, handler: &'static str) -> Result<A, Unfit> {
        codec::decode(self.body).map_err(|cause| Unfit::Undecodable {
            what: format!("the arguments of `{handler}`"),
            cause,
        })
    }

    /// The error for a handler that this dialog does not have.
    pub fn unknown(&self, dialog: &str) -> Unfit {
        Unfit::UnknownHandler {
            dialog: dialog.to_owned(),
            handler: self.handler,
        }
    }
}

/// A message or a record that this program cannot make sense of: another version wrote it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unfit {
    /// No handler of that name.
    UnknownHandler {
        /// The dialog's name.
        dialog: String,
        /// The hash of the handler's name.
        handler: u32,
    },
    /// A state of a version that is not known any more.
    UnknownVersion {
        /// The dialog's name.
        dialog: String,
        /// The stored version.
        version: u32,
    },
    /// The bytes are not of the declared type.
    Undecodable {
        /// What was to be read.
        what: String,
        /// Why it could not.
        cause: CodecError,
    },
    /// A value could not be written.
    Unencodable {
        /// What was to be written.
        what: String,
        /// Why it could not.
        cause: CodecError,
    },
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownHandler { dialog, handler } => write!(
                f,
                "`{dialog}` has no handler with id {handler:#010x}: the partner was built from another version of the dialog"
            ),
            Self::UnknownVersion { dialog, version } => write!(
                f,
                "version {version} of `{dialog}` is not known: add `from({version} => ..)` with the struct as it was"
            ),
            Self::Undecodable { what, cause } => write!(f, "{what} could not be decoded: {cause}"),
            Self::Unencodable { what, cause } => write!(f, "{what} could not be encoded: {cause}"),
        }
    }
}

impl std::error::Error for Unfit {}

/// A state as an earlier version of its type wrote it.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    pub(crate) version: u32,
    pub(crate) bytes: &'a [u8],
}

impl Stored<'_> {
    /// The version of what is stored, or the one it is read as.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The state as it was. All bytes must be used.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Unfit> {
        codec::decode(self.bytes).map_err(|cause| Unfit::Undecodable {
            what: format!("a stored state of version {}", self.version),
            cause,
        })
    }

    /// The error for a version that this dialog does not know. A start refuses a store that holds one.
    pub fn unknown(&self, dialog: &str) -> Unfit {
        Unfit::UnknownVersion {
            dialog: dialog.to_owned(),
            version: self.version,
        }
    }
}

/// A call on its way out: which handler, with which arguments, encoded where it was made.
#[derive(Debug)]
pub struct Encoded {
    pub(crate) handler: u32,
    pub(crate) name: &'static str,
    pub(crate) body: Result<Vec<u8>, CodecError>,
    pub(crate) closing: bool,
    /// Of the handler's signature, where it is known by whoever sends: [`OpenSpec::tag`](super::OpenSpec::tag).
    pub(crate) tag: u16,
    /// Only the newest counts; it wants no answer.
    pub(crate) currency: bool,
}

impl Encoded {
    /// Encodes the argument tuple `args` for the handler called `name`.
    pub fn new<A: Serialize>(name: &'static str, args: &A) -> Self {
        Self {
            handler: handler_id(name),
            name,
            body: codec::encode(args),
            closing: false,
            tag: UNTAGGED,
            currency: false,
        }
    }

    /// The last message: nothing can follow it.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.closing = true;
        self
    }

    /// The newest of its kind takes the place of older ones.
    #[must_use]
    pub fn currency(mut self) -> Self {
        self.currency = true;
        self
    }

    /// What a target says unasked.
    pub(crate) fn event<E: Serialize>(event: &E, currency: bool) -> Self {
        Self {
            handler: handler_id(EVENTS),
            name: EVENTS,
            body: codec::encode(event),
            closing: false,
            tag: UNTAGGED,
            currency,
        }
    }

    /// The plumbing's own question after first messages that want no answer.
    pub(crate) fn established() -> Self {
        Self {
            handler: ESTABLISHED,
            name: "established",
            body: codec::encode(&()),
            closing: false,
            tag: UNTAGGED,
            currency: false,
        }
    }
}

/// A message that does not say which signature its handler had; it is taken at its word.
pub(crate) const UNTAGGED: u16 = 1;

/// Handler id of the plumbing's own first question (`.established()`); no handler's name hashes to it.
pub(crate) const ESTABLISHED: u32 = 0;

/// What a handler gave back.
#[derive(Debug)]
pub struct Handled {
    pub(crate) reply: Replied,
    pub(crate) wrote: bool,
}

#[derive(Debug)]
pub(crate) enum Replied {
    Ok(Vec<u8>),
    Err(Vec<u8>),
    /// The answer or the state it leaves is larger than it may be.
    TooLarge {
        bytes: usize,
        limit: usize,
    },
    /// The answer comes from a later step; `fallible` says that it is a `Result`.
    Later {
        fallible: bool,
    },
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Unfit> {
    codec::encode(value).map_err(|cause| Unfit::Unencodable {
        what: "a handler's answer".to_owned(),
        cause,
    })
}

impl Handled {
    /// A plain answer.
    pub fn value<T: Durable>(value: &T) -> Result<Self, Unfit> {
        Ok(Self {
            reply: Replied::Ok(encode(value)?),
            wrote: true,
        })
    }

    /// An answer or a refusal: a refusal rolls the handler's changes back.
    pub fn result<T: Durable, E: Durable>(value: &Result<T, E>) -> Result<Self, Unfit> {
        let reply = match value {
            Ok(value) => Replied::Ok(encode(value)?),
            Err(refusal) => Replied::Err(encode(refusal)?),
        };
        Ok(Self { reply, wrote: true })
    }

    /// An answer that may come later.
    pub fn later<T: Durable>(later: Later<T>) -> Result<Self, Unfit> {
        let reply = match later.into_now() {
            Some(value) => Replied::Ok(encode(&value)?),
            None => Replied::Later { fallible: false },
        };
        Ok(Self { reply, wrote: true })
    }

    /// A `Result` that may come later. A refusal that comes at once is a refusal like any other: it rolls back.
    pub fn later_result<T: Durable, E: Durable>(later: Later<Result<T, E>>) -> Result<Self, Unfit> {
        let reply = match later.into_now() {
            Some(Ok(value)) => Replied::Ok(encode(&value)?),
            Some(Err(refusal)) => Replied::Err(encode(&refusal)?),
            None => Replied::Later { fallible: true },
        };
        Ok(Self { reply, wrote: true })
    }

    /// The handler took `&self`: the state need not be written again.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.wrote = false;
        self
    }
}
