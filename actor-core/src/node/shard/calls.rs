//! Calls from plain code: opening a dialog, asking, letting go.
//!
//! Owns what a handle means (volatile or keyed), named requests, and what is known of the newest message. A call never
//! runs a handler in its own step: it only says something.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use actor_store::{StoreFault, Table, Value, Write, codec::CodecError};
use tokio::sync::oneshot;

use super::{Shard, commands::not_sent, txn::Txn};
use crate::{
    dialog::{Encoded, Heard, Knowledge, OpenSpec, Outcome, Sent},
    node::{
        address::Address,
        record::{Ask, FIRST, KeyRow, Named, Owner, encode},
    },
    protocol::{FaultCode, Input, Limits, MAX_MESSAGE_BYTES, MessageKind, Mode, Outgoing},
};

/// What a line is to its node.
#[derive(Debug)]
pub(crate) struct PlainSpec {
    pub(crate) address: Address,
    pub(crate) open: std::sync::Arc<OpenSpec>,
    /// The row of its key, where it has one; otherwise the dialog is volatile.
    pub(crate) key: Option<Vec<u8>>,
}

/// Messages from plain code.
#[derive(Debug)]
pub(crate) struct PlainCall {
    pub(crate) spec: std::sync::Arc<PlainSpec>,
    pub(crate) sent: Sent,
    pub(crate) line: std::sync::Arc<LineState>,
}

/// What is known of the newest message of a line.
#[derive(Debug)]
pub(crate) struct LineState {
    knowledge: Mutex<Knowledge>,
}

impl LineState {
    pub(crate) fn new() -> Self {
        Self {
            knowledge: Mutex::new(Knowledge::NotSent),
        }
    }

    pub(crate) fn read(&self) -> Knowledge {
        self.knowledge
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn learn(&self, knowledge: Knowledge) {
        *self
            .knowledge
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = knowledge;
    }

    pub(super) fn sent_again(&self) {
        if let Knowledge::InDoubt { attempts, .. } = &mut *self
            .knowledge
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
        {
            *attempts += 1;
        }
    }
}

/// The messages of a call, ready to be said.
struct Batch {
    tells: Vec<Outgoing>,
    ask: Outgoing,
    closing: bool,
    digest: u64,
}

impl Batch {
    /// Refused whole, before anything of it is said: half an opening would be another one.
    fn too_large(&self, limits: &Limits) -> Option<Outcome> {
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
        let many = all().count() as u64 > limits.max_initiation_messages;
        longest.or_else(together).or(many.then_some(Outcome::Busy))
    }
}

impl Shard {
    pub(super) fn on_call(&mut self, call: PlainCall) -> Result<(), StoreFault> {
        let mut txn = Txn::new(self.shared.clock.now_ms());
        let spec = std::sync::Arc::clone(&call.spec);
        self.call(&mut txn, call)?;
        self.commit(txn)?;
        if let Some(key) = &spec.key
            && self.endpoints.contains_key(&spec.address)
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
        let batch = match batch(first, ask) {
            Ok(batch) => batch,
            Err((name, cause)) => {
                let why = Outcome::Codec(format!(
                    "the arguments of `{name}` could not be encoded: {cause}"
                ));
                refuse(txn, answer, why);
                return Ok(());
            }
        };
        if let Some(outcome) = batch.too_large(&self.shared.limits) {
            refuse(txn, answer, outcome);
            return Ok(());
        }
        let address = spec.address;
        let exists = self.ensure_endpoint(address)?;
        // The first answer of a keyed dialog with pending work is recorded; a handshake has no first message.
        let records_first = opening && spec.key.is_some() && spec.open.mode == Mode::Pending;
        let name = if records_first {
            Some(FIRST.to_owned())
        } else {
            once
        };
        let answer = match name
            .as_ref()
            .map(|name| self.recorded(address, name, batch.digest))
        {
            Some(Recorded::Answer(outcome)) => {
                txn.output.answers.push((answer, Heard::Outcome(outcome)));
                return Ok(());
            }
            Some(Recorded::Running(request)) => {
                if let Some(cell) = self.endpoints.get_mut(&address) {
                    cell.line = Some(line);
                    cell.waiters.entry(request).or_default().push(answer);
                }
                return Ok(());
            }
            Some(Recorded::Conflict) => {
                let key = name
                    .filter(|name| name != FIRST)
                    .or_else(|| spec.key.as_deref().map(key_name))
                    .unwrap_or_default();
                txn.output.answers.push((answer, Heard::KeyConflict(key)));
                return Ok(());
            }
            Some(Recorded::New) | None => answer,
        };
        if !exists {
            // Ended and forgotten: a handle never opens its dialog twice.
            if let Knowledge::Ended(ending) = line.read() {
                refuse(txn, answer, not_sent(Some(&ending)));
                return Ok(());
            }
            if let Err(outcome) = self.open_line(txn, &spec)? {
                refuse(txn, answer, outcome);
                return Ok(());
            }
        }
        self.speak(txn, address, batch, name, answer, &line)
    }

    fn open_line(
        &mut self,
        txn: &mut Txn<'_>,
        spec: &PlainSpec,
    ) -> Result<Result<(), Outcome>, StoreFault> {
        let owner = if spec.key.is_some() {
            Owner::Keyed
        } else {
            Owner::Volatile
        };
        let opened = self.open_initiator(txn, spec.address, &spec.open, owner)?;
        if let (Ok(()), Some(key)) = (&opened, &spec.key) {
            let row = encode(&KeyRow::new(spec.address)).map_err(super::txn::encoding)?;
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
        name: Option<String>,
        answer: oneshot::Sender<Heard>,
        line: &std::sync::Arc<LineState>,
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
        let record = Ask {
            then: None,
            name: name.clone(),
        };
        let request = match self.say(txn, address, ask, closing, record)? {
            Ok(request) => request,
            Err(outcome) => {
                refuse(txn, answer, outcome);
                return Ok(());
            }
        };
        let since = Some(UNIX_EPOCH + Duration::from_millis(txn.now));
        line.learn(Knowledge::InDoubt { since, attempts: 1 });
        if let Some(cell) = self.endpoints.get_mut(&address) {
            cell.line = Some(std::sync::Arc::clone(line));
            cell.waiters.entry(request).or_default().push(answer);
            if let Some(name) = name {
                cell.record.named.insert(
                    name,
                    Named {
                        digest,
                        request,
                        outcome: None,
                    },
                );
                txn.dirty.insert(address);
            }
        }
        Ok(())
    }

    fn recorded(&self, address: Address, name: &str, digest: u64) -> Recorded {
        let Some(cell) = self.endpoints.get(&address) else {
            return Recorded::New;
        };
        let record = &cell.record;
        match record.named.get(name) {
            Some(named) if named.digest != digest => Recorded::Conflict,
            Some(Named {
                outcome: Some(outcome),
                ..
            }) => Recorded::Answer(outcome.clone()),
            Some(named) if record.asks.contains_key(&named.request) => {
                Recorded::Running(named.request)
            }
            Some(_) => Recorded::Answer(not_sent(record.endpoint.ending())),
            None => Recorded::New,
        }
    }

    pub(super) fn on_dropped(&mut self, address: Address) -> Result<(), StoreFault> {
        self.end_line(
            address,
            Input::Abandon(FaultCode::PartnerGone, "its handle was dropped".to_owned()),
        )
    }

    pub(super) fn on_close(&mut self, address: Address) -> Result<(), StoreFault> {
        self.ensure_endpoint(address)?;
        self.end_line(address, Input::Close)
    }

    pub(super) fn on_abandon(&mut self, address: Address, why: &str) -> Result<(), StoreFault> {
        self.ensure_endpoint(address)?;
        self.end_line(
            address,
            Input::Abandon(FaultCode::Abandoned, why.to_owned()),
        )
    }

    /// Nothing to end where nothing was ever said, or where the goodbye is already under way.
    fn end_line(&mut self, address: Address, input: Input) -> Result<(), StoreFault> {
        let Some(cell) = self.endpoints.get(&address) else {
            return Ok(());
        };
        let dropped = matches!(input, Input::Abandon(FaultCode::PartnerGone, _));
        if cell.record.endpoint.ending().is_some()
            || (dropped && cell.record.endpoint.stage() == crate::protocol::Stage::Closing)
        {
            return Ok(());
        }
        let mut txn = Txn::new(self.shared.clock.now_ms());
        self.input(&mut txn, address, input)?;
        self.commit(txn).map(drop)
    }
}

/// What is on record under a name.
enum Recorded {
    New,
    Running(u64),
    Answer(Outcome),
    Conflict,
}

fn refuse(txn: &mut Txn<'_>, answer: oneshot::Sender<Heard>, outcome: Outcome) {
    txn.output.answers.push((answer, Heard::Outcome(outcome)));
}

fn batch(first: Vec<Encoded>, ask: Encoded) -> Result<Batch, (&'static str, CodecError)> {
    let mut digest = FNV_OFFSET;
    let closing = ask.closing;
    let mut outgoing = |call: Encoded, kind| {
        let body = call.body.map_err(|cause| (call.name, cause))?;
        for byte in call
            .handler
            .to_le_bytes()
            .iter()
            .chain(&(body.len() as u64).to_le_bytes())
            .chain(&body)
        {
            digest = (digest ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
        }
        Ok(Outgoing {
            kind,
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
        digest,
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

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
