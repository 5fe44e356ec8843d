//! What a contact's way through a campaign consumes of DynamoDB, in request units as billed.
//!
//! [`measure`] sends contacts through the appointment loop as the functions would: posts to the
//! API, batches of the stream, batches of the queues, timers. Every request goes through a
//! [`MeteredTable`](super::MeteredTable). The function's memory, the queues and the schedules cost
//! nothing here. [`measure_booking`] compares a booking as an object with one in fields.

mod bookings;
mod harness;
mod report;
mod scenario;

pub use bookings::{Booking, measure_booking};
pub use report::{Report, Row};
pub use scenario::{CONTACTS, measure};
