//! A dialog type without its type: what the node's registry and shards hold.
//!
//! Owns the passage from bytes to typed handlers and back; never decides when a handler runs.

use std::{fmt, sync::Arc};

use actor_store::codec;

use super::{
    Call, Cx, Dialog, Durable, Handled, OnPoison, OpenSpec, Pending, PendingCx, Resumed,
    StateNotes, Step, Stored, Types, Unfit, noting,
};
use crate::{
    coverage::{self, Rare},
    protocol::{Abandoned, handler_id},
};

/// A dialog's state, of one type or another.
pub(crate) trait Actor: Send {
    fn is_pending(&self) -> bool;
    /// A closing handler has taken the state.
    fn is_gone(&self) -> bool;
    fn accumulate(&mut self, step: &Step<'_>, call: Call<'_>) -> Result<Handled, Unfit>;
    fn establish(&mut self, step: &Step<'_>);
    fn handle(&mut self, step: &Step<'_>, call: Call<'_>) -> Result<Handled, Unfit>;
    fn resume(&mut self, step: &Step<'_>, resumed: Resumed<'_>) -> Result<(), Unfit>;
    /// Consumes the state. Pending work is dropped without a word: nothing of it ever happened.
    fn abandoned(&mut self, step: &Step<'_>, why: Abandoned);
    fn encode(&self) -> Result<(Vec<u8>, StateNotes), Unfit>;
}

/// One half, never both: many dialogs have one in memory.
enum Live<D: Dialog> {
    Pending(D::Pending),
    /// Nothing, once a closing handler has taken it.
    Established(Option<D>),
}

impl<D: Dialog> Live<D> {
    /// What handlers of the established half see.
    fn with_established<T>(&mut self, with: impl FnOnce(&mut Option<D>) -> T) -> T {
        match self {
            Self::Pending(_) => with(&mut None),
            Self::Established(state) => with(state),
        }
    }

    fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Established(None))
    }
}

impl<D: Dialog> Actor for Live<D> {
    fn is_pending(&self) -> bool {
        matches!(self, Self::Pending(_))
    }

    fn is_gone(&self) -> bool {
        matches!(self, Self::Established(None))
    }

    fn accumulate(&mut self, step: &Step<'_>, call: Call<'_>) -> Result<Handled, Unfit> {
        match self {
            Self::Pending(pending) => pending.__accumulate(&PendingCx::new(step), call),
            Self::Established(_) => Err(call.unknown(D::CONTRACT.name)),
        }
    }

    fn establish(&mut self, step: &Step<'_>) {
        *self = match self.take() {
            Self::Pending(pending) => {
                Self::Established(Some(pending.__establish(&mut Cx::new(step))))
            }
            established @ Self::Established(_) => established,
        };
    }

    fn handle(&mut self, step: &Step<'_>, call: Call<'_>) -> Result<Handled, Unfit> {
        self.with_established(|state| D::__handle(state, &mut Cx::new(step), call))
    }

    fn resume(&mut self, step: &Step<'_>, resumed: Resumed<'_>) -> Result<(), Unfit> {
        self.with_established(|state| D::__resume(state, &mut Cx::new(step), resumed))
    }

    fn abandoned(&mut self, step: &Step<'_>, why: Abandoned) {
        if let Self::Established(Some(state)) = self.take() {
            state.__abandoned(&mut Cx::new(step), why);
        }
    }

    fn encode(&self) -> Result<(Vec<u8>, StateNotes), Unfit> {
        let what = || format!("the state of `{}`", D::CONTRACT.name);
        match self {
            Self::Pending(pending) => encode(pending, what),
            Self::Established(Some(state)) => encode(state, what),
            Self::Established(None) => Ok(Default::default()),
        }
    }
}

fn encode<T: Durable>(
    state: &T,
    what: impl Fn() -> String,
) -> Result<(Vec<u8>, StateNotes), Unfit> {
    let unencodable = |cause| Unfit::Unencodable {
        what: what(),
        cause,
    };
    let (bytes, notes) = noting(|| codec::encode(state));
    let bytes = bytes.map_err(unencodable)?;
    if cfg!(debug_assertions) {
        round_trip::<T>(&bytes, &what)?;
    }
    Ok((bytes, notes))
}

/// In debug builds every state is read back at once: some serde attributes write what they can never read, and the
/// first to find out must not be a restart.
fn round_trip<T: Durable>(bytes: &[u8], what: impl Fn() -> String) -> Result<(), Unfit> {
    let again: T = codec::decode(bytes).map_err(|cause| Unfit::Undecodable {
        what: format!(
            "{}, just encoded (`flatten`, `untagged`, `skip_serializing_if` and `serde_json::Value` do not survive)",
            what()
        ),
        cause,
    })?;
    let (second, _) = noting(|| codec::encode(&again));
    if second.is_ok_and(|second| second != bytes) {
        tracing::warn!(
            target: "actor_core::dialog",
            "{} is encoded differently each time: use an ordered map, or its runs cannot be compared", what()
        );
    }
    Ok(())
}

/// From a stored state, pending or established.
type Decode = fn(Half, Option<u32>, &[u8]) -> Result<Box<dyn Actor>, Unfit>;

/// Which half of a dialog a state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    Pending,
    Established,
}

impl Half {
    pub(crate) fn of(pending: bool) -> Self {
        if pending {
            Self::Pending
        } else {
            Self::Established
        }
    }
}

/// One served dialog type.
pub(crate) struct Service {
    pub(crate) spec: Arc<OpenSpec>,
    versions: [u32; 2],
    /// Earlier versions that are read, of the pending half and the established one.
    earlier: [Vec<u32>; 2],
    pub(crate) on_poison: OnPoison,
    pub(crate) types: Types,
    new: fn() -> Box<dyn Actor>,
    decode: Decode,
    name_of: fn(u32) -> Option<&'static str>,
}

impl Service {
    pub(crate) fn of<D: Dialog>() -> Self {
        let types = Types::of::<D>();
        let earlier = |name: Option<&str>| {
            let record = types
                .records
                .iter()
                .find(|record| name == Some(record.name.as_str()));
            let past = record.into_iter().flat_map(|record| &record.past);
            past.map(|(version, _)| *version).collect()
        };
        let earlier = [
            earlier(types.pending.as_deref()),
            earlier(Some(D::CONTRACT.name)),
        ];
        Self {
            spec: OpenSpec::of::<D>(),
            versions: [D::Pending::VERSION, D::CONTRACT.version],
            earlier,
            on_poison: D::__ON_POISON,
            types,
            new: || Box::new(Live::<D>::Pending(D::Pending::default())),
            decode: decode::<D>,
            name_of: |id| {
                let contract = D::CONTRACT;
                let handlers = contract.first.iter().chain(contract.established);
                handlers
                    .map(|handler| handler.name)
                    .find(|name| handler_id(name) == id)
            },
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.spec.service
    }

    /// The name of a handler, for a span or a message.
    pub(crate) fn handler_name(&self, id: u32) -> &'static str {
        (self.name_of)(id).unwrap_or("?")
    }

    /// Pending work as it begins.
    pub(crate) fn start(&self) -> Box<dyn Actor> {
        (self.new)()
    }

    /// The version in which this build writes a state.
    pub(crate) fn version(&self, half: Half) -> u32 {
        self.versions[half as usize]
    }

    /// A stored state. One of an earlier version is made one of this; it is written as such with the next message.
    pub(crate) fn decode(
        &self,
        half: Half,
        version: u32,
        bytes: &[u8],
    ) -> Result<Box<dyn Actor>, Unfit> {
        // Read as the next version that is known by name, as the start has compared it; no store holds a later one.
        let earlier = self.earlier[half as usize]
            .iter()
            .copied()
            .filter(|known| *known >= version && version < self.version(half));
        (self.decode)(half, earlier.min(), bytes)
    }

    /// Is there a continuation of that name?
    pub(crate) fn continues(&self, resume: u32) -> bool {
        self.types.resumes.contains(&resume)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({})", self.name())
    }
}

fn decode<D: Dialog>(
    half: Half,
    earlier: Option<u32>,
    bytes: &[u8],
) -> Result<Box<dyn Actor>, Unfit> {
    let broken = |cause| Unfit::Undecodable {
        what: format!("the stored state of `{}`", D::CONTRACT.name),
        cause,
    };
    let earlier = earlier.map(|version| Stored { version, bytes });
    if earlier.is_some() {
        coverage::sometimes(Rare::EarlierVersionRead);
    }
    let established = |state| Live::<D>::Established(Some(state));
    Ok(Box::new(match (half, earlier) {
        (Half::Pending, None) => Live::Pending(codec::decode(bytes).map_err(broken)?),
        (Half::Pending, Some(earlier)) => Live::Pending(D::Pending::__earlier(earlier)?),
        (Half::Established, None) => established(codec::decode(bytes).map_err(broken)?),
        (Half::Established, Some(earlier)) => established(D::__earlier(earlier)?),
    }))
}
