//! The arguments of a rule, and the label of a client.

use crate::common::{Setup, sockproc};
use crate::{end, held, start};

const THESE: &str = "no rule of the server allows it to this user with these arguments";

#[test]
fn a_rule_is_passed_over_if_the_arguments_do_not_match() {
    let daemon = start(
        "[[allow]]\nname = \"first\"\nprogram = \"/usr/bin/echo\"\n\
         arguments = [[\"status\"], [\"show\", \"glob:*.service\"], [\"int:1-9\", \"...\"]]\n\
         [[allow]]\nname = \"second\"\nprogram = \"/usr/bin/echo\"\narguments = []\n\
         [[allow]]\nname = \"third\"\nprogram = \"/usr/bin/echo\"\n\
         arguments = [\"below:/srv/x/\"]\n",
    );
    for (arguments, rule) in [
        (&["status"][..], "first"),
        (&["show", "a.service"], "first"),
        (&["7"], "first"),
        (&["7", "--anything", "/../"], "first"),
        (&[], "second"),
        (&["/srv/x/y"], "third"),
    ] {
        let words = [&["echo"], arguments].concat();
        let out = daemon.run(&words).succeeded();
        assert_eq!(out, format!("{}\n", arguments.join(" ")));
        let (field, argv) = (
            format!(" rule={rule} "),
            format!("argv={}", words.join(" ")),
        );
        daemon.log.wait_for("its line", |line| {
            line.contains(&field) && line.ends_with(&argv)
        });
    }
    for arguments in [
        &["Status"][..],
        &["status", ""],
        &["show", "-x.service"],
        &["show", "../a.service"],
        &["0"],
        &[""],
        &["/srv/x/../y"],
        &["/srv/x/"],
        &["--", "status"],
    ] {
        let words = [&["echo"], arguments].concat();
        let reply = daemon.run(&words);
        reply.refused(126, &["echo", THESE]);
        // Which rule it was is not for the client.
        assert!(!reply.err().contains("first"), "{}", reply.err());
    }
    // Of another program a rule says nothing, whatever its arguments are.
    let reply = daemon.run(&["uname", "status"]);
    reply.refused(
        126,
        &["uname", "no rule of the server allows it to this user"],
    );
    assert!(!reply.err().contains("arguments"), "{}", reply.err());
    daemon.log.wait_for("the refusal", |line| {
        line.contains(THESE) && line.contains("argv=echo Status")
    });
}

#[test]
fn arguments_are_bytes_and_their_number_and_size_do_no_harm() {
    let daemon = start(
        "[[allow]]\nprogram = \"/usr/bin/printf\"\narguments = [\"exact:%s\", \"glob:*a*a*a*b\"]\n",
    );
    let run = |arguments: &[&[u8]]| daemon.run(&[&[&b"printf"[..], b"%s"], arguments].concat());
    assert_eq!(run(&[b"a\xffaab"]).stdout, b"a\xffaab");
    run(&[&b"a".repeat(100_000)]).refused(126, &[THESE]);
    run(&[&[b"b".repeat(5000), b"aaab".to_vec()].concat()]).refused(126, &[THESE]);
    let many = vec![&b""[..]; 100_000];
    run(&many).refused(126, &[THESE]);
}

#[test]
fn a_command_of_sockproc_is_an_argument_of_the_shell() {
    let rules = "[[allow]]\nprogram = \"/bin/sh\"\narguments = [\"-c\", \"exact:echo hi\"]\n";
    let daemon = Setup::new().control().config(rules).sockproc().start();
    assert_eq!(sockproc::run(&daemon, "echo hi").succeeded(), "hi\n");
    for command in ["echo hi; id", "echo hi ", "id"] {
        sockproc::run(&daemon, command).refused(126, &["sh", THESE]);
    }
}

#[test]
fn a_change_of_the_arguments_decides_about_waiting_requests() {
    let rules = |argument: &str| {
        format!(
            "[[allow]]\nname = \"one\"\nprogram = \"/usr/bin/sh\"\nmax-jobs = 1\n\
             arguments = [\"-c\", \"*\"]\n[[allow]]\nname = \"two\"\nprogram = \"/usr/bin/echo\"\n\
             max-jobs = 1\narguments = [\"{argument}\"]\n"
        )
    };
    let daemon = start(&rules("a"));
    let client = held(&daemon);
    let waiting = daemon.begin(crate::common::shell("exit 3"));
    daemon.wait_jobs("waiting", 1);
    daemon.directory.file(
        "sockexec.toml",
        0o644,
        rules("b").replace("\"*\"]", "\"exit 4\"]"),
    );
    daemon.ask("reload", serde_json::json!({}));
    waiting.reply().refused(126, &["sh", THESE]);
    daemon.run(&["echo", "a"]).refused(126, &[THESE]);
    assert_eq!(daemon.run(&["echo", "b"]).succeeded(), "b\n");
    end(client);
}

#[test]
fn a_client_without_a_label_matches_no_rule_with_one() {
    // The kernel of a machine with a security module has a label for each client.
    let labelled = std::fs::read("/proc/self/attr/current").is_ok_and(|label| !label.is_empty());
    if labelled {
        crate::common::skip::say("this kernel may have labels");
        return;
    }
    let daemon = start(
        "[[allow]]\nlabel = \"*\"\n[[allow]]\nlabel = \"web_t\"\n[[allow]]\nprogram = \
         \"/usr/bin/true\"\n",
    );
    daemon.run(&["true"]).succeeded();
    daemon.run(&["echo"]).refused(126, &["rule"]);
    daemon.log.wait_for("its line", |line| {
        line.contains(" rule=3 ") && line.ends_with("argv=true")
    });
}
