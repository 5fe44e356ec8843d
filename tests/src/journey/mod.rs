//! Journeys: scripts that a marketer can read, played on a manual clock.
//!
//! A script is a list of lines: a clock line, what happens, and (after `>`) the result. Playing a
//! script returns the same script with the real results, so that a test compares two texts. The
//! lines are read once ([`Script`]) and played on any [`Harness`]: the pure engine
//! ([`EngineHarness`]) or a Dacapo behind HTTP ([`HttpHarness`]), wherever it runs.
//!
//! | line | does |
//! |---|---|
//! | `# …` | a title or a remark |
//! | `zone Europe/Berlin` | the account's zone; all clock lines are local times there |
//! | `field birthday date` | declares an account field |
//! | `show mails` / `show all` / `show causes` / `show traces` / `show ignored` | what is shown: messages only; history too (the default); the cause of every line too; traces too; ignored events too |
//! | `campaign NAME [migrate] [enroll existing]` | publishes `examples/NAME.yaml`, or the indented YAML below the line |
//! | `2026-12-01 09:00[:30]` | moves the clock; what becomes due meanwhile happens |
//! | `down until 2026-12-01 09:00` | moves the clock while the system is down, then lets it work |
//! | `ann: +Lead, -Lost, appointment = 2026-12-02 14:00, event attended, unsubscribes, bounces` | one change of a contact |
//! | `ann's appointment a2: starts_at = 2026-12-02 14:00, status = booked, replaces a1` | one change of an object of a contact (R70); the first also makes it, and her |
//! | `erase ann` | erases a contact, with her objects (R74) |
//! | `pause NAME [until 2026-12-01 09:00]`, `resume NAME [skip] [enroll existing]` | R26, R51 |
//! | `mail service accepts` / `refuses` / `is silent` | how it answers messages from now on (R31) |
//! | `stop NAME [reset contacts] [reset statistics]` | the mass action (R16) |
//! | `release ann NAME` | lifts `held` |
//! | `by hand start ann NAME`, `by hand reset …`, `by hand stop …` | what a person does to one contact |
//! | `where ann`, `where ann's appointment a1` | where the contact is, in every campaign |
//! | `history ann WORDS` | the lines of the contact's history that contain these words, in every campaign |
//! | `statistics NAME` | R53 |
//!
//! Lines that end with `&` happen together with the next line, before the system works on them.

mod compare;
mod engine;
mod folder;
mod harness;
mod http;
mod http_objects;
mod play;
mod script;

pub use compare::{difference, in_no_order};
pub use engine::EngineHarness;
pub use folder::{Journey, Played, Player};
pub use harness::{
    Counts, EnrollmentState, Harness, HistoryLine, Mail, NoEffect, Observation, Unsupported,
};
pub use http::HttpHarness;
pub use play::play;
pub use script::{Change, Deed, Object, Publish, Query, Script, address};
