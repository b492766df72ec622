//! All servers of a machine in one answer. The places of their sockets and of their control groups are
//! put into a mount namespace.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixListener;
use std::process::Command;

use sockexec::control::message::Response;

use crate::common::daemon::finish;
use crate::common::machine::Machine;
use crate::exporter::Exporter;
use crate::exposition::{Metric, read, value};
use crate::server::{Server, converse};

fn up(all: &[Metric], instance: &str) -> [f64; 2] {
    ["sockexec_up", "sockexec_scrape_failed"]
        .map(|name| value(all, name, Some(("instance", instance))))
}

#[test]
fn one_answer_has_the_figures_of_all_and_starts_none() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let (main, web) = (machine.start("sockexec"), machine.start("sockexec-web"));
    for unit in [
        "sockexec.service",
        "sockexec@web.service",
        "sockexec@hung.service",
    ] {
        machine.runs(unit);
    }
    // For the service manager that holds this socket, a client would be a reason to start a server.
    let resting = UnixListener::bind(machine.socket("sockexec-rests")).unwrap();
    resting.set_nonblocking(true).unwrap();
    let _hung = UnixListener::bind(machine.socket("sockexec-hung")).unwrap();
    main.serves();
    web.serves();
    web.serves();
    let exporter = Exporter::start(machine.words());
    let all = read(&exporter.figures());
    for (instance, state) in [
        ("sockexec", [1.0, 0.0]),
        ("sockexec@web", [1.0, 0.0]),
        ("sockexec@rests", [0.0, 0.0]),
        ("sockexec@hung", [0.0, 1.0]),
    ] {
        assert_eq!(up(&all, instance), state, "{instance}");
    }
    let accepted = |instance| {
        value(
            &all,
            "sockexec_connections_accepted_total",
            Some(("instance", instance)),
        )
    };
    assert_eq!((accepted("sockexec"), accepted("sockexec@web")), (1.0, 2.0));
    let start = |instance| {
        value(
            &all,
            "process_start_time_seconds",
            Some(("instance", instance)),
        )
    };
    assert!(start("sockexec") > 0.0 && start("sockexec@web") > 0.0);
    let nobody = resting.accept().unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::WouldBlock);
    let errors = exporter.stop();
    assert!(
        errors.contains("sockexec@hung: /run/sockexec-hung/control.sock: no answer within 3 s")
    );
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

#[test]
fn a_server_that_is_named_is_alone_and_not_started_either() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let (_main, _web) = (machine.start("sockexec"), machine.start("sockexec-web"));
    machine.runs("sockexec.service");
    machine.runs("sockexec@web.service");
    let resting = UnixListener::bind(machine.socket("sockexec-rests")).unwrap();
    resting.set_nonblocking(true).unwrap();
    for (option, name, instance, state) in [
        ("--instance", "web", "sockexec@web", [1.0, 0.0]),
        ("--instance", "rests", "sockexec@rests", [0.0, 0.0]),
        (
            "--socket",
            "/run/sockexec/control.sock",
            "sockexec",
            [1.0, 0.0],
        ),
    ] {
        let mut words = machine.words();
        words.extend([option.into(), name.into()]);
        let text = Exporter::start(words).figures();
        assert_eq!(up(&read(&text), instance), state, "{instance}");
        let others = format!("instance=\"{instance}\"");
        assert!(
            text.lines()
                .all(|line| line.starts_with('#') || line.contains(&others))
        );
    }
    let nobody = resting.accept().unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_server_cannot_speak_for_another_one_or_hide_it() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let _main = machine.start("sockexec");
    let forged = "# HELP sockexec_programs_running x\n# TYPE sockexec_programs_running gauge\n\
                  sockexec_programs_running{instance=\"sockexec\"} 9\n";
    let twisted =
        "# HELP sockexec_programs_running x\n# TYPE sockexec_programs_running histogram\n";
    let endless = "x".repeat(5 << 20);
    let texts = [
        ("forged", forged),
        ("twisted", twisted),
        ("endless", &endless),
    ];
    let _others = texts.map(|(name, text)| {
        machine.runs(&format!("sockexec@{name}.service"));
        let text = text.to_owned();
        let socket = machine.socket(&format!("sockexec-{name}"));
        Server::at(&socket, move |peer| {
            converse(peer, |_| Response::success(text.clone()));
        })
    });
    machine.runs("sockexec.service");
    let all = read(&Exporter::start(machine.words()).figures());
    let running = Some(("instance", "sockexec"));
    assert_eq!(value(&all, "sockexec_programs_running", running), 0.0);
    assert_eq!(up(&all, "sockexec"), [1.0, 0.0]);
    // A type alone hides nothing: the figures of all stay, without it.
    for (name, state) in [
        ("forged", [0.0, 1.0]),
        ("twisted", [1.0, 0.0]),
        ("endless", [0.0, 1.0]),
    ] {
        assert_eq!(up(&all, &format!("sockexec@{name}")), state, "{name}");
    }
}

#[test]
fn at_a_shell_the_figures_of_all_are_printed_and_failures_reported() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let run = |options: &[&str]| {
        let words = machine.words();
        let mut command = Command::new(&words[0]);
        finish(command.args(&words[1..]).arg("metrics").args(options))
    };
    fs::create_dir_all(machine.directory.join("run")).unwrap();
    let none = run(&["--all"]);
    assert_eq!(
        (none.status.code(), &none.stdout[..]),
        (Some(111), &b""[..])
    );
    let reason = String::from_utf8(none.stderr).unwrap();
    assert!(
        reason.contains("no server has a control socket"),
        "{reason}"
    );

    let _web = machine.start("sockexec-web");
    let _gone = machine.socket("sockexec-gone");
    machine.runs("sockexec@web.service");
    let one = run(&["-a"]);
    assert_eq!(one.status.code(), Some(0));
    let text = String::from_utf8(one.stdout).unwrap();
    assert_eq!(up(&read(&text), "sockexec@web"), [1.0, 0.0]);
    assert!(!text.contains("gone"));
    let json = run(&["-a", "--json"]);
    let text: String = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(up(&read(&text), "sockexec@web"), [1.0, 0.0]);

    let _hung = UnixListener::bind(machine.socket("sockexec-hung")).unwrap();
    machine.runs("sockexec@hung.service");
    let both = run(&["-a"]);
    assert_eq!(both.status.code(), Some(111));
    let all = read(&String::from_utf8(both.stdout).unwrap());
    assert_eq!(
        (up(&all, "sockexec@web"), up(&all, "sockexec@hung")),
        ([1.0, 0.0], [0.0, 1.0])
    );
    let reason = String::from_utf8(both.stderr).unwrap();
    assert!(
        reason.starts_with("sockexecctl: sockexec@hung: "),
        "{reason}"
    );
}

#[test]
fn without_a_service_manager_every_socket_is_asked() {
    let Some(machine) = Machine::new() else {
        return;
    };
    fs::remove_dir(machine.directory.join("cgroup/init.scope")).unwrap();
    let _main = machine.start("sockexec");
    let exporter = Exporter::start(machine.words());
    assert_eq!(up(&read(&exporter.figures()), "sockexec"), [1.0, 0.0]);
}

#[test]
fn without_any_socket_there_is_no_answer_to_give() {
    let Some(machine) = Machine::new() else {
        return;
    };
    fs::create_dir_all(machine.directory.join("run")).unwrap();
    let exporter = Exporter::start(machine.words());
    let response = exporter.respond("GET /metrics HTTP/1.0\r\n\r\n");
    assert_eq!(response.status, "503 Service Unavailable");
    let reason = "no server has a control socket, /run/sockexec*/control.sock\n";
    assert_eq!(response.body, reason);
}
