//! The command as people and programs use it: real processes, real HTTP, real files.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod authoring;
mod commands;
mod crash;
mod crash_objects;
mod dead_letters;
mod explaining;
mod failing;
mod folders;
mod folders_failing;
mod imports;
mod jobs;
mod journeys;
mod outward;
mod people;
mod previewing;
mod races;
mod serve;
mod support;
mod templates;
