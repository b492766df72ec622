//! Sockets from systemd, as systemd-socket-activate(1) hands them over.

use crate::common::daemon::{PROGRAM, command, finish};
use crate::common::process::{children, eventually, own_user, signal};
use crate::common::temporary::Directory;
use crate::common::{Client, Control, End, Setup, shell, skip, sockproc};
use crate::inetd::free_port;
use crate::{Starter, run, serves};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;

/// `systemd-socket-activate` with these options, then the daemon with these arguments.
fn socket_activate(options: &[&str], arguments: &[&str]) -> Option<Starter> {
    let program = skip::unless_tool("systemd-socket-activate")?;
    let starter = Starter::spawn(
        command(program)
            .args(options)
            .arg(PROGRAM)
            .args(arguments)
            .stdout(Stdio::null()),
    );
    starter.wait_for("Listening on");
    Some(starter)
}

#[test]
fn systemd_hands_over_a_socket() {
    let directory = Directory::new();
    let path = directory.join("s");
    let name = path.to_str().unwrap();
    let Some(mut starter) = socket_activate(&["-l", name], &["--log", "stderr"]) else {
        return;
    };
    serves(&path);
    starter.wait_for("serving");
    // What it was given it leaves.
    signal(starter.pid(), Signal::SIGTERM);
    assert_eq!(starter.wait().code(), Some(0));
    assert!(path.exists());
}

#[test]
fn a_socket_that_was_handed_over_keeps_its_owner_when_the_server_steps_down() {
    if !skip::unless_root() {
        return;
    }
    let directory = Directory::new();
    let path = directory.join("s");
    let name = path.to_str().unwrap();
    let options = ["--log", "stderr", "--user", "nobody"];
    let Some(mut starter) = socket_activate(&["-l", name], &options) else {
        return;
    };
    assert_eq!(run(&path, "id -un").succeeded(), "nobody\n");
    starter.wait_for("the server runs as nobody now");
    assert_eq!(fs::metadata(&path).unwrap().uid(), 0);
    signal(starter.pid(), Signal::SIGTERM);
    assert_eq!(starter.wait().code(), Some(0));
    assert!(path.exists());
}

#[test]
fn systemd_hands_over_two_sockets_with_names() {
    for names in ["exec:exec", "exec:whatever", "connection:unknown"] {
        let directory = Directory::new();
        let (one, two) = (directory.join("one"), directory.join("two"));
        let fdname = format!("--fdname={names}");
        let options = [
            "-l",
            one.to_str().unwrap(),
            "-l",
            two.to_str().unwrap(),
            &fdname,
        ];
        let Some(mut starter) = socket_activate(&options, &["--log", "stderr", "-m", "3"]) else {
            return;
        };
        // A socket without a known name speaks exec.
        serves(&two);
        serves(&one);
        // One limit for both.
        let held: Vec<_> = [&one, &two, &one]
            .map(|path| {
                let mut client = Client::connect(path);
                client.send(shell("echo up; cat"));
                assert_eq!(client.line(), "up");
                client
            })
            .into();
        let mut late = Client::connect(&two);
        late.send("1:2,4:echo,2:hi,0:,");
        for mut client in held {
            client.send("0:,");
            assert_eq!(client.reply().end, End::Exit(0));
        }
        assert_eq!(late.reply().succeeded(), "hi\n");
        signal(starter.pid(), Signal::SIGTERM);
        assert_eq!(starter.wait().code(), Some(0));
    }
}

#[test]
fn systemd_hands_over_a_control_socket() {
    let directory = Directory::new();
    let (exec, control) = (directory.join("exec"), directory.join("control"));
    let options = [
        "-l",
        exec.to_str().unwrap(),
        "-l",
        control.to_str().unwrap(),
        "--fdname=exec:control",
    ];
    let Some(mut starter) = socket_activate(&options, &["--log", "stderr", "-m", "1"]) else {
        return;
    };
    // The first client may be one who only asks.
    let mut asking = Control::connect(&control);
    let status = asking.ask("status", &json!({})).unwrap();
    let told: Value = serde_json::from_str(&status).unwrap();
    let listeners = told["listeners"].as_array().unwrap().iter();
    let listeners: Vec<_> = listeners.map(|l| (&l["protocol"], &l["address"])).collect();
    let (exec_name, control_name) = (json!(exec.to_str()), json!(control.to_str()));
    assert_eq!(
        listeners,
        [
            (&json!("exec"), &exec_name),
            (&json!("control"), &control_name)
        ]
    );
    serves(&exec);
    asking.ask("drain", &json!({})).unwrap();
    asking.closed();
    assert_eq!(starter.wait().code(), Some(0));
    assert!(exec.exists() && control.exists());
}

#[test]
fn a_drained_server_leaves_its_queue_and_an_undrained_one_serves_it() {
    let directory = Directory::new();
    let (exec, control) = (directory.join("exec"), directory.join("control"));
    let options = [
        "-l",
        exec.to_str().unwrap(),
        "-l",
        control.to_str().unwrap(),
        "--fdname=exec:control",
    ];
    let Some(mut starter) = socket_activate(&options, &["--log", "stderr"]) else {
        return;
    };
    let mut running = Client::connect(&exec);
    running.send(shell("echo up; exec cat"));
    assert_eq!(running.line(), "up");
    let mut asking = Control::connect(&control);
    asking.ask("drain", &json!({})).unwrap();
    let mut late = Client::connect(&exec);
    late.send("1:2,4:echo,2:hi,0:,");
    let status: Value = serde_json::from_str(&asking.ask("status", &json!({})).unwrap()).unwrap();
    assert_eq!(
        (&status["state"], &status["queued"]),
        (&json!("draining"), &json!(1))
    );
    // Nobody is served before it is taken back.
    assert_eq!(status["totals"]["accepted"], 1);
    asking.ask("undrain", &json!({})).unwrap();
    assert_eq!(late.reply().succeeded(), "hi\n");
    asking.ask("drain", &json!({})).unwrap();
    let later = Client::connect(&exec);
    running.send("0:,");
    assert_eq!(running.reply().end, End::Exit(0));
    // The queue is that of the next server.
    assert_eq!(starter.wait().code(), Some(0));
    assert!(exec.exists());
    drop(later);
}

#[test]
fn systemd_hands_over_sockets_for_sockproc() {
    let directory = Directory::new();
    let path = directory.join("sockproc");
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let options = [
        "-l",
        path.to_str().unwrap(),
        "-l",
        &address,
        "--fdname=sockproc:sockproc",
    ];
    let Some(mut starter) = socket_activate(&options, &["--log", "stderr"]) else {
        return;
    };
    let mut client = Client::connect(&path);
    client.send(sockproc::request("echo $PROTO; exit 3", ""));
    let reply = sockproc::reply(client);
    assert_eq!((reply.status, reply.out()), (768, "IPC\n".into()));
    let reply = sockproc::run_tcp(port, "echo $PROTO $IPCREMOTEEUID");
    assert_eq!(reply.succeeded(), format!("TCP {}\n", own_user().0));
    signal(starter.pid(), Signal::SIGTERM);
    assert_eq!(starter.wait().code(), Some(0));
    assert!(path.exists());
}

#[test]
fn a_control_socket_alone_is_too_little() {
    let directory = Directory::new();
    let control = directory.join("control");
    let options = ["-l", control.to_str().unwrap(), "--fdname=control"];
    let Some(mut starter) = socket_activate(&options, &["--log", "stderr"]) else {
        return;
    };
    drop(std::os::unix::net::UnixStream::connect(&control));
    starter.wait_for("no socket for programs");
    assert_eq!(starter.wait().code(), Some(100));
}

#[test]
fn a_socket_from_systemd_comes_before_a_path() {
    let directory = Directory::new();
    let (given, path) = (directory.join("given"), directory.join("path"));
    let options = ["-l", given.to_str().unwrap()];
    let arguments = ["--log", "stderr", path.to_str().unwrap()];
    let Some(starter) = socket_activate(&options, &arguments) else {
        return;
    };
    serves(&given);
    starter.wait_for("not used");
    assert!(!path.exists());
}

#[test]
fn systemd_hands_over_a_connection() {
    let directory = Directory::new();
    let path = directory.join("s");
    let name = path.to_str().unwrap();
    let Some(starter) = socket_activate(&["-a", "-l", name], &["--log", "stderr"]) else {
        return;
    };
    serves(&path);
    // Each process ends with its one connection.
    eventually("all have ended", || children(starter.pid()).is_empty());
}

#[test]
fn systemd_plays_inetd() {
    let directory = Directory::new();
    let path = directory.join("s");
    let name = path.to_str().unwrap();
    let arguments = ["--inetd", "--idle-exit", "1", "--log", "stderr"];
    let Some(mut starter) = socket_activate(&["--inetd", "-l", name], &arguments) else {
        return;
    };
    serves(&path);
    // It leaves when it is idle, by itself.
    assert_eq!(starter.wait().code(), Some(0));
    assert!(path.exists());
    let path = directory.join("a");
    let name = path.to_str().unwrap();
    let options = ["--inetd", "-a", "-l", name];
    if let Some(starter) = socket_activate(&options, &["--inetd", "--log", "stderr"]) {
        serves(&path);
        eventually("all have ended", || children(starter.pid()).is_empty());
    }
}

#[test]
fn idle_is_who_has_no_job_at_all() {
    let directory = Directory::new();
    let path = directory.join("s");
    let name = path.to_str().unwrap();
    let arguments = ["--inetd", "--idle-exit", "0.3", "--log", "stderr"];
    let Some(mut starter) = socket_activate(&["--inetd", "-l", name], &arguments) else {
        return;
    };
    let reply = run(&path, "sleep 1; echo done");
    assert_eq!(reply.succeeded(), "done\n");
    assert_eq!(starter.wait().code(), Some(0));
}

#[test]
fn variables_for_another_process_are_not_ours() {
    // LISTEN_PID names another process: the path is served.
    let daemon = Setup::new()
        .env("LISTEN_PID", "1")
        .env("LISTEN_FDS", "2")
        .start();
    daemon.serves();
    assert!(fs::metadata(daemon.path()).is_ok());
}

#[test]
fn a_promised_socket_that_was_not_handed_over_is_an_error() {
    let mut command = command(PROGRAM);
    // In a child of the test that has no descriptor 3.
    let output = finish(command.env("LISTEN_FDS", "1"));
    assert_eq!(output.status.code(), Some(111));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text, "sockexec: socket activation: Bad file descriptor\n");
}
