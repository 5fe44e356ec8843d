//! What the tests of the functions share: the cloud around the handlers, in small, and the events
//! that AWS hands over.

pub mod cloud;
pub mod edge;
pub mod events;
pub mod local;
pub mod measure;
pub mod outside;
pub mod pseudo_random;
pub mod rie;
pub mod samples;
pub mod ses;
pub mod stack;
