//! When the deadlines of an endpoint lapse: a place for each, since most endpoints have two or three for all their life.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};

use super::when::When;
use crate::protocol::TimerKind;

/// Those that are durable, in the order in which they are written and fire.
const KINDS: [TimerKind; 5] = [
    TimerKind::Initiation,
    TimerKind::Accumulate,
    TimerKind::Silence,
    TimerKind::Lifetime,
    TimerKind::Linger,
];

/// By kind, in milliseconds since the epoch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadlines([When; KINDS.len()]);

fn place(kind: TimerKind) -> Option<usize> {
    KINDS.iter().position(|known| *known == kind)
}

impl Deadlines {
    pub(crate) fn get(&self, kind: TimerKind) -> Option<u64> {
        self.0[place(kind)?].ms()
    }

    /// Sets a deadline. (Retries are known in memory only.)
    pub(crate) fn set(&mut self, kind: TimerKind, at: u64) {
        if let Some(place) = place(kind) {
            // The latest there is: a dialog that may last for ever has a deadline all the same.
            self.0[place] = When::at(at);
        }
    }

    /// True if it was set.
    pub(crate) fn cancel(&mut self, kind: TimerKind) -> bool {
        place(kind).is_some_and(|place| self.0[place].take().is_some())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (TimerKind, u64)> {
        let set = KINDS.into_iter().zip(self.0);
        set.filter_map(|(kind, at)| Some((kind, at.ms()?)))
    }

    /// The first to lapse.
    pub(crate) fn first(&self) -> Option<u64> {
        self.iter().map(|(_, at)| at).min()
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self([When::NEVER; KINDS.len()])
    }
}

impl fmt::Debug for Deadlines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Deadlines {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = to.serialize_map(Some(self.iter().count()))?;
        for (kind, at) in self.iter() {
            map.serialize_entry(&kind, &at)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Deadlines {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(ByKind)
    }
}

struct ByKind;

impl<'de> Visitor<'de> for ByKind {
    type Value = Deadlines;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadlines by kind")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Deadlines, A::Error> {
        let mut deadlines = Deadlines::default();
        while let Some((kind, at)) = map.next_entry()? {
            deadlines.set(kind, at);
        }
        Ok(deadlines)
    }
}
