//! The nouns a store is made of: tables, values, their index fields, and writes.
//!
//! Owns the table tags, which are on disk for ever. Never interprets a key or a value.

use std::fmt;
use std::sync::Arc;

use crate::key::Key;
use crate::payload::Payload;

/// Names a store for ever; both of its files carry it.
pub type StoreId = [u8; 16];

/// The tables of a store. The numbers are on disk: never change or reuse one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Table {
    /// Facts about the node itself.
    Node = 0,
    /// Names, versions and shapes of the stored types; written by [`crate::Store::check_types`].
    Types = 1,
    /// One record per endpoint.
    Endpoints = 2,
    /// One state per actor.
    Actors = 3,
    /// Messages waiting for a local receiver. A key is used once and never rewritten.
    Inbox = 4,
    /// Messages not yet acknowledged. A key is used once and never rewritten.
    Outbox = 5,
    /// Names under which dialogs were opened.
    Keys = 6,
    /// What could not be handled, for reading.
    DeadLetters = 7,
    /// The application's own tables; keys begin with the name of the table.
    App = 8,
}

impl Table {
    /// All tables, in the order of their tags.
    pub const ALL: [Self; TABLES] = [
        Self::Node,
        Self::Types,
        Self::Endpoints,
        Self::Actors,
        Self::Inbox,
        Self::Outbox,
        Self::Keys,
        Self::DeadLetters,
        Self::App,
    ];

    /// The tag as it stands on disk.
    pub const fn tag(self) -> u8 {
        self as u8
    }

    /// The table with this tag, if there is one.
    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.get(usize::from(tag)).copied()
    }

    /// The table's name, as it is called in messages and in the database file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Types => "types",
            Self::Endpoints => "endpoints",
            Self::Actors => "actors",
            Self::Inbox => "inbox",
            Self::Outbox => "outbox",
            Self::Keys => "keys",
            Self::DeadLetters => "dead_letters",
            Self::App => "app",
        }
    }

    /// Whether every insert uses a key that was never used before. Then an insert deleted within the
    /// same batch leaves nothing behind, and nobody has to look into the file to know it.
    pub const fn has_fresh_keys(self) -> bool {
        matches!(self, Self::Inbox | Self::Outbox)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many tables there are.
pub(crate) const TABLES: usize = 9;

/// What the indexes know of a value. They are derived when the value is folded and nowhere else.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Index {
    /// When the value wants to be looked at, in milliseconds since the epoch.
    pub deadline: Option<u64>,
    /// Whether there is work to take up after a restart.
    pub busy: bool,
}

/// One stored value: bytes the store never looks into, and what the indexes know of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Value {
    /// The payload; shared, so cloning a value copies nothing.
    pub bytes: Payload,
    /// What the indexes know.
    pub index: Index,
}

impl Value {
    /// A value without deadline, not busy.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self {
            bytes: bytes.into().into(),
            index: Index::default(),
        }
    }
}

impl fmt::Debug for Value {
    // Values hold what customers say to each other: a log shows their length only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Value")
            .field("len", &self.bytes.len())
            .field("index", &self.index)
            .finish()
    }
}

/// One change: a new value, or none to delete the key.
#[derive(Clone, Debug)]
pub struct Write {
    /// Where.
    pub table: Table,
    /// Under which key. Order of keys is order of bytes, see [`crate::keys`].
    pub key: Key,
    /// The new value; `None` deletes.
    pub value: Option<Value>,
}

/// A type as a build of the application knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TypeRecord {
    /// Its name, unique in the store.
    pub name: String,
    /// Its version, counted up by the author whenever the layout changes.
    pub version: u32,
    /// Its layout, see [`crate::shape`].
    pub shape: u64,
    /// Earlier versions that this build reads, each with the layouts it may have had.
    pub past: Vec<(u32, u64)>,
    /// What is written of it, which decides what may be done about a change.
    pub kind: TypeKind,
}

/// What a stored type is to the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TypeKind {
    /// A state: it has versions.
    State,
    /// A message, or what continues one: its name stands for one layout.
    Message,
    /// A row of the application: its table's name stands for one layout.
    Row,
}

impl TypeRecord {
    /// Does this build read values of that version, written with that layout?
    ///
    /// A version it does not name is read as the next one it does: whoever counted it up without keeping the old struct
    /// said that nothing had changed.
    pub fn reads(&self, version: u32, shape: u64) -> bool {
        let as_version = self
            .past
            .iter()
            .map(|(version, _)| *version)
            .chain([self.version])
            .filter(|known| *known >= version)
            .min();
        let mut known = self
            .past
            .iter()
            .copied()
            .chain([(self.version, self.shape)]);
        as_version.is_some_and(|version| known.any(|known| known == (version, shape)))
    }
}
