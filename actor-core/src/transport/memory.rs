//! The network between nodes of one process.
//!
//! Owns delivery and its gnomes. Frames go as bytes, through the same codec as on any wire.

use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::Duration,
};

use super::{Directory, Gnomes, Inbound, Member, Mischief, Taken, Transport};
use crate::{
    node::{Clock, MachineClock},
    protocol::{Destination, Frame, Location, StoreId},
};

/// A network in memory. Clones are the same network; it lasts as long as one of them or a node on it.
#[derive(Clone)]
pub struct Network {
    wire: Arc<Wire>,
}

struct Wire {
    state: Mutex<State>,
    /// Told when something is held back.
    held: Condvar,
    clock: MachineClock,
}

/// Whoever watches frames.
type Tap = Arc<dyn Fn(&FrameEvent) + Send + Sync>;

struct State {
    directory: Directory,
    gnomes: Option<Mischief<Parcel>>,
    on_frame: Option<Tap>,
    pumping: bool,
}

#[derive(Clone)]
struct Parcel {
    /// A frame under way does not keep its receiver alive.
    inbound: Weak<dyn Inbound>,
    frame: Arc<[u8]>,
}

/// What happened to one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameEvent {
    /// The instance that sent it.
    pub from: String,
    /// The instance it was for, or the service where nobody was there to take it.
    pub to: String,
    /// Its kind and contents in one line.
    pub summary: String,
    /// `delivered`, `delayed`, `repeated`, `lost`, or `nobody there`.
    pub fate: &'static str,
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Network {
    /// A calm network.
    pub fn new() -> Self {
        let state = State {
            directory: Directory::default(),
            gnomes: None,
            on_frame: None,
            pumping: false,
        };
        Self {
            wire: Arc::new(Wire {
                state: Mutex::new(state),
                held: Condvar::new(),
                clock: MachineClock::new(),
            }),
        }
    }

    /// Lets gnomes at the frames from now on. What earlier ones held back is let go.
    pub fn set_gnomes(&self, gnomes: Gnomes) {
        let free = {
            let mut state = self.wire.lock();
            state
                .gnomes
                .replace(Mischief::new(gnomes))
                .map(|mut before| before.due(u64::MAX))
        };
        free.into_iter().flatten().for_each(Parcel::deliver);
        self.start_pump();
    }

    /// Shows every frame and its fate to `tap`, on the thread that sends it: be quick and do not block.
    pub fn on_frame(&self, tap: impl Fn(&FrameEvent) + Send + Sync + 'static) {
        self.wire.lock().on_frame = Some(Arc::new(tap));
    }

    // Frames that are held back need somebody to let them go when no traffic does.
    fn start_pump(&self) {
        let mut state = self.wire.lock();
        if std::mem::replace(&mut state.pumping, true) {
            return;
        }
        drop(state);
        let wire = Arc::downgrade(&self.wire);
        let pump = thread::Builder::new()
            .name("network".to_owned())
            .spawn(move || pump(&wire));
        // Without a thread, frames held back wait for the next traffic, which any retry is.
        if pump.is_err() {
            self.wire.lock().pumping = false;
        }
    }
}

fn pump(wire: &Weak<Wire>) {
    /// How often an idle pump looks whether its network still exists.
    const LOOK: Duration = Duration::from_millis(100);
    while let Some(wire) = wire.upgrade() {
        let now = wire.clock.now_ms();
        let state = wire.lock();
        let next = state.gnomes.as_ref().and_then(Mischief::next_due_ms);
        let wait = next.map_or(LOOK, |due| {
            Duration::from_millis(due.saturating_sub(now)).min(LOOK)
        });
        let (mut state, _) = wire
            .held
            .wait_timeout(state, wait)
            .unwrap_or_else(PoisonError::into_inner);
        let now = wire.clock.now_ms();
        let free = state.gnomes.as_mut().map(|gnomes| gnomes.due(now));
        drop(state);
        free.into_iter().flatten().for_each(Parcel::deliver);
    }
}

impl Parcel {
    fn deliver(self) {
        if let Some(inbound) = self.inbound.upgrade() {
            inbound.receive(&self.frame);
        }
    }
}

impl Wire {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for Network {
    fn join(&self, member: Member) -> Result<(), Taken> {
        self.wire.lock().directory.join(member)
    }

    fn leave(&self, name: &str, store: StoreId) {
        self.wire.lock().directory.leave(name, store);
    }

    fn send(&self, from: &str, to: &Destination, frame: Vec<u8>) {
        let now = self.wire.clock.now_ms();
        let mut state = self.wire.lock();
        let tap = state.on_frame.clone();
        let found = state.directory.resolve(to);
        let (name, copies, mut free) = match found {
            None => (None, Vec::new(), Vec::new()),
            Some((name, inbound)) => {
                let parcel = Parcel {
                    inbound: Arc::downgrade(&inbound),
                    frame: frame.clone().into(),
                };
                match &mut state.gnomes {
                    None => (Some(name), vec!["delivered"], vec![parcel]),
                    Some(gnomes) => {
                        let (fates, free) = mischief(gnomes, &parcel, now);
                        (Some(name), fates, free)
                    }
                }
            }
        };
        drop(state);
        self.wire.held.notify_one();
        free.drain(..).for_each(Parcel::deliver);
        if let Some(tap) = tap {
            report(&*tap, from, to, name, &frame, &copies);
        }
    }

    fn serves(&self, service: &str) -> bool {
        self.wire.lock().directory.serves(service)
    }

    fn locate(&self, store: StoreId, node: &str) -> Location {
        self.wire.lock().directory.locate(store, node)
    }
}

/// What the gnomes do to one frame: the fate of each copy, and every frame that is let go now.
fn mischief(
    gnomes: &mut Mischief<Parcel>,
    parcel: &Parcel,
    now: u64,
) -> (Vec<&'static str>, Vec<Parcel>) {
    let mut fates = Vec::new();
    let mut free = Vec::new();
    for (copy, by) in gnomes.fate().into_iter().enumerate() {
        let at_once = by.frames == 0 && by.delay.is_zero();
        fates.push(match (copy, at_once) {
            (0, true) => "delivered",
            (0, false) => "delayed",
            _ => "repeated",
        });
        if at_once {
            free.push(parcel.clone());
        } else {
            gnomes.hold(parcel.clone(), by, now);
        }
    }
    if fates.is_empty() {
        fates.push("lost");
    }
    free.extend(gnomes.passed(now));
    (fates, free)
}

fn report(
    tap: &(dyn Fn(&FrameEvent) + Send + Sync),
    from: &str,
    to: &Destination,
    name: Option<String>,
    frame: &[u8],
    fates: &[&'static str],
) {
    let summary =
        Frame::decode(frame).map_or_else(|cause| cause.to_string(), |frame| frame.summary());
    let nobody = ["nobody there"];
    let fates = if name.is_some() { fates } else { &nobody };
    let to = name.unwrap_or_else(|| match to {
        Destination::Service(service) => service.clone(),
        Destination::Store { node, .. } => node.clone(),
    });
    for fate in fates {
        tap(&FrameEvent {
            from: from.to_owned(),
            to: to.clone(),
            summary: summary.clone(),
            fate,
        });
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}
