//! Mass actions: what is done to many contacts.

pub(in crate::api) mod calls;
pub(in crate::api) mod reconcile;
pub(in crate::api) mod selecting;
