//! Contacts, and objects of contacts, as CSV: read row by row, written page by page, safe to open
//! in a spreadsheet.

pub(in crate::api) mod columns;
pub(in crate::api) mod export;
pub(in crate::api) mod guard;
pub(in crate::api) mod import;
pub(in crate::api) mod importing;
pub(in crate::api) mod report;
pub(in crate::api) mod rows;
