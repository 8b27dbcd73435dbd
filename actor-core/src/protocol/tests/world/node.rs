//! A node in small: transactions, restarts from durable bytes, timers, panics, lost stores.

use super::*;

impl World {
    pub(super) fn step(&self, host: usize, work: &mut Slot, input: Input) -> Effects {
        let host = &self.hosts[host];
        let env = Env::new(&self.plan.limits, host.store, host.incarnation);
        let effects = work.endpoint.step(input, &env);
        // `establish` runs before anything is delivered.
        if effects.notices.contains(&Notice::Confirmed) {
            assert!(!work.app.confirmed, "confirmed twice");
            work.app.confirmed = true;
            let pending = std::mem::take(&mut work.app.pending);
            work.app.applied.extend(pending);
        }
        effects
    }

    /// One input and what follows from it, as transactions of one message each.
    pub(super) fn transact(&mut self, host: usize, key: EndpointKey, input: Input) {
        let Some(record) = self.hosts[host].records.get(&key) else {
            return;
        };
        let mut work = record.live.clone();
        let eff = self.step(host, &mut work, input);
        self.consume_and_finish(host, key, work, eff);
        let has_next = |world: &Self| {
            let record = world.hosts[host].records.get(&key);
            world.hosts[host].up && record.is_some_and(|record| record.live.endpoint.has_next())
        };
        while has_next(self) {
            let work = self.hosts[host].records[&key].live.clone();
            self.consume_and_finish(host, key, work, Effects::default());
        }
    }

    pub(super) fn consume_and_finish(
        &mut self,
        host: usize,
        key: EndpointKey,
        mut work: Slot,
        mut eff: Effects,
    ) {
        loop {
            let consumed = self.step(host, &mut work, Input::Consume);
            let message = consumed.deliver.clone();
            eff.merge(consumed);
            let Some(message) = message else { break };
            self.hear(host, &mut work, &message, &mut eff);
            if self.trouble() && self.rng.chance(4) {
                return self.panic_in_handler(host, key);
            }
            // A batch of first messages is one step.
            if work.endpoint.stage() != Stage::Accumulating {
                break;
            }
        }
        self.finish(host, work, eff);
    }

    /// The endpoint is thrown away and read again.
    pub(super) fn panic_in_handler(&mut self, host: usize, key: EndpointKey) {
        self.trace.push(format!(
            "{} {} panic {key:?}",
            self.now, self.hosts[host].name
        ));
        let Some(record) = self.hosts[host].records.get_mut(&key) else {
            return;
        };
        record.live.endpoint = serde_json::from_slice(&record.durable_bytes).unwrap();
        record.live.app = record.durable.app.clone();
        if self.rng.chance(50) {
            self.transact(host, key, Input::Restarted);
        }
    }

    pub(super) fn finish(&mut self, host: usize, mut work: Slot, mut eff: Effects) {
        eff.merge(self.step(host, &mut work, Input::Flush));
        self.commit(host, work, eff);
    }

    pub(super) fn commit(&mut self, host: usize, mut work: Slot, eff: Effects) {
        let key = work.endpoint.key();
        for op in &eff.timers {
            match op {
                TimerOp::Arm(kind, after) => {
                    _ = work
                        .timers
                        .insert(*kind, self.now + after.as_millis() as u64);
                }
                TimerOp::Cancel(kind) => _ = work.timers.remove(kind),
            }
        }
        self.trace_commit(host, &work, &eff);
        let records = &mut self.hosts[host].records;
        let changed = records
            .get(&key)
            .is_none_or(|record| record.durable.app != work.app);
        assert!(
            !changed || eff.durability == Durability::Durable,
            "the application's changes are always durable"
        );
        let write = match eff.durability {
            Durability::Durable => true,
            Durability::Lazy => self.rng.chance(30),
            Durability::None => false,
        };
        if write || !records.contains_key(&key) {
            let durable_bytes = serde_json::to_vec(&work.endpoint).unwrap();
            records.insert(
                key,
                Record {
                    live: work.clone(),
                    durable: work,
                    durable_bytes,
                },
            );
        } else if let Some(record) = records.get_mut(&key) {
            record.live = work;
        }
        self.check(host, key, &eff);
        if self.trouble() && eff.durability == Durability::Durable && self.rng.chance(2) {
            return self.crash(host);
        }
        for (to, frame) in eff.frames {
            self.release(host, Some(key), &to, frame);
        }
        if eff.locate {
            self.locate(host, key);
        }
        self.bury_if_over(host, key);
    }

    pub(super) fn trace_commit(&mut self, host: usize, work: &Slot, eff: &Effects) {
        if !self.traced {
            return;
        }
        let (name, key) = (&self.hosts[host].name, work.endpoint.key());
        let frames: Vec<_> = eff
            .frames
            .iter()
            .map(|(_, frame)| {
                (
                    &frame.kind,
                    frame.dst_token.is_some(),
                    frame.ack,
                    &frame.messages,
                )
            })
            .collect();
        let (stage, durability, notices) = (work.endpoint.stage(), eff.durability, &eff.notices);
        self.trace.push(format!(
            "{} {name} {key:?} {stage:?} {durability:?} {notices:?} {frames:?}",
            self.now
        ));
    }

    pub(super) fn bury_if_over(&mut self, host: usize, key: EndpointKey) {
        let records = &mut self.hosts[host].records;
        if records
            .get(&key)
            .is_some_and(|record| record.live.endpoint.fully_over())
        {
            self.graveyard
                .extend(records.remove(&key).map(|record| record.durable));
        }
    }

    pub(super) fn locate(&mut self, host: usize, key: EndpointKey) {
        let Some(peer) = self.hosts[host].records[&key].live.endpoint.peer().cloned() else {
            return;
        };
        let location = match self.hosts.iter().find(|host| host.store == peer.store) {
            Some(found) => Location::Bound {
                node: found.name.clone(),
            },
            None => match self.hosts.iter().find(|host| host.name == peer.node) {
                Some(twin) => Location::ReplacedBy(twin.store),
                None => Location::Unknown,
            },
        };
        self.transact(host, key, Input::Located(location));
    }

    pub(super) fn crash(&mut self, host: usize) {
        self.trace
            .push(format!("{} {} crash", self.now, self.hosts[host].name));
        self.hosts[host].up = false;
        let pause = 100 + self.rng.below(8000);
        self.at(pause, Event::Restart(host));
        if host == 0 && self.plan.volatile {
            let lost = std::mem::take(&mut self.hosts[0].records);
            self.graveyard
                .extend(lost.into_values().map(|record| record.live));
        }
    }

    pub(super) fn restart(&mut self, at: usize) {
        let host = &mut self.hosts[at];
        (host.up, host.incarnation, host.send_ctr) = (true, host.incarnation + 1, 0);
        let keys: Vec<_> = host.records.keys().copied().collect();
        for record in host.records.values_mut() {
            record.live = record.durable.clone();
            record.live.endpoint = serde_json::from_slice(&record.durable_bytes).unwrap();
            record.live.timers.remove(&TimerKind::Retransmit);
        }
        for key in keys {
            self.transact(at, key, Input::Restarted);
        }
    }

    pub(super) fn wipe(&mut self, at: usize) {
        self.trace
            .push(format!("{} {} wiped", self.now, self.hosts[at].name));
        let store = StoreId(self.mint_id());
        let host = &mut self.hosts[at];
        let lost = std::mem::take(&mut host.records);
        self.graveyard
            .extend(lost.into_values().map(|record| record.durable));
        (host.store, host.incarnation, host.send_ctr) = (store, 1, 0);
    }
}
