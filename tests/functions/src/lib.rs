//! What the tests of the functions share, on top of the kit in `dacapo_tests`: a small imitation of
//! the cloud around the handlers, and the events that AWS delivers.

pub mod cloud;
pub mod events;
pub mod fake_services;
pub mod local;
pub mod measure;
pub mod rie;
pub mod samples;
pub mod scheduler_proxy;
pub mod ses;
pub mod stack;
