//! Decisions, as tables.

use super::*;

fn file(path: &str) -> Program {
    Program::File(path.into())
}

fn below(path: &str) -> Program {
    Program::Below(path.into())
}

fn rule(users: &[u32], groups: &[u32], programs: &[Program]) -> Rule {
    Rule {
        users: users.to_vec(),
        groups: groups.to_vec(),
        programs: programs.to_vec(),
        ..Rule::default()
    }
}

#[test]
fn without_a_rule_everybody_may_run_everything() {
    let rules = Rules::default();
    assert!(rules.is_empty() && !rules.needs_groups());
    for who in [None, Some((0, &[0][..])), Some((33, &[]))] {
        assert_eq!(rules.decide(who, b"/bin/sh"), Ok(None));
    }
}

#[test]
fn the_first_rule_that_matches_decides() {
    let rules = Rules::new(vec![
        rule(&[33], &[], &[file("/usr/bin/id"), file("/usr/bin/uname")]),
        rule(&[], &[50, 51], &[below("/opt/jobs/")]),
        rule(&[7, 33], &[60], &[below("/usr/bin/")]),
        rule(&[], &[], &[file("/usr/bin/true")]),
        rule(&[0], &[], &[]),
    ]);
    assert!(rules.needs_groups());
    for (who, program, decision) in [
        (Some((33, &[33][..])), "/usr/bin/id", Some(0)),
        (Some((33, &[33])), "/usr/bin/uname", Some(0)),
        (Some((33, &[33])), "/usr/bin/env", Some(2)),
        (Some((7, &[])), "/usr/bin/id", Some(2)),
        (Some((7, &[])), "/usr/bin", None),
        (Some((7, &[])), "/usr/bin/", None),
        (Some((7, &[])), "/usr/bin2/id", None),
        (Some((7, &[])), "/usr/bin/sub/x", Some(2)),
        (Some((8, &[60])), "/usr/bin/id", Some(2)),
        (Some((8, &[5, 51])), "/opt/jobs/a/b", Some(1)),
        (Some((8, &[5, 51])), "/opt/jobsa", None),
        (Some((50, &[5])), "/opt/jobs/a", None),
        (Some((8, &[5])), "/usr/bin/true", Some(3)),
        (Some((8, &[5])), "/usr/bin/truer", None),
        (Some((8, &[5])), "/bin/true", None),
        (None, "/usr/bin/true", Some(3)),
        (None, "/usr/bin/id", None),
        (None, "/opt/jobs/a", None),
        (Some((0, &[0])), "/any/thing", Some(4)),
        (Some((0, &[0])), "/usr/bin/true", Some(3)),
    ] {
        let decided = rules.decide(who, program.as_bytes());
        assert_eq!(decided.ok().flatten(), decision, "{who:?} {program}");
        if decision.is_none() {
            assert!(rules.decide(who, program.as_bytes()).is_err());
        }
    }
}

#[test]
fn the_root_directory_is_a_directory_too() {
    let rules = Rules::new(vec![rule(&[], &[], &[below("/")])]);
    assert_eq!(rules.decide(None, b"/x"), Ok(Some(0)));
    assert!(rules.decide(None, b"/").is_err());
    assert!(!rules.needs_groups());
}
