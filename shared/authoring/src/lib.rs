//! What people need who write campaigns.
//!
//! A [`scenario`] says what happens to contacts; the simulator plays it on the very engine that
//! runs in production, and shows the journey. This crate is pure: it has no clock, does no input or
//! output, and depends on nothing but the engine.

pub mod finding;
pub mod fix;
pub mod lint;
pub mod scenario;
