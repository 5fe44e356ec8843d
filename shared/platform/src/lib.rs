//! The ports, and what is written once above them.
//!
//! A port speaks the words of the engine; no SDK's and no database's type stands in a signature.

pub mod table;

pub use dacapo_engine::time::Instant;
