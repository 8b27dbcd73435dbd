//! The `#[dialog]` attribute.
