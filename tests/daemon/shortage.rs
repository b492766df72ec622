//! When descriptors or processes run short, no running job is affected, and the daemon
//! recovers by itself.

use crate::common::client::END;
use crate::common::process::{descriptors, limit, own_user, processor_time, status};
use crate::common::skip;
use crate::common::{Client, Daemon, End, Setup, request};
use nix::sys::resource::{Resource, setrlimit};
use std::thread;
use std::time::{Duration, Instant};

/// A daemon that is started with this soft and this hard limit of descriptors.
fn with_descriptors(soft: u64, hard: u64, arguments: &[&str]) -> Daemon {
    Setup::new()
        .config("default = \"allow\"\n")
        .arguments(arguments)
        .before_exec(move || Ok(setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?))
        .start()
}

#[test]
fn a_hard_limit_that_is_too_low_is_named_and_everybody_is_served() {
    let daemon = with_descriptors(64, 64, &[]);
    daemon
        .log
        .wait_for("the limit", |l| l.contains("64") && l.contains("100"));
    thread::scope(|scope| {
        for number in 0..300 {
            let daemon = &daemon;
            scope.spawn(move || {
                let reply = daemon.shell(&format!("sleep 0.05; echo {number}"));
                assert_eq!(reply.succeeded(), format!("{number}\n"));
            });
        }
    });
}

/// A daemon with so few descriptors that one program runs at a time, and one that runs.
fn one_at_a_time(arguments: &[&str]) -> (Daemon, Client) {
    let daemon = with_descriptors(64, 64, arguments);
    let mut running = daemon.begin(request(&["cat"]));
    running.send("3:up\n,");
    assert_eq!(running.line(), "up");
    (daemon, running)
}

#[test]
fn what_waits_for_its_turn_meets_its_deadline() {
    let (daemon, running) = one_at_a_time(&["-t", "1", "-k", "0.5"]);
    let start = Instant::now();
    let waiting = [(); 2].map(|()| daemon.begin("1:2,4:echo,2:hi,0:,"));
    for client in waiting {
        // Its turn may come when the first one's time is over, at the same moment.
        let reply = client.reply();
        match reply.end {
            End::Exit(0) => assert_eq!(reply.out(), "hi\n"),
            End::Signal(number) => assert_eq!(number, "15"),
            End::Exit(_) => assert!(reply.err().starts_with("sockexec: "), "{reply:?}"),
        }
    }
    assert!(start.elapsed() < Duration::from_secs(8));
    running.end();
    daemon.serves();
}

#[test]
fn what_waits_for_its_turn_may_be_malformed_may_go_and_hears_of_the_end() {
    let (mut daemon, running) = one_at_a_time(&["-t", "0", "-k", "0.5"]);
    drop(daemon.begin("1:2,4:echo,2:hi,0:,"));
    let malformed = daemon.begin("1:2,4:echo,2:hi,x");
    assert_eq!(malformed.reply().end, End::Exit(100));
    let waiting = daemon.begin("1:2,4:echo,2:hi,0:,");
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    let reply = waiting.reply();
    assert!(reply.end != End::Exit(0), "{reply:?}");
    assert!(reply.err().starts_with("sockexec: "), "{reply:?}");
    assert_eq!(running.reply().end, End::Signal("15".into()));
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_soft_limit_is_raised() {
    let daemon = with_descriptors(64, 4096, &[]);
    let text = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
    let line = text.lines().find(|l| l.starts_with("Max open files"));
    let numbers: Vec<_> = line.unwrap().split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers, ["4096", "4096"]);
    let mut all = daemon.log.all();
    all.retain(|line| !line.contains("programs run as root"));
    assert!(!all.iter().any(|l| l.contains("warning")), "{all:#?}");
}

#[test]
fn without_descriptors_running_jobs_go_on_and_clients_wait() {
    let daemon = Daemon::start(&["-t", "0"]);
    let mut running = daemon.begin(request(&["cat"]));
    running.send("3:up\n,");
    assert_eq!(running.line(), "up");
    let before = daemon.log.all().len();
    let held = descriptors(daemon.pid()).len() as u64;
    // Some more, so that a client comes in, but its program does not.
    for spare in [0, 1, 2, 5] {
        limit(daemon.pid(), libc::RLIMIT_NOFILE, held + spare);
        let clients: Vec<_> = (0..20)
            .map(|_| daemon.begin("1:2,4:echo,2:hi,0:,"))
            .collect();
        let (start, used) = (Instant::now(), processor_time(daemon.pid()));
        while start.elapsed() < Duration::from_millis(600) {
            running.send("3:up\n,");
            assert_eq!(running.line(), "up");
            thread::sleep(Duration::from_millis(10));
        }
        let used = processor_time(daemon.pid()) - used;
        assert!(used < Duration::from_millis(300), "{used:?} for nothing");
        limit(daemon.pid(), libc::RLIMIT_NOFILE, 4096);
        for client in clients {
            let reply = client.reply();
            match reply.end {
                End::Exit(0) => assert_eq!(reply.out(), "hi\n"),
                _ => reply.refused(111, &["Too many open files"]),
            }
        }
        daemon.serves();
    }
    // Four rounds of 0.6 s, and a line a second at most; a refused job has its own.
    let about: Vec<_> = daemon.log.all()[before..]
        .iter()
        .filter(|l| l.contains("Too many open files") && !l.contains("echo hi"))
        .cloned()
        .collect();
    assert!((1..=5).contains(&about.len()), "{about:#?}");
    running.send(END);
    assert_eq!(running.reply().end, End::Exit(0));
}

#[test]
fn clients_that_wait_without_descriptors_hear_of_the_end() {
    let mut daemon = Daemon::start(&["-t", "0", "-k", "1"]);
    let mut running = daemon.begin(request(&["cat"]));
    running.send("3:up\n,");
    assert_eq!(running.line(), "up");
    let held = descriptors(daemon.pid()).len() as u64;
    limit(daemon.pid(), libc::RLIMIT_NOFILE, held);
    // One or two are accepted, and keep what is left.
    let clients = [(); 6].map(|()| daemon.begin("1:2,4:echo,"));
    daemon.log.wait_for("the shortage", |line| {
        line.contains("cannot accept a connection: Too many open files")
    });
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(running.reply().end, End::Signal("15".into()));
    for client in clients {
        client.reply().refused(111, &[]);
    }
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_limit_below_the_numbers_that_are_in_use_ends_nobody() {
    let daemon = Daemon::start(&["-t", "0"]);
    let mut running = daemon.begin(request(&["cat"]));
    let mut echo = || {
        running.send("3:up\n,");
        assert_eq!(running.line(), "up");
    };
    echo();
    for lowest in [26, 0, 3, 4, 7, 20, 24, 25, 27, 28, 40] {
        // They have come in already, and ask for what there is no room for.
        let clients: Vec<_> = (0..20).map(|_| daemon.begin("1:2,4:echo,")).collect();
        echo();
        limit(daemon.pid(), libc::RLIMIT_NOFILE, lowest);
        for mut client in clients {
            client.send("2:hi,0:,");
            client.reply().refused(111, &["Too many open files"]);
        }
        echo();
        limit(daemon.pid(), libc::RLIMIT_NOFILE, 4096);
        daemon.serves();
    }
    echo();
    running.send(END);
    assert_eq!(running.reply().end, End::Exit(0));
}

#[test]
fn a_limit_that_is_lowered_while_programs_start_ends_nobody() {
    let daemon = Daemon::start(&["-t", "0"]);
    for round in 0..60 {
        let clients: Vec<_> = (0..8).map(|_| daemon.begin("1:2,4:echo,")).collect();
        for mut client in clients {
            client.send("2:hi,0:,");
            let lowest = [3, 10, 26, 30, 45][round % 5];
            limit(daemon.pid(), libc::RLIMIT_NOFILE, lowest);
            limit(daemon.pid(), libc::RLIMIT_NOFILE, 4096);
            let reply = client.reply();
            match reply.end {
                End::Exit(0) => assert_eq!(reply.out(), "hi\n"),
                _ => reply.refused(111, &["Too many open files"]),
            }
        }
    }
    daemon.serves();
}

#[test]
fn a_hard_limit_that_is_lowered_from_outside_is_what_programs_get() {
    let daemon = with_descriptors(1000, 4096, &[]);
    let limits = || daemon.shell("ulimit -Sn; ulimit -Hn").succeeded();
    assert_eq!(limits(), "1000\n4096\n");
    for (hard, expected) in [(2000, "1000\n2000\n"), (300, "300\n300\n")] {
        let both = libc::rlimit {
            rlim_cur: hard,
            rlim_max: hard,
        };
        let pid = i32::try_from(daemon.pid()).unwrap();
        // SAFETY: the struct is ours and lives through the call.
        let result =
            unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, &both, std::ptr::null_mut()) };
        assert_eq!(result, 0);
        assert_eq!(limits(), expected);
    }
}

#[test]
fn without_processes_the_client_hears_of_it() {
    if own_user().0 == 0 {
        return skip::say("the limit of processes is not for root");
    }
    let daemon = Daemon::start(&[]);
    let mut running = daemon.begin(request(&["cat"]));
    running.send("3:up\n,");
    assert_eq!(running.line(), "up");
    limit(daemon.pid(), libc::RLIMIT_NPROC, 1);
    for _ in 0..5 {
        let reply = daemon.run(&["echo", "hi"]);
        reply.refused(111, &["echo"]);
    }
    running.send("3:up\n,");
    assert_eq!(running.line(), "up");
    limit(daemon.pid(), libc::RLIMIT_NPROC, u64::MAX);
    daemon.serves();
    running.send(END);
    assert_eq!(running.reply().end, End::Exit(0));
}

#[test]
fn an_idle_daemon_does_not_wake_up() {
    let daemon = Daemon::start(&[]);
    for _ in 0..20 {
        daemon.serves();
    }
    let _idle: Vec<_> = (0..20).map(|_| daemon.connect()).collect();
    daemon.serves();
    // Past the second that connections linger and that the status waits.
    let switches = || -> u64 {
        status(daemon.pid(), "voluntary_ctxt_switches")
            .parse()
            .unwrap()
    };
    thread::sleep(Duration::from_millis(1500));
    let before = switches();
    thread::sleep(Duration::from_millis(1500));
    assert!(switches() - before <= 1, "{} wake-ups", switches() - before);
}
