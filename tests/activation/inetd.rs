//! Sockets as descriptor 0, most of them from a real inetd, which needs root.

use crate::common::daemon::{PROGRAM, command, finish};
use crate::common::process::{children, eventually, own_user, wait_gone};
use crate::common::temporary::Directory;
use crate::common::{End, PATIENCE, Reply, Setup, shell, skip};
use crate::{Starter, run, serves};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::{fs, thread};

/// inetd with one service, in a mount namespace with a `/run` of its own: it writes its
/// id to a file there, which a real one may own.
fn inetd(directory: &Directory, service: &str) -> Option<Starter> {
    let program = skip::unless_tool("inetd")?;
    if !skip::unless_root() {
        return None;
    }
    let configuration = directory.file("inetd.conf", 0o644, service);
    let script = "mount -t tmpfs tmpfs /run && exec \"$0\" -i \"$1\"";
    let starter = Starter::spawn(
        command("unshare")
            .args(["--mount", "sh", "-c", script])
            .arg(program)
            .arg(configuration)
            .stdout(Stdio::null()),
    );
    Some(starter)
}

#[test]
fn inetd_hands_over_a_listening_socket() {
    let directory = Directory::new();
    let path = directory.join("s");
    let service = format!(
        "{} stream unix wait root {PROGRAM} sockexec --inetd --idle-exit 1\n",
        path.display()
    );
    let Some(starter) = inetd(&directory, &service) else {
        return;
    };
    eventually("inetd listens", || path.exists());
    let mut daemons = Vec::new();
    for _ in 0..3 {
        serves(&path);
        let started = children(starter.pid());
        assert_eq!(started.len(), 1, "{started:?}");
        // It leaves when it is idle, and is started again for the next one.
        wait_gone(started[0]);
        daemons.extend(started);
    }
    daemons.dedup();
    assert_eq!(daemons.len(), 3, "{daemons:?}");
}

#[test]
fn a_server_of_inetd_may_step_down() {
    let directory = Directory::new();
    let path = directory.join("s");
    for wait in ["wait", "nowait"] {
        let service = format!(
            "{} stream unix {wait} root {PROGRAM} sockexec --inetd --idle-exit 1 --user nobody\n",
            path.display()
        );
        let Some(_starter) = inetd(&directory, &service) else {
            return;
        };
        eventually("inetd listens", || path.exists());
        let reply = run(&path, "id -un; id -G; grep CapEff /proc/self/status");
        let caps = format!("CapEff:\t{:016}\n", 0);
        assert_eq!(reply.succeeded(), format!("nobody\n65534\n{caps}"));
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn inetd_hands_over_a_connection() {
    let directory = Directory::new();
    let path = directory.join("s");
    let service = format!(
        "{} stream unix nowait root {PROGRAM} sockexec --inetd\n",
        path.display()
    );
    let Some(starter) = inetd(&directory, &service) else {
        return;
    };
    eventually("inetd listens", || path.exists());
    serves(&path);
    thread::scope(|scope| {
        for number in 0..10 {
            let path = &path;
            scope.spawn(move || {
                let reply = run(path, &format!("sleep 0.1; echo {number}; exit {number}"));
                assert_eq!(reply.end, End::Exit(number));
            });
        }
    });
    eventually("all have ended", || children(starter.pid()).is_empty());
}

/// A port on which no process listens just now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Sends a request to a port and waits for the reply.
#[track_caller]
fn run_tcp(port: u16, script: &str) -> Reply {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&shell(script)).unwrap();
    stream.write_all(b"0:,").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    Reply::parse(&bytes)
}

#[test]
fn inetd_hands_over_tcp() {
    for how in ["wait", "nowait"] {
        let directory = Directory::new();
        let port = free_port();
        let service = format!(
            "127.0.0.1:{port} stream tcp4 {how} root {PROGRAM} sockexec --inetd --idle-exit 1\n"
        );
        let Some(starter) = inetd(&directory, &service) else {
            return;
        };
        eventually("inetd listens", || {
            // Looked up, not tried: a connection would start the daemon.
            let table = fs::read_to_string("/proc/net/tcp").unwrap();
            table.contains(&format!("0100007F:{port:04X} 00000000:0000 0A"))
        });
        for _ in 0..3 {
            let reply = run_tcp(port, "exec env");
            let out = reply.succeeded();
            // The kernel knows the user at the other end, and neither group nor process.
            let user = format!("IPCREMOTEEUID={}", own_user().0);
            for variable in ["PROTO=TCP", "TCPREMOTEIP=127.0.0.1", &user] {
                assert!(out.lines().any(|l| l == variable), "{out}");
            }
            for unknown in ["IPCREMOTEEGID", "IPCREMOTEPID"] {
                assert!(!out.contains(unknown), "{out}");
            }
        }
        assert_eq!(run_tcp(port, "exit 3").end, End::Exit(3));
        eventually("all have ended", || children(starter.pid()).is_empty());
    }
}

#[test]
fn a_daemon_for_one_client_ends_even_if_that_has_gone_before() {
    for gone in [Shutdown::Write, Shutdown::Both] {
        let (client, socket) = UnixStream::pair().unwrap();
        client.shutdown(gone).unwrap();
        let mut setup = Setup::new().without_path().arguments(["--inetd"]);
        setup.command.stdin(OwnedFd::from(socket));
        assert_eq!(setup.spawn().wait().code(), Some(0));
    }
}

#[test]
fn without_any_socket_it_says_so() {
    // Descriptor 0 is no socket at all.
    let output = finish(command(PROGRAM).args(["--inetd", "--log", "stderr"]));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(100 | 111)), "{error}");
    assert!(error.contains("socket"), "{error}");
}
