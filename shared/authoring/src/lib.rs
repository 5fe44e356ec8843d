//! What people need who write campaigns.
//!
//! A [`scenario`] says what happens to contacts; [`simulate`] plays it on the very engine that runs
//! in production, and gives the [`journey`]; [`expectation`] compares that with what the scenario
//! expects. [`explore`] makes everything happen by itself that a campaign reacts to.
//! [`mod@explain`] says of a contact of a server why something did or did not happen.
//! [`difference`] compares two documents of a campaign, [`foresight`] says what becomes of those in
//! flight between them. This crate is pure: it has no clock, does no input or output, and depends
//! on nothing but the engine.

pub mod campaigns;
pub mod difference;
pub mod expectation;
pub mod explain;
pub mod explore;
pub mod finding;
pub mod fix;
pub mod foresight;
pub mod graph;
pub mod journey;
pub mod lint;
mod listed;
pub mod report;
pub mod scenario;
pub mod simulate;
mod wrong;
