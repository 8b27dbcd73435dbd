//! The shape of a type: a hash of how its values are laid out.
//!
//! Owns the probing of a type through its own `Deserialize`, which asks for structs, fields and variants
//! by name and kind, as the codec would see them. Never sees a value. Two types of one shape read each
//! other's bytes; a renamed field or type changes the shape although the bytes stay the same.
//!
//! The numbers are on disk. What is hashed, in which order and with which function must not change.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::U32Deserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};

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
    let mut best: Option<Tracer> = None;
    for palette in 0..PALETTES {
        let mut tracer = Tracer::new(palette);
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
    palette: u8,
    // Keyed by the name of the Rust type, which tells generic instances apart. It is not hashed.
    enums: BTreeMap<&'static str, Vec<Variant>>,
    stack: Vec<&'static str>,
    /// How many types on the stack are there for the second time: from there on, be brief.
    repeats: usize,
    has_progressed: bool,
    saw_open: bool,
}

impl Tracer {
    fn new(palette: u8) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            events: 0,
            rejections: 0,
            palette,
            enums: BTreeMap::new(),
            stack: Vec::new(),
            repeats: 0,
            has_progressed: false,
            saw_open: false,
        }
    }

    /// Runs until a run finds no new variant; each run can take one way through every enum only.
    fn explore<T: DeserializeOwned>(&mut self) {
        loop {
            self.has_progressed = false;
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

struct Probe<'a> {
    tracer: &'a mut Tracer,
}

impl Probe<'_> {
    fn elements<'de, V: Visitor<'de>>(
        self,
        count: usize,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Rejected> {
        visitor.visit_seq(Elements {
            tracer: self.tracer,
            left: count,
            names: names.iter(),
        })
    }

    fn within<T>(
        self,
        type_name: &'static str,
        work: impl FnOnce(Probe<'_>) -> Result<T, Rejected>,
    ) -> Result<T, Rejected> {
        self.tracer.enter(type_name)?;
        let done = work(Probe {
            tracer: &mut *self.tracer,
        });
        self.tracer.leave();
        done
    }
}

macro_rules! scalars {
    ($($method:ident $visit:ident $kind:literal $int:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejected> {
            self.tracer.note($kind, "");
            visitor.$visit(<$int>::from(self.tracer.number()))
        }
    )*};
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Rejected;

    scalars! {
        deserialize_u8 visit_u8 "u8" u8;
        deserialize_u16 visit_u16 "u16" u16;
        deserialize_u32 visit_u32 "u32" u32;
        deserialize_u64 visit_u64 "u64" u64;
        deserialize_u128 visit_u128 "u128" u128;
        deserialize_i16 visit_i16 "i16" i16;
        deserialize_i32 visit_i32 "i32" i32;
        deserialize_i64 visit_i64 "i64" i64;
        deserialize_i128 visit_i128 "i128" i128;
        deserialize_f32 visit_f32 "f32" f32;
        deserialize_f64 visit_f64 "f64" f64;
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejected> {
        self.tracer.note("i8", "");
        visitor.visit_i8(i8::from(self.tracer.palette == 0))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejected> {
        self.tracer.note("bool", "");
        visitor.visit_bool(self.tracer.palette == 0)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejected> {
        self.tracer.note("char", "");
        visitor.visit_char('a')
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejected> {
        self.tracer.note("string", "");
        visitor.visit_str(self.tracer.text())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejected> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejected> {
        self.tracer.note("bytes", "");
        visitor.visit_bytes(self.tracer.text().as_bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejected> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejected> {
        self.tracer.note("option", "");
        if self.tracer.is_brief() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejected> {
        self.tracer.note("unit", "");
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Rejected> {
        self.tracer.note("unit struct", name);
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Rejected> {
        self.tracer.note("newtype", name);
        self.within(std::any::type_name::<V::Value>(), |probe| {
            visitor.visit_newtype_struct(probe)
        })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejected> {
        self.tracer.note("sequence", "");
        let count = usize::from(!self.tracer.is_brief());
        self.elements(count, &[], visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Rejected> {
        self.tracer.note("tuple", &len.to_string());
        self.elements(len, &[], visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Rejected> {
        self.tracer.note("tuple struct", name);
        self.tracer.note("tuple", &len.to_string());
        self.within(std::any::type_name::<V::Value>(), |probe| {
            probe.elements(len, &[], visitor)
        })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rejected> {
        self.tracer.note("map", "");
        let left = usize::from(!self.tracer.is_brief());
        visitor.visit_map(Elements {
            tracer: self.tracer,
            left,
            names: [].iter(),
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Rejected> {
        self.tracer.note("struct", name);
        self.within(std::any::type_name::<V::Value>(), |probe| {
            probe.elements(fields.len(), fields, visitor)
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Rejected> {
        self.tracer.note("enum", name);
        let type_name = std::any::type_name::<V::Value>();
        let is_outermost = !self.tracer.stack.contains(&type_name);
        self.within(type_name, |probe| {
            let tracer = probe.tracer;
            let chosen = tracer.choose(type_name, variants.len()).ok_or(Rejected)?;
            let variant = variants.get(chosen).ok_or(Rejected)?;
            tracer.note("variant", variant);
            let saw_open = std::mem::take(&mut tracer.saw_open);
            let before = tracer.events;
            let done = visitor.visit_enum(OneVariant {
                tracer: &mut *tracer,
                chosen: chosen as u32,
            });
            let below = std::mem::replace(&mut tracer.saw_open, saw_open);
            if let Some(probed) = tracer.enums.get_mut(type_name) {
                if done.is_ok() {
                    let cost = tracer.events - before;
                    let least = probed[chosen].cost.map_or(cost, |least| least.min(cost));
                    probed[chosen].cost = Some(least);
                }
                probed[chosen].is_open = below;
                // The outermost of a recursive enum goes on with what is left of it.
                let is_open = probed.iter().any(|variant| !variant.is_probed || variant.is_open);
                tracer.saw_open |= is_open && is_outermost;
            }
            done
        })
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Rejected> {
        self.tracer.note("identifier", "");
        Err(Rejected)
    }

    // The codec is not self-describing and refuses this as well.
    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Rejected> {
        self.tracer.note("any", "");
        Err(Rejected)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Rejected> {
        self.tracer.note("ignored", "");
        Err(Rejected)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

struct Elements<'a> {
    tracer: &'a mut Tracer,
    left: usize,
    names: std::slice::Iter<'static, &'static str>,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Rejected;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Rejected> {
        if self.left == 0 {
            return Ok(None);
        }
        if self.tracer.events >= MAX_EVENTS {
            return Err(Rejected);
        }
        self.left -= 1;
        if let Some(name) = self.names.next() {
            self.tracer.note("field", name);
        }
        seed.deserialize(Probe {
            tracer: &mut *self.tracer,
        })
        .map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for Elements<'_> {
    type Error = Rejected;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Rejected> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Rejected> {
        seed.deserialize(Probe {
            tracer: &mut *self.tracer,
        })
    }
}

struct OneVariant<'a> {
    tracer: &'a mut Tracer,
    chosen: u32,
}

impl<'de, 'a> EnumAccess<'de> for OneVariant<'a> {
    type Error = Rejected;
    type Variant = Probe<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Probe<'a>), Rejected> {
        let index: U32Deserializer<Rejected> = self.chosen.into_deserializer();
        let value = seed.deserialize(index)?;
        Ok((
            value,
            Probe {
                tracer: self.tracer,
            },
        ))
    }
}

impl<'de> VariantAccess<'de> for Probe<'_> {
    type Error = Rejected;

    fn unit_variant(self) -> Result<(), Rejected> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Rejected> {
        self.tracer.note("newtype variant", "");
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Rejected> {
        self.tracer.note("tuple variant", &len.to_string());
        self.elements(len, &[], visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Rejected> {
        self.tracer.note("struct variant", "");
        self.elements(fields.len(), fields, visitor)
    }
}

#[cfg(test)]
mod tests;
