//! The conversations of the control protocol. They change nothing in the server.

use crate::common::random::Random;
use crate::common::reply::shorten;
use crate::{Target, cuts, pieces, seed};
use serde_json::{Value, json};
use sockexec::wire::control::{Decoder, Found, MESSAGE_MAX, encode};

/// The content of an answer.
#[derive(Clone, Copy, Debug)]
enum Says {
    /// Success, and exactly this.
    Exactly(&'static str),
    /// Success, and all these words.
    Words(&'static [&'static str]),
    /// Success, and a JSON object with these keys.
    Keys(&'static [&'static str]),
    /// Success, and a JSON list.
    List,
    /// A failure, and these words in its reason.
    Fails(&'static [&'static str]),
}
use Says::{Exactly, Fails, Keys, List, Words};

/// The bytes of the client, and the answers, each with the command that it is to repeat.
struct Conversation {
    name: &'static str,
    input: Vec<u8>,
    answers: Vec<(Value, Says)>,
}

/// A conversation of messages, each with its answer, if there is to be one.
fn conversation(name: &'static str, messages: &[(Value, Option<Says>)]) -> Conversation {
    let mut input = Vec::new();
    for (message, _) in messages {
        encode(&mut input, message.to_string().as_bytes());
    }
    let answers = messages
        .iter()
        .filter_map(|(message, says)| Some((message.clone(), (*says)?)));
    Conversation {
        name,
        input,
        answers: answers.collect(),
    }
}

/// The only command on its connection.
fn command(name: &'static str, says: Says) -> Conversation {
    conversation(name, &[(json!({"cmd": name}), Some(says))])
}

/// Bytes that are no command: a failure, and the end.
fn malformed(name: &'static str, input: &[u8]) -> Conversation {
    Conversation {
        name,
        input: input.to_vec(),
        answers: vec![(json!({"cmd": ""}), Fails(&[]))],
    }
}

fn framed(json: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    encode(&mut message, json);
    message
}

/// The same in a good frame.
fn no_command(name: &'static str, json: &[u8]) -> Conversation {
    malformed(name, &framed(json))
}

/// Runs all conversations in all pieces, and reports all differences together.
fn check(conversations: &[Conversation], half_close: bool) {
    let target = Target::speaking("control", |setup| {
        let [control, sockproc] = ["s", "sockproc"].map(|name| setup.directory.join(name));
        setup
            .arguments(["--control".as_ref(), control.as_os_str()])
            .arguments(["--sockproc".as_ref(), sockproc.as_os_str()])
            .without_path()
    });
    let Some(target) = target else { return };
    let mut random = Random::new(seed());
    let mut differences = Vec::new();
    for one in conversations {
        for (way, cuts) in cuts(one.input.len(), &mut random) {
            let result = target.exchange(pieces(&one.input, &cuts), half_close);
            if let Err(difference) = result.and_then(|bytes| compare(&bytes, &one.answers)) {
                differences.push(format!("{}, {way}: {difference}", one.name));
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

fn compare(bytes: &[u8], wanted: &[(Value, Says)]) -> Result<(), String> {
    let mut decoder = Decoder::new(1 << 24);
    let (mut rest, mut answers) = (bytes, Vec::new());
    loop {
        let (used, found) = decoder.poll(rest).map_err(|e| e.to_string())?;
        rest = &rest[used..];
        match found {
            Found::More => break,
            Found::Message(json) => answers.push(json),
        }
    }
    if !decoder.at_boundary() || answers.len() != wanted.len() {
        return Err(shorten(bytes));
    }
    for (json, (command, says)) in answers.iter().zip(wanted) {
        let answer = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        if !repeats(command, &answer) || !fits(&answer["response"], *says) {
            return Err(shorten(json));
        }
    }
    Ok(())
}

/// Whether an answer has all that the command has but its response, and no key that is not known.
fn repeats(command: &Value, answer: &Value) -> bool {
    let keys = ["cmd", "args", "respond", "close"];
    let is = |key: &&str| answer.get(key).is_some();
    let same = |key: &&str| command[key].is_null() || command[key] == answer[key];
    let count = answer.as_object().map_or(0, serde_json::Map::len);
    keys.iter().all(|key| is(key) && same(key)) && count == keys.len() + 1
}

fn fits(response: &Value, says: Says) -> bool {
    let text = |key: &str| response[key].as_str();
    let (Some(status), Some(error), Some(payload)) =
        (text("status"), text("error"), text("payload"))
    else {
        return false;
    };
    let structured = || serde_json::from_str(payload).unwrap_or(Value::Null);
    let good = match says {
        Fails(words) => {
            return status == "failure"
                && payload.is_empty()
                && !error.is_empty()
                && words.iter().all(|word| error.contains(word));
        }
        Exactly(wanted) => payload == wanted,
        Words(words) => words.iter().all(|word| payload.contains(word)),
        Keys(keys) => keys.iter().all(|key| structured().get(key).is_some()),
        List => structured().is_array(),
    };
    good && status == "success" && error.is_empty()
}

#[test]
fn commands() {
    check(
        &[
            command("ping", Exactly("pong")),
            command("PING", Exactly("pong")),
            command("version", Words(&["."])),
            command("help", List),
            command("help", Words(&["ping", "drain", "max-connections"])),
            command("jobs", List),
            command("metrics", Words(&["# HELP ", "# TYPE "])),
            command(
                "status",
                Keys(&["version", "uptime", "state", "limits", "active", "totals"]),
            ),
        ],
        false,
    );
}

#[test]
fn what_may_stand_in_a_message_or_not() {
    let ping = |message| conversation("ping", &[(message, Some(Exactly("pong")))]);
    check(
        &[
            ping(json!({"cmd": "ping", "args": {}, "respond": true, "close": true})),
            ping(json!({"cmd": "ping", "args": null, "respond": null, "close": null})),
            ping(json!({"cmd": "ping", "unknown": [1, {"x": 2}]})),
            Conversation {
                input: framed(br#" {"cmd":"ping","unknown":1,"unknown":2} "#),
                ..ping(json!({"cmd": "ping"}))
            },
            ping(
                json!({"cmd": "ping", "response": {"status": "failure", "error": "no",
                "payload": "of no meaning"}}),
            ),
        ],
        false,
    );
    // As large as may be.
    let mut json = br#"{"cmd":"ping"}"#.to_vec();
    json.resize(MESSAGE_MAX, b' ');
    let mut largest = conversation("the largest", &[(json!({}), Some(Exactly("pong")))]);
    largest.input.clear();
    encode(&mut largest.input, &json);
    check(&[largest], false);
}

#[test]
fn more_than_one_on_a_connection() {
    let last = || (json!({"cmd": "ping"}), Some(Exactly("pong")));
    let not_last = json!({"cmd": "ping", "close": false});
    let unknown = json!({"cmd": "nonsense", "close": false});
    let quiet = json!({"cmd": "ping", "respond": false, "close": false});
    let conversations = [
        conversation(
            "three",
            &[
                (not_last.clone(), Some(Exactly("pong"))),
                (
                    json!({"cmd": "version", "close": false}),
                    Some(Words(&["."])),
                ),
                last(),
            ],
        ),
        conversation(
            "a failure is not the end",
            &[(unknown, Some(Fails(&["nonsense"]))), last()],
        ),
        conversation(
            "no answer wanted",
            &[(quiet.clone(), None), (quiet, None), last()],
        ),
        conversation(
            "no answer wanted to the last",
            &[(json!({"cmd": "ping", "respond": false}), None)],
        ),
        conversation(
            "what comes after the last",
            &[last(), (json!({"cmd": "ping"}), None)],
        ),
    ];
    check(&conversations, false);
    // The end of the client's input takes no answer away.
    check(&conversations, true);
    check(
        &[
            conversation(
                "the last one says that more will come",
                &[
                    (not_last.clone(), Some(Exactly("pong"))),
                    (not_last, Some(Exactly("pong"))),
                ],
            ),
            conversation("nothing", &[]),
        ],
        true,
    );
}

#[test]
fn commands_that_are_refused() {
    let refused = |message, words| conversation("refused", &[(message, Some(Fails(words)))]);
    let absent = u64::from(u32::MAX);
    check(
        &[
            refused(json!({"cmd": "nonsense"}), &["nonsense"]),
            refused(json!({"cmd": ""}), &[]),
            refused(json!({"cmd": "ping", "args": {"loud": 1}}), &["loud"]),
            refused(json!({"cmd": "ping", "args": {"loud": null}}), &["loud"]),
            refused(json!({"cmd": "kill"}), &["id"]),
            refused(json!({"cmd": "kill", "args": {"id": null}}), &["id"]),
            refused(json!({"cmd": "kill", "args": {"id": 1.0}}), &["id"]),
            refused(json!({"cmd": "kill", "args": {"id": 0}}), &["id"]),
            refused(json!({"cmd": "kill", "args": {"id": "all"}}), &["id"]),
            refused(
                json!({"cmd": "kill", "args": {"id": absent}}),
                &["4294967295"],
            ),
            refused(
                json!({"cmd": "kill", "args": {"id": absent, "signal": "HUPP"}}),
                &["signal"],
            ),
            refused(json!({"cmd": "set"}), &[]),
            refused(
                json!({"cmd": "set", "args": {"max-connections": 0}}),
                &["max-connections", "1", "1000000"],
            ),
            refused(
                json!({"cmd": "set", "args": {"timeout": -1}}),
                &["timeout", "315360000"],
            ),
            refused(
                json!({"cmd": "set", "args": {"log-level": "loud"}}),
                &["log-level", "debug"],
            ),
        ],
        false,
    );
}

#[test]
fn what_is_no_message() {
    let conversations = [
        no_command("not JSON", b"ping"),
        no_command("half of JSON", br#"{"cmd":"ping""#),
        no_command("a list", br#"["ping"]"#),
        no_command("no command", b"{}"),
        no_command("a number as command", br#"{"cmd":1}"#),
        no_command("null as command", br#"{"cmd":null}"#),
        no_command("two commands", br#"{"cmd":"ping","cmd":"ping"}"#),
        no_command(
            "two lists of arguments",
            br#"{"cmd":"ping","args":{},"args":{}}"#,
        ),
        no_command(
            "an argument twice",
            br#"{"cmd":"kill","args":{"id":4294967295,"id":4294967295}}"#,
        ),
        no_command("an answer that is none", br#"{"cmd":"ping","response":1}"#),
        no_command("two in one frame", br#"{"cmd":"ping"}{"cmd":"ping"}"#),
        no_command("a byte order mark", b"\xef\xbb\xbf{\"cmd\":\"ping\"}"),
        no_command("a list of arguments", br#"{"cmd":"ping","args":[1]}"#),
        no_command("a word for no", br#"{"cmd":"ping","close":"no"}"#),
        no_command("not UTF-8", b"{\"cmd\":\"\xff\"}"),
        no_command("very deep", &[b'['; 10_000]),
        malformed("no length", b"\0\0\0\0:"),
        malformed("one byte too many", &[0, 0x10, 0, 1, b':']),
        malformed("the largest length", b"\xff\xff\xff\xff:{}"),
        malformed("no colon", b"\0\0\0\x02{}"),
        malformed("another protocol", b"GET / HTTP/1.1\r\n\r\n"),
    ];
    check(&conversations, false);
    check(
        &[
            malformed("the end in a length", b"\0\0\0"),
            malformed("the end before the colon", b"\0\0\0\x02"),
            malformed("the end in a message", b"\0\0\0\x0e:{\"cmd\":"),
        ],
        true,
    );
}
