//! TCP: on this machine only.

use crate::common::Setup;
use crate::common::daemon::{PROGRAM, command, finish};
use crate::common::process::own_user;
use crate::common::sockproc::{self, run_tcp};
use std::net::TcpListener;

/// A port that nobody listens on just now.
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
