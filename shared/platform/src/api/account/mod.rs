//! The account: its settings, its keys, its dead letters, its health check.

pub(in crate::api) mod calls;
pub(in crate::api) mod dead_letters;
pub(in crate::api) mod health;
pub(in crate::api) mod keys;
