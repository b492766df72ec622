//! A machine of a test's own: the places of control sockets and of control groups are put into a mount
//! namespace.

use super::temporary::Directory;
use super::{Daemon, Setup, skip};
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// What `unshare` runs: the directories of this test in the places of the real ones, and then the rest.
const SCRIPT: &str = "mount --bind \"$1/run\" /run && mount --bind \"$1/cgroup\" /sys/fs/cgroup && shift && \
                      exec \"$@\"";

/// A machine with servers at their usual places.
#[derive(Debug)]
pub struct Machine {
    pub directory: Directory,
}

impl Machine {
    /// `None` where this cannot be tried.
    pub fn new() -> Option<Self> {
        if !skip::unless_root() {
            return None;
        }
        let unshare = skip::unless_tool("unshare")?;
        let possible = Command::new(unshare).args(["--mount", "true"]).status();
        if !possible.is_ok_and(|status| status.success()) {
            skip::say("there are no mount namespaces");
            return None;
        }
        let directory = Directory::new();
        fs::create_dir_all(directory.join("cgroup/init.scope")).unwrap();
        Some(Self { directory })
    }

    /// The place of a server's control socket.
    pub fn socket(&self, name: &str) -> PathBuf {
        let directory = self.directory.join("run").join(name);
        fs::create_dir_all(&directory).unwrap();
        directory.join("control.sock")
    }

    /// The unit has processes.
    pub fn runs(&self, unit: &str) {
        let slice = self
            .directory
            .join("cgroup/system.slice/system-sockexec.slice");
        fs::create_dir_all(slice.join(unit)).unwrap();
    }

    pub fn start(&self, name: &str) -> Daemon {
        let socket = self.socket(name);
        Setup::new()
            .arguments([OsString::from("--control"), socket.into()])
            .start()
    }

    /// The command line for `sockexecctl` on this machine.
    pub fn words(&self) -> Vec<OsString> {
        let words = ["unshare", "--mount", "sh", "-c", SCRIPT, "sh"].map(OsString::from);
        let directory = self.directory.path().into();
        let more = [
            directory,
            env!("CARGO_BIN_EXE_sockexecctl").into(),
            "--timeout".into(),
            "3".into(),
        ];
        words.into_iter().chain(more).collect()
    }
}
