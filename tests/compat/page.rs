//! The examples of sockexec-protocol(7), which authors of clients copy: each is sent as printed
//! there, and its reply is the one printed below it.

use crate::{Target, pieces};
use sockexec::wire::control::encode;
use std::fs;
use std::path::Path;

/// What the page has under one of its sections: what a client sends, and what it gets, in turns.
type Example = Vec<(Side, String)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// The lines between `from` and `to`, which are sections or subsections of the page.
fn part(from: &str, to: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/sockexec-protocol.7");
    let page = fs::read_to_string(path).unwrap();
    let begin = page.find(&format!("\n{from}\n")).expect(from);
    let end = page[begin..].find(&format!("\n{to}\n")).expect(to);
    page[begin..begin + end].to_owned()
}

/// The examples in a part of the page. `broken` is what stood where a long line was broken.
fn examples(part: &str, broken: &str) -> Vec<Example> {
    let mut all: Vec<Example> = Vec::new();
    let mut current = Example::new();
    let mut inside = false;
    for line in part.lines() {
        if line == ".Bd -literal" {
            inside = true;
        } else if line == ".Ed" || line.is_empty() {
            inside &= line.is_empty();
            all.push(std::mem::take(&mut current));
        } else if let Some(text) = line.strip_prefix("client: ").filter(|_| inside) {
            current.push((Side::Client, text.to_owned()));
        } else if let Some(text) = line.strip_prefix("server: ").filter(|_| inside) {
            current.push((Side::Server, text.to_owned()));
        } else if let (Some(text), Some((_, last))) =
            (line.strip_prefix("        "), current.last_mut())
        {
            last.push_str(broken);
            last.push_str(text);
        }
    }
    all.retain(|example| !example.is_empty());
    all
}

/// The bytes that a line of the page stands for.
fn bytes(text: &str) -> Vec<u8> {
    let text = text
        .replace("\\(aq", "'")
        .replace("\\(ga", "`")
        .replace("\\-", "-")
        .replace("\\e", "\\")
        .replace("<CR>", "\r")
        .replace("<LF>", "\n");
    let Some((head, rest)) = text.split_once(">:") else {
        return text.into_bytes();
    };
    // The length of a message to the server.
    let head = head.strip_prefix('<').expect("a length");
    let length = head.split(' ').map(|b| u8::from_str_radix(b, 16).unwrap());
    let mut all: Vec<u8> = length.collect();
    all.push(b':');
    all.extend_from_slice(rest.as_bytes());
    all
}

/// All bytes of one side in an example.
fn said(example: &Example, side: Side) -> Vec<u8> {
    let lines = example.iter().filter(|(who, _)| *who == side);
    lines.flat_map(|(_, text)| bytes(text)).collect()
}

/// Sends the client's part of each example, and compares.
fn check(target: &Target, examples: &[Example]) {
    for example in examples {
        let input = said(example, Side::Client);
        let output = target.exchange(pieces(&input, &[]), false).unwrap();
        let (output, wanted) = (output.escape_ascii(), said(example, Side::Server));
        assert_eq!(output.to_string(), wanted.escape_ascii().to_string());
    }
}

#[test]
fn the_examples_of_exec() {
    let Some(target) = Target::new() else { return };
    let all = examples(&part(".Sh EXAMPLES", ".Sh THE SOCKPROC PROTOCOL"), "");
    assert!(all.len() >= 6, "{all:?}");
    let (conversations, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|example| example.len() > 2);
    check(&target, &others);
    // In turns: each answer arrives before the client sends more.
    for example in &conversations {
        let mut client = crate::Client::connect(&target.path);
        for (side, text) in example {
            match side {
                Side::Client => client.send(bytes(text)),
                Side::Server => {
                    let wanted = bytes(text);
                    let mut got = vec![0; wanted.len()];
                    std::io::Read::read_exact(&mut client.stream(), &mut got).unwrap();
                    assert_eq!(
                        got.escape_ascii().to_string(),
                        wanted.escape_ascii().to_string()
                    );
                }
            }
        }
        assert_eq!(client.try_rest().unwrap(), b"");
    }
}

#[test]
fn the_examples_of_sockproc() {
    let Some(target) = Target::speaking("sockproc", crate::common::Setup::sockproc) else {
        return;
    };
    let all = examples(
        &part(".Sh THE SOCKPROC PROTOCOL", ".Sh THE CONTROL PROTOCOL"),
        " ",
    );
    assert!(all.len() >= 5, "{all:?}");
    check(&target, &all);
}

fn control() -> Option<Target> {
    Target::speaking("control", |setup| {
        let [control, sockproc] = ["s", "sockproc"].map(|name| setup.directory.join(name));
        setup
            .arguments(["--control".as_ref(), control.as_os_str()])
            .arguments(["--sockproc".as_ref(), sockproc.as_os_str()])
            .without_path()
    })
}

#[test]
fn the_examples_of_control() {
    let Some(target) = control() else { return };
    let all = examples(&part(".Sh THE CONTROL PROTOCOL", ".Sh COMPATIBILITY"), "");
    assert!(all.len() >= 2, "{all:?}");
    check(&target, &all);
}

#[test]
fn the_failures_of_control() {
    let Some(target) = control() else { return };
    let page = part(".Ss Limits and faults", ".Ss Examples");
    let framed = |json: &str| {
        let mut message = Vec::new();
        encode(&mut message, json.as_bytes());
        (message, false)
    };
    for (input, half_close) in [
        (b"GET / HTTP/1.0\r\n".to_vec(), false),
        (b"\0\0\0\x02,".to_vec(), false),
        (b"\0\0\0\x02:{".to_vec(), true),
        framed("{}"),
        framed(r#"{"cmd":"kill","args":{"id":1,"id":2}}"#),
        framed(r#"{"cmd":"stop"}"#),
        framed(r#"{"cmd":"kill"}"#),
        framed(r#"{"cmd":"set","args":{"timeout":-1}}"#),
        framed(r#"{"cmd":"kill","args":{"id":7}}"#),
    ] {
        let output = target.exchange(pieces(&input, &[]), half_close).unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&output[5..]).unwrap();
        let error = answer["response"]["error"].as_str().unwrap();
        let is_there = page.lines().any(|line| {
            let line = String::from_utf8(bytes(line)).unwrap();
            match line.strip_suffix("...") {
                Some(begin) => error.starts_with(begin),
                None => error == line,
            }
        });
        assert!(is_there, "{error}");
    }
}
