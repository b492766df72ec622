//! Going on in the background, for a server that no manager starts, and the file
//! with its process's number.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, RawFd};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, absolute};
use std::process;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, chdir, fork, setsid};

use crate::os::descriptors::{copy_to, move_up, open_null};
use crate::os::listen::Bound;

/// The process that was started first. It waits until the one in the background serves.
#[derive(Debug)]
pub struct Starter {
    waiting: UnixStream,
}

/// Returns in a new process. The calling process ends here: with 0 when the new one reports
/// that it serves ([`Starter::let_go`]), or with the new one's exit code when it has ended.
/// So when the command returns, the server serves, or there is a reason why not.
///
/// To be called before there is a second thread, and before anything that must not be
/// shared with another process. Its descriptors have numbers from `least` on.
///
/// # Errors
///
/// When there is no room for another process.
pub fn daemonize(least: RawFd) -> io::Result<Starter> {
    let (waiting, notified) = UnixStream::pair()?;
    let waiting = UnixStream::from(move_up(waiting.into(), least)?);
    // SAFETY: there is no other thread, so the child finds nothing half done.
    match unsafe { fork() }? {
        ForkResult::Child => Ok(Starter { waiting }),
        ForkResult::Parent { child } => {
            drop(waiting);
            process::exit(outcome(notified, child))
        }
    }
}

fn outcome(mut notified: UnixStream, child: Pid) -> i32 {
    if notified.read_exact(&mut [0]).is_ok() {
        return 0;
    }
    match waitpid(child, None) {
        Ok(WaitStatus::Exited(_, code)) => code,
        // As a shell reports a signal.
        Ok(WaitStatus::Signaled(_, signal, _)) => 128 + signal as i32,
        _ => 1,
    }
}

impl Starter {
    /// Detaches this process from its origin: from the session with its terminal, the working
    /// directory, which is `/` from now on, and the standard streams, which become `/dev/null`.
    /// Then lets the starter end.
    ///
    /// A session leader gets a terminal if it opens one. The server opens none, so a second fork
    /// is not necessary.
    ///
    /// # Errors
    ///
    /// When the system refuses one of these. The starter waits on.
    pub fn let_go(mut self) -> io::Result<()> {
        setsid()?;
        chdir("/")?;
        let null = open_null()?;
        for number in 0..3 {
            copy_to(null.as_fd(), number)?;
        }
        // A starter that was killed meanwhile is not missed.
        let _ = self.waiting.write_all(&[0]);
        Ok(())
    }
}

/// A file with the number of this process, for signalling it. It is removed with this object,
/// unless another file has taken its place.
#[derive(Debug)]
pub struct Pidfile {
    _file: Bound,
}

impl Pidfile {
    /// Writes the number of this process and a newline to a file at `path`, which all users may
    /// read. The file appears with its content or not at all.
    ///
    /// An existing file is replaced, whatever its content: a server that crashed has left it,
    /// and the number in it may belong to another process by now. The socket ensures that there
    /// is only one server.
    ///
    /// # Errors
    ///
    /// When something other than a file is there, or the directory cannot be written to.
    pub fn write(path: &Path) -> io::Result<Self> {
        let path = absolute(path)?;
        if fs::symlink_metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "there is something that is not a plain file, and it is left alone",
            ));
        }
        let mut new = path.clone().into_os_string();
        new.push(format!(".{}", process::id()));
        let new = Path::new(&new);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(new)?;
        let placed = (|| {
            // The umask may have removed permissions.
            file.set_permissions(fs::Permissions::from_mode(0o644))?;
            (&file).write_all(format!("{}\n", process::id()).as_bytes())?;
            let bound = Bound::new(path.clone(), &file.metadata()?);
            fs::rename(new, &path)?;
            Ok(Self { _file: bound })
        })();
        if placed.is_err() {
            let _ = fs::remove_file(new);
        }
        placed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::getsid;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::{MetadataExt as _, symlink};
    use std::path::PathBuf;
    use std::process::{Command, Output, id};

    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("sockexec-{name}-{}", id()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn a_pid_file_replaces_an_old_one_and_only_its_own_is_removed() {
        let directory = Directory::new("pidfile");
        let path = directory.0.join("pid");
        // Process 1 lives, and is no server of ours.
        fs::write(&path, "1\n").unwrap();
        let first = Pidfile::write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", id()));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644);
        let second = Pidfile::write(&path).unwrap();
        drop(first);
        assert_eq!(directory.names(), ["pid"]);
        drop(second);
        assert_eq!(directory.names(), [""; 0]);
    }

    #[test]
    fn a_pid_file_takes_the_place_of_nothing_but_a_file() {
        let directory = Directory::new("no-pidfile");
        symlink("/dev/null", directory.0.join("link")).unwrap();
        fs::create_dir(directory.0.join("directory")).unwrap();
        let before = directory.names();
        for name in ["link", "directory"] {
            let error = Pidfile::write(&directory.0.join(name)).unwrap_err();
            assert!(error.to_string().contains("not a plain file"), "{error}");
        }
        let error = Pidfile::write(&directory.0.join("none/pid")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(directory.names(), before);
    }

    /// The work of the background process in a test: the variable is set in
    /// one that the test has started.
    const ROLE: &str = "SOCKEXEC_TEST_BACKGROUND";

    fn run(role: &str) -> Output {
        let name = "os::background::tests::its_starter_finds_it_serving_or_learns_why_not";
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", name])
            .env(ROLE, role)
            .output()
            .unwrap()
    }

    #[test]
    fn its_starter_finds_it_serving_or_learns_why_not() {
        match std::env::var(ROLE).as_deref() {
            Ok("fails") => {
                daemonize(0).unwrap();
                process::exit(42);
            }
            Ok("dies") => {
                daemonize(0).unwrap();
                kill(Pid::this(), Signal::SIGKILL).unwrap();
            }
            Ok(_) => {
                let starter = daemonize(100).unwrap();
                // Lower descriptors belong to other code, which replaces them.
                assert!(starter.waiting.as_raw_fd() >= 100);
                println!("\npid {}", id());
                starter.let_go().unwrap();
                loop {
                    std::thread::park();
                }
            }
            Err(_) => {}
        }
        assert_eq!(run("fails").status.code(), Some(42));
        assert_eq!(run("dies").status.code(), Some(128 + 9));

        // The outputs reach end-of-file although the background process lives.
        let output = run("serves");
        let text = String::from_utf8(output.stdout).unwrap();
        let number = text.lines().find_map(|line| line.strip_prefix("pid "));
        let pid = Pid::from_raw(number.expect("its number").parse().unwrap());
        let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).unwrap();
        let links = ["cwd", "fd/0", "fd/1", "fd/2"].map(link);
        let session = getsid(Some(pid));
        kill(pid, Signal::SIGKILL).unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(session, Ok(pid));
        let null = Path::new("/dev/null");
        assert_eq!(links, [Path::new("/"), null, null, null]);
    }
}
