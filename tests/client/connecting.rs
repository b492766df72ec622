//! Sockets that cannot be connected to: each reason has words of its own.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::libc::EACCES;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, socket};
use sockexec::client::{self, ClientError, ConnectError};

use crate::server::{PROGRAM, Scratch, program, stderr_of};

#[test]
fn a_server_that_is_not_there_is_a_clear_error() {
    let scratch = Scratch::new();
    let stale = scratch.path("stale");
    // Bound and not listening, because a listener's copies may live on for a moment in processes
    // that other tests are just starting.
    let left = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    );
    bind(left.unwrap().as_raw_fd(), &UnixAddr::new(&stale).unwrap()).unwrap();
    let file = scratch.path("file");
    fs::write(&file, "").unwrap();
    let long = scratch.path(&"x".repeat(200));
    for (path, message) in [
        (&stale, "no server listens there"),
        (&file, "no server listens there"),
        (&scratch.path("nothing"), "there is no such socket"),
        (&file.join("below"), "/file is not a directory"),
        (&scratch.path("none").join("s"), "there is no directory "),
        (&long, "too long"),
    ] {
        let output = program(path, ["true"]).output().unwrap();
        let stderr = stderr_of(&output);
        assert_eq!(output.status.code(), Some(111), "{stderr}");
        assert!(stderr.starts_with("sockexec-client: "), "{stderr}");
        assert!(stderr.contains(path.to_str().unwrap()), "{stderr}");
        assert!(stderr.contains(message), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(output.stdout.is_empty());
    }
    let error = client::run(&stale, ["true"], b"").unwrap_err();
    assert!(matches!(
        error,
        ClientError::Connect { path, reason: ConnectError::Refused } if path == stale
    ));
    let error = client::run(scratch.path("nothing"), ["true"], b"").unwrap_err();
    assert!(matches!(
        error,
        ClientError::Connect {
            reason: ConnectError::NoSocket,
            ..
        }
    ));
}

#[test]
fn a_socket_without_permission_is_a_clear_error() {
    let scratch = Scratch::new();
    let path = scratch.path("socket");
    let _listener = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // Root may do anything, so it becomes another user, which may not be able to access the
    // directory of the built program. Another process makes the copy, because a file that is
    // open for writing, here or in a process that is just starting, cannot be run.
    let copy = scratch.path("copy");
    let copied = Command::new("cp").arg(PROGRAM).arg(&copy).status();
    assert!(copied.unwrap().success());
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(&copy);
    command.arg(&path).arg("true").stdin(Stdio::null());
    let superuser = fs::metadata(&path).unwrap().uid() == 0;
    if superuser {
        command.uid(65534);
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if superuser && error.raw_os_error() != Some(EACCES) => {
            eprintln!("SKIPPED: this superuser cannot become another user: {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let stderr = stderr_of(&output);
    assert_eq!(output.status.code(), Some(111), "{stderr}");
    assert!(stderr.contains("no permission to connect"), "{stderr}");
}
