//! The sequence diagram of a run, as text.
//!
//! Owns what is worth a line and how it is drawn. Deterministic; at most about a hundred columns and sixty lines.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    Event, Fate, FrameRecord, Name,
    clock::{BEGIN_MS, Moments},
};
use crate::protocol::{DialogId, Ending, FrameKind, Message, MessageKind};

/// Dialogs of one diagram, where no checker says which.
const DIALOGS: usize = 2;
/// How strange it is that a dialog was given up, counted in lost frames.
const GIVEN_UP: u64 = 2;
/// Lifelines of one diagram.
const LIFELINES: usize = 6;
/// Lines before and after what is left out.
const HEAD: usize = 18;
const TAIL: usize = 34;
const COLUMNS: usize = 100;
const TIME_WIDTH: usize = 11;

/// What happens on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Act {
    Arrow { to: Name, flight: Flight },
    Mark(char),
}

/// How far a frame gets on its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flight {
    Arrives,
    Lost,
    /// It leaves, and arrives on a later line.
    Leaves,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    at_ms: u64,
    node: Name,
    act: Act,
    text: String,
    /// Further lines like this one that were left out.
    more: u32,
}

pub(super) struct Diagram {
    lifelines: Vec<Name>,
    rows: Vec<Row>,
    left_out: usize,
}

impl Diagram {
    pub(super) fn new(
        trace: &[Event],
        frames: &[FrameRecord],
        focus: &[DialogId],
        name_of: &dyn Fn(u32) -> &'static str,
    ) -> Self {
        let focus = family(frames, &focus_of(trace, frames, focus));
        let mut rows = Scene {
            frames,
            focus: &focus,
            name_of,
            now: BEGIN_MS,
            rows: Vec::new(),
            deliveries: BTreeMap::new(),
            unsynced: BTreeSet::new(),
        }
        .play(trace);
        let mut lifelines = Vec::new();
        for row in &rows {
            for name in [Some(&row.node), row.to()].into_iter().flatten() {
                if row.is_of_a_dialog() && !lifelines.contains(name) {
                    lifelines.push(name.clone());
                }
            }
        }
        lifelines.truncate(LIFELINES);
        let is_shown = |name: &Name| lifelines.contains(name);
        rows.retain(|row| is_shown(&row.node) && row.to().is_none_or(is_shown));
        let mut rows = merge(rows);
        let mut left_out = 0;
        if rows.len() > HEAD + TAIL {
            left_out = rows.len() - HEAD - TAIL;
            rows.drain(HEAD..HEAD + left_out);
        }
        Self {
            lifelines,
            rows,
            left_out,
        }
    }
}

impl Row {
    fn to(&self) -> Option<&Name> {
        match &self.act {
            Act::Arrow { to, .. } => Some(to),
            Act::Mark(_) => None,
        }
    }

    fn is_of_a_dialog(&self) -> bool {
        matches!(self.act, Act::Arrow { .. } | Act::Mark('*' | '=' | '!'))
    }
}

/// The dialogs that are told of: those that a checker named, or those in which a handler ran in two places or twice, or
/// the last ones.
fn focus_of(trace: &[Event], frames: &[FrameRecord], focus: &[DialogId]) -> BTreeSet<DialogId> {
    if !focus.is_empty() {
        return focus.iter().rev().take(DIALOGS).copied().collect();
    }
    let mut runs: BTreeMap<(DialogId, &str, Option<u64>), u64> = BTreeMap::new();
    // For each dialog: what is strange about it, and when it was heard of last.
    let mut weight: BTreeMap<DialogId, (u64, usize)> = BTreeMap::new();
    for (at, event) in trace.iter().enumerate() {
        match event {
            Event::Handler { run, .. } => {
                let known = runs
                    .entry((run.dialog, run.handler, run.message))
                    .or_default();
                *known += 1;
                let again = run.message.is_some() && *known > 1;
                let weight = weight.entry(run.dialog).or_default();
                *weight = (weight.0 + 10 * u64::from(again), at);
            }
            Event::Send { frame } => {
                let record = &frames[*frame];
                let strange = record.rerouted || record.fate == Fate::Lost;
                let weight = weight.entry(record.frame.dialog).or_default();
                *weight = (weight.0 + u64::from(strange), at);
            }
            Event::Ended {
                dialog,
                ending: Ending::Abandoned(_),
                ..
            } => {
                let weight = weight.entry(*dialog).or_default();
                *weight = (weight.0 + GIVEN_UP, at);
            }
            _ => {}
        }
    }
    let mut dialogs: Vec<_> = weight.into_iter().collect();
    dialogs.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    dialogs
        .into_iter()
        .take(DIALOGS)
        .map(|(dialog, _)| dialog)
        .collect()
}

/// With the dialogs that belong to the same work.
fn family(frames: &[FrameRecord], dialogs: &BTreeSet<DialogId>) -> BTreeSet<DialogId> {
    let of = |record: &FrameRecord| DialogId(record.frame.trace);
    let mine = frames
        .iter()
        .filter(|record| dialogs.contains(&record.frame.dialog));
    let traces: BTreeSet<DialogId> = mine.map(of).collect();
    let all = frames
        .iter()
        .filter(|record| traces.contains(&of(record)))
        .map(|record| record.frame.dialog);
    dialogs.iter().copied().chain(all).collect()
}

/// The rows of the dialogs in focus, as they come.
struct Scene<'a> {
    frames: &'a [FrameRecord],
    focus: &'a BTreeSet<DialogId>,
    name_of: &'a dyn Fn(u32) -> &'static str,
    now: u64,
    rows: Vec<Row>,
    deliveries: BTreeMap<usize, u32>,
    /// Nodes on which a handler of a dialog in focus ran since the last commit.
    unsynced: BTreeSet<Name>,
}

impl Scene<'_> {
    fn play(mut self, trace: &[Event]) -> Vec<Row> {
        for event in trace {
            self.event(event);
        }
        self.rows
    }

    fn push(&mut self, node: &Name, act: Act, text: String) {
        self.rows.push(Row {
            at_ms: self.now,
            node: node.clone(),
            act,
            text,
            more: 0,
        });
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Time { now_ms } => self.now = *now_ms,
            Event::Start { node, incarnation } if *incarnation > 1 => {
                self.push(
                    node,
                    Act::Mark('^'),
                    format!("starts again, life {incarnation}"),
                );
            }
            Event::Crash { node } => {
                self.unsynced.remove(node);
                self.push(node, Act::Mark('X'), "crash".to_owned());
            }
            Event::CrashInRecovery { node } => {
                self.push(node, Act::Mark('X'), "crash in recovery".to_owned());
            }
            Event::Stopped { node, .. } => {
                self.unsynced.remove(node);
                self.push(node, Act::Mark('X'), "its store fails".to_owned());
            }
            Event::Handler { node, run } if self.focus.contains(&run.dialog) => {
                self.unsynced.insert(node.clone());
                let message = run.message.map_or(String::new(), |seq| format!(" #{seq}"));
                let stage = if run.pending && run.message.is_some() {
                    ", pending"
                } else {
                    ""
                };
                let failed = if run.failed { ", fails" } else { "" };
                let text = format!("{}{message}{stage}{failed}", run.handler);
                self.push(node, Act::Mark('*'), text);
            }
            Event::Commit { node, .. } if self.unsynced.remove(node) => {
                self.push(node, Act::Mark('='), "durable".to_owned());
            }
            // Of other endings the frames tell.
            Event::Ended {
                node,
                dialog,
                ending: Ending::Abandoned(why),
                ..
            } if self.focus.contains(dialog) => {
                self.push(node, Act::Mark('!'), format!("gives up: {why:?}"));
            }
            Event::Send { frame } => self.sent(*frame),
            Event::Deliver { frame, to } => self.delivered(*frame, to),
            _ => {}
        }
    }

    /// Frames that carry nothing but an acknowledgement are nobody's concern.
    fn tells(&self, record: &FrameRecord) -> bool {
        let quiet = matches!(record.frame.kind, FrameKind::Ack | FrameKind::Ping);
        self.focus.contains(&record.frame.dialog) && (!quiet || record.has_messages())
    }

    fn sent(&mut self, frame: usize) {
        let record = &self.frames[frame];
        let (why, flight) = match record.fate {
            Fate::Lost => ("lost", Flight::Lost),
            Fate::NobodyThere => ("nobody there", Flight::Lost),
            Fate::Delayed | Fate::Held if record.has_messages() => ("on its way", Flight::Leaves),
            _ => return,
        };
        if self.tells(record) {
            let text = format!("{}: {why}", self.describe(record));
            let to = record.to.clone();
            self.push(&record.from, Act::Arrow { to, flight }, text);
        }
    }

    fn delivered(&mut self, frame: usize, to: &Name) {
        let record = &self.frames[frame];
        if !self.tells(record) {
            return;
        }
        let copies = self.deliveries.entry(frame).or_default();
        *copies += 1;
        let mut text = String::new();
        if *copies > 1 || record.fate == Fate::Replayed {
            text += " (copy)";
        }
        if record.rerouted || *to != record.to {
            text += " (rerouted)";
        }
        let late = match self.now - record.at_ms {
            0 => String::new(),
            late => format!(" ({} late)", Moments(late)),
        };
        let text = self.describe(record) + &text + &late;
        let (to, flight) = (to.clone(), Flight::Arrives);
        self.push(&record.from, Act::Arrow { to, flight }, text);
    }

    fn describe(&self, record: &FrameRecord) -> String {
        let frame = &record.frame;
        let said: Vec<String> = frame.messages.iter().map(|one| self.message(one)).collect();
        let said = said.join(", ");
        match &frame.kind {
            FrameKind::Syn => "who will be my partner?".to_owned(),
            FrameKind::SynAck => "I would".to_owned(),
            FrameKind::Bound if said.is_empty() => "you are my partner".to_owned(),
            FrameKind::Fault { code, .. } => format!("over: {code:?}"),
            FrameKind::Reset { reason, .. } => format!("not here: {reason:?}"),
            _ if frame.is_initiating() => format!("first: {said}"),
            _ if said.is_empty() => format!("{:?}", frame.kind).to_lowercase(),
            _ => said,
        }
    }

    fn message(&self, message: &Message) -> String {
        let bye = if message.fin { " and goodbye" } else { "" };
        match message.kind {
            MessageKind::Empty => "goodbye".to_owned(),
            MessageKind::AnswerOk => format!("answer to #{}{bye}", message.re),
            MessageKind::AnswerErr => format!("refusal of #{}{bye}", message.re),
            MessageKind::NoAnswer => format!("no answer to #{}{bye}", message.re),
            _ => format!("{} #{}{bye}", (self.name_of)(message.handler), message.seq),
        }
    }
}

/// Handlers of one step on one line, and what is said over and over once.
fn merge(rows: Vec<Row>) -> Vec<Row> {
    let mut merged: Vec<Row> = Vec::new();
    for row in rows {
        if let Some(last) = merged.last_mut() {
            let same = last.node == row.node && last.act == row.act;
            if same && row.act == Act::Mark('*') && last.at_ms == row.at_ms {
                last.text = format!("{}; {}", last.text, row.text);
                continue;
            }
            if same && last.text == row.text {
                last.more += 1;
                continue;
            }
        }
        merged.push(row);
    }
    merged
}

impl fmt::Display for Diagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lifelines.is_empty() {
            return writeln!(f, "no frame and no handler of any dialog");
        }
        let widest = self.lifelines.iter().map(|name| name.len()).max();
        let width = widest.unwrap_or(0).clamp(8, 12) + 2;
        let place = |name: &Name| {
            let at = self.lifelines.iter().position(|one| one == name);
            TIME_WIDTH + at.unwrap_or(0) * width
        };
        let text_at = TIME_WIDTH + self.lifelines.len() * width;
        let names = self.lifelines.iter();
        let names: Vec<String> = names
            .map(|name| format!("{:width$}", cut(name, width - 1)))
            .collect();
        writeln!(f, "{:TIME_WIDTH$}{}", "", names.concat().trim_end())?;
        let mut down: BTreeSet<&Name> = BTreeSet::new();
        let mut before = None;
        for (number, row) in self.rows.iter().enumerate() {
            if self.left_out > 0 && number == HEAD {
                writeln!(f, "{:TIME_WIDTH$}... {} more lines ...", "", self.left_out)?;
            }
            let mut line = vec![b' '; text_at];
            if before != Some(row.at_ms) {
                let time = format!(
                    "{:>9}",
                    Moments(row.at_ms.saturating_sub(BEGIN_MS)).to_string()
                );
                line[..time.len()].copy_from_slice(time.as_bytes());
                before = Some(row.at_ms);
            }
            for name in &self.lifelines {
                line[place(name)] = if down.contains(name) { b':' } else { b'|' };
            }
            let from = place(&row.node);
            match &row.act {
                Act::Mark(mark) => {
                    line[from] = *mark as u8;
                    match mark {
                        'X' => _ = down.insert(&row.node),
                        '^' => _ = down.remove(&row.node),
                        _ => {}
                    }
                }
                Act::Arrow { to, flight } => draw(&mut line, from, place(to), *flight),
            }
            let line = String::from_utf8_lossy(&line).into_owned();
            let more = match row.more {
                0 => String::new(),
                n => format!(" (and {n} more)"),
            };
            let room = COLUMNS.saturating_sub(text_at + more.len()).max(24);
            writeln!(
                f,
                "{}",
                format!("{line}{}{more}", cut(&row.text, room)).trim_end()
            )?;
        }
        Ok(())
    }
}

fn draw(line: &mut [u8], from: usize, to: usize, flight: Flight) {
    let (left, right) = (from.min(to), from.max(to));
    if left == right {
        return;
    }
    line[left + 1..right].fill(b'-');
    let (head, tip) = if from < to {
        (right - 1, b'>')
    } else {
        (left + 1, b'<')
    };
    line[head] = tip;
    let end = match flight {
        Flight::Arrives => return,
        Flight::Lost => b'x',
        Flight::Leaves => b'~',
    };
    // It does not get there.
    let (gap, last) = if from < to {
        (right - 3..right, right - 4)
    } else {
        (left + 1..left + 4, left + 4)
    };
    line[gap].fill(b' ');
    line[last] = end;
}

fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(2)).collect();
    kept + ".."
}
