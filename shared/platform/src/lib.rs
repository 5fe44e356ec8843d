//! The ports, and the code above them that all runtimes share.
//!
//! A port uses the types of the engine; no signature has a type of an SDK or a database. Above the
//! ports are the access patterns (contacts, enrollments, messages, …) and the handlers behind every
//! function. Each is a part: a struct whose fields are all that it touches, ports and other parts.
//! [`platform`] puts them together; modules use one another in one direction only.

pub mod api;
mod blocking;
mod call_ledger;
pub mod calling;
pub mod campaigns;
pub mod catalog;
pub mod channels;
pub mod connections;
pub mod contact_json;
pub mod contacts;
pub mod dead_letters;
pub mod enrollments;
pub mod erasure;
pub mod error;
pub mod expiry;
pub mod handlers;
pub mod jobs;
mod json_tree;
pub mod keys;
mod last_id;
pub mod mail;
pub mod mail_backoff;
mod mentions;
pub mod messages;
pub mod metrics;
mod object_keys;
pub mod objects;
pub mod orders;
pub mod platform;
pub mod played;
pub mod ports;
pub mod preview;
pub mod queues;
pub mod rate_limited_log;
mod redaction;
pub mod redriving;
mod refusals;
mod rendering;
pub mod store;
pub mod table;
pub mod tags;
pub mod test_mails;
pub mod unsubscribe;
pub mod unverified;

use dacapo_engine::contact::is_zero;
pub use dacapo_engine::time::Instant;
pub use rendering::{Unrendered, text_of_html};
