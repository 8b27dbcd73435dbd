//! Calls from plain code: opening a dialog, asking, letting go.
//!
//! Owns what a handle means (volatile or keyed) and when a key is opened. A call never runs a handler in its own step: it
//! only says something.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use actor_store::{StoreFault, Table, Value, Write, codec::CodecError};
use tokio::sync::oneshot;

use super::{
    Learned, LineState, PlainCall, PlainSpec, Shard,
    cells::{Waiter, Waiters},
    commands::{millis, not_sent},
    names::{Name, Recorded, forget_first},
    txn::Txn,
};
use crate::{
    dialog::{Encoded, Heard, Knowledge, Never, OpenSpec, Outcome, Sent},
    digest::Digest,
    node::{
        address::{Address, outbox_key},
        record::{Ask, KeyRow, Named, Owner, Wish, encode},
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
    fn refusal(&self, limits: &Limits, pending: bool) -> Option<Outcome> {
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
        let most = limits.max_message_bytes.min(MAX_MESSAGE_BYTES);
        let longest = outcome(all().max().unwrap_or(0), most);
        if !pending {
            return longest;
        }
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
        let mut txn = self.begin(self.shared.clock.now_ms());
        self.call(&mut txn, call)?;
        self.commit(txn).map(drop)
    }

    fn call(&mut self, txn: &mut Txn<'_>, call: PlainCall) -> Result<(), StoreFault> {
        let PlainCall { spec, sent, line } = call;
        let Sent {
            first,
            ask,
            once,
            within,
            opening,
            answer,
        } = sent;
        let until = within.map(|time| txn.now.saturating_add(millis(time)));
        let batch = batch(&spec.open, first, ask).map_err(|(name, cause)| {
            Outcome::Codec(format!(
                "the arguments of `{name}` could not be encoded: {cause}"
            ))
        });
        // Only pending work must be said in one frame; after a handshake messages wait for their turn.
        let pending = opening && spec.open.mode == Mode::Pending;
        let limits = &self.shared.limits;
        let batch = match batch.and_then(|batch| match batch.refusal(limits, pending) {
            Some(refusal) => Err(refusal),
            None => Ok(batch),
        }) {
            Ok(batch) => batch,
            Err(outcome) => {
                settle(txn, answer, outcome);
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
                Recorded::Running(request, since_ms) => {
                    let waiter = Waiter { answer, until };
                    self.wait_for(txn, &line, (request, since_ms), waiter);
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
        if let Some(damaged) = self.damage_of(address) {
            settle(txn, answer, damaged);
            return Ok(());
        }
        if exists && self.is_orphan(address)? {
            // Nothing is sent that nobody here could take; the dialog waits for a program that serves it again.
            settle(txn, answer, Outcome::NoRoute(spec.open.service.to_owned()));
            return Ok(());
        }
        if !exists {
            // Ended and forgotten: a handle never opens its dialog twice.
            if let Knowledge::Ended(ending) = line.knowledge() {
                settle(txn, answer, not_sent(Some(&ending)));
                return Ok(());
            }
            if let Err(outcome) = self.open_line(txn, &spec, address, within)? {
                settle(txn, answer, outcome);
                return Ok(());
            }
        }
        let waiter = Waiter { answer, until };
        self.speak(txn, address, batch, name.as_ref(), waiter, &line)
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
        let written = self.key_row(key)?.unwrap_or(address);
        if written != address {
            line.move_to(written);
            return self.find_line(txn, spec, line);
        }
        if !exists {
            return Ok(false);
        }
        forget_first(txn, address);
        let rows = self
            .shelves
            .endpoint(address)
            .map(|cell| cell.aside.rows.clone());
        for seq in rows.unwrap_or_default().keys() {
            txn.delete(Table::Outbox, outbox_key(address, *seq));
        }
        txn.delete(Table::Endpoints, address.to_bytes().to_vec());
        self.remove_endpoint(address);
        let dialog = DialogId(self.shared.ids.random());
        line.move_to(Address::initiator(dialog, address.slot));
        Ok(false)
    }

    fn key_row(&self, key: &[u8]) -> Result<Option<Address>, StoreFault> {
        let row = self.stored(Table::Keys, key)?;
        row.map(|row| self.shared.address_of(&row.bytes))
            .transpose()
    }

    /// It ended without ever being established, and not by anybody's decision.
    fn never_began(&self, address: Address) -> bool {
        self.shelves.endpoint(address).is_some_and(|cell| {
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
        within: Option<Duration>,
    ) -> Result<Result<(), Outcome>, StoreFault> {
        let owner = if spec.key.is_some() {
            Owner::Keyed
        } else {
            Owner::Volatile
        };
        let opened = self.open_initiator(txn, address, &spec.open, owner, within)?;
        if let (Ok(()), Some(key)) = (&opened, &spec.key) {
            let row = encode(&KeyRow::new(address)).map_err(super::lot::encoding)?;
            // Where nothing is opened, the proposal stands, because somebody may hold it.
            self.lot.names(key.to_vec());
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
        waiter: Waiter,
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
                settle(txn, waiter.answer, outcome);
                return Ok(());
            }
        }
        let name = name.map(Name::to_text);
        let wish = name.clone().map(|name| Wish {
            name: Some((name, digest)),
            ..Wish::default()
        });
        let record = Ask {
            wish: wish.map(Box::new),
            ..Ask::default()
        };
        let is_told = ask.kind == MessageKind::Tell;
        let request = match self.say(txn, address, ask, closing, record)? {
            Ok(request) => request,
            Err(outcome) => {
                settle(txn, waiter.answer, outcome);
                return Ok(());
            }
        };
        if is_told {
            // Nobody answers it: that it is taken over is all there is to know.
            self.attach(line);
            settle(txn, waiter.answer, Outcome::Ok(Vec::new()));
            return Ok(());
        }
        self.wait_for(txn, line, (request, txn.now), waiter);
        match name {
            Some(name) => {
                let named = Named {
                    digest,
                    request,
                    since_ms: txn.now,
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
        (request, since_ms): (u64, u64),
        waiter: Waiter,
    ) {
        let Some(cell) = self.shelves.endpoint_mut(line.address()) else {
            return;
        };
        let hurries = waiter.until.is_some();
        cell.aside
            .waiters
            .get_or_insert_with(request, Waiters::new)
            .push(waiter);
        self.attach(line);
        let since = UNIX_EPOCH + Duration::from_millis(since_ms);
        let said = (Arc::clone(line), Learned::Said(request, since));
        txn.output.learned.push(said);
        if hurries {
            self.arm_endpoint(line.address());
        }
    }

    /// What is known of a named request, from what is written.
    pub(super) fn on_knowledge(
        &mut self,
        line: &LineState,
        name: String,
        answer: oneshot::Sender<Knowledge>,
    ) -> Result<(), StoreFault> {
        let address = line.address();
        self.ensure_endpoint(address)?;
        let known = match self.damage_of(address) {
            Some(damaged) => damaged.into_failure::<Never>().knowledge(),
            None => self.knowledge_of(address, &Name::Once(name).to_text())?,
        };
        let mut txn = self.begin(self.shared.clock.now_ms());
        txn.output.known.push((answer, known));
        self.commit(txn).map(drop)
    }

    pub(super) fn on_dropped(&mut self, line: &LineState) -> Result<(), StoreFault> {
        let why = "its handle was dropped".to_owned();
        self.end_line(line.address(), Input::Abandon(FaultCode::PartnerGone, why))
    }

    /// A dialog that does not exist yet is attached with its first message, before anything can be heard of it.
    pub(super) fn on_listen(&mut self, line: &Arc<LineState>) -> Result<(), StoreFault> {
        self.ensure_endpoint(line.address())?;
        self.attach(line);
        let (ending, outcome) = match (self.shelves.endpoint(line.address()), line.knowledge()) {
            (Some(cell), _) => {
                let Some(ending) = cell.record.endpoint.ending().cloned() else {
                    return Ok(());
                };
                let outcome = self.ending_outcome(line.address(), &ending);
                (ending, outcome)
            }
            // Ended and forgotten.
            (None, Knowledge::Ended(ending)) => {
                let outcome = not_sent(Some(&ending));
                (ending, outcome)
            }
            (None, _) => return Ok(()),
        };
        let mut txn = self.begin(self.shared.clock.now_ms());
        let learned = Learned::Ended(ending, outcome);
        txn.output.learned.push((Arc::clone(line), learned));
        self.commit(txn).map(drop)
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
        let Some(cell) = self.shelves.endpoint(address) else {
            return Ok(());
        };
        let dropped = matches!(input, Input::Abandon(FaultCode::PartnerGone, _));
        let endpoint = &cell.record.endpoint;
        if endpoint.ending().is_some() || (dropped && endpoint.stage() == Stage::Closing) {
            return Ok(());
        }
        let mut txn = self.begin(self.shared.clock.now_ms());
        self.input(&mut txn, address, input)?;
        self.commit(txn).map(drop)
    }
}

fn settle(txn: &mut Txn<'_>, answer: oneshot::Sender<Heard>, outcome: Outcome) {
    txn.output.answers.push((answer, Heard::Outcome(outcome)));
}

fn batch(
    spec: &OpenSpec,
    first: Vec<Encoded>,
    ask: Encoded,
) -> Result<Batch, (&'static str, CodecError)> {
    let mut digest = Digest::default();
    let closing = ask.closing;
    let mut outgoing = |call: Encoded, kind| {
        let body = call.body.map_err(|cause| (call.name, cause))?;
        let tag = spec.tag(call.handler);
        digest.mix(&call.handler.to_le_bytes());
        // The recorded answer of another signature is not an answer to this.
        digest.mix(&tag.to_le_bytes());
        digest.mix(&body);
        Ok(Outgoing {
            kind,
            currency: call.currency,
            re: 0,
            handler: call.handler,
            version: tag,
            body: body.into(),
        })
    };
    let tells = first
        .into_iter()
        .map(|call| outgoing(call, MessageKind::Tell))
        .collect::<Result<_, _>>()?;
    let kind = if ask.currency {
        MessageKind::Tell
    } else {
        MessageKind::Ask
    };
    let ask = outgoing(ask, kind)?;
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
