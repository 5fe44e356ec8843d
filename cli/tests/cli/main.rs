//! The command as people and programs use it: real processes, real HTTP, real files.

mod commands;
mod crash;
mod races;
mod serve;
mod support;
