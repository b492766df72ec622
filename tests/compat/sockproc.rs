//! The conversations of the sockproc protocol.

use crate::common::Setup;
use crate::common::random::Random;
use crate::common::reply::shorten;
use crate::common::sockproc::{Reply, request};
use crate::{Target, cuts, pieces, seed};
use std::process::Command;

/// What comes back.
#[derive(Debug)]
enum Out {
    /// These bytes.
    Exactly(Vec<u8>),
    /// A status and these words in stderr, which the shell or the server has written.
    Fails(i32, &'static [&'static str]),
}
use Out::{Exactly, Fails};

type Conversation = (&'static str, Vec<u8>, Out);

/// A command that has this status and writes this.
fn replies(status: i32, stdout: impl AsRef<[u8]>, stderr: impl AsRef<[u8]>) -> Out {
    let mut bytes = format!("status:{status}\r\n").into_bytes();
    for output in [stdout.as_ref(), stderr.as_ref()] {
        bytes.extend_from_slice(format!("{}\r\n", output.len()).as_bytes());
        bytes.extend_from_slice(output);
    }
    Exactly(bytes)
}

/// Runs all conversations in all pieces, and reports all differences together.
fn check(conversations: &[Conversation], half_close: bool) {
    let ours = |setup: Setup| setup.sockproc();
    let Some(target) = Target::speaking("sockproc", ours) else {
        return;
    };
    let mut random = Random::new(seed());
    let mut differences = Vec::new();
    for (name, input, out) in conversations {
        for (way, cuts) in cuts(input.len(), &mut random) {
            let result = target.exchange(pieces(input, &cuts), half_close);
            if let Some(difference) = difference(out, &result) {
                differences.push(format!("{name}, {way}: {difference}"));
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

fn difference(out: &Out, result: &Result<Vec<u8>, String>) -> Option<String> {
    let bytes = match result {
        Ok(bytes) => bytes,
        Err(error) => return Some(error.clone()),
    };
    let same = match (out, Reply::try_parse(bytes)) {
        (_, Err(error)) => return Some(format!("{error} in \"{}\"", shorten(bytes))),
        (Exactly(wanted), Ok(_)) => bytes == wanted,
        (Fails(status, words), Ok(reply)) => {
            reply.status == *status
                && reply.stdout.is_empty()
                && words.iter().all(|word| reply.err().contains(word))
        }
    };
    (!same).then(|| shorten(bytes))
}

#[test]
fn commands_and_their_ends() {
    let own = Command::new("uname").arg("-a").output().unwrap();
    check(
        &[
            ("uname", request("uname -a", ""), replies(0, own.stdout, "")),
            (
                "a bad command",
                request("foobar", ""),
                Fails(32512, &["foobar", "not found"]),
            ),
            ("nothing to say", request("true", ""), replies(0, "", "")),
            ("nothing to do", request("", ""), replies(0, "", "")),
            ("a code", request("exit 3", ""), replies(768, "", "")),
            (
                "the largest code",
                request("exit 255", ""),
                replies(65280, "", ""),
            ),
            ("TERM", request("kill -TERM $$", ""), replies(15, "", "")),
            ("KILL", request("kill -KILL $$", ""), replies(9, "", "")),
            (
                "both streams",
                request("echo out; echo err >&2; exit 1", ""),
                replies(256, "out\n", "err\n"),
            ),
            (
                "lines in the output",
                request("printf 'a\\r\\n0\\r\\n'", ""),
                replies(0, "a\r\n0\r\n", ""),
            ),
            (
                "a line feed in the command",
                request("echo a\necho b", ""),
                replies(0, "a\nb\n", ""),
            ),
            (
                "a carriage return in the command",
                request("printf %s 'a\rb'", ""),
                replies(0, "a\rb", ""),
            ),
            (
                "2040 bytes",
                request(format!("echo {}", "x".repeat(2035)), ""),
                replies(0, "x".repeat(2035) + "\n", ""),
            ),
        ],
        false,
    );
}

#[test]
fn standard_input() {
    let all: Vec<u8> = (0..=255).collect();
    let mut longer = request("cat", "hello");
    longer.extend_from_slice(b" and more\r\n");
    let conversations = [
        (
            "a few bytes",
            request("cat", "hello"),
            replies(0, "hello", ""),
        ),
        ("all bytes", request("cat", &all), replies(0, &all, "")),
        (
            "lines",
            request("cat", "a\r\n0\r\n\r\n"),
            replies(0, "a\r\n0\r\n\r\n", ""),
        ),
        ("none", request("cat", ""), replies(0, "", "")),
        ("not read", request("true", "hello"), replies(0, "", "")),
        (
            "zeros in front",
            b"cat\r\n0005\r\nhello".to_vec(),
            replies(0, "hello", ""),
        ),
        ("more than announced", longer, replies(0, "hello", "")),
    ];
    check(&conversations, false);
    // The end of the client's input takes nothing away from its reply.
    check(&conversations, true);
}

#[test]
fn what_is_no_request() {
    check(
        &[
            (
                "no number",
                b"true\r\nx\r\n".to_vec(),
                Fails(25600, &["sockexec: "]),
            ),
            (
                "an empty number",
                b"true\r\n\r\n".to_vec(),
                Fails(25600, &["sockexec: "]),
            ),
            (
                "a negative number",
                b"true\r\n-1\r\n".to_vec(),
                Fails(25600, &["sockexec: "]),
            ),
            (
                "20 digits",
                b"true\r\n99999999999999999999\r\n".to_vec(),
                Fails(25600, &["19 digits"]),
            ),
            (
                "a request of HTTP",
                b"GET / HTTP/1.1\r\n0\r\n".to_vec(),
                Fails(25600, &["HTTP"]),
            ),
            ("a NUL", b"true\0\r\n0\r\n".to_vec(), Fails(25600, &["NUL"])),
        ],
        false,
    );
    check(
        &[
            ("nothing", Vec::new(), Fails(25600, &["sockexec: "])),
            ("no line", b"true".to_vec(), Fails(25600, &["sockexec: "])),
            (
                "no number",
                b"true\r\n".to_vec(),
                Fails(25600, &["sockexec: "]),
            ),
            (
                "half a number",
                b"true\r\n0".to_vec(),
                Fails(25600, &["sockexec: "]),
            ),
            (
                "lines of another system",
                b"true\n0\n".to_vec(),
                Fails(25600, &["sockexec: "]),
            ),
            (
                "less than announced",
                b"true; cat >&2\r\n5\r\nhell".to_vec(),
                Fails(25600, &["sockexec: "]),
            ),
        ],
        true,
    );
}
