//! What the tests of the ports on AWS share: emulators that are started and stopped, and tables on
//! them.

pub mod emulator;
pub mod tables;
