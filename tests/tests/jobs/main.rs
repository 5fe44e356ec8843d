//! Jobs over a store and queues that behave as badly as the cloud may: lists that lag, writes that fail
//! or whose answer is lost, workers that die at any call, messages that come twice, in any order.

#![allow(clippy::unwrap_used, reason = "all of it is test code")]

mod cloud;
mod counts;
mod faulty;
mod law;
mod refused;
