//! Jobs in cgroups of their own: nothing of a job is left at its end, unless its rule allows it.

#[path = "../common/mod.rs"]
mod common;

mod cgroup;
mod detach;
mod own;
mod pool;
mod refusals;
mod shortage;
mod survivors;
mod vandals;
