//! What the tests share: the [`kit`] of stand-ins, journeys, what tools post to their [`doors`],
//! and suites that several stores must pass. Tests use the public API only.

pub mod contract;
pub mod dead_letters;
pub mod described;
pub mod doors;
pub mod drafts;
pub mod host;
pub mod journey;
pub mod kit;
pub mod template_grammar;
