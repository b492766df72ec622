//! The configuration file: what it does to a real daemon, and that all its descriptions
//! agree.

#[path = "../common/mod.rs"]
mod common;

mod check;
mod documents;
mod files;
mod trust;
