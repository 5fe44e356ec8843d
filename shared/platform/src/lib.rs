//! The ports, and what is written once above them.
//!
//! A port speaks the words of the engine; no SDK's and no database's type stands in a signature.
//! Above the ports are the access patterns (contacts, enrollments, messages, …) and the handlers
//! behind every function.

pub mod api;
mod call_ledger;
pub mod calling;
pub mod campaigns;
pub mod catalog;
pub mod contact_json;
pub mod contacts;
pub mod dead_letters;
pub mod enrollments;
pub mod erasure;
pub mod error;
pub mod handlers;
pub mod jobs;
pub mod keys;
mod last_id;
pub mod mail;
pub mod mail_backoff;
mod mentions;
pub mod messages;
pub mod metrics;
pub mod platform;
pub mod ports;
pub mod rate_limited_log;
mod redaction;
pub mod redriving;
mod refusals;
mod rendering;
pub mod table;
pub mod unsubscribe;
pub mod unverified;

pub use dacapo_engine::time::Instant;
pub use rendering::{Unrendered, text_of_html};

/// Whether a number need not be stored.
fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}
