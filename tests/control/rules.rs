//! `rules`: the rules in force, in order, and what runs under each.

use crate::common::{Setup, shell};
use crate::start;
use serde_json::json;

const RULES: &str = "nice = 3\n\n[[allow]]\nname = \"shells\"\nuser = [0, 33]\nprogram = \"/bin/sh\"\n\
    arguments = [\"-c\", \"...\"]\nmax-jobs = 1\ntimeout = 0\n\n[[allow]]\ngroup = 7\n\
    program = [\"/usr/lib/x/\", \"/bin/y\"]\nlabel = \"web*\"\nrun-prefix = [\"nice\"]\n";

#[test]
fn each_rule_has_its_conditions_its_limits_and_what_runs_under_it() {
    let rules = RULES.replace("[0, 33]", &format!("[{}, 33]", nix::unistd::geteuid()));
    let daemon = Setup::new().control().config(&rules).start();
    let mut running = daemon.begin(shell("echo up; exec cat"));
    assert_eq!(running.line(), "up");
    let mut waiting = daemon.begin(shell("exit 3"));
    daemon.wait_jobs("waiting", 1);
    let answer = daemon.ask("rules", json!({}));
    assert_eq!(answer["default"], "deny");
    assert_eq!(answer["summary"], "2 rules; any other request is refused");
    assert_eq!(answer["others"], json!(null));
    let first = &answer["rules"][0];
    assert_eq!(
        (&first["number"], &first["name"]),
        (&json!(1), &json!("shells"))
    );
    assert_eq!(
        (&first["running"], &first["waiting"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(first["programs"][0], "/bin/sh");
    assert_eq!(
        (&first["arguments"], &first["labels"]),
        (&json!(1), &json!([]))
    );
    assert_eq!(first["limits"]["max-jobs"], 1);
    assert_eq!(
        (&first["limits"]["timeout"], &first["limits"]["nice"]),
        (&json!(0), &json!(3))
    );
    let text = first["text"].as_str().unwrap();
    assert!(text.starts_with("rule 1 (shells): user "), "{text}");
    assert!(
        text.ends_with("; 1 list of arguments; max-jobs 1; timeout 0; nice 3"),
        "{text}"
    );
    let second = &answer["rules"][1];
    assert_eq!(
        (&second["number"], &second["name"]),
        (&json!(2), &json!(null))
    );
    assert_eq!(
        (&second["groups"], &second["users"]),
        (&json!([7]), &json!([]))
    );
    assert_eq!(second["programs"][0], "/usr/lib/x/");
    assert_eq!(
        (&second["labels"], &second["running"]),
        (&json!(["web*"]), &json!(0))
    );
    assert_eq!(second["limits"]["run-prefix"], json!(["nice"]));
    for client in [&mut running, &mut waiting] {
        client.send("0:,");
    }
    running.reply();
    waiting.reply();
    let answer = daemon.ask("rules", json!({}));
    assert_eq!(answer["rules"][0]["waiting"], 0);
}

#[test]
fn they_are_those_of_the_last_reload() {
    let daemon = Setup::new().control().config(RULES).start();
    daemon.directory.file(
        "sockexec.toml",
        0o644,
        "umask = \"0027\"\ndefault = \"allow\"\n",
    );
    daemon.ask("reload", json!({}));
    let answer = daemon.ask("rules", json!({}));
    assert_eq!(
        (&answer["rules"], &answer["default"]),
        (&json!([]), &json!("allow"))
    );
    assert_eq!(answer["others"], "every request: umask 0027");
}

#[test]
fn without_a_file_there_are_none() {
    let daemon = start(&[]);
    let answer = daemon.ask("rules", json!({}));
    let expected = json!({"summary": "no rules: any client that can connect may run anything",
        "default": "allow", "others": null, "rules": []});
    assert_eq!(answer, expected);
}
