//! Sockets from others: real programs hand over a listening or a connected socket, and
//! the daemon makes of it what the protocol says.
//!
//! systemd-socket-activate and s6 run as anybody; inetd needs root.

mod common;

use common::daemon::{PROGRAM, command};
use common::lines::Lines;
use common::process::{children, eventually, signal, wait_gone};
use common::skip;
use common::temporary::Directory;
use common::{Client, End, PATIENCE, Reply, shell};
use nix::sys::signal::Signal;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::{fs, thread};

/// A program that starts the daemon. What it has started ends with it.
#[derive(Debug)]
struct Starter {
    child: Child,
    log: Lines,
}

impl Starter {
    fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Lines::read(child.stderr.take().unwrap());
        Self { child, log }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end of a starter that has become the daemon.
    #[track_caller]
    fn wait(&mut self) -> ExitStatus {
        wait_gone(self.pid());
        self.child.wait().unwrap()
    }

    fn wait_for(&self, text: &str) {
        self.log.wait_for(text, |line| line.contains(text));
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            let started = children(self.pid());
            for pid in started.into_iter().chain([self.pid()]) {
                signal(pid, Signal::SIGTERM);
            }
            // An inetd may wait for what it has started.
            wait_gone(self.pid());
            let _ = self.child.wait();
        }
        if thread::panicking() {
            eprintln!("{:#?}", self.log.all());
        }
    }
}

/// Runs a shell script through the socket.
#[track_caller]
fn run(path: &Path, script: &str) -> Reply {
    let mut client = Client::connect(path);
    client.send(shell(script));
    client.send("0:,");
    client.reply()
}

/// Checks that programs run as they do when the daemon has bound its socket itself.
#[track_caller]
fn serves(path: &Path) {
    let own = Command::new("uname").arg("-a").output().unwrap();
    let own = String::from_utf8(own.stdout).unwrap();
    assert_eq!(run(path, "exec uname -a").succeeded(), own);
    let mut client = Client::connect(path);
    client.send("1:1,3:cat,5:hello,0:,");
    assert_eq!(client.reply().succeeded(), "hello");
    let reply = run(path, "echo err >&2; exit 7");
    assert_eq!((reply.err(), reply.end), ("err\n".into(), End::Exit(7)));
    run(path, "exec /no/such/program");
    // Nothing of the activation goes on to programs.
    let fds = run(path, "exec ls /proc/self/fd").succeeded();
    assert_eq!(fds, "0\n1\n2\n3\n");
    let env = run(path, "exec env").succeeded();
    for name in ["LISTEN_", "NOTIFY_SOCKET", "WATCHDOG_"] {
        assert!(!env.lines().any(|l| l.starts_with(name)), "{env}");
    }
    let pid = format!("IPCREMOTEPID={}", std::process::id());
    assert!(env.lines().any(|l| l == pid), "{env}");
    // What is malformed is answered.
    let mut client = Client::connect(path);
    client.send("1:0,");
    client.reply().refused(100, &[]);
}

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
fn sockets_from_systemd_come_before_the_path() {
    let directory = Directory::new();
    let (given, path) = (directory.join("given"), directory.join("path"));
    let options = ["-l", given.to_str().unwrap()];
    let arguments = ["--log", "stderr", path.to_str().unwrap()];
    let Some(starter) = socket_activate(&options, &arguments) else {
        return;
    };
    serves(&given);
    assert!(!path.exists());
    drop(starter);
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

/// A port that nobody listens on just now.
fn free_port() -> u16 {
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
            for variable in ["PROTO=TCP", "TCPREMOTEIP=127.0.0.1"] {
                assert!(out.lines().any(|l| l == variable), "{out}");
            }
            assert!(!out.contains("IPCREMOTE"), "{out}");
        }
        assert_eq!(run_tcp(port, "exit 3").end, End::Exit(3));
        eventually("all have ended", || children(starter.pid()).is_empty());
    }
}

/// The standard output of a starter that says there when it listens.
fn wait_line(output: ChildStdout) {
    Lines::read(output).wait_for("an empty line", |_| true);
}

#[test]
fn s6_hands_over_a_listening_socket() {
    let Some(program) = skip::unless_tool("s6-ipcserver-socketbinder") else {
        return;
    };
    let directory = Directory::new();
    let path = directory.join("s");
    let mut starter = Starter::spawn(
        command(program)
            .arg("--")
            .arg(&path)
            .arg(PROGRAM)
            .args(["--inetd", "--idle-exit", "1", "--log", "stderr"])
            .stdout(Stdio::null()),
    );
    starter.wait_for("serving");
    serves(&path);
    assert_eq!(starter.wait().code(), Some(0));
    assert!(path.exists());
}

#[test]
fn s6_hands_over_a_connection() {
    let Some(program) = skip::unless_tool("s6-ipcserver") else {
        return;
    };
    let directory = Directory::new();
    let path = directory.join("s");
    let mut starter = Starter::spawn(
        command(program)
            .args(["-1", "--"])
            .arg(&path)
            .arg(PROGRAM)
            .args(["--inetd", "--log", "stderr"])
            .stdout(Stdio::piped()),
    );
    wait_line(starter.child.stdout.take().unwrap());
    serves(&path);
    // What the server of connections says about the client holds for the program, too.
    let env = run(&path, "exec env").succeeded();
    let count = env.lines().filter(|l| l.starts_with("PROTO=")).count();
    assert_eq!(count, 1, "{env}");
    eventually("all have ended", || children(starter.pid()).is_empty());
}

#[test]
fn without_any_socket_it_says_so() {
    // Descriptor 0 is no socket at all.
    let output = common::daemon::finish(command(PROGRAM).args(["--inetd", "--log", "stderr"]));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(100 | 111)), "{error}");
    assert!(error.contains("socket"), "{error}");
}

#[test]
fn variables_for_another_process_are_not_ours() {
    // LISTEN_PID names somebody else: the path is served.
    let daemon = common::Setup::new()
        .env("LISTEN_PID", "1")
        .env("LISTEN_FDS", "2")
        .start();
    daemon.serves();
    assert!(fs::metadata(daemon.path()).is_ok());
}
