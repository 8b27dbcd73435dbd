//! Durable dialogs.

#[doc(hidden)]
pub mod protocol;
