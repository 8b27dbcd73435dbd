//! What a dialog writes and says, by name: fingerprints of its messages, layouts of its state, tables and continuations.
//!
//! Owns the collection, made once for each dialog type; never compares it with what is stored or sent.

use std::{
    any::TypeId,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, LazyLock, PoisonError, RwLock},
};

use actor_store::{
    TypeKind, TypeRecord,
    keys::TableKey,
    shape::{Shape, is_self_describing, shape_of, shape_of_past},
};
use serde::de::DeserializeOwned;

use super::{Dialog, ESTABLISHED, EVENTS, HasEvents, IsAnswer, Kept, Pending, Table, UNTAGGED};
use crate::{
    digest::Digest,
    protocol::{Message, Mode, Timeouts, handler_id},
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
    /// The newest message counts; otherwise each does.
    currency: bool,
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
    pub(super) fn of<D: Dialog>() -> Self {
        let mut types = Self {
            first: true,
            ..Self::default()
        };
        D::Pending::__types(&mut types);
        types.first = false;
        D::__types(&mut types);
        types
    }

    /// Of all messages, in whichever order they are declared.
    fn contract(&self, name: &str) -> u64 {
        let mut digests: Vec<(bool, bool, u64)> = self
            .signatures
            .iter()
            .map(|signature| (signature.first, signature.currency, signature.digest))
            .collect();
        digests.sort_unstable();
        let mut contract = Digest::default();
        contract.mix(name.as_bytes());
        for (first, currency, digest) in digests {
            contract.mix(&[u8::from(first), u8::from(currency)]);
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
            currency: false,
            digest,
        });
        self.message(name, digest);
    }

    /// The handler named last is one whose newest message counts: that is part of what both sides agree on, and not of
    /// its bytes.
    pub fn currency(&mut self, name: &str) {
        let handler = handler_id(name);
        let mut latest = self.signatures.iter_mut().rev();
        if let Some(signature) = latest.find(|signature| signature.handler == handler) {
            signature.currency = true;
        }
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
