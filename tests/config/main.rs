//! The configuration file: its effect on a real daemon, and the agreement of all its
//! descriptions.

#[path = "../common/mod.rs"]
mod common;

mod check;
mod documents;
mod files;
mod programs;
mod startup;
mod trust;
