//! Objects of contacts: their types, written and read, posted by tools, as a file.

pub(in crate::api) mod calls;
pub(in crate::api) mod export;
pub(in crate::api) mod hooks;
pub(in crate::api) mod reading;
mod shapes;
pub(in crate::api) mod types;
mod writing;
