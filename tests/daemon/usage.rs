//! Wrong usage of all programs: each message names the cause, and none has the number of an error.

use crate::common::daemon::{PROGRAM, command, finish};
use crate::common::temporary::Directory;
use crate::common::{Daemon, Setup};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

const CLIENT: &str = env!("CARGO_BIN_EXE_sockexec-client");
const CTL: &str = env!("CARGO_BIN_EXE_sockexecctl");

/// Runs a wrong command line, and compares the message. `@` stands for the directory.
#[track_caller]
fn wrong(directory: &Directory, program: &str, line: &str, message: &str) {
    let place = directory.path().display().to_string();
    let words = line.split(' ').filter(|word| !word.is_empty());
    let words = words.map(|word| word.replace('@', &place).replace('_', " "));
    let output = finish(command(program).args(words));
    let text = String::from_utf8(output.stderr).unwrap();
    let (text, code) = (text.replace(&place, "@"), output.status.code());
    assert!(
        matches!(code, Some(100 | 111 | 127)),
        "{line}: {code:?} {text}"
    );
    assert!(text.contains(message), "{line}: {text}");
    assert!(!text.contains("os error"), "{line}: {text}");
}

fn prepared() -> Directory {
    let directory = Directory::new();
    directory.file("file", 0o644, "x = 1\n");
    directory.file("empty.toml", 0o644, "");
    directory.file("bad.toml", 0o644, "mode = 0660\n");
    directory
}

#[test]
fn of_the_server() {
    let directory = prepared();
    let used = UnixListener::bind(directory.join("used")).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let port_used = format!("--sockproc {}", port.local_addr().unwrap().port());
    for (line, message) in [
        ("", "no PATH to listen at"),
        ("@/none/s", "@/none/s: there is no directory @/none"),
        ("--control @/none/s @/s", "there is no directory @/none"),
        ("--sockproc @/none/s", "there is no directory @/none"),
        ("@/file/s", "@/file is not a directory"),
        ("@/file", "a file that is not a socket"),
        ("@", "not a socket"),
        ("@/used", "a server is listening there"),
        (&port_used, "Address already in use"),
        ("--control @/s @/s", "PATH and --control are the same"),
        ("--config @/none.toml @/s", "No such file or directory"),
        ("--config @ @/s", "not a regular file"),
        ("--config @/bad.toml @/s", ":1: mode: not a string"),
        ("--config @/bad.toml @/s", "write it in quotes: \"0660\""),
        ("--config @/file @/s", "file:1: x: not a key"),
        ("--config @/empty.toml @/s", "empty"),
        ("--user nosuchuser @/s", "nosuchuser"),
        ("--job-user nosuchuser @/s", "nosuchuser"),
        ("--inetd", "handed over"),
        ("--timout 5 @/s", "'--timeout'"),
        ("-t @/s", "not a number of seconds"),
        ("-t 5x @/s", "90s, 5m, 1h30m or 2d"),
        ("-M rw @/s", "an octal mode"),
        ("-m many @/s", "1 to 1000000"),
        ("--log nowhere @/s", "[possible values: auto"),
        ("--log-level quiet @/s", "[possible values: error"),
        ("@/a @/b", "unexpected argument '@/b'"),
        ("--sockproc 0.0.0.0:80", "loopback"),
        ("--fallback x=1 @/s", "there is no setting"),
        ("--explain", "QUESTION"),
    ] {
        wrong(&directory, PROGRAM, line, message);
    }
    drop(used);
}

#[test]
fn of_the_second_name() {
    let directory = prepared();
    let program = directory.join("sockproc");
    symlink(PROGRAM, &program).unwrap();
    let program = program.to_str().unwrap();
    for (line, message) in [
        ("", "<PATH|PORT>"),
        ("--foreground @/none/s", "there is no directory @/none"),
        ("--foreground @/file", "a file that is not a socket"),
        ("--foreground @/s @/none/pid", "@/none"),
        ("--foreground 70000", "1 to 65535"),
        ("--foregroud @/s", "'--foreground'"),
        (
            "--config @/none.toml --foreground @/s",
            "No such file or directory",
        ),
    ] {
        wrong(&directory, program, line, message);
    }
}

#[test]
fn of_the_client() {
    let directory = prepared();
    let daemon = Daemon::start(&[]);
    let served = daemon.path().to_str().unwrap();
    symlink(served, directory.join("s")).unwrap();
    for (line, message) in [
        ("", "PATH"),
        ("@/s", "<ARG>..."),
        ("--versoin", "'--version'"),
        ("@/none id", "there is no such socket"),
        ("@/none/s id", "there is no directory @/none"),
        ("@/file id", "no server listens there"),
        ("@/file/s id", "@/file is not a directory"),
        ("@ id", "no server listens there"),
        (
            "@/s nosuchprogram",
            "nosuchprogram: No such file or directory",
        ),
        (
            "@/s echo_hi_|_wc",
            "no shell is involved: echo hi | wc is the name of one program",
        ),
        ("@/s echo_hi_|_wc", "sh -c"),
    ] {
        wrong(&directory, CLIENT, line, message);
    }
}

#[test]
fn of_sockexecctl() {
    let directory = prepared();
    let daemon = Setup::new().control().start();
    let socket = daemon.control_path();
    symlink(socket, directory.join("s")).unwrap();
    for (line, message) in [
        ("", "Usage"),
        ("statu", "'status'"),
        ("help statu", "statu"),
        ("status --jsno", "'--json'"),
        ("-s @/none status", "there is no such socket"),
        ("-s @/none/s status", "there is no directory @/none"),
        ("-s @/file status", "no server listens there"),
        ("-s @ status", "no server listens there"),
        ("--timeout 5x ping", "90s, 5m, 1h30m or 2d"),
        ("kill", "<ID|--user"),
        ("kill KILL", "-9, -KILL"),
        ("kill -9", "<ID|--user"),
        ("set", "<NAME=VALUE>"),
        ("set timeout", "not of the form NAME=VALUE"),
        ("set timeout=1 timeout=2", "timeout is set twice"),
        ("top --interval 0", "0.001 to 86400"),
        ("recent -n 0", "1 to"),
        ("totals --by day", "possible values"),
    ] {
        wrong(&directory, CTL, line, message);
    }
}
