//! clients.
