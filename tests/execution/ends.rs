//! The ends of programs of another user than the server's.

use crate::common::process::{self, wait_gone};
use crate::common::{Daemon, End, Setup, shell, skip};
use crate::servers::numbers;
use nix::sys::signal::Signal;
use serde_json::json;

#[test]
fn every_end_reaches_a_program_of_another_user() {
    if !skip::unless_root() {
        return;
    }
    let deaf = "trap '' TERM; echo $$; while :; do sleep 1000; done";
    let begin = |daemon: &Daemon, script: &str| {
        let mut client = daemon.begin(shell(script));
        let pid: u32 = client.line().trim().parse().unwrap();
        assert_eq!(process::status(pid, "Uid"), numbers([1; 4]));
        (client, pid)
    };
    let config = "run-as = \"daemon\"\n";
    let options = |more: &[&str]| {
        let setup = Setup::new().control().arguments(["--user", "nobody"]);
        setup.arguments(more).config(config).start()
    };
    // At the deadline: first SIGTERM, and then SIGKILL.
    let daemon = options(&["-t", "0.5", "-k", "0.5"]);
    let reply = daemon.run(&["sleep", "1000"]);
    assert_eq!(reply.end, End::Signal("15".into()));
    let reply = daemon.shell(deaf);
    assert_eq!(reply.end, End::Signal("9".into()));
    // When the client disconnects.
    let daemon = options(&["-t", "0", "-k", "0"]);
    let (client, pid) = begin(&daemon, deaf);
    drop(client);
    wait_gone(pid);
    // By command.
    let (client, pid) = begin(&daemon, "echo $$; exec sleep 1000");
    let jobs = daemon.jobs();
    let id = jobs[0]["id"].clone();
    daemon.ask("kill", json!({"id": id, "signal": "TERM"}));
    assert_eq!(client.reply().end, End::Signal("15".into()));
    wait_gone(pid);
    // When the server stops.
    let (_client, pid) = begin(&daemon, deaf);
    daemon.stop();
    wait_gone(pid);
    // When the server is killed itself: the program, and not what it has started.
    let mut daemon = options(&["-t", "0"]);
    let (_client, pid) = begin(&daemon, "echo $$; exec sleep 1000");
    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    wait_gone(pid);
}
