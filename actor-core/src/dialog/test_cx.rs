//! A context for plain unit tests of handlers: no node, no store, no clock but the one it is given.
//!
//! Owns an in-memory stand-in for everything a step can reach. What a handler queued is read back as data; nothing is
//! carried out and nothing is rolled back.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt,
    marker::PhantomData,
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actor_store::{codec, keys::TableKey};
use serde::de::DeserializeOwned;

use super::{
    Command, Cx, Dialog, Durable, HasEvents, Ids, PendingCx, Resources, Row, Step, StepFault,
    Table, TableAccess, TableRef,
};
use crate::protocol::DialogId;

/// Runs handlers of `D` as the plain methods they are.
///
/// Each [`cx`](Self::cx) stands for one message that wants an answer, numbered from 1. It keeps a few hundred bytes for
/// as long as the test process lives.
///
/// ```
/// use actor_core::{TestCx, prelude::*};
/// # #[derive(Default, Serialize, Deserialize)]
/// # struct Reminder;
/// # #[dialog(timeout = "1 day")]
/// # impl Reminder {
/// #     #[handler]
/// #     fn remind_me(&mut self, cx: &mut Cx<'_, Self>) {
/// #         cx.after(Duration::from_secs(60), Self::REMIND);
/// #     }
/// #     #[resume]
/// #     fn remind(&mut self, _cx: &mut Cx<'_, Self>) {}
/// # }
/// let mut t = TestCx::<Reminder>::new();
/// Reminder.remind_me(&mut t.cx());
/// assert_eq!(t.timers(), [("remind", Duration::from_secs(60))]);
/// ```
pub struct TestCx<D> {
    step: Step<'static>,
    tables: &'static MemoryTables,
    dialog: PhantomData<fn() -> D>,
}

/// A message that a handler sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentMessage {
    /// The dialog with the partner.
    pub to: DialogId,
    /// The partner's handler.
    pub handler: &'static str,
    /// It was given `.then(..)`: its answer continues this dialog.
    pub wants_answer: bool,
    /// Nothing can follow it.
    pub closing: bool,
    args: Vec<u8>,
}

impl SentMessage {
    /// The arguments as a tuple; `None` if they are of other types.
    pub fn args<A: DeserializeOwned>(&self) -> Option<A> {
        codec::decode(&self.args).ok()
    }
}

impl<D: Dialog> Default for TestCx<D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D: Dialog> TestCx<D> {
    /// At the epoch, without resources, with empty tables.
    pub fn new() -> Self {
        Self::build(Resources::default(), 0)
    }

    fn build(resources: Resources, now_ms: u64) -> Self {
        let tables: &'static MemoryTables = Box::leak(Box::default());
        let ids: &'static CountingIds = Box::leak(Box::default());
        let step = Step::new(
            now_ms,
            DialogId([0; 16]),
            Some(0),
            1,
            (Box::leak(Box::new(resources)), tables, ids),
        );
        Self {
            step,
            tables,
            dialog: PhantomData,
        }
    }

    /// Gives handlers a resource. Call it before the first message.
    #[must_use]
    pub fn provide<R: Send + Sync + 'static>(self, resource: R) -> Self {
        let mut resources = self.step.resources.clone();
        resources.provide(resource);
        Self::build(resources, self.step.now_ms)
    }

    /// Sets the clock, to the millisecond.
    pub fn at(&mut self, now: SystemTime) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        self.step.now_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    }

    /// The context of the next message.
    pub fn cx(&mut self) -> Cx<'_, D> {
        self.step.request = self.step.request.map(|request| request + 1);
        Cx::new(&self.step)
    }

    /// The context of a first message.
    pub fn pending_cx(&mut self) -> PendingCx<'_> {
        PendingCx::new(&self.step)
    }

    /// The application's tables as handlers left them.
    pub fn table<K: TableKey, V: Durable>(&self, table: Table<K, V>) -> TableRef<'_, K, V> {
        TableRef {
            step: &self.step,
            table,
        }
    }

    /// Everything that was sent to partners, in order.
    pub fn sent(&self) -> Vec<SentMessage> {
        self.pick(|command| match command {
            Command::Send {
                dialog, call, then, ..
            } => Some(SentMessage {
                to: *dialog,
                handler: call.name,
                wants_answer: then.is_some(),
                closing: call.closing,
                args: call.body.clone().unwrap_or_default(),
            }),
            _ => None,
        })
    }

    /// The answers given with `cx.reply`, by the number of their message; those of other types are left out.
    pub fn answers<T: Durable>(&self) -> Vec<(u64, T)> {
        self.pick(|command| match command {
            Command::Reply {
                request,
                value: Ok(bytes),
            } => Some((*request, codec::decode(bytes).ok()?)),
            _ => None,
        })
    }

    /// The events that were told, in order; those that cannot be encoded are left out.
    pub fn told(&self) -> Vec<D::Event>
    where
        D: HasEvents,
    {
        self.pick(|command| match command {
            Command::Tell { event } => codec::decode(event.body.as_ref().ok()?).ok(),
            _ => None,
        })
    }

    /// The continuations that were given to events of partners, in order.
    pub fn listens(&self) -> Vec<&'static str> {
        self.pick(|command| match command {
            Command::Listen { name, .. } => Some(*name),
            _ => None,
        })
    }

    /// The timers that were set, in order.
    pub fn timers(&self) -> Vec<(&'static str, Duration)> {
        self.pick(|command| match command {
            Command::Arm { name, delay, .. } => Some((*name, *delay)),
            _ => None,
        })
    }

    /// A handler closed the dialog.
    pub fn is_closed(&self) -> bool {
        !self
            .pick(|command| matches!(command, Command::Close).then_some(()))
            .is_empty()
    }

    /// Why a handler gave the dialog up, if one did.
    pub fn abandoned(&self) -> Option<String> {
        let why = |command: &Command| match command {
            Command::Abandon { why } => Some(why.clone()),
            _ => None,
        };
        self.pick(why).pop()
    }

    fn pick<T>(&self, which: impl Fn(&Command) -> Option<T>) -> Vec<T> {
        self.step.commands().iter().filter_map(which).collect()
    }
}

impl<D> fmt::Debug for TestCx<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestCx")
            .field("rows", &self.tables.rows.borrow().len())
            .finish_non_exhaustive()
    }
}

/// By table and key.
type MemoryRows = BTreeMap<(&'static str, Vec<u8>), Arc<[u8]>>;

#[derive(Default)]
struct MemoryTables {
    rows: RefCell<MemoryRows>,
}

impl TableAccess for MemoryTables {
    fn get(&self, table: &'static str, key: &[u8]) -> Result<Option<Arc<[u8]>>, StepFault> {
        Ok(self.rows.borrow().get(&(table, key.to_vec())).cloned())
    }

    fn put(
        &self,
        table: &'static str,
        key: Vec<u8>,
        value: Option<Arc<[u8]>>,
    ) -> Result<(), StepFault> {
        let mut rows = self.rows.borrow_mut();
        match value {
            Some(value) => rows.insert((table, key), value),
            None => rows.remove(&(table, key)),
        };
        Ok(())
    }

    fn range(
        &self,
        table: &'static str,
        from: &[u8],
        to: Bound<&[u8]>,
    ) -> Result<Vec<Row>, StepFault> {
        let within = |key: &[u8]| match to {
            Bound::Included(end) => key <= end,
            Bound::Excluded(end) => key < end,
            Bound::Unbounded => true,
        };
        let rows = self.rows.borrow();
        let rows = rows
            .range((table, from.to_vec())..)
            .take_while(|((name, key), _)| *name == table && within(key));
        Ok(rows
            .map(|((_, key), row)| (key.clone(), Arc::clone(row)))
            .collect())
    }
}

/// Ids that count from 1: a test can name them.
#[derive(Default)]
struct CountingIds {
    last: AtomicU64,
}

impl Ids for CountingIds {
    fn random(&self) -> [u8; 16] {
        u128::from(self.last.fetch_add(1, Ordering::Relaxed) + 1).to_be_bytes()
    }
}
