//! The stack as a user deploys it: a cloud on this machine, `sam deploy`, and the API from outside.
//!
//! [`Cloud`] is the emulator as a process, [`Stack`] is what `sam deploy` made in it, [`Api`] calls
//! it as Zapier would. [`typed`] and [`run`] do what the pages say. Nothing here waits by the clock
//! alone: [`until`] waits for something, says what, and gives up at a bound.

mod api;
mod clock;
mod cloud;
mod mail;
mod pages;
mod stack;
mod turns;
mod until;
mod workers;

pub use api::{Answer, Api};
pub use clock::StandingClock;
pub use cloud::Cloud;
pub use mail::{Mail, awaited, sent, sent_to};
pub use pages::{run, typed};
pub use stack::{Parameters, Stack};
pub use turns::{alone, beside_others};
pub use until::{Patience, now, until};
pub use workers::kill_a_worker;
