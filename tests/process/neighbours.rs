//! A program has the daemon's user: its access to the daemon, to other clients and to the
//! terminal, and its end when the daemon is killed.

use crate::common::process::{children, descriptor_of, eventually, status, wait_gone};
use crate::common::user::{NOBODY, as_user};
use crate::common::{Daemon, PATIENCE, Setup, request, shell, skip};
use nix::errno::Errno;
use nix::pty::openpty;
use nix::sys::signal::Signal;
use nix::unistd::chown;
use std::fs;
use std::os::fd::AsRawFd;
use std::process::Stdio;
use std::time::Instant;

/// The numbers of a process's group, of its session and of its terminal.
fn belongs(pid: &str) -> [String; 3] {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name: Vec<&str> = text.rsplit_once(") ").unwrap().1.split(' ').collect();
    [after_name[2], after_name[3], after_name[4]].map(str::to_owned)
}

#[test]
fn a_program_cannot_type_on_the_terminal_from_which_the_daemon_was_started() {
    let pty = openpty(None, None).unwrap();
    let mut setup = Setup::by(&["setsid", "--ctty"]);
    let terminal = Stdio::from(pty.slave.try_clone().unwrap());
    setup.command.stdin(terminal);
    let daemon = setup.start();
    let [_, session, terminal] = belongs(&daemon.pid().to_string());
    assert_eq!(session, daemon.pid().to_string());
    assert_ne!(terminal, "0", "the daemon has no terminal");
    let mut client = daemon.begin(shell("echo $$; read x; exec 3<>/dev/tty; echo opened"));
    let pid = client.number().to_string();
    assert_eq!(belongs(&pid), [pid.clone(), pid, "0".to_owned()]);
    client.send("2:a\n,0:,");
    let reply = client.reply();
    assert!(!reply.out().contains("opened"));
    assert!(
        reply.err().contains("No such device or address"),
        "{}",
        reply.err()
    );
}

/// A daemon of an ordinary user.
fn of_nobody() -> Option<Daemon> {
    if !skip::unless_root() {
        return None;
    }
    let setup = Setup::new();
    let id = Some(NOBODY.into());
    chown(setup.directory.path(), id, Some(NOBODY.into())).unwrap();
    let setup = setup.before_exec(|| {
        // SAFETY: numbers, and an empty list.
        let results = unsafe {
            [
                libc::setgroups(0, std::ptr::null()),
                libc::setgid(NOBODY),
                libc::setuid(NOBODY),
            ]
        };
        match results {
            [0, 0, 0] => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    });
    Some(setup.start())
}

#[test]
fn a_program_cannot_look_into_the_daemon() {
    let Some(daemon) = of_nobody() else { return };
    assert_eq!(daemon.run(&["id", "-u"]).succeeded(), format!("{NOBODY}\n"));
    for what in [
        "head -c 1 /proc/$PPID/mem",
        "cat /proc/$PPID/environ",
        "cat /proc/$PPID/maps",
        "ls /proc/$PPID/fd",
        "ls -l /proc/$PPID/cwd/",
        "echo forged >/proc/$PPID/fd/2",
    ] {
        let reply = daemon.shell(what);
        assert!(
            reply.err().contains("Permission denied"),
            "{what}: {reply:?}"
        );
    }
    // A program itself is like any other.
    daemon
        .shell("cat /proc/self/environ /proc/self/maps")
        .succeeded();
    assert!(!daemon.log.all().iter().any(|line| line == "forged"));
}

/// Takes descriptor 0 out of a process, and tries to trace it.
fn reach_into(pid: u32) -> [Result<(), Errno>; 2] {
    let process = descriptor_of(pid).unwrap();
    let pid = i32::try_from(pid).unwrap();
    // SAFETY: numbers only; what is opened stays open till the end of the test.
    let results = unsafe {
        [
            libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), 0, 0),
            libc::ptrace(libc::PTRACE_SEIZE, pid, 0, 0),
        ]
    };
    results.map(|result| Errno::result(result).map(drop))
}

#[test]
fn nobody_takes_descriptors_out_of_the_daemon_or_traces_it() {
    let Some(daemon) = of_nobody() else { return };
    let mut client = daemon.begin(shell("echo $$; exec sleep 1000"));
    let (daemon_pid, program) = (daemon.pid(), client.number());
    eventually("sleep runs", || status(program, "Name") == "sleep");
    let reached = as_user(NOBODY, NOBODY, &[], || {
        // So it would be possible: this one is not protected.
        assert_eq!(reach_into(program)[0], Ok(()));
        reach_into(daemon_pid)
    });
    assert_eq!(reached, Some([Err(Errno::EPERM); 2]));
}

#[test]
fn a_program_ends_with_a_daemon_that_is_killed() {
    let mut daemon = Daemon::start(&["-t", "0"]);
    let mut clients: Vec<_> = (0..5)
        .map(|_| daemon.begin(shell("trap '' TERM HUP; echo $$; exec sleep 1000")))
        .collect();
    let pids: Vec<u32> = clients.iter_mut().map(|client| client.number()).collect();
    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    pids.into_iter().for_each(wait_gone);
}

#[test]
fn a_program_that_is_being_started_ends_with_a_daemon_that_is_killed() {
    // All at once, so that the daemon is killed between the clone and the exec of some.
    for round in 0..10 {
        let mut daemon = Daemon::start(&["-t", "0"]);
        let mark = format!("100{}", std::process::id());
        let _clients: Vec<_> = (0..20)
            .map(|_| daemon.begin(request(&["sleep", &mark])))
            .collect();
        if round % 2 == 0 {
            eventually("some were started", || !children(daemon.pid()).is_empty());
        }
        daemon.signal(Signal::SIGKILL);
        daemon.wait();
        let end = Instant::now() + PATIENCE;
        while sleeps(&mark) {
            assert!(Instant::now() < end, "a program lives on");
            std::thread::yield_now();
        }
    }
}

/// Whether a program sleeps for this time.
fn sleeps(mark: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .any(|line| line == format!("sleep\0{mark}\0").as_bytes())
}
