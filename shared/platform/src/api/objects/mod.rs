//! Objects of contacts: their types, written and read, posted by tools, as a file in
//! both directions.

pub(in crate::api) mod calls;
pub(in crate::api) mod export;
mod headings;
pub(in crate::api) mod hooks;
pub(in crate::api) mod import;
pub(in crate::api) mod reading;
mod shapes;
pub(in crate::api) mod types;
mod writing;
