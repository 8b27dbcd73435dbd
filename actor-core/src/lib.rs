//! Durable dialogs.
