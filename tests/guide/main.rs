//! What README, the pages in `docs` and the examples show, tried as a reader would try it.
//!
//! What needs root, systemd or the packages is tried by `tests/system/run`.

#[path = "../common/mod.rs"]
mod common;

mod agree;
mod journal;
mod links;
mod nginx;
mod pages;
mod transcript;
