//! The shape of a type: a hash of how its values are laid out.
//!
//! Owns the probing of a type through its own `Deserialize`, which asks for structs, fields and variants
//! by name and kind, as the codec would see them. Never sees a value. Two types of one shape read each
//! other's bytes; a renamed field or type changes the shape although the bytes stay the same.
//!
//! The numbers are on disk. What is hashed, in which order and with which function must not change.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, DeserializeOwned};

mod probe;

use probe::Probe;

/// How a type lies in bytes, as 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Shape(pub u64);

/// Probes are cut off here: far above every real type, far below what takes noticeable time.
const MAX_EVENTS: usize = 100_000;
const MAX_DEPTH: usize = 64;
/// Kinds of probe values tried on a type that rejects some: ones, zeros, and texts with a digit.
const PALETTES: u8 = 3;

/// Finds the shape of `T`.
///
/// All variants of all enums are probed; options, sequences and maps with one element each. Where a
/// type's own `Deserialize` rejects every probe value, the shape covers what it asked for until then.
pub fn shape_of<T: DeserializeOwned>() -> Shape {
    best_shape::<T>(None)
}

fn best_shape<T: DeserializeOwned>(called: Option<&'static str>) -> Shape {
    let mut best: Option<Tracer> = None;
    for palette in 0..PALETTES {
        let mut tracer = Tracer::new(palette);
        tracer.called = called;
        tracer.explore::<T>();
        if tracer.rejections == 0 {
            return Shape(tracer.hash);
        }
        if best.as_ref().is_none_or(|best| best.events < tracer.events) {
            best = Some(tracer);
        }
    }
    Shape(best.map_or(0, |tracer| tracer.hash))
}

/// The shape that `Past` would have if it were called as `Present` is: an earlier struct is kept under another name than the
/// one it was written under. Only the outermost name is exchanged.
pub fn shape_of_past<Past: DeserializeOwned, Present: DeserializeOwned>() -> Shape {
    let mut named = Tracer::new(0);
    named.explore::<Present>();
    best_shape::<Past>(named.outermost)
}

/// Whether some part of `T` asks for a format that describes itself, as `flatten`, `untagged`, `tag = ".."` and dynamic values
/// do. The codec writes such a type and can never read it back.
pub fn is_self_describing<T: DeserializeOwned>() -> bool {
    (0..PALETTES).any(|palette| {
        let mut tracer = Tracer::new(palette);
        tracer.explore::<T>();
        tracer.wants_any
    })
}

#[derive(Default)]
struct Variant {
    is_probed: bool,
    /// Tried as a way out of a recursion; not a probe, since what repeats is cut short.
    is_tried: bool,
    /// The fewest events it took to get through it. The cheapest variant never contains its own enum.
    cost: Option<usize>,
    /// An enum below it still has variants to be probed.
    is_open: bool,
}

struct Tracer {
    hash: u64,
    events: usize,
    rejections: usize,
    wants_any: bool,
    palette: u8,
    // Keyed by the name of the Rust type, which tells generic instances apart. It is not hashed.
    enums: BTreeMap<&'static str, Vec<Variant>>,
    stack: Vec<&'static str>,
    /// How many types on the stack are there for the second time: from there on, be brief.
    repeats: usize,
    has_progressed: bool,
    saw_open: bool,
    /// What the outermost type is called, and what it is to be called instead.
    outermost: Option<&'static str>,
    called: Option<&'static str>,
    /// How much was noted when this run began.
    began_at: usize,
}

impl Tracer {
    fn new(palette: u8) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            events: 0,
            rejections: 0,
            wants_any: false,
            palette,
            enums: BTreeMap::new(),
            stack: Vec::new(),
            repeats: 0,
            has_progressed: false,
            saw_open: false,
            outermost: None,
            called: None,
            began_at: 0,
        }
    }

    /// Runs until a run finds no new variant; each run can take one way through every enum only.
    fn explore<T: DeserializeOwned>(&mut self) {
        loop {
            self.has_progressed = false;
            self.began_at = self.events;
            self.stack.clear();
            self.repeats = 0;
            if T::deserialize(Probe { tracer: self }).is_ok() {
                self.note("end", "");
            } else {
                self.rejections += 1;
                self.note("rejected", "");
            }
            if !self.has_progressed || self.events >= MAX_EVENTS {
                return;
            }
        }
    }

    /// The same for something with a name of its own, which for the outermost may be exchanged.
    fn note_named(&mut self, kind: &str, name: &'static str) {
        let is_outermost = self.events == self.began_at;
        if is_outermost {
            self.outermost = Some(name);
        }
        let name = self.called.filter(|_| is_outermost).unwrap_or(name);
        self.note(kind, name);
    }

    fn note(&mut self, kind: &str, name: &str) {
        self.events += 1;
        // FNV-1a, with a byte that no name contains after each part.
        for byte in kind.bytes().chain([0xff]).chain(name.bytes()).chain([0xff]) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn number(&self) -> u8 {
        u8::from(self.palette == 0)
    }

    fn text(&self) -> &'static str {
        match self.palette {
            0 => "a",
            1 => "",
            _ => "0",
        }
    }

    fn enter(&mut self, type_name: &'static str) -> Result<(), Rejected> {
        if self.stack.len() >= MAX_DEPTH || self.events >= MAX_EVENTS {
            return Err(Rejected);
        }
        self.repeats += usize::from(self.stack.contains(&type_name));
        self.stack.push(type_name);
        Ok(())
    }

    fn leave(&mut self) {
        if let Some(left) = self.stack.pop() {
            self.repeats -= usize::from(self.stack.contains(&left));
        }
    }

    fn is_brief(&self) -> bool {
        self.repeats > 0
    }

    /// A variant not yet probed, else one with something unprobed below it, else the cheapest. Within
    /// a repetition only a way out is wanted. `None` if there is no variant to choose.
    fn choose(&mut self, type_name: &'static str, count: usize) -> Option<usize> {
        let is_brief = self.is_brief();
        let variants = self.enums.entry(type_name).or_default();
        variants.resize_with(count.max(variants.len()), Variant::default);
        let cheapest = (0..variants.len())
            .filter(|at| variants[*at].cost.is_some())
            .min_by_key(|at| variants[*at].cost);
        let unprobed = variants.iter().position(|variant| !variant.is_probed);
        if is_brief {
            let untried = || {
                let mut untried = variants.iter();
                untried.position(|variant| !variant.is_probed && !variant.is_tried)
            };
            let chosen = cheapest.or_else(untried)?;
            variants[chosen].is_tried = true;
            return Some(chosen);
        }
        if let Some(unprobed) = unprobed {
            variants[unprobed].is_probed = true;
            self.has_progressed = true;
            return Some(unprobed);
        }
        let open = variants.iter().position(|variant| variant.is_open);
        open.or(cheapest)
    }
}

/// A type did not like a probe value, or probing went too far.
#[derive(Debug)]
struct Rejected;

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the type rejects probe values")
    }
}

impl std::error::Error for Rejected {}

impl de::Error for Rejected {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests;
