//! The network: loses, repeats, delays and misroutes; and the doors of the hosts.

use super::*;

impl World {
    pub(super) fn release(
        &mut self,
        from: usize,
        key: Option<EndpointKey>,
        to: &Destination,
        mut frame: Frame,
    ) {
        let host = &mut self.hosts[from];
        host.send_ctr += 1;
        frame.stamp(
            host.store,
            &host.name,
            host.incarnation,
            host.send_ctr,
            [0; 16],
        );
        if let Some(key) = key {
            self.check_frame(from, key, &frame);
        }
        let mut receiver = match to {
            Destination::Service(_) => 1 + self.rng.below(2) as usize,
            Destination::Store { node, .. } => self
                .hosts
                .iter()
                .position(|host| host.name == *node)
                .unwrap_or_else(|| panic!("no host {node}")),
        };
        if self.trouble() && self.rng.chance(2) {
            receiver = self.rng.below(3) as usize;
        }
        let bytes = frame.encode();
        if self.history.len() < 600 {
            self.history.push((receiver, bytes.clone()));
        }
        let copies = match (self.trouble(), self.rng.below(10)) {
            (true, 0..=2) => 0,
            (true, 3..=4) => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let slow = self.trouble() && self.rng.chance(5);
            let delay = 1 + self.rng.below(if slow { 20_000 } else { 40 });
            self.at(delay, Event::Arrive(receiver, bytes.clone()));
        }
    }

    pub(super) fn arrive(&mut self, host: usize, bytes: &[u8]) {
        if !self.hosts[host].up {
            return;
        }
        let frame = Frame::decode(bytes).unwrap();
        let key = frame.key();
        if self.hosts[host].records.contains_key(&key) {
            self.transact(host, key, Input::Frame(frame));
        } else if let Some(reset) = reject(&frame) {
            self.release(host, None, &frame.reply_to(), reset);
        } else if frame.is_initiating() && host > 0 {
            if self.trouble() && self.rng.chance(10) {
                let code = if self.rng.chance(70) {
                    FaultCode::Busy
                } else {
                    FaultCode::NotServed
                };
                let refusal = refuse(&frame, code, "no");
                self.release(host, None, &frame.reply_to(), refusal);
            } else {
                self.accept(host, frame);
            }
        }
    }

    pub(super) fn accept(&mut self, host: usize, frame: Frame) {
        let token = Token(self.mint_id());
        let plan = self.plan.clone();
        let env = Env::new(
            &plan.limits,
            self.hosts[host].store,
            self.hosts[host].incarnation,
        );
        let key = frame.key();
        let (endpoint, eff) = Endpoint::accept(frame, token, plan.mode, plan.timeouts, &env);
        let work = Slot {
            endpoint,
            app: App::default(),
            timers: BTreeMap::new(),
        };
        self.consume_and_finish(host, key, work, eff);
    }
}
