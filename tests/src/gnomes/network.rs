//! The network: loses, repeats, holds back and misroutes; and the doors of the hosts.

use actor_core::coverage::Circumstance;
use actor_core::protocol::{
    Destination, Endpoint, FaultCode, Frame, FrameKind, Input, Role, TimerKind, Token, refuse,
    reject,
};

use super::dialog::Record;
use super::world::{Event, Flight, World};

/// Frames whose hearing is cut short, in a thousand; RESETs, which are rare, more often.
const AMBUSHED_PERMILLE: u64 = 1;
const RESET_AMBUSHED_PERMILLE: u64 = 100;
/// One frame in this many goes through its bytes.
const CODED_ONE_IN: u64 = 16;

impl World {
    /// A frame leaves its host. `own`: in the name of the endpoint there.
    pub(super) fn release(
        &mut self,
        dialog: usize,
        from: usize,
        own: bool,
        to: &Destination,
        mut frame: Frame,
    ) {
        self.tally.frames += 1;
        let host = &mut self.hosts[from];
        host.send_ctr += 1;
        frame.stamp(
            host.store,
            &host.name,
            host.incarnation,
            host.send_ctr,
            [0; 16],
        );
        if own {
            self.check_frame(dialog, from, &frame);
        }
        let pool = self.host_count() as u64 - 1;
        let mut receiver = match to {
            Destination::Service(_) => 1 + self.rng.below(pool) as usize,
            Destination::Store { node, .. } => self
                .hosts
                .iter()
                .position(|host| host.name == *node)
                .expect("names are swapped and never lost"),
        };
        if self.rng.below(CODED_ONE_IN) == 0 {
            self.tally.coded += 1;
            let read = Frame::decode(&frame.encode());
            assert_eq!(read.as_ref(), Ok(&frame), "M1: a frame is its bytes");
        }
        let (trouble, faults) = (self.is_trouble(), &self.plan.faults);
        if trouble && self.rng.permille(faults.misroute) {
            self.tally.misrouted += 1;
            receiver = self.rng.below(pool + 1) as usize;
        }
        let about = &mut self.dialogs[dialog];
        let number = about.arrived.len() as u32;
        about.arrived.push(0);
        let flight = Flight {
            frame,
            dialog,
            from,
            to: receiver,
            number,
        };
        self.keep_frame(&flight);
        if trouble && self.rng.permille(self.plan.faults.lose) {
            self.tally.lost += 1;
            return;
        }
        if trouble && self.rng.permille(self.plan.faults.repeat) {
            self.tally.repeated += 1;
            self.send(flight.clone(), true);
        }
        self.send(flight, false);
    }

    fn send(&mut self, flight: Flight, is_copy: bool) {
        let mut delay = 1 + self.rng.below(20);
        // A copy is good for mischief only if it comes late.
        let slow = self.is_trouble() && self.rng.permille(self.plan.faults.slow);
        if slow || (is_copy && self.rng.percent(30)) {
            self.tally.slow += 1;
            delay += self.rng.below(self.plan.faults.slow_ms);
        }
        self.at(delay, Event::Arrive(Box::new(flight)));
    }

    /// "At precisely the worst time": a frame whose commit fails, and whose copy waits behind the door.
    fn lay_ambush(&mut self, flight: &Flight) {
        if !self.is_trouble() || self.plan.faults.crash_before == 0 {
            return;
        }
        let is_reset = matches!(flight.frame.kind, FrameKind::Reset { .. });
        let rate = if is_reset {
            RESET_AMBUSHED_PERMILLE
        } else {
            AMBUSHED_PERMILLE
        };
        if self.rng.permille(rate) {
            self.ambush = Some(Box::new(flight.clone()));
        }
    }

    pub(super) fn arrive(&mut self, flight: Flight) {
        if self.hosts[flight.to].up {
            self.lay_ambush(&flight);
            self.deliver(flight);
            self.ambush = None;
        }
    }

    fn deliver(&mut self, flight: Flight) {
        let Flight {
            frame,
            dialog,
            from,
            to,
            number,
        } = flight;
        self.concern = dialog;
        self.tally.arrived += 1;
        let how = self.order_of(dialog, from, to, number);
        self.circumstance_of(dialog, to, how);
        self.note(Some(dialog), u64::from(number) << 8, |world| {
            format!("{} hears {how:?} {}", world.name(to), frame.summary())
        });
        let is_for_initiator = frame.to == Role::Initiator;
        if self.record(dialog, to).is_some() && is_for_initiator == (to == 0) {
            self.transact(dialog, to, Input::Frame(frame));
        } else if let Some(reset) = reject(&frame) {
            self.release(dialog, to, false, &frame.reply_to(), reset);
        } else if frame.is_initiating() && to > 0 {
            match self.refusal() {
                Some(code) => {
                    self.tally.refused += 1;
                    let refusal = refuse(&frame, code, "no");
                    self.release(dialog, to, false, &frame.reply_to(), refusal);
                }
                None => self.accept(dialog, to, frame),
            }
        }
    }

    /// Was it delivered before, or something that was sent later?
    fn order_of(&mut self, dialog: usize, from: usize, to: usize, number: u32) -> Circumstance {
        let about = &mut self.dialogs[dialog];
        let copies = &mut about.arrived[number as usize];
        *copies = copies.saturating_add(1);
        let latest = &mut about.latest[from][to];
        // Numbers begin at 0: what is kept is the next.
        let overtaken = number + 1 < *latest;
        *latest = (*latest).max(number + 1);
        if *copies > 1 {
            Circumstance::Duplicated
        } else if overtaken {
            about.was_reordered |= !self.replaying;
            self.tally.overtaken += 1;
            Circumstance::Reordered
        } else {
            Circumstance::Normal
        }
    }

    fn refusal(&mut self) -> Option<FaultCode> {
        if !self.is_trouble() {
            return None;
        }
        if self.rng.permille(self.plan.faults.busy) {
            return Some(FaultCode::Busy);
        }
        if self.rng.permille(self.plan.faults.not_served) {
            return Some(if self.rng.percent(80) {
                FaultCode::NotServed
            } else {
                FaultCode::Incompatible
            });
        }
        None
    }

    fn accept(&mut self, dialog: usize, host: usize, frame: Frame) {
        let token = Token(self.mint_id());
        let (endpoint, eff) = Endpoint::accept(
            frame,
            token,
            self.plan.mode,
            self.plan.timeouts,
            &self.env(host),
        );
        let record = Record::new(endpoint, self.now);
        self.dialogs[dialog].here[host] = Some(Box::new(record));
        self.consume_and_finish(dialog, host, eff);
        self.consume_the_rest(dialog, host);
    }

    pub(super) fn ring_at(&mut self, dialog: usize, host: usize, kind: TimerKind) {
        self.note(Some(dialog), 64 + kind as u64, |world| {
            format!("{} {kind:?} fires", world.name(host))
        });
        self.transact(dialog, host, Input::Timer(kind));
    }
}
