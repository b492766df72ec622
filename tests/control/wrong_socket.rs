//! A client at a socket of another protocol learns which protocol is spoken there.

use crate::common::daemon::{command, finish};
use crate::common::{Daemon, Setup};
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// A daemon with a socket for each protocol.
fn all_sockets() -> (Daemon, PathBuf, PathBuf) {
    let mut setup = Setup::new().control().config("request-timeout = 1\n");
    let sockproc = setup.directory.join("sockproc");
    setup.command.arg("--sockproc").arg(&sockproc);
    let daemon = setup.start();
    let control = daemon.control_path();
    (daemon, sockproc, control)
}

/// The answer to bytes after which the client sends no more.
fn answer(socket: &Path, request: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(request).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    String::from_utf8_lossy(&all).into_owned()
}

/// The exit code and the message of a client.
fn client(program: &str, args: &[&str]) -> (Option<i32>, String) {
    let output = finish(command(program).args(args));
    let text = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), text)
}

#[test]
fn the_clients_name_the_protocol_of_the_socket() {
    let (daemon, sockproc, control) = all_sockets();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (exec, sockproc, control) = (path(&daemon.socket), path(&sockproc), path(&control));
    let program = env!("CARGO_BIN_EXE_sockexec-client");
    for (socket, spoken) in [(&sockproc, "sockproc"), (&control, "control")] {
        let (code, text) = client(program, &[socket, "true"]);
        let expected = format!("it speaks the {spoken} protocol, and not the exec protocol");
        assert!(code == Some(111) && text.contains(&expected), "{text}");
    }
    let program = env!("CARGO_BIN_EXE_sockexecctl");
    for (socket, spoken) in [(&exec, "exec"), (&sockproc, "sockproc")] {
        let (code, text) = client(program, &["-s", socket, "status"]);
        let expected = format!("it speaks the {spoken} protocol, and not the control protocol");
        assert!(code == Some(111) && text.contains(&expected), "{text}");
    }
}

#[test]
fn the_server_names_the_protocol_of_the_socket_in_the_form_of_that_protocol() {
    let (daemon, sockproc, control) = all_sockets();
    let message = b"\0\0\0\x0e:{\"cmd\":\"ping\"}";
    let exec = "this socket takes requests of the exec protocol (netstrings), and no ";
    for (request, other) in [
        (
            &b"echo hi\r\n0\r\n"[..],
            "shell commands of the sockproc protocol",
        ),
        (message, "messages of the control protocol"),
    ] {
        let text = answer(&daemon.socket, request);
        assert!(text.starts_with("6:stderr,"), "{text}");
        assert!(text.contains(&format!("{exec}{other}")), "{text}");
        assert!(text.ends_with("8:exitcode,3:100,"), "{text}");
    }
    let text = answer(&sockproc, b"1:2,4:echo,2:hi,0:,");
    assert!(text.starts_with("status:25600\r\n"), "{text}");
    let expected = "shell commands of the sockproc protocol, and no requests of the exec protocol";
    assert!(text.contains(expected), "{text}");
    for (request, other) in [
        (
            &b"echo hi\r\n0\r\n"[..],
            "shell commands of the sockproc protocol",
        ),
        (b"1:2,4:echo,2:hi,0:,", "requests of the exec protocol"),
    ] {
        let text = answer(&control, request);
        assert!(text.contains("\"status\":\"failure\""), "{text}");
        let expected =
            format!("this socket takes messages of the control protocol, and no {other}");
        assert!(text.contains(&expected), "{text}");
    }
}
