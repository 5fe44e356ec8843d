//! Campaigns: drafts, versions, publishing with foresight, simulating, drawing, pause and resume, statistics.

pub(in crate::api) mod calls;
pub(in crate::api) mod drawing;
mod foreseeing;
mod foreseen;
pub(in crate::api) mod pausing;
pub(in crate::api) mod publishing;
pub(in crate::api) mod simulating;
pub(in crate::api) mod statistics;
