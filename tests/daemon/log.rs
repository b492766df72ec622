//! Logging to a stderr that is not read blocks no client.

use crate::common::process::{eventually, limit, processor_time};
use crate::common::{Daemon, Setup};
use nix::fcntl::OFlag;
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use std::io::{BufRead as _, Read};
use std::process::Stdio;

#[test]
fn it_says_what_it_serves() {
    let daemon = Daemon::start(&[]);
    let path = daemon.path().to_str().unwrap();
    daemon
        .log
        .wait_for("serving", |l| l.contains("serving") && l.contains(path));
}

#[test]
fn debug_says_more() {
    let plain = Daemon::start(&[]);
    let debug = Daemon::start(&["-d"]);
    plain.serves();
    debug.serves();
    let last = |line: &str| line.contains("served");
    plain.log.wait_for("the job", last);
    debug.log.wait_for("the job", last);
    assert!(debug.log.all().len() > plain.log.all().len());
}

/// The first line of a daemon that is started like this, in a shell.
fn first_line(script: &str) -> String {
    let mut setup = Setup::by(&["sh", "-c", script, "sh"]).log("stderr");
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
    setup.command.stderr(Stdio::from(writer));
    let daemon = setup.spawn();
    let mut first = String::new();
    std::io::BufReader::new(std::fs::File::from(reader))
        .read_line(&mut first)
        .unwrap();
    drop(daemon);
    first
}

#[test]
fn a_journal_is_believed_only_where_stderr_is_it() {
    // The variable is inherited by whatever a service starts.
    let other = first_line("JOURNAL_STREAM=8:1234 exec \"$@\"");
    assert!(other.starts_with("sockexec["), "{other}");
    // A pipe takes the place of the journal's socket: what counts is its device and inode.
    let own = first_line("JOURNAL_STREAM=$(stat -Lc %d:%i /proc/$$/fd/2) exec \"$@\"");
    assert!(own.starts_with("<6>"), "{own}");
}

/// A daemon whose stderr is this end of a pipe, and the pipe's other end.
fn into_pipe(arguments: &[&str]) -> (Daemon, std::fs::File) {
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
    let mut setup = Setup::new().arguments(arguments);
    setup.command.stderr(Stdio::from(writer));
    let daemon = setup.start();
    // What the command holds of the pipe went with it.
    (daemon, reader.into())
}

#[test]
fn a_full_stderr_stops_nobody() {
    let (daemon, reader) = into_pipe(&["-d"]);
    // More than a pipe holds, and more than the daemon keeps in memory.
    let long = "x".repeat(500);
    for _ in 0..2000 {
        assert_eq!(daemon.run(&["true", &long]).succeeded(), "");
    }
    // When it is read again, the number of lost lines follows.
    let log = crate::common::lines::Lines::read(reader);
    eventually("the dropped lines are counted", || {
        daemon.serves();
        log.all()
            .iter()
            .any(|line| line.contains("drop") || line.contains("lost"))
    });
    // The daemon's stderr is not only its own: it stays as it was for others.
    // Only root may ask it.
    if crate::common::process::own_user().0 != 0 {
        return;
    }
    let flags = std::fs::read_to_string(format!("/proc/{}/fdinfo/2", daemon.pid())).unwrap();
    let flags = crate::common::process::field_of(&flags, "flags");
    let flags = i32::from_str_radix(&flags, 8).unwrap();
    assert_eq!(flags & libc::O_NONBLOCK, 0);
}

#[test]
fn a_stderr_that_nobody_will_read_again_ends_nothing() {
    let (daemon, mut reader) = into_pipe(&["-d"]);
    let mut first = [0; 1];
    reader.read_exact(&mut first).unwrap();
    drop(reader);
    for _ in 0..10 {
        daemon.serves();
    }
    daemon.stop();
}

/// A daemon that logs to a file of which it may write at most this number of bytes: like a full
/// disk, the file takes the beginning of a line and then nothing.
fn into_file(most: u64) -> (Daemon, std::path::PathBuf) {
    let mut setup = Setup::new();
    let path = setup.directory.join("log");
    let file = std::fs::File::create(&path).unwrap();
    setup.command.stderr(Stdio::from(file));
    let setup =
        setup.before_exec(move || Ok(setrlimit(Resource::RLIMIT_FSIZE, most, RLIM_INFINITY)?));
    (setup.control().start(), path)
}

#[test]
fn lines_that_a_full_disk_does_not_take_come_when_there_is_room() {
    let (daemon, path) = into_file(1000);
    for number in 0..50 {
        assert_eq!(daemon.run(&["true", &number.to_string()]).succeeded(), "");
    }
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 1000);
    limit(daemon.pid(), libc::RLIMIT_FSIZE, u64::MAX);
    let text = || std::fs::read_to_string(&path).unwrap();
    eventually("the last line", || text().ends_with("argv=true 49\n"));
    for line in text().lines() {
        assert!(line.starts_with("sockexec["), "{line}");
    }
    for number in 0..50 {
        let line = format!(" argv=true {number}\n");
        assert_eq!(text().matches(&line).count(), 1, "{line}");
    }
    assert_eq!(daemon.status()["totals"]["log-lines-lost"], 0);
}

#[test]
fn lines_for_which_a_full_disk_leaves_no_room_are_counted() {
    let mut setup = Setup::new().arguments(["-d"]);
    let full = std::fs::File::options().write(true).open("/dev/full");
    setup.command.stderr(Stdio::from(full.unwrap()));
    let daemon = setup.control().start();
    let long = "x".repeat(250);
    for _ in 0..1000 {
        assert_eq!(daemon.run(&["true", &long]).succeeded(), "");
    }
    let lost = daemon.status()["totals"]["log-lines-lost"]
        .as_u64()
        .unwrap();
    assert!(lost > 100, "{lost}");
    // It does not try all the time.
    let used = processor_time(daemon.pid());
    std::thread::sleep(std::time::Duration::from_millis(500));
    let used = processor_time(daemon.pid()) - used;
    assert!(used < std::time::Duration::from_millis(100), "{used:?}");
}
