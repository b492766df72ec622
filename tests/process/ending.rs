//! The end of programs: by themselves, by a deadline, by a disconnect; and the processes that
//! they leave.

use crate::common::client::END;
use crate::common::inject::Injection;
use crate::common::process::{Survivor, children, eventually, lives, wait_gone};
use crate::common::{Daemon, End, request, shell};
use std::time::{Duration, Instant};

/// A script that writes its id and does not hear TERM, nor do its children.
const DEAF: &str = "trap '' TERM; echo $$; while :; do sleep 1000; done";

#[test]
fn the_deadline_sends_term() {
    let daemon = Daemon::start(&["-t", "0.5", "-k", "60"]);
    let start = Instant::now();
    let reply = daemon.run(&["sleep", "1000"]);
    assert_eq!(reply.end, End::Signal("15".to_owned()));
    assert!(start.elapsed() >= Duration::from_millis(500));
}

#[test]
fn a_program_may_clean_up_after_term() {
    let daemon = Daemon::start(&["-t", "0.5", "-k", "60"]);
    // The children of the shell are in its group, so that they end, too.
    let reply = daemon.shell("trap 'echo cleaned; exit 5' TERM; sleep 1000; sleep 1000");
    assert_eq!(reply.out(), "cleaned\n");
    assert_eq!(reply.end, End::Exit(5));
}

#[test]
fn a_program_that_ignores_term_is_killed() {
    let daemon = Daemon::start(&["-t", "0.5", "-k", "0.7"]);
    let start = Instant::now();
    let reply = daemon.shell(DEAF);
    assert_eq!(reply.end, End::Signal("9".to_owned()));
    assert!(start.elapsed() >= Duration::from_millis(1200));
    wait_gone(reply.out().trim_end().parse().unwrap());
}

#[test]
fn the_deadline_takes_the_whole_group() {
    let daemon = Daemon::start(&["-t", "0.7", "-k", "60"]);
    let reply = daemon.shell("sh -c 'echo $$; sleep 1000; :' & echo $$; sleep 1000; :");
    assert_eq!(reply.end, End::Signal("15".to_owned()));
    let pids: Vec<u32> = reply.out().lines().map(|l| l.parse().unwrap()).collect();
    assert_eq!(pids.len(), 2);
    pids.into_iter().for_each(wait_gone);
}

#[test]
fn without_a_deadline_a_program_runs_on() {
    // That it ends at all shows that 0 is no deadline of zero seconds.
    let daemon = Daemon::start(&["-t", "0"]);
    assert_eq!(daemon.run(&["sleep", "0.3"]).end, End::Exit(0));
}

#[test]
fn a_deadline_counts_from_accept() {
    let daemon = Daemon::start(&["-t", "1", "-k", "60"]);
    let start = Instant::now();
    // Half of the time goes by in cat, which is another connection's.
    let mut client = daemon.connect();
    assert_eq!(daemon.run(&["sleep", "0.5"]).end, End::Exit(0));
    client.send(request(&["sleep", "1000"]));
    assert_eq!(client.reply().end, End::Signal("15".to_owned()));
    let elapsed = start.elapsed();
    assert!(elapsed >= Duration::from_secs(1), "{elapsed:?}");
    assert!(elapsed < Duration::from_millis(1450), "{elapsed:?}");
}

#[test]
fn a_client_that_goes_takes_the_whole_group_along() {
    let daemon = Daemon::start(&["-k", "60"]);
    // Three times, because the original forgot every second one.
    for _ in 0..3 {
        let mut client = daemon.begin(shell(
            "sh -c 'echo $$; sleep 1000; :' & sleep 1000 & echo $!; echo $$; wait",
        ));
        let pids = [client.number(), client.number(), client.number()];
        assert!(pids.into_iter().all(lives));
        drop(client);
        pids.into_iter().for_each(wait_gone);
    }
    eventually("no child is left", || children(daemon.pid()).is_empty());
}

#[test]
fn a_client_that_goes_from_a_deaf_program_has_it_killed() {
    let daemon = Daemon::start(&["-k", "0.6"]);
    let mut client = daemon.begin(shell(DEAF));
    let pid = client.number();
    let start = Instant::now();
    drop(client);
    wait_gone(pid);
    assert!(start.elapsed() >= Duration::from_millis(600));
    eventually("no child is left", || children(daemon.pid()).is_empty());
}

#[test]
fn a_deaf_child_of_a_program_that_hears_is_killed() {
    let daemon = Daemon::start(&["-k", "0.5"]);
    // The leader ends at TERM. Its number must stay pinned until KILL has been sent.
    let mut client = daemon.begin(shell(
        "sh -c 'trap \"\" TERM; echo $$; exec sleep 1000 </dev/null >/dev/null 2>&1' & \
         read line; echo $$; exec sleep 1000",
    ));
    let child = client.number();
    client.send("1:\n,");
    let leader = client.number();
    drop(client);
    wait_gone(leader);
    wait_gone(child);
}

#[test]
fn a_client_that_ends_its_input_and_then_goes_is_noticed() {
    let daemon = Daemon::start(&["-k", "60"]);
    let mut client = daemon.begin(shell("echo $$; exec sleep 1000"));
    let pid = client.number();
    client.end();
    daemon.serves();
    assert!(lives(pid), "a half-close is not a hang-up");
    drop(client);
    wait_gone(pid);
}

#[test]
fn a_program_may_close_its_stdout_early() {
    let daemon = Daemon::start(&[]);
    let reply = daemon.shell("echo one; exec >&-; sleep 0.1; echo two >&2; exit 6");
    assert_eq!((reply.out(), reply.err()), ("one\n".into(), "two\n".into()));
    assert_eq!(reply.end, End::Exit(6));
    // And both, long before its end.
    let reply = daemon.shell("exec >&- 2>&-; sleep 0.3; exit 7");
    assert_eq!(reply.end, End::Exit(7));
}

#[test]
fn a_program_may_close_its_stdin_early() {
    let daemon = Daemon::start(&[]);
    let mut client = daemon.begin(shell("exec <&-; echo closed; read x </dev/null; exit 8"));
    assert_eq!(client.line(), "closed");
    client.send_netstring(&[b'x'; 100_000]);
    client.send(END);
    assert_eq!(client.reply().end, End::Exit(8));
}

#[test]
fn a_child_that_holds_the_output_holds_the_reply() {
    let daemon = Daemon::start(&[]);
    let fifo = daemon.directory.fifo("go");
    let mut client = daemon.begin(shell(&format!(
        "(read x <{fifo}; echo late) & echo $$; exit 7"
    )));
    let leader = client.number();
    wait_gone(leader);
    daemon.serves();
    let _go = daemon.directory.release("go");
    let reply = client.reply();
    assert_eq!((reply.out(), reply.end), ("late\n".into(), End::Exit(7)));
}

#[test]
fn what_holds_an_output_past_the_deadline_does_not_change_the_exit_status() {
    let daemon = Daemon::start(&["-t", "0.8", "-k", "0.5"]);
    let start = Instant::now();
    let reply = daemon.shell("sleep 1000 & echo $!; exit 7");
    assert_eq!(reply.end, End::Exit(7));
    assert!(start.elapsed() >= Duration::from_millis(800));
    wait_gone(reply.out().trim_end().parse().unwrap());
}

#[test]
fn nor_does_what_has_left_the_group() {
    let daemon = Daemon::start(&["-t", "0.8", "-k", "0.5"]);
    let fifo = daemon.directory.fifo("started");
    // Not in the group, so that no signal comes to it; it holds the output for good.
    let reply = daemon.shell(&format!(
        "setsid sh -c 'echo $$; echo go >{fifo}; exec sleep 1000' & read x <{fifo}; exit 7"
    ));
    assert_eq!(reply.end, End::Exit(7));
    let survivor = Survivor(reply.out().trim_end().parse().unwrap());
    assert!(lives(survivor.0));
    eventually("no child is left", || children(daemon.pid()).is_empty());
}

#[test]
fn what_makes_its_own_session_lives_on() {
    let daemon = Daemon::start(&[]);
    // The reply is complete when the daemonized one has let go of the output.
    let reply =
        daemon.shell("setsid sh -c 'echo $$; exec sleep 1000 </dev/null >/dev/null 2>&1' & exit 0");
    let survivor = Survivor(reply.succeeded().trim_end().parse().unwrap());
    daemon.serves();
    assert!(lives(survivor.0));
    // Also when the client goes.
    let mut client = daemon.begin(shell(
        "setsid sh -c 'echo $$; exec sleep 1000 </dev/null >/dev/null 2>&1' & read x; \
         echo $$; exec sleep 1000",
    ));
    let outside = Survivor(client.number());
    client.send("1:\n,");
    let inside = client.number();
    drop(client);
    wait_gone(inside);
    assert!(lives(outside.0));
}

#[test]
fn a_program_runs_once_when_input_comes_after_its_exit() {
    let daemon = Daemon::start(&[]);
    let trace = daemon.directory.join("trace");
    let mut client = daemon.begin(shell(&format!("echo x >>{}", trace.display())));
    assert_eq!(client.pair(), ("exitcode".to_owned(), b"0".to_vec()));
    for _ in 0..5 {
        client.send_piece(b"5:hello,").unwrap();
    }
    client.send(END);
    assert_eq!(client.try_rest().unwrap(), b"");
    daemon.serves();
    assert_eq!(std::fs::read_to_string(trace).unwrap(), "x\n");
}

#[test]
fn signals_have_names_on_request() {
    let daemon = Daemon::start(&["--termsig", "name"]);
    assert_eq!(
        daemon.shell("kill -TERM $$").end,
        End::Signal("TERM".into())
    );
    assert_eq!(
        daemon.shell("kill -KILL $$").end,
        End::Signal("KILL".into())
    );
    let daemon = Daemon::start(&["--termsig", "number"]);
    assert_eq!(daemon.shell("kill -TERM $$").end, End::Signal("15".into()));
}

#[test]
fn a_stopped_program_ends_at_the_deadline() {
    let daemon = Daemon::start(&["-t", "0.5", "-k", "0.5"]);
    let reply = daemon.shell("kill -STOP $$; exit 9");
    assert!(matches!(reply.end, End::Signal(_)), "{reply:?}");
}

/// A client that waits only a moment for the end after the last pair must find it: whatever
/// is left to be done for the job is done before.
#[test]
fn nothing_comes_between_the_last_pair_and_the_shutdown() {
    let daemon = Daemon::start(&[]);
    let Some(trace) = Injection::watch(&daemon) else {
        return;
    };
    for (script, pair) in [
        ("exit 3", "8:exitcode,1:3,"),
        ("echo out; exit 4", "8:exitcode,1:4,"),
        ("kill -TERM $$", "7:termsig,2:15,"),
    ] {
        // With input that is not read, and without its end.
        let mut client = daemon.begin(shell(script));
        client.send("1:x,");
        client.try_rest().unwrap();
        let mut followed = None;
        eventually("the shutdown is written down", || {
            let text = trace.text();
            let mut lines = text.lines().skip_while(|line| !line.contains(pair));
            lines.next();
            followed = lines
                .find(|line| !line.starts_with("---"))
                .map(str::to_owned);
            followed.is_some()
        });
        let next = followed.unwrap();
        assert!(next.starts_with("shutdown("), "{script}: {next}");
    }
}
