//! Logging to a journald that the test plays: the socket is in a mount namespace, hence root.

use std::collections::BTreeMap;
use std::io::IoSliceMut;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, recvmsg};

use crate::common::process::own_user;
use crate::common::{Daemon, Setup, request, skip};

/// Puts a directory in the place of `/run`, then becomes the daemon.
const OWN_RUN: &str = "mount --rbind \"$OWN_RUN\" /run && exec \"$0\" \"$@\"";

type Entry = BTreeMap<String, Vec<u8>>;

struct Journald(UnixDatagram);

impl Journald {
    fn next(&self) -> Entry {
        let mut bytes = vec![0; 1 << 20];
        let mut room = [IoSliceMut::new(&mut bytes)];
        let mut space = cmsg_space!([i32; 1]);
        let (socket, flags) = (self.0.as_raw_fd(), MsgFlags::MSG_CMSG_CLOEXEC);
        let message = recvmsg::<UnixAddr>(socket, &mut room, Some(&mut space), flags)
            .expect("an entry, before the time is over");
        let length = message.bytes;
        if let Some(ControlMessageOwned::ScmRights(passed)) = message.cmsgs().unwrap().next() {
            let entry = std::fs::read(format!("/proc/self/fd/{}", passed[0])).unwrap();
            nix::unistd::close(passed[0]).unwrap();
            return parse(&entry);
        }
        parse(&bytes[..length])
    }

    /// The next entry of this kind.
    fn next_with(&self, field: &str, value: &str) -> Entry {
        loop {
            let entry = self.next();
            if entry
                .get(field)
                .is_some_and(|found| found == value.as_bytes())
            {
                return entry;
            }
        }
    }
}

/// The fields of an entry, as the protocol of the journal has them.
fn parse(mut bytes: &[u8]) -> Entry {
    let mut entry = Entry::new();
    while !bytes.is_empty() {
        let end = bytes.iter().position(|&b| b == b'=' || b == b'\n').unwrap();
        let (name, rest) = (
            std::str::from_utf8(&bytes[..end]).unwrap(),
            &bytes[end + 1..],
        );
        let (value, rest) = if bytes[end] == b'=' {
            rest.split_at(rest.iter().position(|&b| b == b'\n').unwrap())
        } else {
            let (length, rest) = rest.split_at(8);
            let length = u64::from_le_bytes(length.try_into().unwrap());
            rest.split_at(usize::try_from(length).unwrap())
        };
        assert_eq!(rest[0], b'\n');
        entry.insert(name.into(), value.to_vec());
        bytes = &rest[1..];
    }
    entry
}

/// A daemon that logs to a journal of the test's own.
fn start(config: &str) -> Option<(Daemon, Journald, PathBuf)> {
    if !skip::unless_root() {
        return None;
    }
    let setup = Setup::by(&["unshare", "--mount", "sh", "-c", OWN_RUN]);
    let run = setup.directory.join("run");
    std::fs::create_dir_all(run.join("systemd/journal")).unwrap();
    let socket = UnixDatagram::bind(run.join("systemd/journal/socket")).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let setup = setup.env("OWN_RUN", run).log("journal");
    let file = setup.directory.join("sockexec.toml");
    let daemon = setup
        .config(&format!("default = \"allow\"\n{config}"))
        .start();
    Some((daemon, Journald(socket), file))
}

#[track_caller]
fn text(entry: &Entry, field: &str) -> String {
    let value = entry
        .get(field)
        .unwrap_or_else(|| panic!("no {field}: {entry:?}"));
    String::from_utf8(value.clone()).unwrap()
}

#[test]
fn a_job_has_entries_with_fields() {
    let Some((daemon, journal, _)) = start("audit = \"both\"\nlog-facility = \"authpriv\"\n")
    else {
        return;
    };
    let mut head = request(&[&b"sh"[..], b"-c", b"echo out; exit 3", b"a=b\n"]);
    head.extend_from_slice(b"0:,");
    daemon.begin(head).reply();
    let started = journal.next_with("MESSAGE_ID", "c5a24d2d8bb04c64ab128f4cd5a5e0d6");
    let ended = journal.next_with("MESSAGE_ID", "a82d6dd93630467ab12124cec99d46ad");
    let (uid, gid) = own_user();
    for entry in [&started, &ended] {
        assert_eq!(text(entry, "SYSLOG_IDENTIFIER"), "sockexec");
        assert_eq!(text(entry, "SYSLOG_FACILITY"), "10");
        assert_eq!(text(entry, "SOCKEXEC_UID"), uid.to_string());
        assert_eq!(text(entry, "SOCKEXEC_GID"), gid.to_string());
        assert_eq!(text(entry, "OBJECT_PID"), std::process::id().to_string());
        assert_eq!(text(entry, "SOCKEXEC_PROGRAM"), "sh");
        let argv = text(entry, "SOCKEXEC_ARGV");
        assert_eq!(argv, "sh -c \"echo out; exit 3\" \"a=b\\n\"");
        assert!(text(entry, "MESSAGE").ends_with(&format!(" argv={argv}")));
    }
    assert_eq!(text(&ended, "SOCKEXEC_EXIT"), "3");
    assert_eq!(text(&ended, "SOCKEXEC_OUT"), "4");
    assert_eq!(text(&ended, "SOCKEXEC_JOB"), text(&started, "SOCKEXEC_JOB"));
    let number = |entry| text(entry, "SOCKEXEC_SEQ").parse::<u64>().unwrap();
    assert_eq!(number(&ended), number(&started) + 1);
    assert!(
        text(&ended, "SOCKEXEC_DURATION_USEC")
            .parse::<u64>()
            .unwrap()
            > 0
    );
    let program = text(&ended, "SOCKEXEC_PROGRAM_PID");
    assert_eq!(program, text(&started, "SOCKEXEC_PROGRAM_PID"));
}

#[test]
fn arguments_of_any_length_are_in_one_entry() {
    let Some((daemon, journal, _)) = start("") else {
        return;
    };
    let argument = vec![0xff; 100_000];
    let mut words = vec![&b"true"[..]];
    words.extend([&argument[..]; 15]);
    let mut head = request(&words);
    head.extend_from_slice(b"0:,");
    daemon.begin(head).reply();
    let requested = journal.next_with("MESSAGE_ID", "6278302ce76f4ad2a873015a5366065c");
    let one = format!(" \"{}\"", "\\xff".repeat(argument.len()));
    assert!(text(&requested, "SOCKEXEC_ARGV") == format!("true{}", one.repeat(15)));
    assert!(text(&requested, "MESSAGE").ends_with("\"..."));
    assert_eq!(text(&requested, "SOCKEXEC_ARGC"), "16");
    let ended = journal.next_with("SOCKEXEC_JOB", &text(&requested, "SOCKEXEC_JOB"));
    assert!(text(&ended, "SOCKEXEC_ARGV").len() < 1100);
}

#[test]
fn refusals_and_reloads_have_messages_of_their_own() {
    let rule = "[[allow]]\nname = \"only\"\nuser = \"nobody\"\nprogram = \"/usr/bin/true\"\n";
    let Some((daemon, journal, file)) = start(rule) else {
        return;
    };
    let refused = "745320dc843e42fab9acf71ac0440ec1";
    daemon.begin("x").reply().refused(100, &[]);
    let entry = journal.next_with("MESSAGE_ID", refused);
    assert!(!entry.contains_key("SOCKEXEC_PROGRAM"), "{entry:?}");
    assert!(text(&entry, "MESSAGE").ends_with(&text(&entry, "SOCKEXEC_FAULT")));
    assert_eq!(text(&entry, "PRIORITY"), "4");
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    journal.next_with("MESSAGE_ID", "08c83fe172b94bd699f4bc334bd9d04c");
    std::fs::write(file, "no-such-key = 1\n").unwrap();
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    let failed = journal.next_with("MESSAGE_ID", "22e6c7b93b8348c59e2af8300f1b1522");
    assert!(text(&failed, "SOCKEXEC_FAULT").contains("no-such-key"));
    assert_eq!(text(&failed, "PRIORITY"), "3");
}
