//! What campaigns mean.
//!
//! This crate is the core of Dacapo and pure: subjects (contacts and their objects), campaigns,
//! enrollments, and `decide`, which says what an event does to an enrollment. Time is an argument;
//! nothing here waits, reads a clock, or does any input or output.
//!
//! Read in this order: [`contact`], [`campaign`], [`enrollment`], [`decide`].

pub mod account;
pub mod address;
pub mod campaign;
mod causality;
pub mod compact;
pub mod condition;
pub mod contact;
pub mod conventions;
pub mod decide;
pub mod enrollment;
pub mod field;
pub mod hash;
pub mod history;
pub mod ids;
pub mod language;
pub mod merge;
mod one_or_many;
pub mod problem;
mod reads;
pub mod simulation;
pub mod statistics;
mod status;
mod tally;
pub mod template;
pub mod text;
pub mod time;
mod unreadable_value;
