//! System calls that fail under a running job: a shortage is waited for, anything else ends
//! the job with a reason, and nothing looks like an end that it is not.

use crate::common::client::END;
use crate::common::inject::{Injection, refuse_epoll_add};
use crate::common::process::{children, eventually, processor_time, status};
use crate::common::{Client, Daemon, End, Setup, request, shell, sockproc};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use std::thread;
use std::time::{Duration, Instant};

/// A daemon that sends nothing but to its clients.
fn daemon(arguments: &[&str]) -> Daemon {
    let mut setup = Setup::new().control().arguments(arguments);
    setup.command.env_remove("NOTIFY_SOCKET");
    let daemon = setup.spawn();
    daemon.wait_serving();
    daemon.serves();
    daemon
}

/// A program that echoes, and ends well with its input.
fn cat(daemon: &Daemon) -> Client {
    let mut client = daemon.begin(request(&["cat"]));
    client.send("3:up\n,");
    assert_eq!(client.line(), "up");
    client
}

#[track_caller]
fn told(client: Client, words: &[&str]) {
    let reply = client.reply();
    assert_eq!(reply.end, End::Exit(111), "{}{}", reply.out(), reply.err());
    for word in words {
        assert!(reply.err().contains(word), "{}", reply.err());
    }
}

#[test]
fn output_that_cannot_be_read_is_no_end_of_output() {
    let daemon = daemon(&[]);
    let mut client = daemon.begin(shell("echo up; read x; echo half; read x; exit 0"));
    assert_eq!(client.line(), "up");
    let Some(injection) = Injection::start(&daemon, "read:error=EIO") else {
        return;
    };
    client.send("2:a\n,");
    told(client, &["stdout", "Input/output error"]);
    drop(injection);
    daemon.serves();
}

#[test]
fn input_that_cannot_be_written_is_no_end_of_input() {
    let daemon = daemon(&[]);
    let mut client = cat(&daemon);
    let Some(injection) = Injection::start(&daemon, "write:error=EIO") else {
        return;
    };
    client.send("5:half\n,");
    told(client, &["standard input", "Input/output error"]);
    drop(injection);
    daemon.serves();
}

#[test]
fn a_client_that_cannot_be_received_from_is_told_and_not_gone() {
    let daemon = daemon(&[]);
    let mut client = cat(&daemon);
    let Some(injection) = Injection::start(&daemon, "recvfrom,recvmsg:error=EIO") else {
        return;
    };
    client.send("5:half\n,");
    told(client, &["received", "Input/output error"]);
    drop(injection);
    daemon.serves();
}

#[test]
fn a_client_that_could_not_be_sent_to_once_is_told() {
    let daemon = daemon(&[]);
    let mut client = cat(&daemon);
    let Some(injection) = Injection::start(&daemon, "sendto,sendmsg:error=EIO:when=1") else {
        return;
    };
    client.send("5:more\n,");
    // All of it, and the reason.
    assert_eq!(client.line(), "more");
    told(client, &["sent", "Input/output error"]);
    drop(injection);
    daemon.serves();
}

#[test]
fn a_client_that_cannot_be_sent_to_at_all_is_left() {
    let daemon = daemon(&["-t", "0"]);
    let mut client = cat(&daemon);
    let Some(injection) = Injection::start(&daemon, "sendto,sendmsg:error=EIO") else {
        return;
    };
    client.send("5:more\n,");
    assert_eq!(client.try_rest().unwrap(), b"");
    drop(injection);
    daemon.log.wait_for("the job", |line| {
        line.contains("argv=cat") && line.contains("Input/output error")
    });
    daemon.serves();
}

#[test]
fn a_shortage_in_the_middle_of_a_job_is_waited_for() {
    let daemon = daemon(&["-t", "0"]);
    for call in [
        "read:error=ENOMEM",
        "write:error=ENOBUFS",
        "recvfrom,recvmsg:error=ENOMEM",
        "sendto,sendmsg:error=ENOBUFS",
        "epoll_ctl:error=ENOMEM",
        "epoll_wait,epoll_pwait,epoll_pwait2:error=ENOMEM",
    ] {
        let mut client = cat(&daemon);
        let used = processor_time(daemon.pid());
        let Some(injection) = Injection::start(&daemon, call) else {
            return;
        };
        client.send("5:more\n,");
        client.send(END);
        injection.wait_hits(4);
        let used = processor_time(daemon.pid()) - used;
        assert!(used < Duration::from_millis(200), "{call}: {used:?}");
        drop(injection);
        let reply = client.reply();
        assert_eq!(
            (reply.out().as_str(), &reply.end),
            ("more\n", &End::Exit(0)),
            "{call}"
        );
    }
}

#[test]
fn the_shortage_is_named_in_the_log_without_its_number() {
    let daemon = daemon(&["-t", "0"]);
    let mut client = cat(&daemon);
    let calls = "epoll_wait,epoll_pwait,epoll_pwait2:error=ENOMEM";
    let Some(injection) = Injection::start(&daemon, calls) else {
        return;
    };
    client.send(END);
    daemon.log.wait_for("the shortage", |line| {
        line.contains("cannot wait for events: Cannot allocate memory (1 connections")
    });
    drop(injection);
    assert_eq!(client.reply().end, End::Exit(0));
}

#[test]
fn a_signal_that_cannot_be_read_is_handled_later_and_nobody_spins() {
    let daemon = daemon(&["-t", "0"]);
    let Some(injection) = Injection::start(&daemon, "read:error=EIO") else {
        return;
    };
    let start = Instant::now();
    daemon.signal(Signal::SIGHUP);
    // In a turn the poller reads once, and the server once.
    injection.wait_hits(8);
    let elapsed = start.elapsed();
    assert!(elapsed > Duration::from_millis(200), "{elapsed:?}");
    daemon
        .log
        .wait_for("it", |line| line.contains("cannot read signals: "));
    drop(injection);
    daemon.log.wait_for("the signal", |line| {
        line.contains("configuration read again")
    });
    daemon.serves();
}

/// A daemon that gets this error when it puts a descriptor of a client or of a program into
/// the poller. Its own, which come first, have lower numbers.
fn without_poller(errno: i32) -> Daemon {
    let own = 27 + 11;
    let setup = Setup::new().control().arguments(["-t", "0"]);
    let daemon = setup
        .before_exec(move || refuse_epoll_add(own..u32::MAX, errno))
        .spawn();
    daemon.wait_serving();
    daemon
}

#[test]
fn without_room_in_the_poller_jobs_run_all_the_same() {
    let daemon = without_poller(libc::ENOSPC);
    for _ in 0..3 {
        let mut client = cat(&daemon);
        client.send(END);
        assert_eq!(client.reply().end, End::Exit(0));
        let reply = daemon.shell("echo out; echo err >&2; exit 7");
        assert_eq!((reply.out(), reply.err()), ("out\n".into(), "err\n".into()));
        assert_eq!(reply.end, End::Exit(7));
    }
    // A client that disconnects is noticed, and the loop does not spin.
    let client = cat(&daemon);
    let used = processor_time(daemon.pid());
    drop(client);
    eventually("no programs", || children(daemon.pid()).is_empty());
    let used = processor_time(daemon.pid()) - used;
    assert!(used < Duration::from_millis(300), "{used:?}");
    daemon
        .log
        .wait_for("it", |line| line.contains("No space left"));
    eventually("no programs", || daemon.status()["programs"] == 0);
}

#[test]
fn without_room_in_the_poller_for_its_own_sockets_the_daemon_serves_and_stops() {
    // From where the server's own begin to where the poller's are.
    let mut daemon = Setup::new()
        .before_exec(|| refuse_epoll_add(27..32, libc::ENOSPC))
        .start();
    for _ in 0..3 {
        daemon.serves();
    }
    daemon
        .log
        .wait_for("it", |line| line.contains("No space left"));
    let used = processor_time(daemon.pid());
    thread::sleep(Duration::from_millis(500));
    let used = processor_time(daemon.pid()) - used;
    assert!(used < Duration::from_millis(100), "{used:?}");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn what_a_new_process_is_refused_is_not_reported_of_the_program() {
    // With a limit of their own, programs need a call more.
    let daemon = Setup::new()
        .control()
        .before_exec(|| Ok(setrlimit(Resource::RLIMIT_NOFILE, 1000, 4096)?))
        .start();
    for (call, what) in [
        ("close_range", "leave the server's descriptors"),
        ("setsid", "begin a session"),
        ("prctl", "arrange to be killed with the server"),
        ("rt_sigaction", "reset the signals' actions"),
        ("prlimit64", "set the limit of descriptors"),
        ("rt_sigprocmask", "unblock the signals"),
    ] {
        let refused = format!("{call}:error=EPERM");
        let Some(injection) = Injection::start_in_programs(&daemon, &refused) else {
            return;
        };
        let reply = daemon.run(&["echo", "hi"]);
        assert!(injection.hits() > 0, "{call}");
        drop(injection);
        let text = format!("sockexec: echo: cannot {what}: Operation not permitted\n");
        assert_eq!((reply.err(), reply.out()), (text, String::new()));
        assert_eq!(reply.end, End::Exit(111), "{call}");
        daemon.serves();
    }
    eventually("no programs", || daemon.status()["programs"] == 0);
}

#[test]
fn what_cannot_be_waited_for_is_told() {
    let daemon = without_poller(libc::EPERM);
    for _ in 0..3 {
        let reply = daemon.shell("sleep 1000");
        reply.refused(111, &["Operation not permitted"]);
    }
    eventually("no programs", || children(daemon.pid()).is_empty());
}

#[test]
fn a_status_that_waitid_does_not_tell_at_first_is_told_later() {
    let daemon = daemon(&["-t", "0"]);
    for error in ["EINTR", "EINVAL", "ECHILD"] {
        let what = format!("waitid:error={error}:when=1..3");
        let Some(injection) = Injection::start(&daemon, &what) else {
            return;
        };
        assert_eq!(daemon.shell("exit 7").end, End::Exit(7), "{error}");
        assert!(injection.hits() > 0);
        drop(injection);
        eventually("no children", || children(daemon.pid()).is_empty());
    }
    eventually("no programs", || daemon.status()["programs"] == 0);
}

#[test]
fn connections_that_cannot_be_accepted_wait_and_nobody_spins() {
    let daemon = daemon(&[]);
    for error in ["EPERM", "EACCES", "EIO", "EPROTO", "EMFILE"] {
        let used = processor_time(daemon.pid());
        let before = daemon.log.all().len();
        let what = format!("accept4:error={error}");
        let Some(injection) = Injection::start(&daemon, &what) else {
            return;
        };
        let waiting = daemon.begin("1:2,4:echo,2:hi,0:,");
        injection.wait_hits(4);
        let used = processor_time(daemon.pid()) - used;
        assert!(used < Duration::from_millis(200), "{error}: {used:?}");
        drop(injection);
        assert_eq!(waiting.reply().succeeded(), "hi\n");
        let all = daemon.log.all();
        let about = all[before..]
            .iter()
            .filter(|l| l.contains("accept a connection"));
        // Once a second at most, whatever the error.
        assert!(about.count() <= 2);
    }
    daemon
        .log
        .wait_for("it", |line| line.contains("accept a connection"));
}

#[test]
fn a_client_that_the_kernel_does_not_know_is_told() {
    let daemon = daemon(&[]);
    let Some(injection) = Injection::start(&daemon, "getsockopt:error=ENOMEM") else {
        return;
    };
    let reply = daemon.run(&["echo", "hi"]);
    reply.refused(
        111,
        &["cannot identify the client", "Cannot allocate memory"],
    );
    drop(injection);
    daemon.serves();
}

#[test]
fn a_temporary_file_that_cannot_be_read_is_no_hangup() {
    let setup = Setup::new().config("output-memory = 4096").sockproc();
    let daemon = setup.start();
    assert_eq!(sockproc::run(&daemon, "echo hi").succeeded(), "hi\n");
    let Some(injection) = Injection::start(&daemon, "sendfile:error=EIO") else {
        return;
    };
    let client = daemon.begin(sockproc::request("head -c 50000 /dev/zero", b""));
    let reply = client.try_rest().unwrap();
    // It has received the size, and finds that bytes are missing.
    assert_eq!(reply, b"status:0\r\n50000\r\n");
    drop(injection);
    daemon.log.wait_for("the job", |line| {
        line.contains("temporary file") && line.contains("Input/output error")
    });
    assert_eq!(sockproc::run(&daemon, "echo hi").succeeded(), "hi\n");
}

/// Traces a process, as a debugger would.
fn trace(pid: u32) -> bool {
    let pid = i32::try_from(pid).unwrap();
    // SAFETY: PTRACE_SEIZE takes no memory of ours.
    unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0, 0) == 0 }
}

/// Takes the end of a traced process: from here on its parent sees it.
fn let_go(pid: u32) {
    let mut status = 0;
    let pid = i32::try_from(pid).unwrap();
    // SAFETY: `status` lives through the call.
    let result = unsafe { libc::waitpid(pid, &mut status, libc::__WALL) };
    assert_eq!(result, pid);
}

#[test]
fn the_end_of_a_program_that_is_traced_is_not_missed() {
    let daemon = daemon(&["-t", "0"]);
    let mut client = daemon.begin(shell("echo $$; read x; exit 7"));
    let pid = client.number();
    if !trace(pid) {
        return crate::common::skip::say("no process may be traced");
    }
    client.send("2:a\n,");
    eventually("it has ended", || status(pid, "State").starts_with('Z'));
    // The daemon goes on meanwhile, and does not spin.
    let used = processor_time(daemon.pid());
    for _ in 0..20 {
        daemon.serves();
        thread::sleep(Duration::from_millis(10));
    }
    let used = processor_time(daemon.pid()) - used;
    assert!(used < Duration::from_millis(400), "{used:?}");
    let_go(pid);
    assert_eq!(client.reply().end, End::Exit(7));
}

#[test]
fn a_program_whose_tracer_never_lets_go_is_not_called_stuck() {
    let daemon = daemon(&["-t", "1", "-k", "0.2"]);
    let mut client = daemon.begin(shell("echo $$; read x; exit 7"));
    let pid = client.number();
    if !trace(pid) {
        return crate::common::skip::say("no process may be traced");
    }
    client.send("2:a\n,");
    let reply = client.reply();
    reply.refused(111, &["its tracer withholds"]);
    assert_eq!(daemon.status()["programs"], 1);
    let_go(pid);
    // It is reaped after all.
    eventually("no programs", || daemon.status()["programs"] == 0);
}
