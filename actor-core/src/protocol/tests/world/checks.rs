//! What must hold at every commit, and when all is over.

use super::*;

impl App {
    /// Was a newer value of its topic said, with no history in between?
    fn superseded(&self, seq: u64) -> bool {
        let Some(topic) = self.topics.get(&seq) else {
            return false;
        };
        let later = self.said.iter().filter(|(later, _)| *later > seq);
        later
            .map_while(|(later, _)| self.topics.get(later))
            .any(|of| of == topic)
    }

    /// S9: of what was said up to there, only currency is missing, and only if there is a newer value.
    fn check_gaps(&self, heard: &[(u64, u64)], up_to: u64) {
        for word in self.said.iter().filter(|(seq, _)| *seq <= up_to) {
            assert!(
                heard.contains(word) || self.superseded(word.0),
                "S9, L3: #{} is missing",
                word.0
            );
        }
    }
}

impl World {
    pub(super) fn everyone(&self) -> impl Iterator<Item = &Slot> {
        let live = self
            .hosts
            .iter()
            .flat_map(|host| host.records.values().map(|record| &record.durable));
        live.chain(&self.graveyard)
    }

    pub(super) fn by_token(&self, token: Token) -> Option<&Slot> {
        self.everyone().find(|slot| slot.endpoint.token() == token)
    }

    pub(super) fn check(&mut self, host: usize, key: EndpointKey, eff: &Effects) {
        let record = &self.hosts[host].records[&key];
        let (durable, live) = (&record.durable, &record.live);
        let token = durable.endpoint.token();
        if let (Role::Initiator, Some(peer)) = (key.role, durable.endpoint.peer()) {
            let bound = *self.bindings.entry(key.dialog).or_insert(peer.token);
            assert_eq!(bound, peer.token, "S3: the binding is set once");
        }
        if durable.app.confirmed {
            let confirmed = self.confirmed.entry(key.dialog).or_default();
            confirmed.insert(token);
            assert_eq!(confirmed.len(), 1, "S4: one memory is confirmed");
        }
        if let (true, Some(peer)) = (durable.app.confirmed, durable.endpoint.peer()) {
            let chooser = self
                .by_token(peer.token)
                .map(|slot| slot.endpoint.was_established());
            assert_eq!(
                chooser,
                Some(true),
                "S8: confirmed by one who durably heard its answer"
            );
        }
        if let Some(partner) = live
            .endpoint
            .peer()
            .and_then(|peer| self.by_token(peer.token))
        {
            if live.endpoint.ending().is_none() {
                assert!(
                    live.endpoint.acked() < partner.endpoint.recv_next(),
                    "S6: forgotten only what the partner keeps"
                );
                let kept: Vec<_> = live.endpoint.outbox().map(|message| message.seq).collect();
                let forgotten = live
                    .app
                    .said
                    .iter()
                    .filter(|(seq, _)| *seq > live.endpoint.acked() && !kept.contains(seq));
                for (seq, _) in forgotten {
                    assert!(live.app.superseded(*seq), "S6: #{seq} was forgotten");
                }
            }
            let heard = &durable.app.heard;
            assert!(
                heard.is_sorted_by(|one, next| one.0 < next.0),
                "S9, S10: in order, each once, never back"
            );
            assert!(
                heard.iter().all(|word| partner.app.said.contains(word)),
                "S9: only what was said"
            );
            partner
                .app
                .check_gaps(heard, heard.last().map_or(0, |(seq, _)| *seq));
            if eff.notices.contains(&Notice::Ended(Ending::Completed)) {
                let consumed = partner.endpoint.recv_next();
                assert!(
                    consumed >= live.endpoint.send_next(),
                    "S12: all that was said was received"
                );
            }
        }
        let endings = eff.notices.iter().filter_map(|notice| match notice {
            Notice::Ended(ending) => Some(ending.clone()),
            _ => None,
        });
        self.endings
            .entry((key.role, key.dialog))
            .or_default()
            .extend(endings);
    }

    pub(super) fn check_frame(&self, host: usize, key: EndpointKey, frame: &Frame) {
        if matches!(frame.kind, FrameKind::Reset { .. }) || frame.is_initiating() {
            return;
        }
        let durable = &self.hosts[host].records[&key].durable.endpoint;
        assert!(
            frame.ack < durable.recv_next(),
            "S5: what is acknowledged is durable"
        );
        if key.role == Role::Initiator {
            assert_eq!(
                frame.dst_token,
                durable.peer().map(|peer| peer.token),
                "S3: durable before use"
            );
        }
    }

    /// Permanent effects of a dialog, wherever they happened.
    pub(super) fn effects_of(&self, dialog: DialogId) -> Vec<u64> {
        let slots = self
            .everyone()
            .filter(|slot| slot.endpoint.key().dialog == dialog);
        let mut applied: Vec<u64> = slots
            .flat_map(|slot| slot.app.applied.iter().copied())
            .collect();
        applied.sort_unstable();
        applied
    }

    pub(in crate::protocol::tests) fn all_effects(&self) -> BTreeMap<DialogId, Vec<u64>> {
        let dialogs: BTreeSet<_> = self
            .everyone()
            .map(|slot| slot.endpoint.key().dialog)
            .collect();
        dialogs
            .into_iter()
            .map(|dialog| (dialog, self.effects_of(dialog)))
            .collect()
    }

    /// What must hold when all is over.
    pub(in crate::protocol::tests) fn check_at_the_end(&self) {
        assert!(
            self.hosts.iter().all(|host| host.records.is_empty()),
            "every record is gone in the end"
        );
        self.check_that_nobody_is_accused_wrongly();
        for (dialog, effects) in self.all_effects() {
            let distinct: BTreeSet<_> = effects.iter().collect();
            assert_eq!(distinct.len(), effects.len(), "applied at most once");
            let slots = self
                .graveyard
                .iter()
                .filter(|slot| slot.endpoint.key().dialog == dialog);
            for slot in slots.filter(|slot| slot.endpoint.role() == Role::Initiator) {
                let certain = slot.endpoint.ending().is_some() && !slot.endpoint.was_established();
                assert!(
                    !certain || effects.is_empty(),
                    "S8: never established, no permanent effect"
                );
                if slot.endpoint.ending() == Some(&Ending::Abandoned(Abandoned::NeverReached)) {
                    assert!(certain, "S8");
                }
            }
        }
    }

    /// No store went back in time, so nobody may say so; and nobody is called forgetful who did not forget.
    pub(super) fn check_that_nobody_is_accused_wrongly(&self) {
        for ending in self.endings.values().flatten() {
            let Ending::Abandoned(why) = ending else {
                continue;
            };
            assert_ne!(why, &Abandoned::PartnerRolledBack);
            if !self.plan.wipes {
                assert_ne!(why, &Abandoned::PartnerReplaced);
                let remembers = self.plan.limits.linger >= Limits::default().linger;
                assert!(!remembers || why != &Abandoned::PartnerAmnesia, "S23");
            }
        }
    }

    /// With patience, and without anybody giving up, nothing is lost.
    pub(in crate::protocol::tests) fn check_that_all_completed(&self) {
        for ((role, dialog), endings) in &self.endings {
            let chosen = self.bindings.get(dialog);
            for ending in endings {
                let good = match role {
                    Role::Initiator => matches!(ending, Ending::Completed | Ending::Declined),
                    Role::Target => matches!(
                        ending,
                        Ending::Completed | Ending::Declined | Ending::Discarded
                    ),
                };
                assert!(good, "{role:?} of {dialog} ended as {ending:?}");
            }
            let initiator = self.everyone().find(|slot| {
                slot.endpoint.key()
                    == EndpointKey {
                        dialog: *dialog,
                        role: Role::Initiator,
                    }
            });
            let (Some(initiator), Some(chosen)) = (initiator, chosen) else {
                panic!("{dialog} was never bound")
            };
            let Some(target) = self.by_token(*chosen) else {
                panic!("{dialog} has no target")
            };
            if initiator.endpoint.ending() == Some(&Ending::Completed) && !self.plan.target_closes {
                // L1 and L3: all history, and the last value of each topic.
                initiator.app.check_gaps(&target.app.heard, u64::MAX);
                target.app.check_gaps(&initiator.app.heard, u64::MAX);
                assert_eq!(
                    target.app.applied.len(),
                    target.app.heard.len(),
                    "everything was applied"
                );
            }
        }
    }
}
