//! Decisions, as tables.

use super::arguments::ArgumentList;
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

fn arguments(list: &[&str]) -> ArgumentList {
    let patterns = list.iter().map(|pattern| pattern.parse().unwrap());
    ArgumentList::new(patterns.collect()).unwrap()
}

/// A request without arguments, of a client without a label.
fn request<'a>(peer: Credentials<'a>, program: &'a str) -> Request<'a> {
    Request {
        peer,
        program: program.as_bytes(),
        ..Request::default()
    }
}

#[test]
fn without_a_rule_everybody_may_run_everything() {
    let rules = Rules::default();
    assert!(rules.allow_everything() && !rules.needs_groups());
    for peer in [None, Some((0, &[0][..])), Some((33, &[]))] {
        assert_eq!(rules.decide(&request(peer, "/bin/sh")), Ok(None));
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
        let decided = rules.decide(&request(peer, program));
        assert_eq!(decided.ok().flatten(), decision, "{peer:?} {program}");
        if decision.is_none() {
            assert!(rules.decide(&request(peer, program)).is_err());
        }
    }
}

#[test]
fn the_root_directory_is_a_directory_too() {
    let rules = Rules::new(vec![rule(&[], &[], &[below("/")])], None);
    assert_eq!(rules.decide(&request(None, "/x")), Ok(Some(0)));
    assert!(rules.decide(&request(None, "/")).is_err());
    assert!(!rules.needs_groups());
}

#[test]
fn a_star_is_every_program() {
    let rules = Rules::new(vec![rule(&[33], &[], &[Program::Any])], None);
    assert_eq!(
        rules.decide(&request(Some((33, &[])), "/any/thing")),
        Ok(Some(0))
    );
    assert!(
        rules
            .decide(&request(Some((34, &[])), "/any/thing"))
            .is_err()
    );
}

#[test]
fn a_default_decides_what_no_rule_matches() {
    use Unmatched::{Allow, Deny};
    let one = || vec![rule(&[33], &[], &[file("/usr/bin/id")])];
    let (matched, other) = (Some((33, &[][..])), Some((34, &[][..])));
    for (rules, default, decision, rest) in [
        (vec![], None, Ok(None), Ok(None)),
        (vec![], Some(Allow), Ok(None), Ok(None)),
        (vec![], Some(Deny), Err(NoRule::AtAll), Err(NoRule::AtAll)),
        (one(), None, Ok(Some(0)), Err(NoRule::AtAll)),
        (one(), Some(Allow), Ok(Some(0)), Ok(None)),
        (one(), Some(Deny), Ok(Some(0)), Err(NoRule::AtAll)),
    ] {
        let all = rules.is_empty() && default != Some(Deny);
        let rules = Rules::new(rules, default);
        assert_eq!(
            rules.decide(&request(matched, "/usr/bin/id")),
            decision,
            "{rules:?}"
        );
        assert_eq!(
            rules.decide(&request(other, "/usr/bin/id")),
            rest,
            "{rules:?}"
        );
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

#[test]
fn arguments_decide_between_rules_and_a_refusal_says_that_they_did() {
    let status = |lists: &[&[&str]]| Rule {
        arguments: lists.iter().map(|list| arguments(list)).collect(),
        ..rule(&[33], &[], &[file("/usr/bin/systemctl")])
    };
    let rules = Rules::new(
        vec![
            status(&[&["status"], &["show", "glob:*.service"]]),
            status(&[&[]]),
            rule(&[34], &[], &[]),
        ],
        None,
    );
    let (web, other) = (Some((33, &[][..])), Some((35, &[][..])));
    let other_arguments = Err(NoRule::WithTheseArguments(0));
    for (peer, program, list, decision) in [
        (web, "/usr/bin/systemctl", &["status"][..], Ok(Some(0))),
        (
            web,
            "/usr/bin/systemctl",
            &["show", "x.service"],
            Ok(Some(0)),
        ),
        (web, "/usr/bin/systemctl", &[], Ok(Some(1))),
        (
            web,
            "/usr/bin/systemctl",
            &["stop", "x.service"],
            other_arguments,
        ),
        (web, "/usr/bin/systemctl", &["status", "x"], other_arguments),
        (web, "/usr/bin/id", &["status"], Err(NoRule::AtAll)),
        (other, "/usr/bin/systemctl", &["stop"], Err(NoRule::AtAll)),
        (None, "/usr/bin/systemctl", &["status"], Err(NoRule::AtAll)),
        (
            Some((34, &[])),
            "/usr/bin/systemctl",
            &["stop"],
            Ok(Some(2)),
        ),
    ] {
        let list: Vec<_> = list.iter().map(|argument| argument.as_bytes()).collect();
        let request = Request {
            arguments: &list,
            ..request(peer, program)
        };
        assert_eq!(
            rules.decide(&request),
            decision,
            "{peer:?} {program} {list:?}"
        );
        // No more arguments are needed than it says.
        let request = Request {
            arguments: &list[..list.len().min(rules.arguments_needed())],
            ..request
        };
        assert_eq!(
            rules.decide(&request),
            decision,
            "{peer:?} {program} {list:?}"
        );
    }
    assert_eq!(rules.arguments_needed(), 3);
}

#[test]
fn a_few_arguments_of_many_are_enough() {
    let one = |list: &[&str]| Rule {
        arguments: vec![arguments(list)],
        ..Rule::default()
    };
    for (list, needed) in [
        (&[][..], 1),
        (&["..."], 1),
        (&["a", "..."], 2),
        (&["a", "b"], 3),
    ] {
        let rules = Rules::new(vec![one(list), Rule::default()], None);
        assert_eq!(rules.arguments_needed(), needed, "{list:?}");
    }
    assert_eq!(
        Rules::new(vec![Rule::default()], None).arguments_needed(),
        0
    );
}

#[test]
fn a_label_is_one_more_condition() {
    let rules = Rules::new(
        vec![Rule {
            labels: vec!["web_t".parse().unwrap(), "sys_*".parse().unwrap()],
            ..rule(&[33], &[], &[])
        }],
        None,
    );
    assert!(rules.needs_label() && !Rules::default().needs_label());
    for (label, uid, decision) in [
        (Some("web_t"), 33, Ok(Some(0))),
        (Some("sys_t"), 33, Ok(Some(0))),
        (Some("web_tt"), 33, Err(NoRule::AtAll)),
        (Some("web_t"), 34, Err(NoRule::AtAll)),
        (None, 33, Err(NoRule::AtAll)),
    ] {
        let request = Request {
            label: label.map(str::as_bytes),
            ..request(Some((uid, &[])), "/usr/bin/id")
        };
        assert_eq!(rules.decide(&request), decision, "{label:?} {uid}");
    }
}

#[test]
fn rules_with_other_arguments_or_labels_are_others() {
    let plain = rule(&[33], &[], &[]);
    let narrow = Rule {
        arguments: vec![arguments(&[])],
        ..plain.clone()
    };
    let labelled = Rule {
        labels: vec!["a".parse().unwrap()],
        ..plain.clone()
    };
    let named = Rule {
        name: Some("x".into()),
        ..plain.clone()
    };
    assert!(!plain.is_about_the_same(&narrow) && !plain.is_about_the_same(&labelled));
    assert!(plain.is_about_the_same(&named));
}
