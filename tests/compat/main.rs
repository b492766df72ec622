//! The protocol as conversations: bytes in, bytes out, each fed whole, byte by byte and
//! in random pieces.
//!
//! They run against our daemon, or against the one whose socket `SOCKEXEC_UNDER_TEST`
//! names, which shows where another implementation differs: `PATH` for one that speaks
//! exec, `sockproc:PATH` and `control:PATH` for one that speaks those. `SOCKEXEC_SEED`
//! brings the pieces of a failed run back.

#[path = "../common/mod.rs"]
mod common;

mod clients;
mod control;
mod form;
mod input;
mod page;
mod programs;
mod sockproc;

use common::client::END;
use common::random::Random;
use common::reply::{put, shorten};
use common::{Client, Daemon, End, Reply, Setup, skip};
use std::env;
use std::path::PathBuf;

/// What comes back.
#[derive(Debug)]
enum Out {
    /// These bytes, when the pairs of each stream are joined.
    Exactly(Vec<u8>),
    /// A refusal with this code and these words in its reason.
    Refused(i32, &'static [&'static str]),
}
use Out::{Exactly, Refused};

#[derive(Debug)]
struct Conversation {
    name: &'static str,
    input: Vec<u8>,
    out: Out,
}

/// A conversation in which the client sends a whole request.
fn conversation(name: &'static str, input: impl AsRef<[u8]>, out: Out) -> Conversation {
    let input = input.as_ref().to_vec();
    Conversation { name, input, out }
}

fn exactly(bytes: &str) -> Out {
    Exactly(bytes.as_bytes().to_vec())
}

/// A program that writes this and succeeds.
fn prints(data: &[u8]) -> Out {
    let mut bytes = Vec::new();
    put(&mut bytes, b"stdout");
    put(&mut bytes, data);
    bytes.extend_from_slice(b"8:exitcode,1:0,");
    Exactly(bytes)
}

/// A request whose stdin is these chunks.
fn with_stdin(head: &[u8], chunks: &[&[u8]]) -> Vec<u8> {
    let mut input = head.to_vec();
    for chunk in chunks {
        put(&mut input, chunk);
    }
    input.extend_from_slice(END);
    input
}

fn without_stdin(head: &[u8]) -> Vec<u8> {
    with_stdin(head, &[])
}

/// Where the requests go.
struct Target {
    path: PathBuf,
    daemon: Option<Daemon>,
}

impl Target {
    /// The target of requests of the exec protocol. `None`, with a message, if the tested server
    /// speaks another one.
    fn new() -> Option<Self> {
        Self::speaking("exec", |setup| setup.env("SOCKEXEC_TEST", "seen"))
    }

    /// Where requests of this protocol go: to our own daemon, set up like this, if no other
    /// one is under test.
    fn speaking(protocol: &str, ours: impl FnOnce(Setup) -> Setup) -> Option<Self> {
        if let Ok(named) = env::var("SOCKEXEC_UNDER_TEST") {
            let (other, path) = match named.split_once(':') {
                Some((other @ ("sockproc" | "control"), path)) => (other, path),
                _ => ("exec", named.as_str()),
            };
            if protocol != other {
                skip::say(&format!("{path} speaks {other}"));
                return None;
            }
            let path = path.into();
            return Some(Self { path, daemon: None });
        }
        let daemon = ours(Setup::new()).start();
        let path = daemon.path().to_owned();
        Some(Self {
            path,
            daemon: Some(daemon),
        })
    }

    /// Sends the pieces, then ends the input with `half_close`, and waits for the whole reply.
    fn exchange<'a>(
        &self,
        pieces: impl Iterator<Item = &'a [u8]>,
        half_close: bool,
    ) -> Result<Vec<u8>, String> {
        let mut client = Client::try_connect(&self.path).map_err(|e| e.to_string())?;
        for piece in pieces {
            // A server that has refused the request may hang up before its end.
            if client.send_piece(piece).is_err() {
                break;
            }
        }
        if half_close {
            client.end();
        }
        client.try_rest().map_err(|e| e.to_string())
    }

    /// The same, for the exec protocol.
    fn converse<'a>(
        &self,
        pieces: impl Iterator<Item = &'a [u8]>,
        half_close: bool,
    ) -> Result<Reply, String> {
        let bytes = self.exchange(pieces, half_close)?;
        Reply::try_parse(&bytes).map_err(|e| format!("{e} in \"{}\"", shorten(&bytes)))
    }
}

/// The ways to cut a request into pieces.
fn cuts(length: usize, random: &mut Random) -> Vec<(String, Vec<usize>)> {
    let mut all = vec![("whole".to_owned(), vec![])];
    if length <= 300 {
        all.push(("byte by byte".to_owned(), (1..length).collect()));
    }
    for round in 0..6 {
        let mut cuts: Vec<usize> = (0..=random.below(6))
            .map(|_| random.below(length.max(1)))
            .collect();
        cuts.sort_unstable();
        all.push((format!("random {round}"), cuts));
    }
    all
}

fn pieces<'a>(input: &'a [u8], cuts: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let starts = [0].into_iter().chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([input.len()]);
    starts.zip(ends).map(|(start, end)| &input[start..end])
}

fn seed() -> u64 {
    let seed = env::var("SOCKEXEC_SEED").map_or_else(
        |_| std::process::id().into(),
        |text| text.parse().expect("SOCKEXEC_SEED is a number"),
    );
    eprintln!("SOCKEXEC_SEED={seed}");
    seed
}

/// Runs all conversations in all pieces, and reports all differences together.
fn check(conversations: &[Conversation], half_close: bool) {
    let Some(target) = Target::new() else { return };
    let mut random = Random::new(seed());
    let mut differences = Vec::new();
    for Conversation { name, input, out } in conversations {
        for (way, cuts) in cuts(input.len(), &mut random) {
            let result = target.converse(pieces(input, &cuts), half_close);
            if let Some(difference) = difference(out, &result) {
                differences.push(format!("{name}, {way}: {difference}"));
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

fn difference(out: &Out, result: &Result<Reply, String>) -> Option<String> {
    let reply = match result {
        Ok(reply) => reply,
        Err(error) => return Some(error.clone()),
    };
    match out {
        Exactly(bytes) if reply.joined() == *bytes => None,
        Refused(code, words)
            if reply.end == End::Exit(*code)
                && reply.stdout.is_empty()
                && reply.stderr.ends_with(b"\n")
                && words.iter().all(|w| reply.err().contains(w)) =>
        {
            None
        }
        _ => Some(shorten(&reply.joined())),
    }
}
