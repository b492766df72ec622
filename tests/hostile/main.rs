//! Clients that do everything wrong. Each is answered or dropped, and the daemon serves
//! the next one.

#[path = "../common/mod.rs"]
mod common;

mod crowds;
mod descriptors;
mod hangups;
mod programs;
mod requests;
mod totals;
mod users;
