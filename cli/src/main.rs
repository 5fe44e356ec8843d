//! The command `dacapo`.
fn main() {}
