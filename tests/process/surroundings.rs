//! The environment of a program at its start, whatever that of the daemon was.

use crate::common::client::END;
use crate::common::process::{children, field_of, status};
use crate::common::{Daemon, End, Setup, request, shell};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use std::thread;

/// Checks that nothing about signals differs from a program started by a login shell.
#[track_caller]
fn signals_are_default(daemon: &Daemon) {
    let text = daemon.run(&["cat", "/proc/self/status"]).succeeded();
    for field in ["SigBlk", "SigIgn", "SigCgt"] {
        let value = u64::from_str_radix(&field_of(&text, field), 16).unwrap();
        assert_eq!(value, 0, "{field} is {value:x}");
    }
}

#[test]
fn signals_are_as_at_login() {
    signals_are_default(&Daemon::start(&[]));
}

#[test]
fn signals_are_default_also_when_the_daemons_were_not() {
    let daemon = Setup::new()
        .before_exec(|| {
            // Up to the last of the realtime signals, 40 for one.
            for signal in [
                libc::SIGHUP,
                libc::SIGCHLD,
                libc::SIGPIPE,
                libc::SIGINT,
                libc::SIGUSR2,
                libc::SIGSEGV,
                40,
                64,
            ] {
                // SAFETY: ignoring a signal runs no code.
                unsafe { libc::signal(signal, libc::SIG_IGN) };
            }
            Ok(sigprocmask(
                SigmaskHow::SIG_SETMASK,
                Some(&SigSet::all()),
                None,
            )?)
        })
        .start();
    signals_are_default(&daemon);
    // The daemon hears about its children and its administrator all the same.
    assert_eq!(daemon.shell("exit 3").end, End::Exit(3));
    daemon.signal(Signal::SIGUSR1);
    daemon.serves();
    assert!(children(daemon.pid()).is_empty());
    daemon.stop();
}

#[test]
fn a_program_leads_its_own_group_and_session() {
    let daemon = Daemon::start(&[]);
    let text = daemon.run(&["cat", "/proc/self/stat"]).succeeded();
    let after_name: Vec<&str> = text.rsplit_once(") ").unwrap().1.split(' ').collect();
    let pid = text.split(' ').next().unwrap();
    let (parent, group, session) = (after_name[1], after_name[2], after_name[3]);
    assert_eq!((group, session), (pid, pid));
    assert_eq!(parent, daemon.pid().to_string());
}

#[test]
fn a_program_has_three_descriptors() {
    let daemon = Daemon::start(&[]);
    // The fourth is the directory that ls reads.
    let list = "0\n1\n2\n3\n";
    assert_eq!(daemon.run(&["ls", "/proc/self/fd"]).succeeded(), list);
    // Also beside others, whose pipes it must not have.
    let others: Vec<_> = (0..20).map(|_| daemon.begin(request(&["cat"]))).collect();
    for _ in 0..20 {
        assert_eq!(daemon.run(&["ls", "/proc/self/fd"]).succeeded(), list);
    }
    for mut other in others {
        other.send(END);
        assert_eq!(other.reply().end, End::Exit(0));
    }
}

#[test]
fn programs_in_bursts_have_three_descriptors_each() {
    let daemon = Daemon::start(&["-m", "200", "-q", "200"]);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let mut head = request(&["ls", "/proc/self/fd"]);
                    head.extend_from_slice(END);
                    let clients: Vec<_> = (0..10).map(|_| daemon.begin(&head)).collect();
                    for client in clients {
                        assert_eq!(client.reply().succeeded(), "0\n1\n2\n3\n");
                    }
                }
            });
        }
    });
}

#[test]
fn what_the_daemon_inherited_goes_no_further() {
    let daemon = Setup::new()
        .before_exec(|| {
            for fd in [3, 7, 50] {
                // SAFETY: a number that is not ours to close is replaced in a process
                // that is about to be another program.
                if unsafe { libc::dup2(0, fd) } < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        })
        .start();
    let list = daemon.run(&["ls", "/proc/self/fd"]).succeeded();
    assert_eq!(list, "0\n1\n2\n3\n");
}

#[test]
fn a_daemon_without_standard_streams_runs_programs() {
    let daemon = Setup::new()
        .before_exec(|| {
            // SAFETY: in a process that is about to be another program.
            unsafe { libc::close(0) };
            // SAFETY: the same.
            unsafe { libc::close(1) };
            Ok(())
        })
        .start();
    let list = daemon.run(&["ls", "/proc/self/fd"]).succeeded();
    assert_eq!(list, "0\n1\n2\n3\n");
    let mut client = daemon.begin(shell("cat; echo err >&2"));
    client.send("5:hello,0:,");
    let reply = client.reply();
    assert_eq!((reply.out(), reply.err()), ("hello".into(), "err\n".into()));
}

#[test]
fn the_standard_streams_block_and_are_pipes_of_their_own() {
    let daemon = Daemon::start(&[]);
    let reply = daemon.shell("for fd in 0 1 2; do cat /proc/self/fdinfo/$fd | grep flags; done");
    for line in reply.succeeded().lines() {
        let flags = line.split_whitespace().nth(1).unwrap();
        let flags = i32::from_str_radix(flags, 8).unwrap();
        assert_eq!(flags & libc::O_NONBLOCK, 0, "{line}");
    }
    let reply = daemon.shell("readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2");
    let mut targets: Vec<_> = reply.succeeded().lines().map(str::to_owned).collect();
    targets.sort();
    targets.dedup();
    assert_eq!(targets.len(), 3, "{targets:?}");
}

#[test]
fn limits_are_those_the_daemon_was_started_with() {
    let daemon = Setup::new()
        .before_exec(|| Ok(setrlimit(Resource::RLIMIT_NOFILE, 300, 2000)?))
        .start();
    let limits = daemon.shell("ulimit -Sn; ulimit -Hn").succeeded();
    assert_eq!(limits, "300\n2000\n");
}

#[test]
fn umask_and_directory_are_those_the_daemon_was_started_with() {
    let mut setup = Setup::new().before_exec(|| {
        // SAFETY: an integer in, an integer out.
        unsafe { libc::umask(0o027) };
        Ok(())
    });
    let directory = setup.directory.path().to_owned();
    setup.command.current_dir(&directory);
    let daemon = setup.start();
    let reply = daemon.shell("umask; pwd -P");
    let directory = directory.canonicalize().unwrap();
    assert_eq!(
        reply.succeeded(),
        format!("0027\n{}\n", directory.display())
    );
    // The daemon itself is back to it as well, for whatever it may write.
    assert_eq!(status(daemon.pid(), "Umask"), "0027");
}

#[test]
fn what_the_service_manager_says_stays_with_the_daemon() {
    let daemon = Setup::new()
        .env("WATCHDOG_USEC", "10000000")
        .env("WATCHDOG_PID", "1")
        .env("LISTEN_PID", "1")
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDNAMES", "exec")
        .env("IPCREMOTEPID", "1")
        .env("PROTO", "TCP")
        .env("TCPREMOTEIP", "192.0.2.1")
        .env("JOURNAL_STREAM", "8:1")
        .env("INVOCATION_ID", "0123")
        .env("SYSTEMD_EXEC_PID", "1")
        .env("CREDENTIALS_DIRECTORY", "/run/credentials/sockexec")
        .env("SOCKEXEC_OPTIONS", "-m 10")
        .spawn();
    daemon.wait_serving();
    let out = daemon.run(&["env"]).succeeded();
    for name in [
        "LISTEN_",
        "NOTIFY_SOCKET",
        "WATCHDOG_",
        "TCP",
        "JOURNAL_",
        "INVOCATION_",
        "SYSTEMD_",
        "CREDENTIALS_",
        "SOCKEXEC_OPTIONS",
    ] {
        assert!(!out.lines().any(|l| l.starts_with(name)), "{out}");
    }
    for (name, value) in [
        ("PROTO=", "IPC"),
        ("IPCREMOTEPID=", &std::process::id().to_string()),
    ] {
        let values: Vec<_> = out.lines().filter_map(|l| l.strip_prefix(name)).collect();
        assert_eq!(values, [value]);
    }
}

#[test]
fn a_program_knows_its_number_in_the_log() {
    let daemon = Setup::new().env("SOCKEXEC_JOB", "7").start();
    for marker in ["one-marker", "other-marker"] {
        let out = daemon.shell(&format!(": {marker}; env")).succeeded();
        let numbers: Vec<_> = out
            .lines()
            .filter_map(|l| l.strip_prefix("SOCKEXEC_JOB="))
            .collect();
        let line = daemon.log.wait_for(marker, |line| line.contains(marker));
        assert_eq!(numbers.len(), 1, "{out}");
        assert!(line.contains(&format!("job {}: ", numbers[0])), "{line}");
    }
}

#[test]
fn clients_that_leave_make_no_gap_in_the_numbers() {
    let daemon = Daemon::start(&[]);
    let number = || -> u32 {
        let out = daemon.shell("echo $SOCKEXEC_JOB").succeeded();
        out.trim_end().parse().unwrap()
    };
    let first = number();
    for expected in first + 1..first + 5 {
        assert_eq!(number(), expected);
    }
}

#[test]
fn the_end_of_input_is_not_late_because_of_others() {
    let daemon = Daemon::start(&["-m", "60"]);
    // Had the others inherited the pipe, cat would wait for them.
    for _ in 0..10 {
        let mut cat = daemon.begin(request(&["cat"]));
        let sleepers: Vec<_> = (0..4)
            .map(|_| {
                let mut sleeper = daemon.begin(shell("echo up; exec sleep 1000"));
                assert_eq!(sleeper.line(), "up");
                sleeper
            })
            .collect();
        cat.send("5:hello,0:,");
        assert_eq!(cat.reply().succeeded(), "hello");
        drop(sleepers);
    }
}
