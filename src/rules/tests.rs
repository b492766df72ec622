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
    assert!(rules.allow_everything() && !rules.needs_groups());
    for peer in [None, Some((0, &[0][..])), Some((33, &[]))] {
        assert_eq!(rules.decide(peer, b"/bin/sh"), Ok(None));
    }
}

#[test]
fn the_first_rule_that_matches_decides() {
    let rules = Rules::new(
        vec![
            rule(&[33], &[], &[file("/usr/bin/id"), file("/usr/bin/uname")]),
            rule(&[], &[50, 51], &[below("/opt/jobs/")]),
            rule(&[7, 33], &[60], &[below("/usr/bin/")]),
            rule(&[], &[], &[file("/usr/bin/true")]),
            rule(&[0], &[], &[]),
        ],
        None,
    );
    assert!(rules.needs_groups());
    for (peer, program, decision) in [
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
        let decided = rules.decide(peer, program.as_bytes());
        assert_eq!(decided.ok().flatten(), decision, "{peer:?} {program}");
        if decision.is_none() {
            assert!(rules.decide(peer, program.as_bytes()).is_err());
        }
    }
}

#[test]
fn the_root_directory_is_a_directory_too() {
    let rules = Rules::new(vec![rule(&[], &[], &[below("/")])], None);
    assert_eq!(rules.decide(None, b"/x"), Ok(Some(0)));
    assert!(rules.decide(None, b"/").is_err());
    assert!(!rules.needs_groups());
}

#[test]
fn a_star_is_every_program() {
    let rules = Rules::new(vec![rule(&[33], &[], &[Program::Any])], None);
    assert_eq!(rules.decide(Some((33, &[])), b"/any/thing"), Ok(Some(0)));
    assert!(rules.decide(Some((34, &[])), b"/any/thing").is_err());
}

#[test]
fn a_default_decides_what_no_rule_matches() {
    use Unmatched::{Allow, Deny};
    let one = || vec![rule(&[33], &[], &[file("/usr/bin/id")])];
    let (matched, other) = (Some((33, &[][..])), Some((34, &[][..])));
    for (rules, default, decision, rest) in [
        (vec![], None, Ok(None), Ok(None)),
        (vec![], Some(Allow), Ok(None), Ok(None)),
        (vec![], Some(Deny), Err(NoRule), Err(NoRule)),
        (one(), None, Ok(Some(0)), Err(NoRule)),
        (one(), Some(Allow), Ok(Some(0)), Ok(None)),
        (one(), Some(Deny), Ok(Some(0)), Err(NoRule)),
    ] {
        let all = rules.is_empty() && default != Some(Deny);
        let rules = Rules::new(rules, default);
        assert_eq!(rules.decide(matched, b"/usr/bin/id"), decision, "{rules:?}");
        assert_eq!(rules.decide(other, b"/usr/bin/id"), rest, "{rules:?}");
        assert_eq!(rules.allow_everything(), all, "{rules:?}");
    }
}

#[test]
fn rules_do_not_go_without_a_word() {
    use Unmatched::{Allow, Deny};
    let one = || vec![rule(&[], &[], &[Program::Any])];
    let new = |rules, default| Rules::new(rules, default);
    for (before, after, lifted) in [
        (new(one(), None), new(vec![], None), true),
        (new(vec![], Some(Deny)), new(vec![], None), true),
        (new(one(), Some(Allow)), new(vec![], None), true),
        (new(one(), None), new(vec![], Some(Allow)), false),
        (new(one(), None), new(vec![], Some(Deny)), false),
        (new(vec![], Some(Allow)), new(vec![], None), false),
        (new(vec![], None), new(vec![], None), false),
        (new(vec![], None), new(one(), None), false),
    ] {
        assert_eq!(after.lift_silently(&before), lifted, "{before:?} {after:?}");
    }
}
