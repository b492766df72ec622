//! Servers by name, and `status --all`.

use std::io::ErrorKind;
use std::os::unix::net::UnixListener;
use std::process::{Command, Output};

use serde_json::{Value, json};
use sockexec::control::message::Response;

use crate::common::machine::Machine;
use crate::server::{PROGRAM, Server, converse, stderr_of, stdout_of};

fn run(machine: &Machine, args: &[&str]) -> Output {
    let words = machine.words();
    Command::new(&words[0])
        .args(&words[1..])
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn a_name_leads_to_the_socket_of_that_server() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let _web = machine.start("sockexec-web");
    for args in [["--instance", "web", "ping"], ["ping", "--instance", "web"]] {
        assert_eq!(stdout_of(&run(&machine, &args)), "pong\n");
    }
    let output = run(&machine, &["--instance", "other", "ping"]);
    assert_eq!(output.status.code(), Some(111));
    let expected = "sockexecctl: /run/sockexec-other/control.sock: there is no directory /run/sockexec-other\n";
    assert_eq!(stderr_of(&output), expected);
}

#[test]
fn a_name_that_none_can_have_is_refused() {
    for (args, part) in [
        (
            &["--instance", "../x", "ping"][..],
            "not the name of a tenant",
        ),
        (&["--instance", "", "ping"], "--instance"),
        (
            &["--instance", "a", "-s", "/b", "ping"],
            "cannot be used with",
        ),
        (
            &["--instance", "a", "ping", "-s", "/b"],
            "cannot be used with",
        ),
        (&["status", "-a", "--instance", "a"], "cannot be used with"),
        (&["-s", "/b", "status", "--all"], "cannot be used with"),
    ] {
        let output = Command::new(PROGRAM).args(args).output().unwrap();
        let stderr = stderr_of(&output);
        assert_eq!(output.status.code(), Some(100), "{args:?}: {stderr}");
        assert!(stderr.contains(part), "{args:?}: {stderr}");
    }
}

#[test]
fn each_server_has_a_line_and_one_that_rests_is_not_started() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let (main, web) = (machine.start("sockexec"), machine.start("sockexec-web"));
    machine.runs("sockexec.service");
    machine.runs("sockexec@web.service");
    let resting = UnixListener::bind(machine.socket("sockexec-rests")).unwrap();
    resting.set_nonblocking(true).unwrap();
    main.serves();
    main.shell("exit 3");
    let mut running = web.begin(crate::common::shell("echo up; exec cat"));
    assert_eq!(running.line(), "up");
    let output = run(&machine, &["status", "-a"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr_of(&output));
    let text = stdout_of(&output);
    let lines: Vec<Vec<_>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[0],
        [
            "INSTANCE", "STATE", "UP", "PROGRAMS", "WAITING", "ENDED", "FAILED", "IN", "OUT",
            "MEMORY"
        ]
    );
    assert_eq!(lines[1][..2], ["sockexec", "serving"]);
    assert_eq!(lines[1][3..7], ["0", "0", "2", "1"]);
    let rest = ["the", "next", "client", "starts", "it"];
    assert_eq!(
        lines[2],
        [&["sockexec@rests", "rests"], &["-"; 8][..], &rest].concat()
    );
    assert_eq!(lines[3][..2], ["sockexec@web", "serving"]);
    assert_eq!(lines[3][3..7], ["1", "0", "0", "0"]);
    assert_eq!(lines.len(), 4);
    let all: Value =
        serde_json::from_str(&stdout_of(&run(&machine, &["--json", "status", "-a"]))).unwrap();
    assert_eq!(all[0]["instance"], "sockexec");
    assert_eq!(all[0]["status"]["outcomes"]["exit-nonzero"], 1);
    let rests = json!({"instance": "sockexec@rests", "socket": "/run/sockexec-rests/control.sock",
        "rests": true, "status": null, "error": null});
    assert_eq!(all[1], rests);
    assert_eq!(all[2]["status"]["programs"], 1);
    let nobody = resting.accept().unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::WouldBlock);
    running.send("0:,");
    running.reply();
}

#[test]
fn one_that_does_not_answer_is_named_and_makes_the_exit_code_111() {
    let Some(machine) = Machine::new() else {
        return;
    };
    for unit in ["gone", "refuses", "hung"] {
        machine.runs(&format!("sockexec@{unit}.service"));
    }
    let _main = machine.start("sockexec");
    machine.runs("sockexec.service");
    drop(UnixListener::bind(machine.socket("sockexec-gone")).unwrap());
    let _hung = UnixListener::bind(machine.socket("sockexec-hung")).unwrap();
    let _refuses = Server::at(&machine.socket("sockexec-refuses"), |peer| {
        converse(peer, |_| Response::failure("only root may"));
    });
    let output = run(&machine, &["status", "--all"]);
    assert_eq!(output.status.code(), Some(111));
    let (text, errors) = (stdout_of(&output), stderr_of(&output));
    for (name, why) in [
        (
            "gone",
            "/run/sockexec-gone/control.sock: no server listens there",
        ),
        (
            "hung",
            "/run/sockexec-hung/control.sock: no answer within 3 s",
        ),
        ("refuses", "only root may"),
    ] {
        let is_its = |line: &&str| {
            line.starts_with(&format!("sockexec@{name} "))
                && line.contains(" silent ")
                && line.ends_with(why)
        };
        assert!(text.lines().any(|line| is_its(&line)), "{text}");
        assert!(
            errors.contains(&format!("sockexec@{name}: {why}")),
            "{errors}"
        );
    }
    assert!(text.contains("sockexec         serving"), "{text}");
}

#[test]
fn without_any_server_that_is_said() {
    let Some(machine) = Machine::new() else {
        return;
    };
    machine.socket("sockexec");
    let output = run(&machine, &["status", "-a"]);
    assert_eq!(output.status.code(), Some(111));
    let expected = "sockexecctl: no server has a control socket, /run/sockexec*/control.sock\n";
    assert_eq!(stderr_of(&output), expected);
}
