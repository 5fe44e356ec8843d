//! What a contact's way through a campaign takes of DynamoDB, counted as it is billed.
//!
//! [`Billed`] wraps any table and notes the request units of everything that goes through it, by
//! DynamoDB's documented arithmetic. [`measure`] sends contacts through the appointment loop as the
//! functions would: posts to the API, batches of the stream, batches of the queues, timers.

mod billed;
mod harness;
mod ports;
mod report;
mod scenario;

pub use billed::{Billed, Changed, Spent};
pub use report::{Report, Row};
pub use scenario::{CONTACTS, measure};
