//! A dialog type without its type: what the node's registry and shards hold.
//!
//! Owns the passage from bytes to typed handlers and back; never decides when a handler runs.

use std::{
    any::TypeId,
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{Arc, LazyLock, PoisonError, RwLock},
};

use actor_store::{
    TypeKind, TypeRecord, codec,
    keys::TableKey,
    shape::{Shape, is_self_describing, shape_of, shape_of_past},
};
use serde::de::DeserializeOwned;

use super::{
    Call, Cx, Dialog, Durable, ESTABLISHED, Handled, IsAnswer, Kept, Pending, PendingCx, Resumed,
    StateNotes, Step, Stored, Table, UNTAGGED, Unfit, noting,
};
use crate::{
    coverage::{self, Rare},
    digest::Digest,
    protocol::{Abandoned, Message, Mode, Timeouts, handler_id},
};

/// What an initiator needs to know of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenSpec {
    pub(crate) service: &'static str,
    pub(crate) mode: Mode,
    pub(crate) timeouts: Timeouts,
    /// Fingerprint of names and shapes of all messages: both sides must have the same.
    pub(crate) contract: u64,
    /// Fingerprints of earlier contracts whose initiators a target of this one takes.
    pub(crate) accepts: &'static [u64],
    pub(crate) kept: Kept,
    /// Of each handler's signature, by its id.
    tags: BTreeMap<u32, u16>,
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
        let types = Types::of::<D>();
        let spec = Arc::new(Self {
            service: contract.name,
            mode: D::Pending::MODE,
            timeouts: Timeouts {
                initiation: contract.initiation,
                silence: contract.silence,
                lifetime: contract.lifetime,
            },
            contract: types.contract(contract.name),
            accepts: contract.accepts,
            kept: contract.kept,
            tags: types.tags(),
        });
        KNOWN
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, Arc::clone(&spec));
        spec
    }
}

impl OpenSpec {
    /// What a message says of its handler's signature.
    pub(crate) fn tag(&self, handler: u32) -> u16 {
        self.tags.get(&handler).copied().unwrap_or(UNTAGGED)
    }

    /// Is this a message of ours: a handler of that name, with the signature it was sent for?
    pub(crate) fn understands(&self, message: &Message) -> bool {
        match self.tags.get(&message.handler) {
            Some(tag) => message.version <= UNTAGGED || message.version == *tag,
            None => message.handler == ESTABLISHED,
        }
    }

    /// May an initiator with this contract open a dialog here?
    pub(crate) fn admits(&self, contract: u64) -> bool {
        contract == self.contract || self.accepts.contains(&contract)
    }

    pub(crate) fn is_volatile(&self) -> bool {
        self.kept == Kept::Volatile
    }
}

/// A handler's name, arguments, answer and refusal.
#[derive(Debug)]
struct Signature {
    handler: u32,
    /// Of the pending half.
    first: bool,
    digest: u64,
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
    signatures: Vec<Signature>,
    /// Continuations by the hash of their names.
    pub(crate) resumes: BTreeSet<u32>,
    /// The half that is being collected, and the name of its type.
    first: bool,
    owner: String,
    /// The name of the pending half's state.
    pub(crate) pending: Option<String>,
}

impl Types {
    fn of<D: Dialog>() -> Self {
        let mut types = Self {
            first: true,
            ..Self::default()
        };
        D::Pending::__types(&mut types);
        types.first = false;
        D::__types(&mut types);
        if D::CONTRACT.kept == Kept::Volatile {
            // Nothing of it is ever stored but rows.
            types.records.retain(|record| record.kind == TypeKind::Row);
        }
        types
    }

    /// Of all messages, in whichever order they are declared.
    fn contract(&self, name: &str) -> u64 {
        let mut digests: Vec<(bool, u64)> = self
            .signatures
            .iter()
            .map(|signature| (signature.first, signature.digest))
            .collect();
        digests.sort_unstable();
        let mut contract = Digest::default();
        contract.mix(name.as_bytes());
        for (first, digest) in digests {
            contract.mix(&[u8::from(first)]);
            contract.mix(&digest.to_le_bytes());
        }
        contract.value()
    }

    /// Two bytes for each handler's signature. Both halves may have one of the same name; then they share a tag, which
    /// changes if either does.
    fn tags(&self) -> BTreeMap<u32, u16> {
        let mut digests: BTreeMap<u32, Digest> = BTreeMap::new();
        for signature in &self.signatures {
            let digest = digests.entry(signature.handler).or_default();
            digest.mix(&signature.digest.to_le_bytes());
        }
        let fold = |digest: Digest| {
            let value = digest.value();
            let folded = value ^ (value >> 32);
            let folded = (folded ^ (folded >> 16)) & 0xffff;
            // Two values say that nothing is said.
            (folded as u16).max(UNTAGGED + 1)
        };
        digests
            .into_iter()
            .map(|(handler, digest)| (handler, fold(digest)))
            .collect()
    }

    /// The type of a state.
    pub fn state<T: DeserializeOwned>(&mut self, name: &str, version: u32) {
        self.refuse_unreadable::<T>(name);
        name.clone_into(&mut self.owner);
        if self.first {
            self.pending = Some(name.to_owned());
        }
        self.records.push(TypeRecord {
            name: name.to_owned(),
            version,
            shape: shape_of::<T>().0,
            past: Vec::new(),
            kind: TypeKind::State,
        });
    }

    /// What it was in an earlier version.
    pub fn past<T: DeserializeOwned, Present: DeserializeOwned>(
        &mut self,
        name: &str,
        version: u32,
    ) {
        self.refuse_unreadable::<T>(name);
        let shapes = [shape_of::<T>(), shape_of_past::<T, Present>()];
        if let Some(state) = self.records.iter_mut().rfind(|record| record.name == name) {
            state.past.extend(shapes.map(|shape| (version, shape.0)));
        }
    }

    fn message(&mut self, name: &str, shape: u64) {
        self.records.push(TypeRecord {
            name: format!("{}.{name}", self.owner),
            version: 1,
            shape,
            past: Vec::new(),
            kind: TypeKind::Message,
        });
    }

    /// A continuation of a request: what it is given is kept until the answer is there.
    pub fn resume<A: IsAnswer<Ok: DeserializeOwned, Err: DeserializeOwned>, C: DeserializeOwned>(
        &mut self,
        name: &str,
    ) {
        self.resumes.insert(handler_id(name));
        let shapes = [shape_of::<A::Ok>(), shape_of::<A::Err>(), shape_of::<C>()];
        self.message(name, digest(name, shapes));
    }

    /// A continuation that a timer runs.
    pub fn timer<C: DeserializeOwned>(&mut self, name: &str) {
        self.resumes.insert(handler_id(name));
        self.message(name, digest(name, [shape_of::<C>()]));
    }

    /// A handler's arguments, answer and refusal.
    pub fn handler<A: DeserializeOwned, T: DeserializeOwned, E: DeserializeOwned>(
        &mut self,
        name: &str,
    ) {
        let digest = digest(name, [shape_of::<A>(), shape_of::<T>(), shape_of::<E>()]);
        self.signatures.push(Signature {
            handler: handler_id(name),
            first: self.first,
            digest,
        });
        self.message(name, digest);
    }

    /// An application table.
    pub fn table<K: TableKey, V: DeserializeOwned>(&mut self, table: Table<K, V>) {
        self.tables.push(table.name());
        self.refuse_unreadable::<V>(table.name());
        self.records.push(TypeRecord {
            name: format!("table {}", table.name()),
            version: 1,
            shape: shape_of::<V>().0,
            past: Vec::new(),
            kind: TypeKind::Row,
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

fn digest<const N: usize>(name: &str, shapes: [Shape; N]) -> u64 {
    let mut digest = Digest::default();
    digest.mix(name.as_bytes());
    for shape in shapes {
        digest.mix(&shape.0.to_le_bytes());
    }
    digest.value()
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
            types,
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
    let mut live = Live::<D> {
        pending: None,
        established: None,
    };
    match (half, earlier) {
        (Half::Pending, None) => live.pending = Some(codec::decode(bytes).map_err(broken)?),
        (Half::Pending, Some(earlier)) => live.pending = Some(D::Pending::__earlier(earlier)?),
        (Half::Established, None) => live.established = Some(codec::decode(bytes).map_err(broken)?),
        (Half::Established, Some(earlier)) => live.established = Some(D::__earlier(earlier)?),
    }
    Ok(Box::new(live))
}
