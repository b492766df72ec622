//! Names of rules, and their conditions besides users, groups and programs.

use super::{one_rule, rules};
use crate::rules::arguments::ArgumentList;
use crate::rules::label::Label;

#[test]
fn names_labels_and_arguments_are_read() {
    let rule = one_rule(
        "name = \"reports-2\"\nlabel = [\"system_u:*\", \"unconfined\"]\nprogram = \"/no/x\"\n\
         arguments = [[\"list\"], [\"get\", \"int:1-64\", \"...\"]]",
    );
    assert_eq!(rule.name.as_deref(), Some("reports-2"));
    let labels = [
        Label::Prefix(b"system_u:".into()),
        Label::Exact(b"unconfined".into()),
    ];
    assert_eq!(rule.labels, labels);
    let list = |all: &[&str]| {
        let patterns = all.iter().map(|text| text.parse().unwrap());
        ArgumentList::new(patterns.collect()).unwrap()
    };
    let (first, second) = (list(&["list"]), list(&["get", "int:1-64", "..."]));
    assert_eq!(rule.arguments, [first.clone(), second]);
    for (text, lists) in [
        ("[\"list\"]", vec![first]),
        ("[]", vec![list(&[])]),
        ("[[]]", vec![list(&[])]),
        ("[[], []]", vec![list(&[]), list(&[])]),
    ] {
        let rule = one_rule(&format!("program = \"*\"\narguments = {text}"));
        assert_eq!(rule.arguments, lists, "{text}");
    }
    let labelled = one_rule("label = \"*\"");
    assert_eq!(labelled.labels, [Label::Prefix(Vec::new())]);
    let long = "x".repeat(64);
    assert_eq!(
        one_rule(&format!("name = \"{long}\"\nuser = 5")).name,
        Some(long)
    );
}

#[test]
fn names_labels_and_arguments_that_are_not_accepted_are_refused() {
    let long = format!("name = \"{}\"", "x".repeat(65));
    for (text, error) in [
        (
            &long[..],
            "f:2: name: not a string of 1 to 64 printable ASCII characters",
        ),
        ("name = \"\"", "f:2: name: not a string of 1 to 64"),
        ("name = \"a b\"", "f:2: name: not a string of 1 to 64"),
        ("name = \"a=b\"", "f:2: name: not a string of 1 to 64"),
        ("name = 'a\"b'", "f:2: name: not a string of 1 to 64"),
        ("name = \"a\\u0007\"", "f:2: name: not a string of 1 to 64"),
        ("name = \"\\u00fc\"", "f:2: name: not a string of 1 to 64"),
        // The number of a rule without a name.
        ("name = \"2\"", "f:2: name: not a string of 1 to 64"),
        ("name = [\"a\"]", "f:2: name: not a string of 1 to 64"),
        (
            "label = \"\"",
            "f:2: label: not a security label, or the beginning",
        ),
        (
            "label = \"a*b\"",
            "f:2: label: not a security label, or the beginning",
        ),
        (
            "label = []",
            "f:2: label: not a security label, with or without",
        ),
        (
            "label = 5",
            "f:2: label: not a security label, with or without",
        ),
        (
            "arguments = \"list\"",
            "f:2: arguments: not a list of strings, such as",
        ),
        (
            "arguments = 5",
            "f:2: arguments: not a list of strings, such as",
        ),
        (
            "arguments = [5]",
            "f:2: arguments: not a list of strings, such as",
        ),
        (
            "arguments = [\"a\", []]",
            "f:2: arguments: not a list of strings, such as",
        ),
        (
            "arguments = [[], \"a\"]",
            "f:2: arguments: not a list of strings, such as",
        ),
        (
            "arguments = [\n\"a\",\n\"*.x\"]",
            "f:4: arguments: \"*.x\" could be a word or a glob",
        ),
        (
            "arguments = [\"int:x\"]",
            "f:2: arguments: \"int:x\" is not",
        ),
        (
            "arguments = [\"...\", \"a\"]",
            "f:2: arguments: \"...\" stands for the rest, and must come last",
        ),
        (
            "arguments = [\"list\"]",
            "f:1: [[allow]]: names arguments and no program; for those",
        ),
        ("name = \"a\"", "f:1: [[allow]]: names no user"),
        (
            "user = 5\nname = \"a\"\n[[allow]]\nuser = 6\n[[allow]]\nuser = 7\nname = \"a\"",
            "f:6: [[allow]]: rule 1 has the name a too",
        ),
    ] {
        let text = format!("[[allow]]\n{text}");
        let refusal = rules(&text).map(|_| &text).unwrap_err();
        assert!(refusal.starts_with(error), "{text}: {refusal}");
        assert!(!refusal.contains('\n'), "{refusal}");
    }
}
