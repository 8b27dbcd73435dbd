//! Durable continuations: the `#[resume]` methods of a dialog, named so that they survive a restart.

use std::{
    fmt,
    marker::PhantomData,
    time::{Duration, UNIX_EPOCH},
};

use actor_store::codec;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Answer, CallError, Unfit};
use crate::protocol::{Abandoned, DialogId, handler_id};

/// A `#[resume]` method of `D` that continues a request answered with `T` or refused with `E`, with a context of type `C`.
pub struct Resume<D, T, E, C = ()> {
    name: &'static str,
    continues: PhantomData<Continues<D, T, E, C>>,
}

type Continues<D, T, E, C> = fn() -> (D, T, E, C);

/// A `#[resume]` method of `D` that a durable timer runs, with a context of type `C`.
pub struct Timer<D, C = ()> {
    name: &'static str,
    runs: PhantomData<fn() -> (D, C)>,
}

impl<D, T, E, C> Resume<D, T, E, C> {
    #[doc(hidden)]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            continues: PhantomData,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn id(&self) -> u32 {
        handler_id(self.name)
    }
}

impl<D, C> Timer<D, C> {
    #[doc(hidden)]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            runs: PhantomData,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn id(&self) -> u32 {
        handler_id(self.name)
    }
}

impl<D, T, E, C> fmt::Debug for Resume<D, T, E, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resume({})", self.name)
    }
}

impl<D, C> fmt::Debug for Timer<D, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timer({})", self.name)
    }
}

/// What became of a request, as it is recorded.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The answer's bytes.
    Ok(Vec<u8>),
    /// The refusal's bytes.
    Err(Vec<u8>),
    NoRoute(String),
    NeverReached,
    Abandoned {
        why: Abandoned,
        in_doubt: bool,
    },
    Closed,
    NoAnswer,
    TooLarge {
        bytes: u64,
        limit: u64,
    },
    Busy,
    Codec(String),
    /// The time for it has passed.
    Overdue {
        since_ms: u64,
        attempts: u32,
    },
}

impl Outcome {
    pub(crate) fn into_failure<E>(self) -> CallError<E> {
        match self {
            Self::Ok(_) | Self::Err(_) => {
                CallError::Codec("an answer where none can be".to_owned())
            }
            Self::NoRoute(service) => CallError::NoRoute { service },
            Self::NeverReached => CallError::NeverReached,
            Self::Abandoned { why, in_doubt } => CallError::Abandoned { why, in_doubt },
            Self::Closed => CallError::Closed,
            Self::NoAnswer => CallError::NoAnswer,
            Self::TooLarge { bytes, limit } => CallError::TooLarge {
                bytes: bytes as usize,
                limit: limit as usize,
            },
            Self::Busy => CallError::Busy,
            Self::Codec(why) => CallError::Codec(why),
            Self::Overdue { since_ms, attempts } => CallError::Overdue {
                since: UNIX_EPOCH + Duration::from_millis(since_ms),
                attempts,
            },
        }
    }
}

/// An [`Answer`] as a `#[resume]` method takes it; tells the macro its two types.
pub trait IsAnswer: Sized {
    /// The answer's type.
    type Ok;
    /// The refusal's type.
    type Err;
    #[doc(hidden)]
    fn from_outcome(
        outcome: &Outcome,
        partner: Option<DialogId>,
    ) -> Result<Self, codec::CodecError>;
}

impl<T: DeserializeOwned, E: DeserializeOwned> IsAnswer for Answer<T, E> {
    type Ok = T;
    type Err = E;

    fn from_outcome(
        outcome: &Outcome,
        partner: Option<DialogId>,
    ) -> Result<Self, codec::CodecError> {
        match outcome {
            Outcome::Ok(bytes) => {
                let Some(partner) = partner else {
                    return codec::decode(bytes).map(Ok);
                };
                // The encoding of a pair is its parts in order, so the reference follows the answer.
                let mut pair = bytes.clone();
                pair.extend_from_slice(&partner.0);
                codec::decode(&pair).map(Ok)
            }
            Outcome::Err(bytes) => Ok(Err(CallError::Declined(codec::decode(bytes)?))),
            failure => Ok(Err(failure.clone().into_failure())),
        }
    }
}

/// A continuation as a dialog's dispatcher gets it.
#[derive(Debug, Clone, Copy)]
pub struct Resumed<'a> {
    pub(crate) resume: u32,
    pub(crate) outcome: Option<&'a Outcome>,
    /// Set where the answer brings a reference to the partner along.
    pub(crate) partner: Option<DialogId>,
    pub(crate) context: &'a [u8],
}

impl Resumed<'_> {
    /// The 32-bit hash of the method's name.
    pub fn resume(&self) -> u32 {
        self.resume
    }

    /// The answer it continues with.
    pub fn answer<A: IsAnswer>(&self, resume: &'static str) -> Result<A, Unfit> {
        let what = || format!("the answer for `{resume}`");
        let missing = Outcome::Closed;
        A::from_outcome(self.outcome.unwrap_or(&missing), self.partner).map_err(|cause| {
            Unfit::Undecodable {
                what: what(),
                cause,
            }
        })
    }

    /// The context it was given.
    pub fn context<C: DeserializeOwned>(&self, resume: &'static str) -> Result<C, Unfit> {
        codec::decode(self.context).map_err(|cause| Unfit::Undecodable {
            what: format!("the context of `{resume}`"),
            cause,
        })
    }

    /// The error for a continuation that this dialog does not have.
    pub fn unknown(&self, dialog: &str) -> Unfit {
        Unfit::UnknownHandler {
            dialog: dialog.to_owned(),
            handler: self.resume,
        }
    }
}
