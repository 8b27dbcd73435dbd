//! The deserializer that probes a type: it answers every request with a small value and notes what was
//! asked for.
//!
//! Owns the words that are hashed. Never decides which variant to take; the tracer does.

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::{MAX_EVENTS, Rejected, Tracer};

pub(super) struct Probe<'a> {
    pub(super) tracer: &'a mut Tracer,
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
        self.tracer.note_named("unit struct", name);
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Rejected> {
        self.tracer.note_named("newtype", name);
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
        self.tracer.note_named("tuple struct", name);
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
        self.tracer.note_named("struct", name);
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
        self.tracer.note_named("enum", name);
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
                let is_open = probed
                    .iter()
                    .any(|variant| !variant.is_probed || variant.is_open);
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
        self.tracer.wants_any = true;
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
