//! Jobs over a store and queues with all faults of the cloud: eventual lists, writes that fail or
//! whose answer is lost, workers that die at any call, messages that are delivered twice, in any
//! order.

#![allow(clippy::unwrap_used, reason = "all of it is test code")]

mod cancelled;
mod cloud;
mod counts;
mod faulty;
mod law;
mod members;
mod refused;
mod tagged;
