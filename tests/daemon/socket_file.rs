//! The socket's file: an existing file in its place, its mode, and its removal.

use crate::common::daemon::{PROGRAM, command, finish};
use crate::common::temporary::Directory;
use crate::common::{Daemon, Setup};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;

/// Starts a daemon that must refuse to serve this path, and leave it as it is.
#[track_caller]
fn refused(path: &Path) {
    let before = fs::symlink_metadata(path).unwrap();
    let output = finish(command(PROGRAM).args(["--log", "stderr"]).arg(path));
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(111), "{error}");
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    let after = fs::symlink_metadata(path).unwrap();
    assert_eq!(
        (
            before.ino(),
            before.mode(),
            before.len(),
            before.mtime_nsec()
        ),
        (after.ino(), after.mode(), after.len(), after.mtime_nsec()),
    );
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_path_in_use_is_refused() {
    let daemon = Daemon::start(&[]);
    refused(daemon.path());
    daemon.serves();
}

#[test]
fn a_path_in_use_by_a_busy_server_is_refused() {
    let directory = Directory::new();
    let path = directory.join("s");
    // Its queue is full, so that connecting does not work, yet it is alive.
    let listener = UnixListener::bind(&path).unwrap();
    nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
    let _queued = UnixStream::connect(&path).unwrap();
    refused(&path);
}

#[test]
fn a_path_in_use_by_another_kind_of_socket_is_refused() {
    let directory = Directory::new();
    let path = directory.join("s");
    let _datagrams = UnixDatagram::bind(&path).unwrap();
    refused(&path);
}

#[test]
fn a_stale_socket_is_replaced() {
    let setup = Setup::new();
    drop(UnixListener::bind(setup.directory.join("s")).unwrap());
    assert!(setup.directory.join("s").exists());
    setup.start().serves();
}

#[test]
fn the_socket_of_a_killed_daemon_is_replaced() {
    let mut daemon = Daemon::start(&[]);
    daemon.signal(nix::sys::signal::Signal::SIGKILL);
    daemon.wait();
    let path = daemon.path().to_owned();
    assert!(path.exists());
    Setup::new().socket(path).start().serves();
}

#[test]
fn what_is_not_a_socket_is_never_touched() {
    let directory = Directory::new();
    refused(Path::new(&directory.file("file", 0o644, "precious")));
    refused(Path::new(&directory.file("empty", 0o644, "")));
    refused(Path::new(&directory.fifo("fifo")));
    let folder = directory.join("folder");
    fs::create_dir(&folder).unwrap();
    refused(&folder);
    let link = directory.join("link");
    symlink(directory.join("file"), &link).unwrap();
    refused(&link);
    let dangling = directory.join("dangling");
    symlink(directory.join("nowhere"), &dangling).unwrap();
    refused(&dangling);
    assert_eq!(fs::read(directory.join("file")).unwrap(), b"precious");
    assert!(!directory.join("nowhere").exists());
}

#[test]
fn the_mode_is_0660_by_default_and_what_is_asked_for() {
    // Whatever the umask is.
    for umask in [0, 0o022, 0o777] {
        for (arguments, mode) in [
            (&[][..], 0o660),
            (&["-M", "0600"][..], 0o600),
            (&["-M", "666"][..], 0o666),
            (&["-M", "0"][..], 0),
        ] {
            let daemon = Setup::new()
                .arguments(arguments)
                .before_exec(move || {
                    // SAFETY: an integer in, an integer out.
                    unsafe { libc::umask(umask) };
                    Ok(())
                })
                .start();
            assert_eq!(mode_of(daemon.path()), mode, "umask {umask:o}");
        }
    }
}

#[test]
fn the_mode_holds_from_the_first_moment() {
    for _ in 0..20 {
        let setup = Setup::new().arguments(["-M", "0600"]).before_exec(|| {
            // SAFETY: an integer in, an integer out.
            unsafe { libc::umask(0) };
            Ok(())
        });
        let path = setup.directory.join("s");
        let daemon = setup.spawn();
        let end = std::time::Instant::now() + crate::common::PATIENCE;
        // Looking all the time is the only way to see the first moment.
        let first = loop {
            match fs::symlink_metadata(&path) {
                Ok(metadata) => break metadata,
                Err(_) => assert!(std::time::Instant::now() < end),
            }
        };
        assert!(first.file_type().is_socket());
        assert_eq!(first.permissions().mode() & 0o7777, 0o600);
        daemon.wait_ready();
    }
}

#[test]
fn the_file_goes_with_the_daemon() {
    let daemon = Daemon::start(&[]);
    let path = daemon.path().to_owned();
    let directory = daemon.directory.path().to_owned();
    let names = move || {
        let mut names: Vec<_> = fs::read_dir(&directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    assert!(path.exists());
    daemon_stops_and_then(daemon, || {
        assert!(!path.exists());
        // Nor is anything else left, such as a lock.
        assert_eq!(names(), ["notify"]);
    });
}

/// Stops the daemon, and looks while its directory is still there.
fn daemon_stops_and_then(mut daemon: Daemon, look: impl FnOnce()) {
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(0));
    look();
}

#[test]
fn what_somebody_else_put_in_its_place_stays() {
    let daemon = Daemon::start(&[]);
    let path = daemon.path().to_owned();
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    daemon_stops_and_then(daemon, || {
        UnixStream::connect(&path).unwrap();
    });
    let daemon = Daemon::start(&[]);
    let path = daemon.path().to_owned();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    daemon_stops_and_then(daemon, || {
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    });
}

#[test]
fn a_file_that_has_gone_does_not_matter() {
    let daemon = Daemon::start(&[]);
    fs::remove_file(daemon.path()).unwrap();
    daemon.stop();
}

#[test]
fn a_relative_path_is_served() {
    let mut setup = Setup::new();
    let directory = setup.directory.path().to_owned();
    setup.command.current_dir(&directory);
    let path = directory.join("s");
    let daemon = setup.socket("s".into()).start();
    let mut client = crate::common::Client::connect(&path);
    client.send("1:2,4:echo,2:hi,0:,");
    assert_eq!(client.reply().succeeded(), "hi\n");
    daemon_stops_and_then(daemon, || assert!(!path.exists()));
}

#[test]
fn daemons_for_different_paths_of_a_directory_all_serve() {
    let directory = Directory::new();
    let daemons: Vec<_> = (0..8)
        .map(|number| {
            let path = directory.join(&number.to_string());
            drop(UnixListener::bind(&path).unwrap());
            Setup::new().socket(path).spawn()
        })
        .collect();
    for daemon in daemons {
        daemon.wait_ready();
        daemon.serves();
    }
}

#[test]
fn of_many_daemons_for_a_stale_socket_one_serves() {
    for _ in 0..5 {
        let directory = Directory::new();
        let path = directory.join("s");
        drop(UnixListener::bind(&path).unwrap());
        let daemons: Vec<_> = (0..6)
            .map(|_| Setup::new().socket(path.clone()).spawn())
            .collect();
        // Each reports that it serves, or ends with 111.
        let mut serving = Vec::new();
        for mut daemon in daemons {
            let line = daemon.log.wait(|lines| {
                let line = lines.iter().find(|l| l.contains("serving"))?;
                Some(line.clone())
            });
            if line.is_some() {
                serving.push(daemon);
            } else {
                assert_eq!(daemon.wait().code(), Some(111), "{:?}", daemon.log.all());
            }
        }
        assert_eq!(serving.len(), 1);
        serving[0].serves();
    }
}

#[test]
fn options_that_name_a_socket_may_be_repeated() {
    let directory = Directory::new();
    let paths = ["one", "two", "three"].map(|name| directory.path().join(name));
    let [one, two, control] = paths.each_ref().map(|path| path.to_str().unwrap());
    let arguments = ["--sockproc", one, "--sockproc", two, "--control", control];
    let daemon = Daemon::start(&arguments);
    daemon.serves();
    for path in [one, two] {
        let mut client = UnixStream::connect(path).unwrap();
        client.write_all(b"echo here\r\n0\r\n").unwrap();
        let mut reply = String::new();
        client.read_to_string(&mut reply).unwrap();
        assert_eq!(reply, "status:0\r\n5\r\nhere\n0\r\n");
    }
    assert_eq!(mode_of(Path::new(control)), 0o600);
    assert_eq!(mode_of(Path::new(one)), 0o660);
    daemon.stop();
    assert!(paths.iter().all(|path| !path.exists()));
}

#[test]
fn more_sockets_than_can_be_served_are_refused() {
    let directory = Directory::new();
    let mut command = command(PROGRAM);
    for number in 0..1023 {
        let path = directory.path().join(number.to_string());
        command.arg("--sockproc").arg(path);
    }
    let output = finish(command.arg(directory.path().join("last")));
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(100), "{error}");
    assert!(
        error.contains("1024 sockets to listen on, at most 1023"),
        "{error}"
    );
    assert!(!directory.path().join("0").exists());
}
