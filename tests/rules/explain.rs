//! `sockexecctl explain` and `sockexec --explain`: the same text, and the decision that the server
//! makes.

use crate::common::daemon::{PROGRAM, command, finish};
use crate::common::process::own_user;
use crate::common::{Daemon, Setup};
use crate::start;
use std::process::Command;

/// The text of the server, which is that of the file.
#[track_caller]
fn explained(daemon: &Daemon, words: &[&str]) -> String {
    let control = daemon.directory.join("control");
    let mut ask = command(env!("CARGO_BIN_EXE_sockexecctl"));
    ask.arg("--socket").arg(control).arg("explain").args(words);
    let online = text(&mut ask);
    let mut read = command(PROGRAM);
    read.args([
        "--config",
        daemon.directory.join("sockexec.toml").to_str().unwrap(),
    ])
    .arg("--explain")
    .args(words)
    .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
    assert_eq!(text(&mut read), online);
    online
}

#[track_caller]
fn text(command: &mut Command) -> String {
    let output = finish(command);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), &errors[..]), (Some(0), ""));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn it_has_the_rule_the_reasons_and_the_limits() {
    let daemon = start(
        "timeout = 50\n\
         [[allow]]\nuser = 12345\nprogram = \"/usr/bin/id\"\n\
         [[allow]]\nuser = 12346\nprogram = \"/usr/bin/true\"\n\
         [[allow]]\ngroup = 777\nprogram = \"/usr/bin/\"\nmax-jobs = 2\ntimeout = 1.5\n\
         run-prefix = [\"nice\", \"-n\", \"5\"]\n\
         [[allow]]\nuser = 12345\n",
    );
    let words = [
        "--user", "12345", "--group", "777", "--group", "5", "true", "-x", "a b",
    ];
    assert_eq!(
        explained(&daemon, &words),
        "client: uid 12345, groups 777 5, no security label\n\
         request: /usr/bin/true -x \"a b\"\n\
         rule 1: does not match: it is for other programs\n\
         rule 2: does not match: it is for other clients\n\
         rule 3: decides: the request is allowed\n  \
         max-jobs = 2\n  \
         run-prefix = [\"nice\",\"-n\",\"5\"]\n  \
         timeout = 1.5\n"
    );
    let text = explained(&daemon, &["--user", "12345", "/opt/x"]);
    assert!(
        text.ends_with("rule 4: decides: the request is allowed\n  timeout = 50\n"),
        "{text}"
    );
    let text = explained(&daemon, &["--user", "unknown", "/opt/x"]);
    assert!(
        text.starts_with("client: uid unknown, no groups, "),
        "{text}"
    );
    let refused = "decision: refused: no rule of the server allows it to this user\n";
    assert!(text.ends_with(refused), "{text}");
}

#[test]
fn it_has_names_arguments_and_labels() {
    let daemon = start(
        "nice = 3\n\
         [[allow]]\nname = \"web\"\nlabel = \"web_*\"\nprogram = \"/usr/bin/echo\"\n\
         arguments = [\"status\"]\numask = \"0077\"\nlimits = { cpu = 10, core = 0 }\n\
         environment = { A = \"b\" }\n\
         [[allow]]\nname = \"rest\"\nprogram = \"/usr/bin/echo\"\narguments = [\"start\"]\n",
    );
    let ask =
        |words: &[&str]| explained(&daemon, &[&["--user", "0", "--group", "0"], words].concat());
    assert_eq!(
        ask(&["--label", "web_t", "echo", "status"]),
        "client: uid 0, groups 0, security label web_t\n\
         request: /usr/bin/echo status\n\
         rule 1 (web): decides: the request is allowed\n  \
         environment = {\"A\":\"b\"}\n  \
         limits = {\"core\":0,\"cpu\":10}\n  \
         nice = 3\n  \
         timeout = 60\n  \
         umask = \"0077\"\n"
    );
    assert_eq!(
        ask(&["echo", "stop"]),
        "client: uid 0, groups 0, no security label\n\
         request: /usr/bin/echo stop\n\
         rule 1 (web): does not match: it is for other security labels, other arguments\n\
         rule 2 (rest): does not match: it is for other arguments\n\
         decision: refused: no rule of the server allows it to this user with these arguments\n"
    );
}

#[test]
fn the_decision_is_that_of_a_request() {
    let (uid, gid) = own_user();
    let other = uid + 1;
    for (rules, program) in [
        (format!("[[allow]]\nuser = {uid}\n"), "true"),
        (format!("[[allow]]\nuser = {other}\n"), "true"),
        (format!("[[allow]]\ngroup = {gid}\n"), "true"),
        (
            "default = \"allow\"\n[[allow]]\nuser = 12345\n".into(),
            "true",
        ),
        ("default = \"deny\"\n".into(), "true"),
        ("# nothing\n".into(), "true"),
        ("[[allow]]\nprogram = \"/usr/bin/id\"\n".into(), "true"),
        ("[[allow]]\nprogram = \"/usr/bin/\"\n".into(), "/bin/true"),
        (
            "[[allow]]\nprogram = \"/usr/bin/\"\n".into(),
            "/usr/bin/../bin/true",
        ),
        ("[[allow]]\nprogram = \"*\"\n".into(), "no-such-program"),
        (
            "[[allow]]\nprogram = \"*\"\nrun-prefix = [\"nice\"]\n".into(),
            "/tmp/a=b",
        ),
    ] {
        let daemon = Setup::new().control().config(&rules).start();
        let text = explained(&daemon, &["--user", &uid.to_string(), program]);
        let reply = daemon.run(&[program]);
        let refusal = String::from_utf8_lossy(&reply.stderr).into_owned();
        assert_eq!(
            text.contains("allowed"),
            refusal.is_empty(),
            "{rules}{text}{refusal}"
        );
        assert_ne!(text.contains("allowed"), text.contains("refused"), "{text}");
        if let Some((_, reason)) = text.split_once(": refused: ") {
            let reason = reason.trim_start_matches("before any rule is asked: ");
            assert!(refusal.contains(reason.trim_end()), "{reason} {refusal}");
        }
    }
}

#[test]
fn a_wrong_question_is_wrong_usage() {
    let daemon = start("[[allow]]\nprogram = \"*\"\n");
    let control = daemon.directory.join("control");
    for (words, what) in [
        (
            &["--user", "no such user", "id"][..],
            "there is no user \"no such user\"",
        ),
        (
            &["--user", "0", "--group", "no such", "id"],
            "there is no group \"no such\"",
        ),
        (&["--user", "0"], "PROGRAM"),
        (&["id"], "--user"),
    ] {
        let mut ask = command(env!("CARGO_BIN_EXE_sockexecctl"));
        ask.arg("--socket").arg(&control).arg("explain").args(words);
        let mut read = command(PROGRAM);
        read.args(["--config", "/dev/null", "--explain"])
            .args(words);
        for command in [&mut ask, &mut read] {
            let output = finish(command);
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(100), "{errors}");
            assert!(
                errors.contains(what) && output.stdout.is_empty(),
                "{errors}"
            );
        }
    }
    // Nothing is asked of a server whose file has a mistake.
    let bad = daemon.directory.file("bad", 0o644, "queue = 0\n");
    let mut read = command(PROGRAM);
    read.args(["--config", &bad, "--explain", "--user", "0", "id"]);
    let output = finish(&mut read);
    assert_eq!(output.status.code(), Some(100));
    assert!(String::from_utf8_lossy(&output.stderr).contains("bad:1: queue"));
}

#[test]
fn a_program_that_may_not_run_as_its_client_is_refused() {
    let directory = crate::common::temporary::Directory::new();
    let explained = |rule: &str, user: &str| {
        let rules = format!("[[allow]]\n{rule}\nrun-as = \"peer\"\n");
        let file = directory.file("f.toml", 0o644, &rules);
        let mut read = command(PROGRAM);
        // The first user is that of the server, the second one that of the client.
        read.args([
            "--config",
            &file,
            "--user",
            "nobody",
            "--explain",
            "--user",
            user,
            "id",
        ]);
        text(&mut read)
    };
    let any = "program = \"*\"";
    for (rule, user, reason) in [
        (
            any,
            "root",
            "cannot become root: only a rule that names root",
        ),
        (any, "1", "the number is below"),
        (
            any,
            "nobody",
            "cannot become nobody: that is the server's own user",
        ),
        (
            "user = \"nobody\"",
            "nobody",
            "that is the server's own user",
        ),
        (
            any,
            "unknown",
            "cannot become the client's user: only a UNIX socket",
        ),
    ] {
        let text = explained(rule, user);
        let expected = "rule 1: decides: the request is refused\ndecision: refused: cannot become ";
        assert!(text.contains(expected) && text.contains(reason), "{text}");
    }
    for (rule, user) in [
        (any, "4000000000"),
        ("user = \"root\"", "root"),
        ("user = 1", "1"),
    ] {
        let text = explained(rule, user);
        let expected = "rule 1: decides: the request is allowed\n  no-new-privileges = true\n  \
                        run-as = \"peer\"\n";
        assert!(text.contains(expected), "{text}");
    }
}
