//! The stack as a user deploys it: a cloud on this machine, `sam deploy`, and the API from outside.
//!
//! [`Cloud`] is the emulator as a process, [`Stack`] is what `sam deploy` made in it, [`Api`] calls
//! it as Zapier would. [`typed`] and [`run`] run the commands of the pages. Nothing here waits a
//! fixed time: [`until`] waits for a condition, names it, and fails after a bound.

mod api;
mod clock;
mod cloud;
mod lock;
mod mail;
mod pages;
mod stack;
mod until;
mod workers;

pub use api::{Api, ApiAnswer};
pub use clock::StandingClock;
pub use cloud::Cloud;
pub use lock::{alone, beside_others};
pub use mail::{Mail, awaited, sent, sent_to};
pub use pages::{run, typed};
pub use stack::{Parameters, Stack};
pub use until::{Patience, now, until};
pub use workers::kill_a_worker;
