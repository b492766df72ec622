//! The environment of programs, and where they are looked for.

use std::ffi::{OsString, c_char};
use std::fmt;
use std::os::unix::ffi::OsStringExt as _;

use crate::execution::{Account, Execution};
use crate::os::peer::{self, Peer};
use crate::program::{OutOfMemory, try_append};

/// Where programs are looked for when the server itself was started without a PATH.
pub const PATH_DEFAULT: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables from a service manager for the server alone: its sockets and notifications, its unit,
/// that unit's secrets, its journal, and its client's address.
const OWN: [&str; 12] = [
    "NOTIFY_SOCKET",
    "JOURNAL_STREAM",
    "INVOCATION_ID",
    "SYSTEMD_EXEC_PID",
    "CREDENTIALS_DIRECTORY",
    "SOCKEXEC_OPTIONS",
    "SOCKEXEC_JOB_USER",
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

/// Variables about the server's own user, besides those whose names begin with `XDG_` or `SUDO_`: a
/// program of another user does not get them.
const OF_USER: [&str; 9] = [
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "MAIL",
    "DBUS_SESSION_BUS_ADDRESS",
    "SSH_AUTH_SOCK",
    "XAUTHORITY",
    "KRB5CCNAME",
];

/// Variables about the working directory.
const OF_DIRECTORY: [&str; 2] = ["PWD", "OLDPWD"];

fn is_of_user(name: &[u8]) -> bool {
    name.starts_with(b"XDG_")
        || name.starts_with(b"SUDO_")
        || OF_USER.iter().any(|n| n.as_bytes() == name)
}

/// Whether each job has a variable of this name, which nothing replaces.
fn is_of_job(name: &[u8]) -> bool {
    name == JOB.as_bytes() || peer::VARIABLES.iter().any(|n| n.as_bytes() == name)
}

/// The variables of one program, each `NAME=value`: the job's number, and the client.
pub fn of_job(number: impl fmt::Display, peer: &Peer) -> Vec<String> {
    let mut variables = peer.variables();
    variables.push(format!("{JOB}={number}"));
    variables
}

/// The variables of programs, without those of each job.
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
            environment.push(&name, &value);
            if name == b"PATH" {
                environment.path = value;
            }
        }
        environment
    }

    fn push(&mut self, name: &[u8], value: &[u8]) {
        self.starts.push(self.variables.len());
        for part in [name, b"=", value, b"\0"] {
            self.variables.extend_from_slice(part);
        }
    }

    /// The names and values.
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let all = self.variables.split(|&b| b == 0);
        all.take(self.starts.len()).map(|variable| {
            let end = variable.iter().position(|&b| b == b'=');
            let (name, value) = variable.split_at(end.unwrap_or(variable.len()));
            (name, value.get(1..).unwrap_or_default())
        })
    }

    /// This one for programs that are executed like this and as this user. Where programs are looked
    /// for stays the same.
    #[must_use]
    pub fn of(&self, execution: &Execution, account: Option<&Account>) -> Self {
        let directory = execution.directory.is_some();
        let own = execution.environment.iter();
        let own = own.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let own: Vec<_> = own.filter(|(name, _)| !is_of_job(name)).collect();
        let user = account.map(|account| {
            let name = account.name.as_bytes();
            [
                (&b"HOME"[..], &account.home[..]),
                (b"USER", name),
                (b"LOGNAME", name),
                (b"SHELL", &account.shell),
            ]
        });
        let inherited = self.iter().filter(|(name, _)| {
            let of_directory = || OF_DIRECTORY.iter().any(|n| n.as_bytes() == *name);
            !(account.is_some() && is_of_user(name) || directory && of_directory())
        });
        let replaced = |name: &[u8]| own.iter().any(|(own, _)| *own == name);
        let mut environment = Self {
            variables: Vec::new(),
            starts: Vec::new(),
            path: self.path.clone(),
        };
        let others = inherited.chain(user.into_iter().flatten());
        for (name, value) in others.filter(|(name, _)| !replaced(name)) {
            environment.push(name, value);
        }
        for (name, value) in &own {
            environment.push(name, value);
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
            ("SOCKEXEC_JOB_USER", "_job"),
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

    fn of(base: &Environment, execution: &Execution, account: Option<&Account>) -> String {
        let of = base.of(execution, account);
        assert_eq!(of.pointers().len(), of.iter().count());
        assert_eq!(of.path(), base.path());
        String::from_utf8(of.variables).unwrap()
    }

    #[test]
    fn another_user_has_its_own_home_and_nothing_of_the_servers_user() {
        let account = Account {
            name: "job".into(),
            uid: 7,
            gid: 7,
            groups: vec![7],
            home: b"/home/job".to_vec(),
            shell: b"/bin/sh".to_vec(),
        };
        let base = environment(&[
            ("HOME", "/root"),
            ("A", "=b=c"),
            ("EMPTY", ""),
            ("XDG_RUNTIME_DIR", "/run/user/0"),
            ("MAIL", "/var/mail/root"),
            ("SUDO_USER", "me"),
            ("USER", "root"),
        ]);
        let execution = Execution::default();
        assert_eq!(
            of(&base, &execution, Some(&account)),
            "A==b=c\0EMPTY=\0HOME=/home/job\0USER=job\0LOGNAME=job\0SHELL=/bin/sh\0"
        );
        let same = String::from_utf8(base.variables.clone()).unwrap();
        assert_eq!(of(&base, &execution, None), same);
    }

    #[test]
    fn a_configured_variable_is_there_once_and_those_of_the_job_win() {
        let base = environment(&[("A", "1"), ("AB", "2"), ("PATH", "/bin"), ("PWD", "/x")]);
        let set = |pairs: &[(&str, &str)]| Execution {
            environment: pairs.iter().map(|&(n, v)| (n.into(), v.into())).collect(),
            ..Execution::default()
        };
        let mut execution = set(&[("A", "new"), ("PATH", "/own"), ("SOCKEXEC_JOB", "9")]);
        let all = of(&base, &execution, None);
        assert_eq!(all, "AB=2\0PWD=/x\0A=new\0PATH=/own\0");
        execution.directory = Some(b"/y".to_vec());
        let all = of(&base, &execution, None);
        assert_eq!(all, "AB=2\0A=new\0PATH=/own\0");
        for name in peer::VARIABLES {
            assert_eq!(of(&environment(&[]), &set(&[(name, "me")]), None), "");
        }
    }
}
