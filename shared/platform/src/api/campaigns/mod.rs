//! Campaigns: drafts, versions, publishing with foresight, simulating, previewing, drawing, pause
//! and resume, statistics.

pub(in crate::api) mod calls;
pub(in crate::api) mod drafts;
pub(in crate::api) mod drawing;
mod foreseeing;
mod foreseen;
pub(in crate::api) mod pausing;
mod preconditions;
pub(in crate::api) mod previewing;
pub(in crate::api) mod publishing;
pub(in crate::api) mod simulating;
pub(in crate::api) mod statistics;
mod whom;
