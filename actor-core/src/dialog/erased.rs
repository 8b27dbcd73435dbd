//! A dialog type without its type: what the node's registry and shards hold.
//!
//! Owns the passage from bytes to typed handlers and back; never decides when a handler runs.

use std::{
    any::TypeId,
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock, PoisonError, RwLock},
};

use actor_store::{
    TypeRecord, codec,
    keys::TableKey,
    shape::{is_self_describing, shape_of},
};
use serde::de::DeserializeOwned;

use super::{
    Call, Cx, Dialog, Durable, EVENTS, Handled, HasEvents, OnPoison, Pending, PendingCx, Resumed,
    StateNotes, Step, Table, Unfit, noting,
};
use crate::{
    digest::Digest,
    protocol::{Abandoned, Mode, Timeouts},
};

/// What an initiator needs to know of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenSpec {
    pub(crate) service: &'static str,
    pub(crate) mode: Mode,
    pub(crate) timeouts: Timeouts,
    /// Fingerprint of names, versions and shapes of all messages: both sides must have the same.
    pub(crate) contract: u64,
}

impl OpenSpec {
    pub(crate) fn of<D: Dialog>() -> Arc<Self> {
        static KNOWN: LazyLock<RwLock<HashMap<TypeId, Arc<OpenSpec>>>> =
            LazyLock::new(RwLock::default);
        let id = TypeId::of::<D>();
        if let Some(spec) = KNOWN
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
        {
            return Arc::clone(spec);
        }
        let contract = D::CONTRACT;
        let spec = Arc::new(Self {
            service: contract.name,
            mode: D::Pending::MODE,
            timeouts: Timeouts {
                initiation: contract.initiation,
                silence: contract.silence,
                lifetime: contract.lifetime,
            },
            contract: Types::of::<D>().contract.value(),
        });
        KNOWN
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, Arc::clone(&spec));
        spec
    }
}

/// Collects what a dialog writes and says: names, versions and shapes.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Types {
    pub(crate) records: Vec<TypeRecord>,
    pub(crate) resources: Vec<(TypeId, &'static str)>,
    pub(crate) tables: Vec<&'static str>,
    /// Stored types that could never be read back.
    pub(crate) unreadable: Vec<String>,
    contract: Digest,
}

impl Types {
    fn of<D: Dialog>() -> Self {
        let mut types = Self::default();
        types.contract.mix(D::CONTRACT.name.as_bytes());
        types.contract.mix(&D::CONTRACT.version.to_le_bytes());
        D::Pending::__types(&mut types);
        D::__types(&mut types);
        types
    }

    /// The type of a state.
    pub fn state<T: DeserializeOwned>(&mut self, name: &str, version: u32) {
        self.refuse_unreadable::<T>(name);
        self.records.push(TypeRecord {
            name: name.to_owned(),
            version,
            shape: shape_of::<T>().0,
        });
    }

    /// A handler's arguments, answer and refusal.
    pub fn handler<A: DeserializeOwned, T: DeserializeOwned, E: DeserializeOwned>(
        &mut self,
        name: &str,
    ) {
        self.contract.mix(name.as_bytes());
        for shape in [shape_of::<A>(), shape_of::<T>(), shape_of::<E>()] {
            self.contract.mix(&shape.0.to_le_bytes());
        }
    }

    /// A handler whose newest message counts: it is part of what both sides agree on.
    pub fn currency(&mut self, name: &str) {
        self.contract.mix(b"currency ");
        self.contract.mix(name.as_bytes());
    }

    /// What the target says unasked.
    pub fn events<S: HasEvents>(&mut self) {
        self.handler::<S::Event, (), ()>(EVENTS);
        if S::CURRENCY {
            self.currency(EVENTS);
        }
    }

    /// An application table.
    pub fn table<K: TableKey, V: DeserializeOwned>(&mut self, table: Table<K, V>) {
        self.tables.push(table.name());
        self.refuse_unreadable::<V>(table.name());
        self.records.push(TypeRecord {
            name: format!("table {}", table.name()),
            version: 1,
            shape: shape_of::<V>().0,
        });
    }

    fn refuse_unreadable<T: DeserializeOwned>(&mut self, name: &str) {
        if is_self_describing::<T>() {
            self.unreadable.push(name.to_owned());
        }
    }

    /// A provided resource.
    pub fn uses<R: Send + Sync + 'static>(&mut self) {
        self.resources
            .push((TypeId::of::<R>(), std::any::type_name::<R>()));
    }
}

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

struct Live<D: Dialog> {
    pending: Option<D::Pending>,
    established: Option<D>,
}

impl<D: Dialog> Actor for Live<D> {
    fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    fn is_gone(&self) -> bool {
        self.pending.is_none() && self.established.is_none()
    }

    fn accumulate(&mut self, step: &Step<'_>, call: Call<'_>) -> Result<Handled, Unfit> {
        match &mut self.pending {
            Some(pending) => pending.__accumulate(&PendingCx::new(step), call),
            None => Err(call.unknown(D::CONTRACT.name)),
        }
    }

    fn establish(&mut self, step: &Step<'_>) {
        if let Some(pending) = self.pending.take() {
            self.established = Some(pending.__establish(&mut Cx::new(step)));
        }
    }

    fn handle(&mut self, step: &Step<'_>, call: Call<'_>) -> Result<Handled, Unfit> {
        D::__handle(&mut self.established, &mut Cx::new(step), call)
    }

    fn resume(&mut self, step: &Step<'_>, resumed: Resumed<'_>) -> Result<(), Unfit> {
        D::__resume(&mut self.established, &mut Cx::new(step), resumed)
    }

    fn abandoned(&mut self, step: &Step<'_>, why: Abandoned) {
        self.pending = None;
        if let Some(state) = self.established.take() {
            state.__abandoned(&mut Cx::new(step), why);
        }
    }

    fn encode(&self) -> Result<(Vec<u8>, StateNotes), Unfit> {
        let what = || format!("the state of `{}`", D::CONTRACT.name);
        match (&self.pending, &self.established) {
            (Some(pending), _) => encode(pending, what),
            (None, Some(state)) => encode(state, what),
            (None, None) => Ok(Default::default()),
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
type Decode = fn(bool, &[u8]) -> Result<Box<dyn Actor>, Unfit>;

/// One served dialog type.
pub(crate) struct Service {
    pub(crate) spec: Arc<OpenSpec>,
    pub(crate) version: u32,
    pub(crate) on_poison: OnPoison,
    pub(crate) types: Types,
    new: fn() -> Box<dyn Actor>,
    decode: Decode,
    name_of: fn(u32) -> Option<&'static str>,
}

impl Service {
    pub(crate) fn of<D: Dialog>() -> Self {
        Self {
            spec: OpenSpec::of::<D>(),
            version: D::CONTRACT.version,
            on_poison: D::__ON_POISON,
            types: Types::of::<D>(),
            new: || {
                Box::new(Live::<D> {
                    pending: Some(D::Pending::default()),
                    established: None,
                })
            },
            decode: decode::<D>,
            name_of: |id| {
                let contract = D::CONTRACT;
                let handlers = contract.first.iter().chain(contract.established);
                handlers
                    .map(|handler| handler.name)
                    .find(|name| crate::protocol::handler_id(name) == id)
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

    pub(crate) fn decode(&self, pending: bool, bytes: &[u8]) -> Result<Box<dyn Actor>, Unfit> {
        (self.decode)(pending, bytes)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({})", self.name())
    }
}

fn decode<D: Dialog>(pending: bool, bytes: &[u8]) -> Result<Box<dyn Actor>, Unfit> {
    let broken = |cause| Unfit::Undecodable {
        what: format!("the stored state of `{}`", D::CONTRACT.name),
        cause,
    };
    Ok(Box::new(if pending {
        Live::<D> {
            pending: Some(codec::decode(bytes).map_err(broken)?),
            established: None,
        }
    } else {
        Live::<D> {
            pending: None,
            established: Some(codec::decode(bytes).map_err(broken)?),
        }
    }))
}
