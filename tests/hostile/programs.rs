//! Programs that attack the server, programs of another user, and those that are about to run.

use crate::common::inject::Injection;
use crate::common::process::{children, eventually, lives, signal};
use crate::common::{Daemon, End, Reply, Setup, request, skip};
use nix::sys::signal::Signal;
use std::fs;

/// The program of the attacks, for an interpreter that every tester has.
const ATTACK: &str = include_str!("attack.py");

/// The attempts in it that would show or change another process's memory or descriptors.
const LOOKS: [&str; 8] = [
    "attach",
    "seize",
    "read memory",
    "open memory",
    "environment",
    "maps",
    "list descriptors",
    "take a descriptor",
];

/// A server that has stepped down, with the three capabilities, and whose programs are `user`'s; those
/// of one rule are of another user.
fn start(user: &str) -> Daemon {
    Setup::new()
        .control()
        .arguments(["--user", "nobody"])
        .config(&format!(
            "run-as = \"{user}\"\n\
             [[allow]]\nprogram = \"/usr/bin/sleep\"\nrun-as = \"games\"\n\
             [[allow]]\nprogram = \"/usr/bin/env\"\nrun-as = \"{user}\"\ndirectory = \"/\"\n\
             [[allow]]\nprogram = \"*\"\n"
        ))
        .start()
}

/// The only program of the server that is called so.
fn program(daemon: &Daemon, name: &str) -> u32 {
    let mut found = 0;
    eventually("the program runs", || {
        let comm = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm"));
        found = children(daemon.pid())
            .into_iter()
            .rfind(|pid| comm(pid).is_ok_and(|text| text.trim_end() == name))
            .unwrap_or(0);
        found != 0
    });
    found
}

#[test]
fn a_program_has_no_power_over_the_server_or_another_users_program() {
    if !skip::unless_root() || skip::unless_tool("python3").is_none() {
        return;
    }
    let daemon = start("daemon");
    let victim = daemon.begin(request(&["sleep", "1000"]));
    let pid = program(&daemon, "sleep");
    let server = daemon.pid().to_string();
    let control = daemon.control_path();
    let path = daemon.path().to_str().unwrap();
    let attack = ["python3", "-c", ATTACK, &server, &pid.to_string()];
    let sockets = [control.to_str().unwrap(), path];
    let text = daemon.run(&[&attack[..], &sockets].concat()).succeeded();
    let outcome = |target: &str| {
        let of_target = |line: &&str| line.contains(&format!(" {target} "));
        text.lines().filter(of_target).collect::<Vec<_>>()
    };
    // On what is its own, the attacker succeeds: these are real attempts.
    let own = outcome("0");
    assert_eq!(own.len(), 15, "{text}");
    assert!(own.iter().all(|line| line.ends_with("succeeded")), "{text}");
    for target in [&*server, &pid.to_string()] {
        let lines = outcome(target);
        assert_eq!(lines.len(), 15, "{text}");
        assert!(lines.iter().all(|line| line.ends_with("refused")), "{text}");
    }
    for (attempt, socket) in [
        ("connect", sockets[0]),
        ("replace", sockets[0]),
        ("replace", path),
    ] {
        let line = format!("{attempt} {socket} refused");
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert!(lives(pid) && lives(daemon.pid()));
    daemon.ask(
        "kill",
        serde_json::json!({"id": daemon.jobs()[0]["id"], "signal": "TERM"}),
    );
    assert_eq!(victim.reply().end, End::Signal("15".into()));
}

/// The children of the server that are processes of `daemon` and are stopped.
fn stopped(daemon: &Daemon) -> Vec<u32> {
    let mut all = children(daemon.pid());
    all.retain(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        // A process that is traced, too, has the small letter.
        let is_stopped = text.contains("\nState:\tT") || text.contains("\nState:\tt");
        is_stopped && text.contains("\nUid:\t1\t1\t1\t1\n")
    });
    all
}

#[test]
fn programs_stopped_before_they_run_hold_up_only_themselves() {
    // More than may be between their clone and their own table of descriptors.
    const STOPPED: usize = 13;
    if !skip::unless_root() || skip::unless_tool("python3").is_none() {
        return;
    }
    let daemon = start("daemon");
    // As their user stops them who may do so from the moment when they are its processes. Only
    // those of one rule make this call, and it is the last before that of the program.
    let Some(injection) = Injection::start_in_programs(&daemon, "chdir:signal=SIGSTOP") else {
        return;
    };
    let clients: Vec<_> = (0..STOPPED)
        .map(|_| daemon.begin(request(&["env", "echo", "continued"])))
        .collect();
    eventually("all are stopped", || stopped(&daemon).len() == STOPPED);
    for _ in 0..3 {
        let reply = daemon.run(&["sleep", "0"]);
        assert_eq!(reply.end, End::Exit(0), "{}", reply.err());
        daemon.serves();
    }
    let mut pids = stopped(&daemon);
    assert_eq!(pids.len(), STOPPED);
    drop(injection);
    eventually("they are as before", || stopped(&daemon) == pids);
    // They still have the server's memory.
    let prey = pids.pop().unwrap().to_string();
    let text = daemon.run(&["python3", "-c", ATTACK, &prey]).succeeded();
    for attempt in LOOKS {
        let line = format!("{attempt} {prey} refused");
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    // Half of them are killed there, and half continued.
    for (number, pid) in pids.into_iter().enumerate() {
        let half = [Signal::SIGKILL, Signal::SIGCONT][number % 2];
        signal(pid, half);
    }
    let replies: Vec<_> = clients.into_iter().map(|client| client.reply()).collect();
    let continued = |reply: &&Reply| reply.out() == "continued\n";
    let count = |end: &End| replies.iter().filter(|reply| reply.end == *end).count();
    // The prey was continued and killed.
    assert!(count(&End::Signal("9".into())) >= STOPPED / 2);
    let others = |reply: &&Reply| reply.end != End::Signal("9".into()) && !continued(reply);
    assert_eq!(replies.iter().filter(others).count(), 0);
    assert!(replies.iter().filter(continued).count() >= STOPPED / 2);
    daemon.serves();
}

/// Reads and signals each process of its own user as soon as there is one. What it could read although
/// it is not a program yet, it prints.
const AMBUSH: &str = r#"
import os, random, signal
print("ready", flush=True)
last = os.getpid()
mine = os.getuid()
while True:
    for pid in range(last + 1, last + 40):
        try:
            if os.stat(f"/proc/{pid}").st_uid not in (0, mine): continue
            open(f"/proc/{pid}/mem", "rb").close()
            if open(f"/proc/{pid}/comm").read() == "sockexec\n": print("read", pid, flush=True)
        except OSError: pass
        try: os.kill(pid, random.choice((signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT)))
        except OSError: continue
        last = pid
    try:
        newest = int(open("/proc/loadavg").read().split()[-1])
        if newest > last + 20 or newest < last: last = newest - 1
    except OSError: pass
"#;

#[test]
fn attacks_on_programs_that_begin_harm_only_them() {
    if !skip::unless_root() || skip::unless_tool("python3").is_none() {
        return;
    }
    let daemon = start("irc");
    let mut ambush = daemon.begin(request(&["python3", "-c", AMBUSH]));
    assert_eq!(ambush.line(), "ready");
    let mut ended = 0;
    for _ in 0..200 {
        let reply = daemon.run(&["env", "true"]);
        match &reply.end {
            End::Exit(0) => {}
            End::Signal(number) => {
                assert!(["9", "11", "6"].contains(&&**number), "{number}");
                ended += 1;
            }
            other => panic!("{other:?}: {}", reply.err()),
        }
        let other = daemon.run(&["sleep", "0"]);
        assert_eq!(other.end, End::Exit(0), "{}", other.err());
    }
    println!("{ended} of 200 were hit");
    assert!(lives(daemon.pid()));
    let job = daemon.jobs()[0]["id"].clone();
    daemon.ask("kill", serde_json::json!({"id": job, "signal": "TERM"}));
    let reply = ambush.reply();
    assert_eq!((&*reply.out(), reply.end), ("", End::Signal("15".into())));
}
