//! Files as tables: accepted ones, and refused ones with the line.

mod conditions;
mod execution;

use std::time::Duration;

use super::*;
use crate::rules::{Program, Rule, Unmatched};

fn parse(name: &str, bytes: &[u8]) -> Result<FileContent, String> {
    super::parse(name, bytes, &Execution::default())
}

fn rules(text: &str) -> Result<Rules, String> {
    Ok(parse("f", text.as_bytes())?.rules)
}

fn one_rule(text: &str) -> Rule {
    let rules = rules(&format!("[[allow]]\n{text}")).unwrap();
    assert_eq!(rules.iter().count(), 1);
    rules.get(0).unwrap().clone()
}

#[test]
fn what_a_file_may_not_say_is_refused_with_the_line_and_what_is_accepted() {
    for (text, error) in [
        ("queue = 0", "f:1: queue: not a number from 1 to 65535"),
        (
            "\n\nqueue = 1.5",
            "f:3: queue: not a number from 1 to 65535",
        ),
        ("queue = \"5\"", "f:1: queue: not a number from 1 to 65535"),
        ("queue = -5", "f:1: queue: not a number from 1 to 65535"),
        (
            "timeout = nan",
            "f:1: timeout: not a number of seconds from 0 to 315360000",
        ),
        (
            "linger = 60.5",
            "f:1: linger: not a number of seconds from 0 to 60",
        ),
        (
            "output-max = 9007199254740993",
            "f:1: output-max: not a number from 0 to 9007199254740992",
        ),
        (
            "mode = 660",
            "f:1: mode: not an octal mode from 0 to 0777; write it in quotes: \"0660\"",
        ),
        (
            "mode = 0o640",
            "f:1: mode: not an octal mode from 0 to 0777; write it in quotes: \"0640\"",
        ),
        (
            "mode = 0660 # as it was",
            "f:1: mode: not a string with an octal mode from 0 to 0777, such as \"0660\"; write it \
             in quotes: \"0660\"",
        ),
        (
            "umask = 0027",
            "f:1: umask: not a string with an octal mode from 0 to 0777, such as \"0660\"; write it \
             in quotes: \"0027\"",
        ),
        (
            "mode = 1777",
            "f:1: mode: not a string with an octal mode from 0 to 0777, such as \"0660\"",
        ),
        (
            "timeout = \"5 minutes\"",
            "f:1: timeout: not a number of seconds from 0 to 315360000, or a string such as \"90s\", \
             \"5m\" or \"1h30m\"",
        ),
        (
            "linger = \"2m\"",
            "f:1: linger: not a number of seconds from 0 to 60, or a string",
        ),
        (
            "[[allow]]\ntimeout = 5m",
            "f:2: timeout: not a number of seconds from 0 to 315360000, or a string such as \"90s\", \
             \"5m\" or \"1h30m\"; write it in quotes: \"5m\"",
        ),
        (
            "log-level = \"loud\"",
            "f:1: log-level: not one of \"error\", \"warn\", \"info\", \"debug\"",
        ),
        (
            "# x\nspeed = 1",
            "f:2: speed: not a key; the keys are max-connections, ",
        ),
        ("Queue = 5", "f:1: Queue: not a key; "),
        ("[queue]\nx = 1", "f:1: queue: not a number"),
        ("queue = 5\nqueue = 6", "f:2: queue: duplicate key"),
        ("queue = 5\nmode 6", "f:2: "),
        ("queue = 0\nspeed = 1", "f:1: queue"),
        ("speed = 1\nqueue = 0", "f:1: speed"),
        (
            "allow = 5",
            "f:1: allow: not a list of tables, each under its own [[allow]]",
        ),
        ("allow = []", "f:1: allow: not a list of tables"),
        ("allow = [5]", "f:1: allow: not a list of tables"),
        ("[allow]\nuser = 5", "f:1: allow: not a list of tables"),
        (
            "[[allow]]\nuser = -1",
            "f:2: user: not a name or a number from 0 to 4294967294, or a list of them",
        ),
        ("[[allow]]\nuser = 4294967295", "f:2: user: not a name or"),
        (
            "[[allow]]\nuser = \"4294967295\"",
            "f:2: user: not a name or",
        ),
        ("[[allow]]\nuser = []", "f:2: user: not a name or"),
        ("[[allow]]\nuser = [0,\n1.5]", "f:3: user: not a name or"),
        (
            "[[allow]]\nuser = \"no such user\"",
            "f:2: user: there is no user \"no such user\"",
        ),
        ("[[allow]]\nuser = \"\"", "f:2: user: there is no user \"\""),
        (
            "[[allow]]\ngroup = [\"root\", \"no such\"]",
            "f:2: group: there is no group \"no such\"",
        ),
        (
            "[[allow]]\nprogram = \"id\"",
            "f:2: program: not an absolute path without \"..\", with a slash at the end for a \
             directory, \"*\" for all, or a list of them",
        ),
        (
            "[[allow]]\nprogram = \"\"",
            "f:2: program: not an absolute path",
        ),
        (
            "[[allow]]\nprogram = 5",
            "f:2: program: not an absolute path",
        ),
        (
            "[[allow]]\nprogram = []",
            "f:2: program: not an absolute path",
        ),
        (
            "[[allow]]\nprogram = \"/a/../b\"",
            "f:2: program: not an absolute path",
        ),
        (
            "[[allow]]\nprogram = \"/a\\u0000\"",
            "f:2: program: not an absolute path",
        ),
        (
            "[[allow]]\nuser = 5\n[[allow]]\nmax-jobs = 0",
            "f:4: max-jobs: not a number from 1 to 1000000",
        ),
        (
            "[[allow]]\ntimeout = -1",
            "f:2: timeout: not a number of seconds from 0 to 315360000",
        ),
        (
            "[[allow]]\nrun-prefix = \"nice\"",
            "f:2: run-prefix: not a list of strings with a program in front",
        ),
        ("[[allow]]\nrun-prefix = []", "f:2: run-prefix: not a list"),
        (
            "[[allow]]\nrun-prefix = [\"\"]",
            "f:2: run-prefix: not a list",
        ),
        (
            "[[allow]]\nrun-prefix = [\"nice\", 5]",
            "f:2: run-prefix: not a list",
        ),
        (
            "[[allow]]\nrun-prefix = [\"a\", \"\\u0000\"]",
            "f:2: run-prefix: not a list",
        ),
        (
            "[[allow]]\nrun-prefix = [\"env\"]",
            "f:2: run-prefix: must end in \"--\", or the program in front could take options",
        ),
        (
            "[[allow]]\nrun-prefix = [\"runuser\", \"-u\", \"nobody\"]",
            "f:2: run-prefix: must end in \"--\"",
        ),
        (
            "[[allow]]\nrun-prefix = [\"timeout\", \"60\", \"--\"]",
            "f:2: run-prefix: timeout would take the \"--\" at the end for its command",
        ),
        (
            "[[allow]]\nspeed = 5",
            "f:2: speed: not a key; the keys are name, user, group, label, program, arguments, \
             max-jobs, timeout, run-prefix, run-as, no-new-privileges",
        ),
        // After a rule everything belongs to the rule.
        (
            "[[allow]]\nuser = 5\nqueue = 6",
            "f:3: queue: not a key of a rule; it belongs above the first [[allow]]",
        ),
        (
            "[[allow]]\nuser = 5\ndefault = \"deny\"",
            "f:3: default: not a key of a rule; it belongs above the first [[allow]]",
        ),
        (
            "default = \"all\"",
            "f:1: default: not one of \"allow\", \"deny\"",
        ),
        ("default = true", "f:1: default: not one of"),
        ("default = 1\nspeed = 1", "f:1: default"),
        // Cut off.
        (
            "queue = 5\n[[allow]]",
            "f:2: [[allow]]: names no user, no group and no program; to allow everything, set \
             program = \"*\"",
        ),
        (
            "[[allow]]\nuser = 5\n\n[[allow]]\n",
            "f:4: [[allow]]: names no",
        ),
        (
            "[[allow]]\nmax-jobs = 5\ntimeout = 5",
            "f:1: [[allow]]: names no",
        ),
        ("allow = [{}]", "f:1: [[allow]]: names no"),
        (
            "[[allow]]\nprogram = \"/usr/bin/*\"",
            "f:2: program: not an absolute path",
        ),
    ] {
        let refusal = parse("f", text.as_bytes()).map(|_| text).unwrap_err();
        assert!(refusal.starts_with(error), "{text}: {refusal}");
        assert!(!refusal.contains('\n'), "{refusal}");
    }
    let refusal = parse("f", b"queue = 5\n# \xff").unwrap_err();
    assert_eq!(refusal, "f:2: not UTF-8");
}

#[test]
fn rules_are_read() {
    assert_eq!(rules("# nothing").unwrap(), Rules::default());
    for (text, default) in [("allow", Unmatched::Allow), ("deny", Unmatched::Deny)] {
        let rules = rules(&format!("default = \"{text}\"\n[[allow]]\nuser = 5")).unwrap();
        assert_eq!(rules.default_given(), Some(default));
    }
    for text in ["\"*\"", "[\"*\"]"] {
        let rule = one_rule(&format!("program = {text}"));
        assert_eq!(rule.programs, [Program::Any]);
    }
    let rule = one_rule(
        "user = [\"root\", 33, \"44\"]\ngroup = \"root\"\nprogram = [\"/no/x\", \"/no//dir/\"]\n\
         max-jobs = 3\ntimeout = 0\nrun-prefix = [\"nice\", \"-n\", \"\", \"--\"]",
    );
    assert_eq!(
        rule,
        Rule {
            users: vec![0, 33, 44],
            groups: vec![0],
            programs: vec![
                Program::File(b"/no/x".into()),
                Program::Below(b"/no/dir/".into())
            ],
            max_jobs: Some(3),
            timeout: Some(None),
            run_prefix: vec![b"nice".into(), b"-n".into(), b"".into(), b"--".into()],
            ..Rule::default()
        }
    );
    assert_eq!(
        one_rule("user = 5\ntimeout = 1.5").timeout,
        Some(Some(Duration::from_millis(1500)))
    );
    let programs = one_rule("program = \"/\"").programs;
    assert_eq!(programs, [Program::Below(b"/".into())]);
}

#[test]
fn a_program_counts_under_the_real_name_of_its_directory_too() {
    // A directory that leads elsewhere everywhere.
    let real = std::fs::canonicalize("/proc/self/cwd").unwrap();
    let real = real.as_os_str().as_encoded_bytes();
    let file = Program::File([real, b"/x"].concat());
    let below = Program::Below([real, b"/"].concat());
    let rule = one_rule("program = [\"/proc/self/cwd/x\", \"/proc/self/cwd/\"]");
    assert_eq!(
        rule.programs,
        [
            Program::File(b"/proc/self/cwd/x".into()),
            file,
            Program::Below(b"/proc/self/cwd/".into()),
            below
        ]
    );
}

#[test]
fn what_a_slip_makes_is_told_so_that_it_can_be_mended() {
    for (text, error) in [
        (
            "max_connections = 5",
            "f:1: max_connections: not a key; did you mean max-connections?",
        ),
        ("quue = 5", "f:1: quue: not a key; did you mean queue?"),
        (
            "[[Allow]]\nuser = 5",
            "f:1: Allow: not a key; did you mean [[allow]]?",
        ),
        (
            "[[allow]]\nprograms = 5",
            "f:2: programs: not a key; did you mean program?",
        ),
        (
            "[server]",
            "f:1: server: not a key; the keys are max-connections, ",
        ),
        (
            "queue = \"5\"",
            "f:1: queue: not a number from 1 to 65535, without quotes",
        ),
        (
            "[[allow]]\nmax-jobs = \"2\"",
            "f:2: max-jobs: not a number from 1 to 1000000, without quotes",
        ),
        (
            "timeout = 5s",
            "f:1: timeout: not a number of seconds from 0 to",
        ),
        (
            "log-level = debug",
            "f:1: log-level: string values must be quoted; expected one of \"error\", \"warn\"",
        ),
        ("mode = 0660", "f:1: mode: not a string with an octal mode"),
        (
            "default = deny",
            "f:1: default: string values must be quoted; expected one of",
        ),
        (
            "[[allow]]\nuser = \"root\"\nuser = 33",
            "f:3: user: duplicate key",
        ),
        (
            "[[allow]]\nprogram = [\"/a\" \"/b\"]",
            "f:2: program: missing comma between array elements; expected an absolute path",
        ),
        (
            "[[allow]]\nuser = \"*\"",
            "f:2: user: there is no \"*\"; a rule without user and group matches every client",
        ),
        (
            "[[allow]]\nprogram = \"/usr/bin\"",
            "f:2: program: /usr/bin is a directory; write \"/usr/bin/\"",
        ),
        (
            "[[allow]]\nrun-prefix = [\"nice -n 10\"]",
            "f:2: run-prefix: each word is a string of its own, such as [\"nice\", \"-n\", \"10\"]",
        ),
        ("timeout 5", "f:1: key with no value, expected `=`"),
    ] {
        let refusal = parse("f", text.as_bytes()).map(|_| text).unwrap_err();
        assert!(refusal.starts_with(error), "{text}: {refusal}");
        assert!(!refusal.contains('\n'), "{refusal}");
    }
}
