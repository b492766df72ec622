//! The numbered records of jobs: at the start and at the end, with whole arguments or with none.

use crate::common::{Daemon, Setup, shell};

/// The lines so far that have this word.
fn lines_with(daemon: &Daemon, word: &str) -> Vec<String> {
    let all = daemon.log.all();
    all.into_iter().filter(|line| line.contains(word)).collect()
}

/// The value of a field of a line.
#[track_caller]
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let field = line
        .split(' ')
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    field.unwrap_or_else(|| panic!("no {name}: {line}"))
}

fn configured(text: &str) -> Daemon {
    Setup::new()
        .config(&format!("default = \"allow\"\n{text}"))
        .control()
        .start()
}

#[test]
fn records_are_numbered_without_a_gap() {
    let daemon = configured("audit = \"both\"\n");
    for _ in 0..5 {
        daemon.serves();
    }
    daemon.begin("1:2,999999999:").reply().refused(100, &[]);
    daemon.run(&["/no/such/program"]);
    daemon.run(&["true", "the-last"]);
    daemon.log.wait_for("the end", |line| {
        line.contains(" exit=0 ") && line.contains("the-last")
    });
    let numbered = lines_with(&daemon, " seq=");
    let numbers: Vec<u64> = numbered
        .iter()
        .map(|line| field(line, "seq").trim_end_matches(':').parse().unwrap())
        .collect();
    let expected: Vec<u64> = (1..=u64::try_from(numbers.len()).unwrap()).collect();
    assert_eq!(numbers, expected, "{numbered:#?}");
    // Two of each job, one of the refused connection.
    assert_eq!(numbers.len(), 5 * 2 + 1 + 2 + 2, "{numbered:#?}");
}

#[test]
fn a_start_is_in_the_log_while_the_program_runs() {
    let daemon = configured("audit = \"both\"\n");
    let mut client = daemon.begin(shell("echo $$; read -r line; : marker"));
    let program = client.number();
    let started = daemon
        .log
        .wait_for("the start", |line| line.contains("started: "));
    assert_eq!(field(&started, "program"), program.to_string());
    assert_eq!(field(&started, "pid"), std::process::id().to_string());
    assert!(
        started.ends_with("argv=sh -c \"echo $$; read -r line; : marker\""),
        "{started}"
    );
    assert!(lines_with(&daemon, " exit=").is_empty());
    client.send_netstring(b"go\n");
    client.end();
    client.reply();
    let ended = daemon
        .log
        .wait_for("the end", |line| line.contains(" exit=0 "));
    assert_eq!(field(&ended, "program"), program.to_string());
}

#[test]
fn at_the_end_only_is_the_default_and_can_be_set() {
    let daemon = configured("");
    daemon.serves();
    daemon
        .log
        .wait_for("the end", |line| line.contains(" exit=0 "));
    assert!(lines_with(&daemon, "started: ").is_empty());
    daemon.ask("set", serde_json::json!({"audit": "both"}));
    daemon.serves();
    daemon
        .log
        .wait_for("the start", |line| line.contains("started: "));
}

#[test]
fn a_name_stands_beside_the_number_of_a_user() {
    let daemon = configured("");
    daemon.serves();
    let line = daemon
        .log
        .wait_for("the end", |line| line.contains(" exit=0 "));
    let uid = field(&line, "uid");
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let of = |line: &str| {
        let fields: Vec<_> = line.split(':').collect();
        (fields.get(2) == Some(&uid)).then(|| fields[0].to_owned())
    };
    match passwd.lines().find_map(of) {
        Some(name) => assert_eq!(field(&line, "user"), name),
        None => assert!(!line.contains(" user="), "{line}"),
    }
}

/// The text of the arguments that follow a record in lines of their own.
fn pieces(daemon: &Daemon, seq: &str) -> Vec<String> {
    let own = format!(" seq={seq} argv=");
    let lines = lines_with(daemon, &own);
    let lines = lines
        .iter()
        .filter(|line| line.contains(" argv "))
        .enumerate();
    lines
        .map(|(index, line)| {
            assert!(line.contains(&format!(" argv {}/", index + 1)), "{line}");
            assert!(line.len() < 1024, "{line}");
            line.split_once(&own).unwrap().1.to_owned()
        })
        .collect()
}

/// One argument in several pieces.
fn joined(pieces: &[String]) -> String {
    pieces.concat().replace("......", "")
}

#[test]
fn long_arguments_follow_their_record() {
    let daemon = configured("");
    let long = "y".repeat(1500);
    daemon.run(&["true", "kept", &long]);
    let line = daemon
        .log
        .wait_for("its line", |line| line.contains(" argc=3 argv=true kept y"));
    assert!(
        line.ends_with("yy...") && line.contains(" exit=0 "),
        "{line}"
    );
    let seq = field(&line, "seq").to_owned();
    daemon.serves();
    let all = pieces(&daemon, &seq);
    assert_eq!(joined(&all), format!("true kept {long}"));
}

#[test]
fn arguments_that_are_not_kept_are_in_the_log_before_the_program_runs() {
    let daemon = configured("");
    // As many lines as the largest request takes, and each byte as an escape.
    for length in [3000, 130_000] {
        let long = "\u{1}".repeat(length);
        let script = format!("read -r line; : {length}");
        let mut client = daemon.begin(crate::common::request(&[
            &b"sh"[..],
            b"-c",
            script.as_bytes(),
            long.as_bytes(),
        ]));
        let shown = format!(" argc=4 argv=sh -c \"{script}\" ");
        let line = daemon.log.wait_for("its request", |line| {
            line.contains("requested: ") && line.contains(&shown)
        });
        let seq = field(&line, "seq").to_owned();
        let last = daemon.log.wait_for("the last piece", |line| {
            let numbers = line
                .split_once(" argv ")
                .and_then(|(_, rest)| rest.split_once(':'));
            let numbers = numbers.and_then(|(numbers, _)| numbers.split_once('/'));
            line.contains(&format!(" seq={seq} ")) && numbers.is_some_and(|(one, all)| one == all)
        });
        assert!(last.ends_with('"'), "{last}");
        let all = joined(&pieces(&daemon, &seq)).replace("\"\"", "");
        let expected = format!("sh -c \"{script}\" \"{}\"", "\\x01".repeat(length));
        assert!(all == expected, "{} bytes", all.len());
        assert_eq!(daemon.status()["totals"]["log-lines-lost"], 0);
        client.send_netstring(b"\n");
        client.end();
        client.reply();
    }
}

#[test]
fn arguments_that_may_be_secret_are_nowhere() {
    let daemon = Setup::new()
        .config("default = \"allow\"\naudit = \"both\"\nlog-arguments = false\n")
        .arguments(["-d"])
        .control()
        .start();
    let long = format!("secret{}", "x".repeat(5000));
    let mut client = daemon.begin(crate::common::request(&[
        &b"sh"[..],
        b"-c",
        b"echo $$; read -r secret",
        long.as_bytes(),
    ]));
    client.number();
    let jobs = serde_json::Value::from(daemon.jobs()).to_string();
    assert!(
        jobs.contains("\"argv\":[\"sh\"],\"argv-cut\":true"),
        "{jobs}"
    );
    daemon.signal(nix::sys::signal::Signal::SIGUSR1);
    daemon
        .log
        .wait_for("the totals", |line| line.contains("totals: "));
    client.send_netstring(b"\n");
    client.end();
    client.reply();
    daemon.run(&["/no/such/program", "secret"]);
    daemon.log.wait_for("the last", |line| {
        line.contains("argc=2 argv=/no/such/program ...")
    });
    let all = daemon.log.all();
    assert!(
        all.iter().any(|line| line.ends_with(" argc=4 argv=sh ...")),
        "{all:#?}"
    );
    let none = serde_json::json!({});
    let history = [
        daemon.ask("recent", none.clone()),
        daemon.ask("events", serde_json::json!({"after": 0})),
        daemon.ask("totals", none),
    ];
    let history = serde_json::Value::from(history.to_vec()).to_string();
    assert!(history.contains("/no/such/program"), "{history}");
    for text in [jobs, history] {
        assert!(!text.contains("secret"), "{text}");
    }
    assert!(!all.iter().any(|line| line.contains("secret")), "{all:#?}");
}

#[test]
fn huge_arguments_that_are_refused_do_not_fill_the_log() {
    let rule = "default = \"deny\"\n[[allow]]\nprogram = \"/usr/bin/true\"\n";
    let daemon = Setup::new().config(rule).start();
    for (length, whole) in [(50_000, true), (130_000, false)] {
        let long = "\u{1}".repeat(length);
        daemon.run(&["false", &long, &long.len().to_string()]);
        // What was logged before it is there then.
        let marker = format!("marker-{length}");
        daemon.run(&["true", &marker]);
        daemon
            .log
            .wait_for("the next", |line| line.contains(&marker));
        let lines = daemon.log.all();
        assert!(lines.iter().any(|line| line.contains("fault=\"refused")));
        let bytes: usize = lines.iter().map(String::len).sum();
        assert_eq!(bytes > 3 * length, whole, "{bytes}");
    }
}
