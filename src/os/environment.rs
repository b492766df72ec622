//! The environment of programs, and where they are looked for.

use std::ffi::{OsString, c_char};
use std::fmt;
use std::os::unix::ffi::OsStringExt as _;

use crate::os::peer::{self, Peer};
use crate::program::{OutOfMemory, try_append};

/// Where programs are looked for when the server itself was started without a PATH.
pub const PATH_DEFAULT: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables from a service manager for the server alone: its sockets and notifications, its unit,
/// that unit's secrets, its journal, and its client's address.
const OWN: [&str; 11] = [
    "NOTIFY_SOCKET",
    "JOURNAL_STREAM",
    "INVOCATION_ID",
    "SYSTEMD_EXEC_PID",
    "CREDENTIALS_DIRECTORY",
    "SOCKEXEC_OPTIONS",
    "FDSTORE",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    "REMOTE_ADDR",
    "REMOTE_PORT",
];

/// The number of the program's line in the log.
const JOB: &str = "SOCKEXEC_JOB";

/// Whether a variable is meant for the server, or is about a client of another server: no
/// program may see it.
pub fn is_kept_back(name: &[u8]) -> bool {
    let is_one_of = |names: &[&str]| names.iter().any(|n| n.as_bytes() == name);
    name.starts_with(b"LISTEN_")
        || name.starts_with(b"WATCHDOG_")
        || name == JOB.as_bytes()
        || is_one_of(&OWN)
        || is_one_of(&peer::VARIABLES)
}

/// The variables of one program, each `NAME=value`: the job's number, and the client.
pub fn of_job(number: impl fmt::Display, peer: &Peer) -> Vec<String> {
    let mut variables = peer.variables();
    variables.push(format!("{JOB}={number}"));
    variables
}

/// The variables that all programs get.
#[derive(Debug)]
pub struct Environment {
    /// `NAME=value` and a NUL each.
    variables: Vec<u8>,
    /// Where each of them begins.
    starts: Vec<usize>,
    path: Vec<u8>,
}

impl Environment {
    /// The server's own environment, without the variables that programs must not see.
    pub fn inherited() -> Self {
        Self::new(std::env::vars_os())
    }

    fn new(all: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let mut environment = Self {
            variables: Vec::new(),
            starts: Vec::new(),
            path: PATH_DEFAULT.to_vec(),
        };
        for (name, value) in all {
            let (name, value) = (name.into_vec(), value.into_vec());
            if is_kept_back(&name) {
                continue;
            }
            environment.starts.push(environment.variables.len());
            for part in [&name[..], b"=", &value, b"\0"] {
                environment.variables.extend_from_slice(part);
            }
            if name == b"PATH" {
                environment.path = value;
            }
        }
        environment
    }

    /// Where each variable begins; it ends with a NUL.
    pub fn pointers(&self) -> impl ExactSizeIterator<Item = *const c_char> {
        self.starts
            .iter()
            .map(|&start| self.variables[start..].as_ptr().cast())
    }

    /// The directories in which programs are looked for, with colons between.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// Appends every file that `program` may mean to `out`, each followed by a NUL, and returns
    /// their number. A name with a slash is the file; any other is searched in PATH, where an
    /// empty part is the working directory. An empty name is no file.
    ///
    /// # Errors
    ///
    /// When there is no memory.
    pub fn candidates(&self, program: &[u8], out: &mut Vec<u8>) -> Result<usize, OutOfMemory> {
        if program.is_empty() {
            return Ok(0);
        }
        if program.contains(&b'/') {
            try_append(out, program)?;
            try_append(out, b"\0")?;
            return Ok(1);
        }
        let mut count = 0;
        for directory in self.path.split(|&b| b == b':') {
            let directory = if directory.is_empty() {
                b"."
            } else {
                directory
            };
            for part in [directory, b"/", program, b"\0"] {
                try_append(out, part)?;
            }
            count += 1;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::new(variables.iter().map(|(n, v)| (n.into(), v.into())))
    }

    #[test]
    fn keeps_back_what_the_service_manager_says_to_the_server() {
        let e = environment(&[
            ("LISTEN_FDS", "1"),
            ("LISTEN_FDNAMES", "x"),
            ("NOTIFY_SOCKET", "/x"),
            ("HOME", "/root"),
            ("WATCHDOG_USEC", "1"),
            ("IPCREMOTEPID", "1"),
            ("JOURNAL_STREAM", "8:1"),
            ("INVOCATION_ID", "x"),
            ("SYSTEMD_EXEC_PID", "1"),
            ("CREDENTIALS_DIRECTORY", "/run/x"),
            ("SOCKEXEC_OPTIONS", "-m 1"),
            ("SOCKEXEC_JOB", "1"),
            ("MEMORY_PRESSURE_WATCH", "/sys/fs/cgroup/x/memory.pressure"),
            ("REMOTE_ADDR", "192.0.2.1"),
            ("NOTIFY", "kept"),
        ]);
        assert_eq!(e.variables, b"HOME=/root\0NOTIFY=kept\0");
        assert_eq!(e.starts, [0, 11]);
    }

    #[test]
    fn candidates_are_those_of_execvp() {
        let e = environment(&[("PATH", "/bin::/usr/bin")]);
        let look = |name: &str| {
            let mut out = Vec::new();
            let count = e.candidates(name.as_bytes(), &mut out).unwrap();
            assert_eq!(out.iter().filter(|&&b| b == 0).count(), count);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(look("x"), "/bin/x\0./x\0/usr/bin/x\0");
        assert_eq!(look("./x"), "./x\0");
        assert_eq!(look(""), "");
        let mut out = Vec::new();
        assert_eq!(environment(&[]).candidates(b"x", &mut out), Ok(6));
    }
}
