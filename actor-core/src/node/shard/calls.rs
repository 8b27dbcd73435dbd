//! Calls from plain code: opening a dialog, asking, letting go.
//!
//! Owns what a handle means (volatile or keyed) and when a key is opened. A call never runs a handler in its own step: it
//! only says something.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use actor_store::{StoreFault, Table, Value, Write, codec::CodecError};
use tokio::sync::oneshot;

use super::{
    Learned, LineState, PlainCall, PlainSpec, Shard,
    commands::not_sent,
    names::{Name, Recorded, forget_first},
    txn::Txn,
};
use crate::{
    dialog::{Encoded, Heard, Knowledge, Outcome, Sent},
    digest::Digest,
    node::{
        address::Address,
        record::{Ask, KeyRow, Named, Owner, encode},
    },
    protocol::{
        Abandoned, DialogId, Ending, FaultCode, Input, Limits, MAX_MESSAGE_BYTES, MessageKind,
        Mode, Outgoing, Stage,
    },
};

/// The messages of a call, ready to be said.
struct Batch {
    tells: Vec<Outgoing>,
    ask: Outgoing,
    closing: bool,
    digest: u64,
}

impl Batch {
    /// Refused whole, before anything of it is said: half an opening would be another one.
    fn refusal(&self, limits: &Limits) -> Option<Outcome> {
        let all = || {
            self.tells
                .iter()
                .chain([&self.ask])
                .map(|message| message.body.len())
        };
        let outcome = |bytes: usize, limit: usize| {
            let (bytes, limit) = (bytes as u64, limit as u64);
            (bytes > limit).then_some(Outcome::TooLarge { bytes, limit })
        };
        let longest = outcome(all().max().unwrap_or(0), MAX_MESSAGE_BYTES);
        let together = || outcome(all().sum(), limits.max_initiation_bytes);
        let (count, most) = (all().count() as u64, limits.max_initiation_messages);
        let many = || {
            let why =
                format!("an opening has {count} messages and may have {most}; send a list instead");
            (count > most).then_some(Outcome::Codec(why))
        };
        longest.or_else(together).or_else(many)
    }
}

impl Shard {
    pub(super) fn on_call(&mut self, call: PlainCall) -> Result<(), StoreFault> {
        let mut txn = Txn::new(self.shared.clock.now_ms());
        let (spec, line) = (Arc::clone(&call.spec), Arc::clone(&call.line));
        self.call(&mut txn, call)?;
        self.commit(txn)?;
        if let Some(key) = &spec.key
            && self.endpoints.contains_key(&line.address())
        {
            // Its row is published: whoever asks for the key finds it there. Where nothing was opened, the proposal
            // stands, because somebody may hold it.
            self.shared
                .proposed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(key);
        }
        Ok(())
    }

    fn call(&mut self, txn: &mut Txn<'_>, call: PlainCall) -> Result<(), StoreFault> {
        let PlainCall { spec, sent, line } = call;
        let Sent {
            first,
            ask,
            once,
            opening,
            answer,
        } = sent;
        let batch = batch(first, ask).map_err(|(name, cause)| {
            Outcome::Codec(format!(
                "the arguments of `{name}` could not be encoded: {cause}"
            ))
        });
        let batch = match batch.and_then(|batch| match batch.refusal(&self.shared.limits) {
            Some(refusal) => Err(refusal),
            None => Ok(batch),
        }) {
            Ok(batch) => batch,
            Err(outcome) => {
                refuse(txn, answer, outcome);
                return Ok(());
            }
        };
        let exists = self.find_line(txn, &spec, &line)?;
        let address = line.address();
        // The first answer of a keyed dialog with pending work is recorded; a handshake has no first message.
        let name = if opening && spec.key.is_some() && spec.open.mode == Mode::Pending {
            Some(Name::First)
        } else {
            once.map(Name::Once)
        };
        if let Some(name) = &name {
            match self.recorded(address, &name.to_text(), batch.digest)? {
                Recorded::New => {}
                Recorded::Answer(outcome) => {
                    txn.output.answers.push((answer, Heard::Outcome(outcome)));
                    return Ok(());
                }
                Recorded::Running(request) => {
                    self.wait_for(txn, &line, request, answer);
                    return Ok(());
                }
                Recorded::Conflict => {
                    let key = match name {
                        Name::First => spec.key.as_deref().map(key_name).unwrap_or_default(),
                        Name::Once(name) => name.clone(),
                    };
                    txn.output.answers.push((answer, Heard::KeyConflict(key)));
                    return Ok(());
                }
            }
        }
        if exists && self.is_orphan(address)? {
            // Nothing is sent that nobody here could take; the dialog waits for a program that serves it again.
            refuse(txn, answer, Outcome::NoRoute(spec.open.service.to_owned()));
            return Ok(());
        }
        if !exists {
            // Ended and forgotten: a handle never opens its dialog twice.
            if let Knowledge::Ended(ending) = line.knowledge() {
                refuse(txn, answer, not_sent(Some(&ending)));
                return Ok(());
            }
            if let Err(outcome) = self.open_line(txn, &spec, address)? {
                refuse(txn, answer, outcome);
                return Ok(());
            }
        }
        self.speak(txn, address, batch, name.as_ref(), answer, &line)
    }

    /// Brings the dialog of a handle into memory. A key whose dialog certainly never reached anybody is opened anew: only
    /// an answer is recorded for ever.
    fn find_line(
        &mut self,
        txn: &mut Txn<'_>,
        spec: &PlainSpec,
        line: &LineState,
    ) -> Result<bool, StoreFault> {
        let address = line.address();
        let exists = self.ensure_endpoint(address)?;
        let Some(key) = &spec.key else {
            return Ok(exists);
        };
        if exists && !self.never_began(address) {
            return Ok(true);
        }
        // Another handle of the key may have opened it anew already.
        let written = self.shared.key_row(key)?.unwrap_or(address);
        if written != address {
            line.move_to(written);
            return self.find_line(txn, spec, line);
        }
        if !exists {
            return Ok(false);
        }
        forget_first(txn, address);
        txn.delete(Table::Endpoints, address.to_bytes().to_vec());
        self.remove_endpoint(address);
        let dialog = DialogId(self.shared.ids.random());
        line.move_to(Address::initiator(dialog, address.slot));
        Ok(false)
    }

    /// It ended without ever being established, and not by anybody's decision.
    fn never_began(&self, address: Address) -> bool {
        self.endpoints.get(&address).is_some_and(|cell| {
            let endpoint = &cell.record.endpoint;
            let nobody = matches!(
                endpoint.ending(),
                Some(Ending::Abandoned(
                    Abandoned::NeverReached
                        | Abandoned::Busy
                        | Abandoned::NotServed(_)
                        | Abandoned::Incompatible(_)
                ))
            );
            nobody && !endpoint.was_established()
        })
    }

    fn open_line(
        &mut self,
        txn: &mut Txn<'_>,
        spec: &PlainSpec,
        address: Address,
    ) -> Result<Result<(), Outcome>, StoreFault> {
        let owner = if spec.key.is_some() {
            Owner::Keyed
        } else {
            Owner::Volatile
        };
        let opened = self.open_initiator(txn, address, &spec.open, owner)?;
        if let (Ok(()), Some(key)) = (&opened, &spec.key) {
            let row = encode(&KeyRow::new(address)).map_err(super::txn::encoding)?;
            txn.writes.push(Write {
                table: Table::Keys,
                key: key.clone(),
                value: Some(Value::new(row)),
            });
        }
        Ok(opened)
    }

    fn speak(
        &mut self,
        txn: &mut Txn<'_>,
        address: Address,
        batch: Batch,
        name: Option<&Name>,
        answer: oneshot::Sender<Heard>,
        line: &Arc<LineState>,
    ) -> Result<(), StoreFault> {
        let Batch {
            tells,
            ask,
            closing,
            digest,
        } = batch;
        for tell in tells {
            if let Err(outcome) = self.say(txn, address, tell, false, Ask::default())? {
                refuse(txn, answer, outcome);
                return Ok(());
            }
        }
        let name = name.map(Name::to_text);
        let record = Ask {
            then: None,
            name: name.clone().map(|name| (name, digest)),
        };
        let request = match self.say(txn, address, ask, closing, record)? {
            Ok(request) => request,
            Err(outcome) => {
                refuse(txn, answer, outcome);
                return Ok(());
            }
        };
        self.wait_for(txn, line, request, answer);
        match name {
            Some(name) => {
                let named = Named {
                    digest,
                    request,
                    outcome: None,
                };
                self.record_name(txn, address, name, named)
            }
            None => Ok(()),
        }
    }

    /// A caller waits for the answer of a request that is said.
    fn wait_for(
        &mut self,
        txn: &mut Txn<'_>,
        line: &Arc<LineState>,
        request: u64,
        answer: oneshot::Sender<Heard>,
    ) {
        let Some(cell) = self.endpoints.get_mut(&line.address()) else {
            return;
        };
        cell.waiters.entry(request).or_default().push(answer);
        cell.attach(line);
        let since = UNIX_EPOCH + Duration::from_millis(txn.now);
        let said = (Arc::clone(line), Learned::Said(request, since));
        txn.output.learned.push(said);
    }

    pub(super) fn on_dropped(&mut self, line: &LineState) -> Result<(), StoreFault> {
        let why = "its handle was dropped".to_owned();
        self.end_line(line.address(), Input::Abandon(FaultCode::PartnerGone, why))
    }

    pub(super) fn on_close(&mut self, line: &LineState) -> Result<(), StoreFault> {
        self.ensure_endpoint(line.address())?;
        self.end_line(line.address(), Input::Close)
    }

    pub(super) fn on_abandon(&mut self, line: &LineState, why: String) -> Result<(), StoreFault> {
        self.ensure_endpoint(line.address())?;
        self.end_line(line.address(), Input::Abandon(FaultCode::Abandoned, why))
    }

    /// Nothing to end where nothing was ever said, or where the goodbye is already under way.
    fn end_line(&mut self, address: Address, input: Input) -> Result<(), StoreFault> {
        let Some(cell) = self.endpoints.get(&address) else {
            return Ok(());
        };
        let dropped = matches!(input, Input::Abandon(FaultCode::PartnerGone, _));
        let endpoint = &cell.record.endpoint;
        if endpoint.ending().is_some() || (dropped && endpoint.stage() == Stage::Closing) {
            return Ok(());
        }
        let mut txn = Txn::new(self.shared.clock.now_ms());
        self.input(&mut txn, address, input)?;
        self.commit(txn).map(drop)
    }
}

fn refuse(txn: &mut Txn<'_>, answer: oneshot::Sender<Heard>, outcome: Outcome) {
    txn.output.answers.push((answer, Heard::Outcome(outcome)));
}

fn batch(first: Vec<Encoded>, ask: Encoded) -> Result<Batch, (&'static str, CodecError)> {
    let mut digest = Digest::default();
    let closing = ask.closing;
    let mut outgoing = |call: Encoded, kind| {
        let body = call.body.map_err(|cause| (call.name, cause))?;
        digest.mix(&call.handler.to_le_bytes());
        digest.mix(&body);
        Ok(Outgoing {
            kind,
            currency: false,
            re: 0,
            handler: call.handler,
            version: 1,
            body: body.into(),
        })
    };
    let tells = first
        .into_iter()
        .map(|call| outgoing(call, MessageKind::Tell))
        .collect::<Result<_, _>>()?;
    let ask = outgoing(ask, MessageKind::Ask)?;
    Ok(Batch {
        tells,
        ask,
        closing,
        digest: digest.value(),
    })
}

/// The application's key in a row's key, which is `service 0xff key`.
fn key_name(key: &[u8]) -> String {
    let name = key
        .iter()
        .position(|byte| *byte == 0xff)
        .map_or(key, |at| &key[at + 1..]);
    String::from_utf8_lossy(name).into_owned()
}
