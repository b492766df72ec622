//! Patterns and lists, as tables; paths at random.

use super::*;

fn list(words: &[&str]) -> ArgumentList {
    let patterns = words.iter().map(|word| word.parse().unwrap());
    ArgumentList::new(patterns.collect()).unwrap()
}

fn matches(words: &[&str], arguments: &[&str]) -> bool {
    let arguments: Vec<_> = arguments
        .iter()
        .map(|argument| argument.as_bytes())
        .collect();
    list(words).matches(&arguments)
}

#[test]
fn each_kind_matches_one_argument() {
    for (pattern, yes, no) in [
        (
            "status",
            &["status"][..],
            &["statu", "status ", "Status", ""][..],
        ),
        ("", &[""], &[" ", "x"]),
        ("--all", &["--all"], &["--al", "all"]),
        ("http://x", &["http://x"], &["http://y"]),
        ("exact:glob:*", &["glob:*"], &["x", "glob:x"]),
        ("exact:...", &["..."], &["x"]),
        ("exact:", &[""], &["exact:"]),
        (
            "oneof:a|-b|c d",
            &["a", "-b", "c d"],
            &["b", "a|-b", "", "c"],
        ),
        ("glob:*.img", &["a.img"], &["-a.img", "a.txt", "x/a.img"]),
        ("*", &["", "a", "/", "../x", "a b"], &["-", "-x", "--x=y"]),
        (
            "int:",
            &["0", "7", "9223372036854775807"],
            &["-1", "9223372036854775808", "x", "1x"],
        ),
        (
            "int:1-4096",
            &["1", "4096"],
            &["0", "4097", "01", "+1", " 1", "1 ", "1e1", "0x1", ""],
        ),
        ("int:5-", &["5", "99999999999"], &["4", "-5"]),
        (
            "int:-5-3",
            &["-5", "0", "3"],
            &["-6", "4", "-0", "-", "--5", "-05", "00"],
        ),
        ("int:-5--3", &["-5", "-3"], &["-2", "3", "4"]),
        (
            "below:/srv/x/",
            &[
                "/srv/x/a",
                "/srv/x/a/b",
                "/srv/x/..a",
                "/srv/x/-r",
                "/srv/x/\u{e9}",
            ],
            &[
                "/srv/x",
                "/srv/x/",
                "/srv/x/.",
                "/srv/x/..",
                "/srv/x/../y",
                "/srv/x/a/",
                "/srv/x/a//b",
                "/srv/x//a",
                "/srv//x/a",
                "/srv/./x/a",
                "/srv/xa",
                "srv/x/a",
                "x/a",
                "a",
                "",
            ],
        ),
        ("below:/srv/x", &["/srv/x/a"], &["/srv/x", "/srv/xa"]),
        (
            "below:/",
            &["/a", "/a/b"],
            &["/", "//", "//a", "/..", "/a/.."],
        ),
    ] {
        for argument in yes {
            assert!(matches(&[pattern], &[argument]), "{pattern} {argument}");
        }
        for argument in no {
            assert!(!matches(&[pattern], &[argument]), "{pattern} {argument}");
        }
    }
}

#[test]
fn a_list_is_for_all_arguments_and_dots_are_for_the_rest() {
    for (patterns, yes, no) in [
        (&[][..], &[&[][..]][..], &[&[""][..], &["x"]][..]),
        (
            &["a", "int:"],
            &[&["a", "1"]],
            &[&["a"], &["a", "1", "2"], &["1", "a"], &[]],
        ),
        (&["..."], &[&[], &["-x"], &["a", "--b", ""]], &[]),
        (
            &["a", "..."],
            &[&["a"], &["a", "-x", "y"]],
            &[&[], &["b"], &["b", "a"]],
        ),
        (&["*", "*"], &[&["a", ""]], &[&["a"], &["a", "b", "c"]]),
    ] {
        for arguments in yes {
            assert!(matches(patterns, arguments), "{patterns:?} {arguments:?}");
        }
        for arguments in no {
            assert!(!matches(patterns, arguments), "{patterns:?} {arguments:?}");
        }
    }
}

#[test]
fn only_the_last_pattern_stands_for_the_rest() {
    let parse = |words: &[&str]| words.iter().map(|word| word.parse().unwrap()).collect();
    assert_eq!(ArgumentList::new(parse(&["a", "...", "b"])), Err(1));
    assert_eq!(ArgumentList::new(parse(&["...", "..."])), Err(0));
}

#[test]
fn mistakes_are_refused_and_named() {
    for (pattern, what) in [
        ("a\0b", "NUL"),
        ("exact:\0", "NUL"),
        ("int", "exact:int"),
        (
            "*.service",
            "write \"exact:*.service\" or \"glob:*.service\" (accepted is a word, ",
        ),
        ("a?", "glob:a?"),
        ("[a]", "glob:[a]"),
        ("oneof:", "needs words"),
        ("oneof:a||b", "needs words"),
        ("glob:", "needs a pattern"),
        ("glob:[a", "the glob \"[a\" has a [ without its ]"),
        ("int:5", "\"int:5\" is not"),
        ("int:5-4", "is not \"int:\" or \"int:LOW-HIGH\""),
        ("int:a-b", "is not"),
        ("int:-", "is not"),
        ("int:1-99999999999999999999", "is not"),
        ("int:é-1", "is not"),
        ("below:", "absolute path"),
        ("below:srv", "absolute path"),
        ("below:/srv/../x", "absolute path"),
        ("below:/srv//x", "absolute path"),
        ("below://", "absolute path"),
        ("below:/srv/.", "absolute path"),
    ] {
        let error = pattern.parse::<Pattern>().expect_err(pattern);
        assert!(error.contains(what), "{pattern:?}: {error}");
    }
}

/// A path is walked component by component, as the kernel does it without links.
fn walked(path: &str) -> Option<Vec<&str>> {
    let mut stack = Vec::new();
    for component in path.strip_prefix('/')?.split('/') {
        match component {
            "" | "." => {}
            ".." => drop(stack.pop()),
            name => stack.push(name),
        }
    }
    Some(stack)
}

#[test]
fn a_path_that_matches_leads_below_the_directory_whatever_it_is_made_of() {
    let pattern: Pattern = "below:/a/b".parse().unwrap();
    let parts = ["/", "a", "b", ".", "..", "/a", "/b", "/..", "-", "/a/b/"];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % end as u64).unwrap()
    };
    let mut matched = 0;
    for _ in 0..200_000 {
        let path: String = (0..below(7)).map(|_| parts[below(parts.len())]).collect();
        if !pattern.fits(path.as_bytes()) {
            continue;
        }
        matched += 1;
        let stack = walked(&path).expect("it is absolute");
        assert!(stack.len() > 2 && stack[..2] == ["a", "b"], "{path}");
        assert_eq!(format!("/{}", stack.join("/")), path);
    }
    assert!(matched > 1000, "{matched} matched: the test tries nothing");
}
