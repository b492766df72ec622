//! TCP: on this machine only.

use crate::common::daemon::{PROGRAM, command, finish};
use crate::common::process::{eventually, own_user};
use crate::common::sockproc::{self, run_tcp};
use crate::common::{PATIENCE, Setup};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

/// A port on which no process listens just now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_port_of_this_machine() {
    let port = free_port();
    let setup = Setup::new().without_path();
    let daemon = setup.arguments(["--sockproc", &port.to_string()]).start();
    let reply = run_tcp(port, "echo out; echo err >&2; exit 3");
    assert_eq!(
        (reply.status, reply.out(), reply.err()),
        (768, "out\n".into(), "err\n".into())
    );
    let large = run_tcp(port, "head -c 5000000 /dev/zero");
    assert_eq!(large.stdout, vec![0; 5_000_000]);
    let out = run_tcp(port, "env").succeeded();
    let has = |line: &str| out.lines().any(|l| l == line);
    assert!(has("PROTO=TCP") && has("TCPREMOTEIP=127.0.0.1"), "{out}");
    assert!(has(&format!("IPCREMOTEEUID={}", own_user().0)), "{out}");
    assert!(!out.contains("IPCREMOTEPID"), "{out}");
    // It listens at that address and no other.
    let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", daemon.pid())).unwrap();
    let listens = |address: &str| table.contains(&format!("{address}:{port:04X} 00000000:0000 0A"));
    assert!(listens("0100007F") && !listens("00000000"), "{table}");
    daemon.stop();
}

#[test]
fn a_request_of_http_runs_nothing() {
    let port = free_port();
    let setup = Setup::new().arguments(["--sockproc", &port.to_string()]);
    let daemon = setup.start();
    let mark = daemon.directory.join("mark");
    let touch = format!("touch${{IFS}}{}", mark.display());
    // As a server sends it that fetches what a stranger names, line ends and all.
    for address in [
        format!("/;{touch}"),
        format!("/;{touch}\r\n0\r\n"),
        format!("/\n{touch}\n"),
        format!("http://127.0.0.1:{port}/;{touch}"),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!("GET {address} HTTP/1.1\r\n0\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        sockproc::Reply::parse(&bytes).refused(100, &["HTTP"]);
        assert!(!mark.exists(), "{address}");
    }
    assert_eq!(run_tcp(port, "echo on").succeeded(), "on\n");
}

#[test]
fn a_client_that_closes_looks_like_one_that_has_ended_its_input() {
    let port = free_port();
    let daemon = Setup::new()
        .arguments(["--sockproc", &port.to_string()])
        .start();
    let [up, gate, end] = ["up", "gate", "end"].map(|name| daemon.directory.join(name));
    mkfifo(&gate, Mode::S_IRWXU).unwrap();
    let script = format!(
        "echo >{}; read x <{}; echo >{}",
        up.display(),
        gate.display(),
        end.display()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(&sockproc::request(script, b"")).unwrap();
    eventually("the command runs", || up.exists());
    drop(stream);
    // By then the server has seen the end.
    daemon.serves();
    let mut options = std::fs::OpenOptions::new();
    let mut gate = options.read(true).write(true).open(&gate).unwrap();
    gate.write_all(b"go\n").unwrap();
    eventually("the command goes on", || end.exists());
    daemon.stop();
}

#[test]
fn no_other_address_is_served() {
    let port = free_port();
    for address in [
        format!("0.0.0.0:{port}"),
        format!("192.0.2.1:{port}"),
        format!("[::]:{port}"),
    ] {
        let output = finish(command(PROGRAM).args(["--sockproc", &address]));
        assert_eq!(output.status.code(), Some(100), "{address}: {output:?}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("loopback"), "{text}");
    }
}

#[test]
fn a_port_that_is_in_use_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let output = finish(command(PROGRAM).args(["--log", "stderr", "--sockproc", &port]));
    assert_eq!(output.status.code(), Some(111), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains(&port) && text.contains("in use"), "{text}");
}

#[test]
fn beside_a_unix_socket() {
    let port = free_port().to_string();
    let daemon = Setup::new().arguments(["--sockproc", &port]).start();
    daemon.serves();
    let reply = sockproc::run_tcp(port.parse().unwrap(), "echo on");
    assert_eq!(reply.succeeded(), "on\n");
}
