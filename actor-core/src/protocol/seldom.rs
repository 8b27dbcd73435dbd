//! A part of something that is empty most of the time, and then no more than a pointer.
//!
//! Owns when there is a box: from the first change until [`Seldom::rest`] finds it empty again. Without one it reads as
//! the empty part, so that the two cannot be told apart.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What can be there without being stored.
pub(crate) trait Part: Default + 'static {
    /// As it is while there is nothing in it.
    fn empty() -> &'static Self;

    /// Is there nothing in it?
    fn is_empty(&self) -> bool;
}

/// A part that is mostly empty.
#[derive(Clone, Default)]
pub(crate) struct Seldom<T>(Option<Box<T>>);

impl<T: Part> Seldom<T> {
    /// What there is, for a change that would make nothing of an empty part.
    pub(crate) fn stored(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    /// Gives the box back, if nothing is in it. To be called where something has come to its end.
    pub(crate) fn rest(&mut self) {
        self.0.take_if(|part| part.is_empty());
    }

    /// Takes a box that is there, if it has none of its own, instead of one from the allocator.
    pub(crate) fn borrow_box(&mut self, spare: &mut Option<Box<T>>) {
        if self.0.is_none() {
            self.0 = spare.take();
        }
    }

    /// Like [`Self::rest`], and leaves the box for whoever needs one next.
    pub(crate) fn rest_in(&mut self, spare: &mut Option<Box<T>>) {
        if let Some(empty) = self.0.take_if(|part| part.is_empty()) {
            *spare = Some(empty);
        }
    }
}

impl<T: Part> From<T> for Seldom<T> {
    fn from(part: T) -> Self {
        Self((!part.is_empty()).then(|| Box::new(part)))
    }
}

impl<T: Part> Deref for Seldom<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some(part) => part,
            None => T::empty(),
        }
    }
}

impl<T: Part> DerefMut for Seldom<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

impl<T: Part + PartialEq> PartialEq for Seldom<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Part + Eq> Eq for Seldom<T> {}

impl<T: Part + Hash> Hash for Seldom<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        T::hash(self, state);
    }
}

impl<T: Part + fmt::Debug> fmt::Debug for Seldom<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

impl<T: Part + Serialize> Serialize for Seldom<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        T::serialize(self, to)
    }
}

impl<'de, T: Part + Deserialize<'de>> Deserialize<'de> for Seldom<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(from).map(Self::from)
    }
}
