//! All uses of the system. Knows no protocol and no session.

pub mod accounts;
pub mod background;
pub mod cgroup;
pub mod descriptors;
pub mod environment;
pub mod launch;
pub mod listen;
pub mod lookup;
pub mod mapped;
pub mod memory;
pub mod notify;
pub mod owner;
pub mod peer;
pub mod poller;
pub mod privileges;
pub mod process;
pub mod queued;
pub mod rights;
pub mod signals;
pub mod sock_diag;
pub mod spool;
pub mod syscall;
pub mod tcp;
pub mod trusted;
pub mod unit;
pub mod usage;
