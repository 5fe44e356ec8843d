//! The HTTP API as external programs see it: every call, its refusals, and the rules of contacts
//! (R1, R2, R4) through it. The calls about campaigns have a file of their own.

mod account;
mod by_hand;
mod called;
mod campaigning;
mod charsets;
mod connections;
mod contacts;
mod contradictions;
mod csv;
mod damaged;
mod dead_letters;
mod dev;
mod erased;
mod expiring;
mod explaining;
mod fields;
mod foreseeing;
mod framework;
mod hooks;
mod input;
mod mass_actions;
mod object_csv;
mod object_filters;
mod object_keys;
mod object_masses;
mod objects;
mod pausing;
mod reconciled;
mod refusals;
mod repeats;
mod simulating;
mod templates;
