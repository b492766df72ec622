//! Logging to syslogd: one that restarts, and one that hangs.
//!
//! The daemon gets a `/dev` of its own (a mount namespace), so that a real syslogd is
//! never disturbed; hence root.

use crate::common::skip;
use crate::common::{Daemon, Setup};
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

/// Puts a directory in the place of `/dev`, then becomes the daemon.
const OWN_DEV: &str = "mount --bind /dev/null \"$OWN_DEV/null\" && \
                       mount --rbind \"$OWN_DEV\" /dev && exec \"$0\" \"$@\"";

/// A syslogd that the test plays.
struct Syslogd {
    socket: Option<UnixDatagram>,
    path: PathBuf,
}

impl Syslogd {
    fn start(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        let socket = UnixDatagram::bind(&self.path).unwrap();
        let patience = Duration::from_millis(200);
        socket.set_read_timeout(Some(patience)).unwrap();
        self.socket = Some(socket);
    }

    fn stop(&mut self) {
        self.socket = None;
    }

    /// The next message, if one comes soon.
    fn next(&self) -> Option<String> {
        let mut message = [0; 8192];
        match self.socket.as_ref().unwrap().recv(&mut message) {
            Ok(count) => Some(String::from_utf8_lossy(&message[..count]).into_owned()),
            // With a time limit it is interrupted when the process was stopped for a moment.
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => None,
            Err(e) => panic!("{e}"),
        }
    }

    /// Runs jobs until a message comes that `wanted` accepts.
    #[track_caller]
    fn hears(&self, daemon: &Daemon, wanted: impl Fn(&str) -> bool) -> String {
        let mut seen = Vec::new();
        for _ in 0..1000 {
            daemon.serves();
            while let Some(message) = self.next() {
                if wanted(&message) {
                    return message;
                }
                seen.push(message);
            }
        }
        panic!("{:#?}", &seen[seen.len().saturating_sub(12)..]);
    }
}

/// A daemon that logs to a syslogd of the test's own.
fn start(arguments: &[&str]) -> Option<(Daemon, Syslogd)> {
    if !skip::unless_root() {
        return None;
    }
    let setup = Setup::by(&["unshare", "--mount", "sh", "-c", OWN_DEV]);
    let dev = setup.directory.join("dev");
    std::fs::create_dir(&dev).unwrap();
    std::fs::write(dev.join("null"), "").unwrap();
    let path = dev.join("log");
    let mut syslogd = Syslogd { socket: None, path };
    syslogd.start();
    let daemon = setup
        .env("OWN_DEV", dev)
        .log("syslog")
        .arguments(arguments)
        .start();
    Some((daemon, syslogd))
}

#[test]
fn lines_have_the_facility_daemon_and_our_name() {
    let Some((daemon, syslogd)) = start(&[]) else {
        return;
    };
    let message = syslogd.hears(&daemon, |m| m.contains("served"));
    // daemon.info
    assert!(message.starts_with("<30>"), "{message}");
    let tag = format!("sockexec[{}]:", daemon.pid());
    assert!(message.contains(&tag), "{message}");
    daemon.begin("x").reply().refused(100, &[]);
    // daemon.warning
    let message = syslogd.hears(&daemon, |m| m.contains("<28>"));
    assert!(message.starts_with("<28>"), "{message}");
    assert_eq!(daemon.log.all(), Vec::<String>::new());
}

#[test]
fn it_finds_a_syslogd_that_has_restarted() {
    let Some((daemon, mut syslogd)) = start(&[]) else {
        return;
    };
    syslogd.hears(&daemon, |m| m.contains("served"));
    for _ in 0..3 {
        syslogd.stop();
        for _ in 0..20 {
            daemon.serves();
        }
        syslogd.start();
        syslogd.hears(&daemon, |m| m.contains("served"));
    }
}

#[test]
fn a_syslogd_that_hangs_stops_nobody() {
    let Some((daemon, syslogd)) = start(&["-d"]) else {
        return;
    };
    let long = "x".repeat(500);
    for _ in 0..2000 {
        assert_eq!(daemon.run(&["true", &long]).succeeded(), "");
    }
    // It reads again, and gets the number of lost lines.
    syslogd.hears(&daemon, |m| m.contains("drop") || m.contains("lost"));
}

#[test]
fn without_a_syslogd_it_serves_all_the_same() {
    let Some((daemon, mut syslogd)) = start(&[]) else {
        return;
    };
    syslogd.stop();
    std::fs::remove_file(&syslogd.path).unwrap();
    for _ in 0..20 {
        daemon.serves();
    }
    daemon.stop();
}
