//! The ports in one process, on one SQLite file.

pub mod store;

pub use store::{Change, Operation, QueueMessage, SqliteStore, StoreError, Timer};
