//! The keys of the execution of programs: above all rules, in a rule, and both together.

use super::super::*;
use super::{one_rule, parse, rules};
use crate::execution::{Execution, Resource, RunAs};
use crate::os::accounts;

/// Keys that only a contained program may have.
const CONTAINED: &str = "contain = true\ndetach = true\nmemory-max = \"200M\"\ntasks-max = 50\n\
                         cpu-weight = 10000\n";

const OTHERS: &str = "no-new-privileges = false\nnice = 19\numask = \"0027\"\n\
                      directory = \"/srv/x\"\nstdin = false\n\
                      environment = { LANG = \"C\", A = \"\" }\n\
                      limits = { cpu = 10, memory = 4096, file-size = \"1G\", processes = 50, \
                      open-files = 256, core = 0 }\n";

/// The values of those texts.
fn expected() -> Execution {
    let mut execution = Execution {
        no_new_privileges: Some(false),
        contain: Some(true),
        detach: Some(true),
        memory_max: Some(200 << 20),
        tasks_max: Some(50),
        cpu_weight: Some(10_000),
        nice: Some(19),
        umask: Some(0o27),
        directory: Some(b"/srv/x".to_vec()),
        environment: vec![("LANG".into(), "C".into()), ("A".into(), String::new())],
        stdin: Some(false),
        ..Execution::default()
    };
    for (resource, limit) in [
        (Resource::Cpu, 10),
        (Resource::Memory, 4096),
        (Resource::FileSize, 1 << 30),
        (Resource::Processes, 50),
        (Resource::OpenFiles, 256),
        (Resource::Core, 0),
    ] {
        execution.limits.set(resource, limit);
    }
    execution
}

#[track_caller]
fn refused(text: &str, error: &str) {
    let refusal = rules(text).map(|_| text).unwrap_err();
    assert!(refusal.starts_with(error), "{text}: {refusal}");
    assert!(!refusal.contains('\n'), "{refusal}");
}

#[test]
fn every_key_is_read_above_all_rules_and_in_a_rule() {
    let text = format!("{CONTAINED}{OTHERS}");
    let general = rules(&text).unwrap();
    assert_eq!(**general.general(), expected());
    assert_eq!(
        *one_rule(&format!("user = 5\n{text}")).execution,
        expected()
    );
    // Every key is in the texts, except the user, which is looked up.
    let words = EXECUTION_KEYS.iter().map(|key| format!("{} = ", key.name));
    let absent: Vec<_> = words.filter(|word| !text.contains(&word[..])).collect();
    assert_eq!(absent, ["run-as = "]);
}

#[test]
fn every_key_that_differs_is_reported_by_its_name() {
    let general = rules(&format!("run-as = \"peer\"\n{CONTAINED}{OTHERS}")).unwrap();
    let default = Execution::default();
    let changed = execution::changed(general.general(), &default);
    assert!(changed.eq(EXECUTION_KEYS.iter().map(|key| key.name)));
    let changed = execution::changed(general.general(), general.general());
    assert_eq!(changed.count(), 0);
}

#[test]
fn a_rule_has_its_own_values_and_the_general_ones_for_the_rest() {
    let text = format!(
        "{CONTAINED}{OTHERS}[[allow]]\nuser = 5\nnice = 3\nlimits = {{ cpu = 7 }}\n\
         [[allow]]\nuser = 6\n[allow.environment]\nLANG = \"de\"\nB = \"b\"\n"
    );
    let rules = rules(&text).unwrap();
    let first = &rules.get(0).unwrap().execution;
    let mut wanted = expected();
    wanted.nice = Some(3);
    wanted.limits.set(Resource::Cpu, 7);
    assert_eq!(**first, wanted);
    let second = &rules.get(1).unwrap().execution;
    let variables = [("LANG", "de"), ("B", "b"), ("A", "")];
    let variables = variables.map(|(name, value)| (name.into(), value.into()));
    assert_eq!(second.environment, variables);
    assert_eq!(**rules.general(), expected());
}

#[test]
fn a_rule_without_a_cgroup_does_not_inherit_what_needs_one() {
    let text = format!("{CONTAINED}nice = 3\n[[allow]]\nuser = 5\ncontain = false\n");
    let execution = rules(&text).unwrap().get(0).unwrap().execution.clone();
    let wanted = Execution {
        contain: Some(false),
        nice: Some(3),
        ..Execution::default()
    };
    assert_eq!(*execution, wanted);
}

#[test]
fn a_user_is_looked_up_by_name_and_by_number() {
    let nobody = accounts::account("nobody").unwrap().unwrap();
    let run_as = |value: &str| {
        let execution = one_rule(&format!("user = 5\nrun-as = {value}")).execution;
        execution.run_as.clone()
    };
    for value in [
        "\"nobody\"".to_owned(),
        nobody.uid.to_string(),
        format!("\"{}\"", nobody.uid),
    ] {
        assert_eq!(run_as(&value), Some(RunAs::User(nobody.clone().into())));
    }
    assert_eq!(run_as("\"peer\""), Some(RunAs::Peer));
    let general = rules("run-as = \"nobody\"\n")
        .unwrap()
        .general()
        .run_as
        .clone();
    assert_eq!(general, Some(RunAs::User(nobody.into())));
}

#[test]
fn only_a_rule_may_name_root() {
    for value in ["\"root\"", "0", "\"0\""] {
        let rule = one_rule(&format!("user = 5\nrun-as = {value}"));
        let Some(RunAs::User(account)) = &rule.execution.run_as else {
            panic!("{rule:?}")
        };
        assert_eq!(account.uid, 0);
        let text = format!("queue = 5\nrun-as = {value}");
        refused(&text, "f:2: run-as: only a rule may name root, so that");
    }
}

#[test]
fn a_value_that_is_not_accepted_is_refused_with_the_line_and_what_is() {
    for (text, error) in [
        (
            "run-as = \"no such user\"",
            "run-as: there is no user \"no such user\"",
        ),
        ("run-as = \"\"", "run-as: there is no user \"\""),
        (
            "run-as = 4294967294",
            "run-as: there is no user \"4294967294\"",
        ),
        (
            "run-as = 4294967296",
            "run-as: there is no user \"4294967296\"",
        ),
        (
            "run-as = -1",
            "run-as: not the name or the number of a user, or \"peer\"",
        ),
        (
            "run-as = [\"nobody\"]",
            "run-as: not the name or the number",
        ),
        (
            "contain = \"true\"",
            "contain: not true or false, without quotes",
        ),
        ("contain = 1", "contain: not true or false"),
        (
            "memory-max = 0",
            "memory-max: not a number from 16777216 to 9007199254740992, or a string such as \"200M\"",
        ),
        (
            "memory-max = \"9000000000G\"",
            "memory-max: not a number from",
        ),
        (
            "memory-max = \"99999999999999999999\"",
            "memory-max: not a number from",
        ),
        ("memory-max = \"200MB\"", "memory-max: not a number from"),
        ("memory-max = \"M\"", "memory-max: not a number from"),
        ("memory-max = \"\"", "memory-max: not a number from"),
        ("memory-max = \"\u{b5}\"", "memory-max: not a number from"),
        ("memory-max = 200M", "memory-max: not a number from"),
        ("tasks-max = 0", "tasks-max: not a number from 1 to 4194304"),
        // The kernel would kill the server with a child at its limit.
        (
            "memory-max = \"15M\"",
            "memory-max: not a number from 16777216 to",
        ),
        (
            "cpu-weight = 10001",
            "cpu-weight: not a number from 1 to 10000",
        ),
        ("nice = 20", "nice: not a number from 0 to 19"),
        (
            "nice = -1",
            "nice: not a number from 0 to 19; less would need CAP_SYS_NICE",
        ),
        (
            "umask = 22",
            "umask: not an octal mode from 0 to 0777; write it in quotes: \"0022\"",
        ),
        ("umask = \"1000\"", "umask: not a string with an octal mode"),
        (
            "directory = \"srv\"",
            "directory: not a string with an absolute path",
        ),
        (
            "directory = \"/\\u0000\"",
            "directory: not a string with an absolute path",
        ),
        (
            "directory = 5",
            "directory: not a string with an absolute path",
        ),
        ("stdin = \"no\"", "stdin: not true or false"),
        ("stdin = no", "stdin: "),
        ("limits = 5", "limits: not a table, such as { cpu = 10"),
        ("limits = { cpu = 0 }", "limits.cpu: not a number from 1 to"),
        (
            "limits = { open-files = 3 }",
            "limits.open-files: not a number from 4 to",
        ),
        (
            "limits = { core = \"1T\" }",
            "limits.core: not a number from 0 to",
        ),
        (
            "limits = { cpu = \"5\" }",
            "limits.cpu: not a number from 1 to 315360000, without quotes",
        ),
        (
            "limits = { file_size = 5 }",
            "file_size: not a key; did you mean file-size?",
        ),
        (
            "limits = { stack = 5 }",
            "stack: not a key; the keys are cpu, memory, file-size,",
        ),
        (
            "environment = [\"A=b\"]",
            "environment: not a table of strings",
        ),
        ("environment = { A = 5 }", "environment: A: not a string"),
        (
            "environment = { \"A=B\" = \"\" }",
            "environment: A=B: not the name of a variable",
        ),
        (
            "environment = { \"\" = \"\" }",
            "environment: a variable without a name",
        ),
        (
            "environment = { A = \"\\u0000\" }",
            "environment: A: not a string",
        ),
        (
            "environment = { SOCKEXEC_JOB = \"5\" }",
            "environment: SOCKEXEC_JOB: the server sets",
        ),
        (
            "environment = { IPCREMOTEEUID = \"0\" }",
            "environment: IPCREMOTEEUID: the server sets",
        ),
        (
            "environment = { LISTEN_FDS = \"1\" }",
            "environment: LISTEN_FDS: the server sets or removes",
        ),
        (
            "detach = true",
            "detach: has no effect without contain = true",
        ),
        (
            "contain = false\ndetach = true",
            "detach: has no effect without",
        ),
        ("memory-max = \"16M\"", "memory-max: has no effect without"),
        ("tasks-max = 5", "tasks-max: has no effect without"),
        (
            "cpu-weight = 5\nnice = 1",
            "cpu-weight: has no effect without",
        ),
    ] {
        let line = 1 + usize::from(text.starts_with("contain = false"));
        refused(text, &format!("f:{line}: {error}"));
        let in_rule = format!("[[allow]]\nuser = 5\n{text}");
        refused(&in_rule, &format!("f:{}: {error}", line + 2));
    }
    let long = format!("environment = {{ A = \"{}\" }}", "x".repeat(131_070));
    refused(&long, "f:1: environment: A: longer than 131071 bytes");
    rules(&long.replacen('x', "", 1)).unwrap();
    // The same where the general value is what lacks.
    refused(
        "contain = true\n[[allow]]\nuser = 5\ncontain = false\ntasks-max = 5",
        "f:5: tasks-max: has no",
    );
    rules("contain = true\n[[allow]]\nuser = 5\ntasks-max = 5").unwrap();
    rules("detach = false").unwrap();
}

#[test]
fn a_key_at_the_wrong_place_is_refused_with_the_right_one() {
    for (text, error) in [
        (
            "[[allow]]\nuser = 5\n[limits]\ncpu = 5",
            "f:3: limits: is about all programs, and belongs above the first [[allow]]; a table of a rule \
             is [allow.limits]",
        ),
        (
            "[limits]\ncpu = 5\nqueue = 5",
            "f:3: queue: not one of the limits; it belongs above the header of that table",
        ),
        (
            "max-jobs = 5",
            "f:1: max-jobs: a key of a rule; it belongs below an [[allow]]",
        ),
        (
            "run_as = \"peer\"",
            "f:1: run_as: not a key; did you mean run-as?",
        ),
    ] {
        refused(text, error);
    }
}

#[test]
fn bytes_of_a_setting_may_have_a_unit_too() {
    for (text, bytes) in [
        ("\"64M\"", 64 << 20),
        ("\"5K\"", 5 << 10),
        ("\"2G\"", 2 << 30),
        ("\"4096\"", 4096),
        ("4096", 4096),
    ] {
        let content = parse("f", format!("requests-memory = {text}").as_bytes()).unwrap();
        let [(_, value)] = content.values[..] else {
            panic!("{text}")
        };
        assert_eq!(value, Value::Number(bytes), "{text}");
    }
}
