//! Contacts: written, read, listed, imported and exported; their tags and fields; what happened to
//! them in campaigns.

pub(in crate::api) mod by_hand;
pub(in crate::api) mod calls;
pub(in crate::api) mod changes;
pub(in crate::api) mod csv;
pub(in crate::api) mod explaining;
pub(in crate::api) mod explanation;
pub(in crate::api) mod fields;
pub(in crate::api) mod history_and_enrollments;
pub(in crate::api) mod hooks;
pub(in crate::api) mod listing;
pub(in crate::api) mod messages;
pub(in crate::api) mod names;
pub(in crate::api) mod object_names;
pub(in crate::api) mod person_names;
pub(in crate::api) mod reading;
pub(in crate::api) mod remembered;
pub(in crate::api) mod resubscribing;
pub(in crate::api) mod skipping;
pub(in crate::api) mod sorting;
pub(in crate::api) mod tag_lists;
pub(in crate::api) mod tags;
pub(in crate::api) mod unsubscribe;
