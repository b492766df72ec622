//! What leaves the process group, and would survive its job.

use crate::cgroup::Directory;
use nix::sys::signal::Signal;

use crate::common::{End, shell};

/// A process in a session of its own, whose parent has ended, and that ignores SIGTERM. It keeps
/// the outputs open if `holds`.
fn survivor(holds: bool, then: &str) -> String {
    let outputs = if holds { "" } else { ">/dev/null 2>&1" };
    format!(
        "setsid sh -c 'trap \"\" TERM HUP; (echo left >&3; exec 3>&-; exec sleep 1000) &' \
         3>&1 {outputs}; {then}"
    )
}

#[test]
fn nothing_is_left_when_the_program_has_ended() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = directory.contained();
    let mut client = daemon.begin(shell(&survivor(false, "exit 7")));
    assert_eq!(client.line(), "left");
    assert_eq!(client.reply().end, End::Exit(7));
    directory.wait_empty();
    daemon.serves();
}

#[test]
fn nothing_is_left_at_the_deadline() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let setup = directory.setup("contain = true\ntimeout = 0.2\nkill-timeout = 0.1\n");
    let daemon = setup.start();
    let reply = daemon.shell(&survivor(true, "exec sleep 1000"));
    assert_ne!(reply.end, End::Exit(0));
    directory.wait_empty();
}

#[test]
fn nothing_is_left_after_a_disconnect() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = directory.contained();
    let mut client = daemon.begin(shell(&survivor(false, "exec sleep 1000")));
    assert_eq!(client.line(), "left");
    drop(client);
    directory.wait_empty();
    daemon.serves();
}

#[test]
fn nothing_is_left_after_a_kill_by_command() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = directory.contained();
    let mut client = daemon.begin(shell(&survivor(true, "exec sleep 1000")));
    assert_eq!(client.line(), "left");
    let id = daemon.jobs()[0]["id"].clone();
    daemon.ask("kill", serde_json::json!({"id": id, "signal": "KILL"}));
    assert_eq!(client.reply().end, End::Signal("9".into()));
    directory.wait_empty();
}

#[test]
fn nothing_is_left_when_the_server_has_stopped() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let mut daemon = directory
        .setup("contain = true\nkill-timeout = 0.1\n")
        .start();
    let mut client = daemon.begin(shell(&survivor(true, "exec sleep 1000")));
    assert_eq!(client.line(), "left");
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.wait().success());
    assert_eq!(directory.jobs(), [""; 0].map(std::path::PathBuf::from));
}

#[test]
fn a_fork_bomb_ends_with_its_job() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let config = "contain = true\ntimeout = 0.3\nkill-timeout = 0\n";
    let daemon = directory.setup(config).start();
    // Up to 400 processes at a time, each in a session of its own.
    let bomb = "f() { i=0; while [ $i -lt 20 ]; do setsid sh -c \"$1\" & i=$((i+1)); done; wait; }; \
                f 'i=0; while [ $i -lt 20 ]; do setsid sleep 1000 & i=$((i+1)); done; wait'";
    daemon.shell(bomb);
    directory.wait_empty();
    daemon.serves();
}

#[test]
fn a_job_without_contain_is_as_ever() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let config = "[[allow]]\nprogram = \"*\"\ncontain = false\n";
    let daemon = directory.setup(config).start();
    daemon.serves();
    assert!(directory.jobs().is_empty());
}
