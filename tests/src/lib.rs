//! What the tests share: journeys, suites that several stores are held to, and stores that are less kind than
//! those we have at hand. Tests use the public API only.

pub mod by_hand;
pub mod contract;
pub mod described;
pub mod host;
pub mod journey;
pub mod letters;
pub mod ports;
pub mod template_grammar;
pub mod unkind;
