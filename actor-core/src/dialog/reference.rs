//! The durable address of an established partner.

use std::{fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error as _};

use super::later::note;
use crate::protocol::DialogId;

/// A partner that this dialog has opened and that has answered. Keep it in the state and talk to it with
/// [`Cx::to`](super::Cx::to).
///
/// It belongs to the dialog that opened it, so it can be serialized in that dialog's state and nowhere else.
pub struct DialogRef<S> {
    pub(crate) dialog: DialogId,
    service: PhantomData<fn() -> S>,
}

impl<S> DialogRef<S> {
    pub(crate) fn new(dialog: DialogId) -> Self {
        Self {
            dialog,
            service: PhantomData,
        }
    }

    /// The dialog's id, the same on both sides.
    pub fn id(&self) -> DialogId {
        self.dialog
    }
}

impl<S> fmt::Debug for DialogRef<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DialogRef({})", self.dialog)
    }
}

impl<S> PartialEq for DialogRef<S> {
    fn eq(&self, other: &Self) -> bool {
        self.dialog == other.dialog
    }
}

impl<S> Eq for DialogRef<S> {}

impl<S> Serialize for DialogRef<S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        if !note(|notes| notes.partners.insert(self.dialog)) {
            return Err(Z::Error::custom(
                "a `DialogRef` belongs to the dialog that opened it; keep it in that dialog's state",
            ));
        }
        self.dialog.0.serialize(serializer)
    }
}

impl<'de, S> Deserialize<'de> for DialogRef<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(DialogId(<[u8; 16]>::deserialize(deserializer)?)))
    }
}
