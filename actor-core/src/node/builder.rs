//! From a description of a node to its parts: the store opened and checked, what waits in it handed to the shards.
//!
//! Owns the order of a start: nothing is received before everything that waited here is queued.

use std::{
    collections::BTreeMap,
    fmt, io,
    ops::Bound,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actor_store::{
    Disk, FileDisk, JournalKind, OpenError, Options, Store, StoreFault, Table, TypeRecord,
    Verification,
};

use super::{
    Shard, ShardMsg, Shared,
    census::Census,
    clock::{Clock, MachineClock},
    deaths,
    ids::SystemIds,
    letters::{LetterBook, MAX_LETTERS},
    logical::{CLOCK_HOLD, LogicalClock},
    public::Node,
    registry::Registry,
    shard::deliveries,
    shell::{AHEAD_MS, Shell, wake_due, who},
};
use crate::{
    dialog::{Dialog, Ids, Resources},
    protocol::{Limits, MAX_MESSAGE_BYTES, MAX_NAME_BYTES},
    transport::{Alone, Inbound, Member, Network, Taken, Transport},
};

/// Describes a node; [`NodeBuilder::start`] starts it.
#[must_use = "a node begins with `.start()`"]
pub struct NodeBuilder {
    directory: PathBuf,
    name: Option<String>,
    registry: Registry,
    served_twice: Option<&'static str>,
    resources: Resources,
    transport: Arc<dyn Transport>,
    limits: Limits,
    options: Options,
    shards: usize,
    max_letters: usize,
    lends: bool,
    clock_hold: Duration,
    #[cfg(feature = "mutants")]
    mutant: Option<crate::protocol::Mutant>,
}

/// Why a node did not start. Nothing was changed that a later start would miss.
///
/// Its `Debug` is its `Display`: a `main` that returns it prints the sentence with the way out.
#[non_exhaustive]
pub enum StartError {
    /// The store could not be opened.
    Open(OpenError),
    /// The store failed while it was read.
    Store(StoreFault),
    /// Two served dialogs have one name.
    ServedTwice {
        /// The name.
        service: &'static str,
    },
    /// A dialog uses a resource that was not provided.
    MissingResource {
        /// The dialog.
        service: &'static str,
        /// The resource's type.
        resource: &'static str,
    },
    /// A stored type could be written and never read back.
    Unreadable {
        /// The type or table.
        name: String,
    },
    /// Two dialogs declare one table, or one type name, with different contents.
    TypeConflict {
        /// The table or type.
        name: String,
    },
    /// The name of the instance or of a service does not fit into a frame.
    NameTooLong {
        /// The name.
        name: String,
    },
    /// Another running node on the network has this name.
    NameTaken {
        /// The name.
        name: String,
    },
    /// Another running node on the network has a copy of this store.
    StoreTaken {
        /// This node.
        name: String,
        /// The other node.
        by: String,
    },
    /// A thread could not be started.
    Threads(io::Error),
}

/// A node that is not running yet: whoever has it steps it.
pub(crate) struct Parts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) shards: Vec<Shard>,
}

/// What is outside a node.
pub(crate) struct Outside {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
}

impl NodeBuilder {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            name: None,
            registry: Registry::default(),
            served_twice: None,
            resources: Resources::default(),
            transport: Arc::new(Alone),
            limits: Limits::default(),
            options: Options::default(),
            shards: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            max_letters: MAX_LETTERS,
            lends: true,
            clock_hold: CLOCK_HOLD,
            #[cfg(feature = "mutants")]
            mutant: None,
        }
    }

    /// The instance's name on the network; the directory's name if not given.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Serves the dialog `D` under its name. Dialogs that this node serves it also opens here, in its own store.
    pub fn serve<D: Dialog>(mut self) -> Self {
        if !self.registry.add::<D>() {
            self.served_twice.get_or_insert(D::CONTRACT.name);
        }
        self
    }

    /// Gives handlers a value of type `R`: `cx.get::<R>()`.
    pub fn provide<R: Send + Sync + 'static>(mut self, resource: R) -> Self {
        self.resources.provide(resource);
        self
    }

    /// Puts the node on a network.
    pub fn network(mut self, network: &Network) -> Self {
        self.transport = Arc::new(network.clone());
        self
    }

    /// How many threads handle messages; as many as the machine has cores if not given, at least 1.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards.max(1);
        self
    }

    /// Memory for the store's page caches in bytes, for both of its files together; 64 MiB if not said otherwise.
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.options.cache_bytes = bytes;
        self
    }

    /// When the store is searched for damage that hides rows; in use if not said otherwise: a start takes no longer for a
    /// large store, and within seconds for each million dialogs a damaged one stops the node ([`Node::stopped`]).
    /// [`Verification::AtOpen`] reads all of it before the start and refuses. Damaged values are noticed in any case,
    /// where they are read.
    pub fn verify(mut self, when: Verification) -> Self {
        self.options.verify = when;
        self
    }

    /// What the journal of a store is that is created now. One that is there stays what it is.
    pub fn journal(mut self, kind: JournalKind) -> Self {
        self.options.journal = kind;
        self
    }

    /// The longest pause between two attempts to reach a partner that does not answer; 30 seconds if not said otherwise,
    /// a minute while none is found. Short pauses find a partner that is back sooner, and cost a frame each.
    pub fn longest_retry(mut self, pause: Duration) -> Self {
        self.limits.max_retry_established = pause;
        self.limits.max_retry_initiating = pause;
        self
    }

    /// The largest message or answer that is sent, in bytes; 4 MiB if not said otherwise, 16 MiB at most. (First messages
    /// to pending work are smaller: all of them together have 256 KiB.) Whoever receives takes whatever another node may
    /// send. A message is in memory as a whole while it is handled, so keep what is larger elsewhere.
    pub fn largest_message(mut self, bytes: usize) -> Self {
        self.limits.max_message_bytes = bytes.min(MAX_MESSAGE_BYTES);
        self
    }

    #[doc(hidden)]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How far the machine's clock may be ahead of the store's last commit at a start, 7 days if not said otherwise. Beyond
    /// it the node serves and gives nothing up before [`Node::trust_clock`]: a clock that was set wrong must not end
    /// dialogs. `Duration::MAX` believes every clock.
    pub fn clock_hold(mut self, ahead: Duration) -> Self {
        self.clock_hold = ahead;
        self
    }

    /// How many dead letters are kept, 10,000 if not said otherwise and 64 MiB in any case. Above it the oldest goes, with
    /// a line in the log.
    pub fn keep_dead_letters(mut self, count: usize) -> Self {
        self.max_letters = count.max(1);
        self
    }

    /// Are volatile actors lent to their callers? They are, if not said otherwise; what is heard is the same.
    #[cfg(feature = "test-util")]
    #[doc(hidden)]
    pub fn lends(mut self, lends: bool) -> Self {
        self.lends = lends;
        self
    }

    /// Makes this node wrong in one way, for checkers that must notice.
    #[cfg(feature = "mutants")]
    #[doc(hidden)]
    pub fn mutant(mut self, mutant: crate::protocol::Mutant) -> Self {
        self.mutant = Some(mutant);
        self
    }

    #[cfg(feature = "test-util")]
    pub(crate) fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = transport;
        self
    }

    #[doc(hidden)]
    pub fn store_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Opens the store and starts.
    pub fn start(self) -> Result<Node, StartError> {
        let disk: Arc<dyn Disk> = Arc::new(FileDisk::new(&self.directory));
        self.start_on(disk)
    }

    /// Starts on another disk than the machine's, for tests that count or fail its syncs.
    #[doc(hidden)]
    pub fn start_on(self, disk: Arc<dyn Disk>) -> Result<Node, StartError> {
        let clock = Arc::new(MachineClock::new());
        let parts = self.assemble(Outside {
            disk,
            clock,
            ids: Arc::new(SystemIds::default()),
        })?;
        let shared = Arc::clone(&parts.shared);
        let shell = Shell::start(&shared, parts.shards).map_err(StartError::Threads)?;
        let node = Node::new(Arc::clone(&shared), shell);
        shared.join_network()?;
        Ok(node)
    }

    /// All of a start but threads and network.
    pub(crate) fn assemble(self, outside: Outside) -> Result<Parts, StartError> {
        let Outside { disk, clock, ids } = outside;
        if let Some(service) = self.served_twice {
            return Err(StartError::ServedTwice { service });
        }
        let types = self.check()?;
        let name = self.name.unwrap_or_else(|| {
            let name = self
                .directory
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            name.unwrap_or_else(|| "node".to_owned())
        });
        let mut names = self
            .registry
            .names()
            .map(str::to_owned)
            .chain([name.clone()]);
        if let Some(name) = names.find(|name| name.len() > MAX_NAME_BYTES) {
            return Err(StartError::NameTooLong { name });
        }
        drop(names);
        let store = Store::open(disk, self.options, ids.random()).map_err(StartError::Open)?;
        let mut census = Census::new(&self.registry, &store);
        store
            .check_types(&types, &mut |record, version| census.count(record, version))
            .map_err(StartError::Open)?;
        let clock =
            LogicalClock::begin(&store, clock, self.clock_hold).map_err(StartError::Store)?;
        let clock = Arc::new(clock);
        let letters = LetterBook::of(&store, self.max_letters).map_err(StartError::Store)?;
        let mut shared = Shared::new(
            name,
            store,
            self.registry,
            self.resources,
            self.limits,
            clock,
            ids,
            self.transport,
            self.shards,
        );
        shared.letters = Mutex::new(letters);
        shared.lends = self.lends;
        #[cfg(feature = "mutants")]
        {
            shared.mutant = self.mutant;
            // What is wrong is wrong on the ordinary way.
            shared.lends &= self.mutant.is_none();
        }
        let shared = Arc::new(shared);
        resume(&shared)?;
        let shards = (0..self.shards)
            .map(|index| Shard::new(Arc::clone(&shared), index))
            .collect();
        Ok(Parts { shared, shards })
    }

    /// Resources and types of all served dialogs.
    fn check(&self) -> Result<Vec<TypeRecord>, StartError> {
        let mut types: BTreeMap<String, TypeRecord> = BTreeMap::new();
        for service in self.registry.all() {
            for (id, resource) in &service.types.resources {
                if !self.resources.has(*id) {
                    return Err(StartError::MissingResource {
                        service: service.name(),
                        resource,
                    });
                }
            }
            if let Some(name) = service.types.unreadable.first() {
                return Err(StartError::Unreadable { name: name.clone() });
            }
            for record in &service.types.records {
                let known = types
                    .entry(record.name.clone())
                    .or_insert_with(|| record.clone());
                if known != record {
                    return Err(StartError::TypeConflict {
                        name: record.name.clone(),
                    });
                }
            }
        }
        Ok(types.into_values().collect())
    }
}

/// Endpoints with something to say that are taken up in each millisecond after a start.
const WOKEN_PER_MS: u64 = 20;

/// Queues everything that waits in the store. No dormant dialog is read.
fn resume(shared: &Arc<Shared>) -> Result<(), StartError> {
    let now = shared.clock.now_ms();
    let store = &shared.store;
    let deaths = deaths::count(shared, now).map_err(StartError::Store)?;
    *shared.deaths.lock().unwrap_or_else(PoisonError::into_inner) = deaths;
    // Whatever is due later is found in the index: the folder folds everything before it looks there, see `scan`.
    for (table, key, index) in store.recovered(now + AHEAD_MS) {
        let due = if index.busy {
            Some(now)
        } else {
            index.deadline
        };
        if let (Some(due), Some(who)) = (due, who(table, &key)) {
            shared.post(who.slot(), ShardMsg::Wake(due, who));
        }
    }
    let (mut after, mut woken) = (None, 0);
    loop {
        const PAGE: usize = 1024;
        let page = store.busy(after.take(), PAGE).map_err(StartError::Store)?;
        for (table, key) in &page {
            if let Some(who) = who(*table, key) {
                // Spread out: all partners at once is a storm.
                woken += 1;
                let due = now + woken / WOKEN_PER_MS;
                shared.post(who.slot(), ShardMsg::Wake(due, who));
            }
        }
        if page.len() < PAGE {
            break;
        }
        after = page.into_iter().last();
    }
    let rows = store
        .range(Table::Inbox, &[], Bound::Unbounded, usize::MAX)
        .map_err(StartError::Store)?;
    let damaged = |detail| StartError::Store(shared.damaged(Table::Inbox, detail));
    for delivery in deliveries(rows).map_err(damaged)? {
        shared.held_back.add(delivery.to);
        shared.post(delivery.to.slot, ShardMsg::Local(delivery));
    }
    wake_due(shared, now + AHEAD_MS).map_err(StartError::Store)
}

impl Shared {
    /// From here on frames arrive.
    pub(crate) fn join_network(self: &Arc<Self>) -> Result<(), StartError> {
        let member = Member {
            name: self.name.clone(),
            store: self.store_id,
            services: self.registry.names().collect(),
            inbound: Arc::clone(self) as Arc<dyn Inbound>,
        };
        self.transport.join(member).map_err(|taken| match taken {
            Taken::Name => StartError::NameTaken {
                name: self.name.clone(),
            },
            Taken::Store { by } => StartError::StoreTaken {
                name: self.name.clone(),
                by,
            },
        })
    }
}

impl Inbound for Shared {
    fn receive(&self, frame: &[u8]) {
        self.take_frame(frame);
    }
}

impl fmt::Debug for NodeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeBuilder")
            .field("directory", &self.directory)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(cause) => cause.fmt(f),
            Self::Store(fault) => fault.fmt(f),
            Self::ServedTwice { service } => {
                write!(
                    f,
                    "two dialogs are called `{service}`: give one another name, `#[dialog(name = \"..\", ..)]`"
                )
            }
            Self::MissingResource { service, resource } => {
                write!(
                    f,
                    "`{service}` uses `{resource}`, which was not provided: add `.provide(..)` to the node's builder"
                )
            }
            Self::Unreadable { name } => {
                write!(
                    f,
                    "what `{name}` stores could never be read back: `flatten`, `untagged`, `tag = ..` and dynamic values need a format with names; use plain structs and enums"
                )
            }
            Self::TypeConflict { name } => {
                write!(
                    f,
                    "two served dialogs declare `{name}` with different contents: give one another name"
                )
            }
            Self::NameTooLong { name } => {
                write!(
                    f,
                    "`{name}` has {} bytes, and a name may have {MAX_NAME_BYTES}: shorten it",
                    name.len()
                )
            }
            Self::NameTaken { name } => {
                write!(
                    f,
                    "another node on this network is called `{name}`: give one another `.name(..)`, or stop it first"
                )
            }
            Self::StoreTaken { name, by } => {
                write!(
                    f,
                    "the stores of `{name}` and `{by}` are copies of one: run only one of them, and give the other a new directory"
                )
            }
            Self::Threads(cause) => write!(
                f,
                "a thread could not be started: {cause}; lower `.shards(..)`"
            ),
        }
    }
}

impl std::error::Error for StartError {}
