//! The clients in `examples/clients`, which authors of a client copy: each is run by its
//! interpreter and has the same conversations with the daemon.

use crate::common::daemon::{command, finish};
use crate::common::temporary::Directory;
use crate::common::{Daemon, PATIENCE, Setup, process, skip};
use nix::sys::signal::Signal;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

const MIB: usize = 1024 * 1024;

/// The error for a reply that breaks off; a part of the output may be there.
const CUT_OFF: &[&str] = &["cut off"];

/// A client, and how to run it.
struct Example {
    file: &'static str,
    words: Vec<PathBuf>,
}

fn source(file: &str) -> PathBuf {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/clients");
    examples.join(file)
}

/// A client of which the interpreter is started with the source. `None`, with a message, if there
/// is no interpreter.
fn interpreted(interpreter: &str, file: &'static str) -> Option<Example> {
    let words = vec![skip::unless_tool(interpreter)?, source(file)];
    Some(Example { file, words })
}

/// Where Go keeps what it has compiled, so that this takes its time once; or in a directory of the
/// test, if the tests were built by another user.
fn go_cache(directory: &Directory) -> PathBuf {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    let writable = fs::create_dir_all(&kept).and_then(|()| fs::write(kept.join("used"), ""));
    match writable {
        Ok(()) => kept,
        Err(_) => directory.join("go"),
    }
}

/// The client in Go, compiled into this directory.
fn compiled(file: &'static str, directory: &Directory) -> Option<Example> {
    let go = skip::unless_tool("go")?;
    let program = directory.join("client");
    let cache = go_cache(directory);
    let mut build = command(go);
    build
        .args(["build", "-o"])
        .args([&program, &source(file)])
        .env("GOCACHE", cache.join("cache"))
        .env("GOPATH", &cache)
        .env("GOTOOLCHAIN", "local")
        .env("CGO_ENABLED", "0");
    let output = build.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let words = vec![program];
    Some(Example { file, words })
}

impl Example {
    fn command(&self, socket: &Path, argv: &[&str]) -> Command {
        let mut command = command(&self.words[0]);
        command
            .args(&self.words[1..])
            .arg(socket)
            .args(argv)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it with this input. It must end by itself.
    #[track_caller]
    fn run(&self, socket: &Path, argv: &[&str], input: Vec<u8>) -> Output {
        let mut child = self.command(socket, argv).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // Fails if the client ends without reading all of it, as it may.
        let writer = thread::spawn(move || stdin.write_all(&input));
        let output = self.output(child, argv);
        let _ = writer.join().unwrap();
        output
    }

    /// What it writes, while it is read.
    #[track_caller]
    fn output(&self, child: Child, argv: &[&str]) -> Output {
        let pid = child.id();
        let output = thread::spawn(move || child.wait_with_output().unwrap());
        if !process::ends_within(pid, 2 * PATIENCE) {
            process::signal_if_there(pid, Signal::SIGKILL);
            panic!("{}: {argv:?} does not end", self.file);
        }
        output.join().unwrap()
    }

    /// It ends with this code, and has written this and nothing to standard error.
    #[track_caller]
    fn succeeds(&self, daemon: &Daemon, argv: &[&str], input: &[u8], wanted: (&[u8], i32)) {
        let output = self.run(daemon.path(), argv, input.to_vec());
        let (out, err) = (&output.stdout[..], output.stderr.escape_ascii());
        let place = format!("{}: {argv:?}: {err}", self.file);
        assert_eq!(output.status.code(), Some(wanted.1), "{place}");
        assert!(out == wanted.0, "{place}: {} bytes", out.len());
        assert!(output.stderr.is_empty(), "{place}");
    }

    /// It ends with this code, and standard error has these words.
    #[track_caller]
    fn fails(&self, socket: &Path, argv: &[&str], code: i32, words: &[&str]) {
        let output = self.run(socket, argv, Vec::new());
        let err = String::from_utf8_lossy(&output.stderr).to_lowercase();
        let place = format!("{}: {argv:?}: {err}", self.file);
        assert_eq!(output.status.code(), Some(code), "{place}");
        assert!(output.stdout.is_empty() || words == CUT_OFF, "{place}");
        let has = |word: &&str| word.split('|').any(|word| err.contains(word));
        assert!(words.iter().all(has), "{place}");
    }

    /// Output that is there before all input is.
    #[track_caller]
    fn streams(&self, daemon: &Daemon) {
        let argv = ["sh", "-c", "echo one; read line; echo \"$line\" >&2; cat"];
        let mut child = self.command(daemon.path(), &argv).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "one\n", "{}", self.file);
        stdin.write_all(b"two\nthree").unwrap();
        let mut three = [0; 5];
        stdout.read_exact(&mut three).unwrap();
        assert_eq!(&three, b"three", "{}", self.file);
        drop(stdin);
        let output = self.output(child, &argv);
        assert_eq!(output.stderr, b"two\n", "{}", self.file);
        assert_eq!(output.status.code(), Some(0), "{}", self.file);
    }

    /// A program that ends while its client still has input, or waits for some.
    #[track_caller]
    fn leaves_early(&self, daemon: &Daemon) {
        let much = vec![b'x'; 16 * MIB];
        self.succeeds(daemon, &["head", "-c", "3"], &much, (b"xxx", 0));
        let mut child = self.command(daemon.path(), &["true"]).spawn().unwrap();
        let held = child.stdin.take();
        let output = self.output(child, &["true"]);
        assert_eq!(output.status.code(), Some(0), "{}: {output:?}", self.file);
        drop(held);
    }
}

/// The conversations with a daemon, all of them.
#[track_caller]
fn converse(example: Option<Example>) {
    let Some(example) = example else { return };
    let allowed = "[[allow]]\nprogram = [\"/bin/\", \"/usr/bin/\"]\n\
                   [[allow]]\nprogram = \"/nowhere/program\"\n";
    let daemon = Setup::new().config(allowed).start();
    let odd = ["printf", "%s|", "a b", "", "*", "\u{e9}$x\"'\n"];
    let bytes: Vec<u8> = (0..MIB).map(|n| (n % 251) as u8).collect();
    example.succeeds(&daemon, &["echo", "hello"], b"", (b"hello\n", 0));
    example.succeeds(&daemon, &odd, b"", ("a b||*|\u{e9}$x\"'\n|".as_bytes(), 0));
    example.succeeds(&daemon, &["sh", "-c", "exit 7"], b"", (b"", 7));
    // The same codes as those of faults, from the program itself.
    example.succeeds(&daemon, &["sh", "-c", "exit 126"], b"", (b"", 126));
    example.succeeds(&daemon, &["cat"], &bytes, (&bytes, 0));
    let output = example.run(daemon.path(), &["sh", "-c", "cat >&2"], bytes.clone());
    assert!(output.stderr == bytes, "{}", example.file);
    example.streams(&daemon);
    example.leaves_early(&daemon);
    let fault = |argv: &[&str], code, words: &[&str]| {
        example.fails(daemon.path(), argv, code, &[&["fault"], words].concat());
    };
    fault(
        &["/sbin/refused", "x"],
        126,
        &["126", "refused: no rule of the server"],
    );
    fault(&["/nowhere/program"], 127, &["127", "no such file"]);
    let killed = ["sh", "-c", "kill -9 $$"];
    example.fails(daemon.path(), &killed, 137, &["signal 9"]);
    let nowhere = daemon.directory.join("nowhere");
    example.fails(
        &nowhere,
        &["true"],
        111,
        &["no such file|enoent", "/nowhere"],
    );
    breaks_off(&example, &daemon.directory.join("false"));
}

/// A server that goes in the middle of a reply.
#[track_caller]
fn breaks_off(example: &Example, path: &Path) {
    for reply in [
        "",
        "6:stdout,",
        "6:stdout,3:ab",
        "6:stdout,x:ab,",
        "8:exitcode,1:0;",
    ] {
        let _ = fs::remove_file(path);
        let listener = UnixListener::bind(path).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; b"1:1,4:true,0:,".len()];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(reply.as_bytes()).unwrap();
        });
        example.fails(path, &["true"], 111, CUT_OFF);
        server.join().unwrap();
    }
}

/// The call that docs/clients.md shows in this language, next to copies of the examples.
fn call(interpreter: &str, language: &str) {
    let Some(interpreter) = skip::unless_tool(interpreter) else {
        return;
    };
    let daemon = Daemon::start(&[]);
    for file in ["python.py", "node.js", "ruby.rb", "client.php"] {
        fs::copy(source(file), daemon.directory.join(file)).unwrap();
    }
    let page = fs::read_to_string(source("../../docs/clients.md")).unwrap();
    let start = format!("\n```{language}\n");
    let blocks: Vec<_> = page.split(&start).skip(1).collect();
    assert_eq!(blocks.len(), 1, "{language}");
    let text = blocks[0].split("\n```\n").next().unwrap();
    let text = text.replace("/run/sockexec/exec.sock", daemon.path().to_str().unwrap());
    let mut command = command(&interpreter);
    command
        .arg(daemon.directory.file("call", 0o644, text))
        .current_dir(daemon.directory.path())
        .env("PYTHONPATH", ".");
    let out = String::from_utf8(finish(&mut command).stdout).unwrap();
    assert!(
        out.contains("HELLO") && out.contains('0'),
        "{language}: {out}"
    );
}

#[test]
fn the_calls_on_the_page() {
    for (interpreter, language) in [
        ("python3", "python"),
        ("node", "js"),
        ("ruby", "ruby"),
        ("php", "php"),
    ] {
        call(interpreter, language);
    }
}

#[test]
fn the_example_in_python() {
    converse(interpreted("python3", "python.py"));
}

#[test]
fn the_example_in_node() {
    converse(interpreted("node", "node.js"));
}

#[test]
fn the_example_in_ruby() {
    converse(interpreted("ruby", "ruby.rb"));
}

#[test]
fn the_example_in_php() {
    converse(interpreted("php", "client.php"));
}

#[test]
fn the_example_in_go() {
    let directory = Directory::new();
    converse(compiled("client.go", &directory));
}
