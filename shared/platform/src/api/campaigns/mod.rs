//! Campaigns: drafts, versions, pause and resume, statistics.

pub(in crate::api) mod calls;
pub(in crate::api) mod pausing;
pub(in crate::api) mod statistics;
