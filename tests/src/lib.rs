//! What the tests share: journeys, suites that several stores are held to, and stores that are less
//! kind than those we have at hand. Tests use the public API only.

pub mod contract;
pub mod described;
pub mod eventually_consistent;
pub mod host;
pub mod journey;
pub mod letters;
pub mod manual_pump;
pub mod ports;
pub mod template_grammar;
