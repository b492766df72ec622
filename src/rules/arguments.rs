//! The arguments that a rule matches: lists of patterns, one pattern for each argument.
//!
//! ```text
//! "word"            this argument; also "exact:word", for any word
//! "oneof:a|b|c"     one of these
//! "glob:*.service"  a glob, see the module `glob`
//! "int:" "int:1-64" a decimal integer, from 0 or in this range
//! "below:/srv/x/"   an absolute path below this directory
//! "*"               any one argument
//! "..."             at the end: any number of any arguments
//! ```
//!
//! A pattern that is not written with a `-` in front matches no argument with one, which could be
//! an option; only `...` does.

use std::ops::RangeInclusive;
use std::str::FromStr;

use super::glob::Glob;

/// What a pattern may be, for errors.
const ACCEPTED: &str = "a word, \"exact:WORD\", \"oneof:A|B|C\", \"glob:PATTERN\", \"int:\", \
                        \"int:LOW-HIGH\", \"below:/DIRECTORY/\", \"*\" for any one argument, or \
                        \"...\" for the rest";

/// A pattern for one argument, or for the rest of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// One of these words; mostly there is one.
    Words(Vec<Vec<u8>>),
    /// An argument of this form.
    Glob(Glob),
    /// A decimal integer in this range, without a plus and zeros in front.
    Integer(RangeInclusive<i64>),
    /// An absolute path below this directory, which ends with a slash. A path with a component
    /// that is empty, `.` or `..` does not match.
    Below(Vec<u8>),
    /// Any one argument that does not begin with `-`.
    Any,
    /// Any number of any arguments: the last pattern of a list.
    Rest,
}

impl Pattern {
    fn fits(&self, argument: &[u8]) -> bool {
        match self {
            Self::Words(words) => words.iter().any(|word| word == argument),
            Self::Glob(glob) => glob.matches(argument),
            Self::Integer(range) => integer(argument).is_some_and(|n| range.contains(&n)),
            Self::Below(directory) => argument.strip_prefix(&directory[..]).is_some_and(is_clean),
            Self::Any => !argument.starts_with(b"-"),
            Self::Rest => true,
        }
    }
}

impl FromStr for Pattern {
    /// What is wrong, and the accepted patterns.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('\0') {
            return Err("an argument contains no NUL".into());
        }
        let (kind, operand) = text.split_once(':').unwrap_or((text, ""));
        match (kind, text.contains(':')) {
            ("exact", true) => Ok(Self::word(operand)),
            ("oneof", true) => one_of(operand),
            ("glob", true) => glob(operand),
            ("int", true) => range(operand).map(Self::Integer).ok_or_else(|| {
                format!(
                    "\"{}\" is not \"int:\" or \"int:LOW-HIGH\"",
                    text.escape_debug()
                )
            }),
            ("below", true) => below(operand),
            ("*", false) => Ok(Self::Any),
            ("...", false) => Ok(Self::Rest),
            ("int", false) => Err("an integer is \"int:\", the word \"exact:int\"".into()),
            _ if text.contains(['*', '?', '[']) => Err(format!(
                "\"{text}\" could be a word or a glob: write \"exact:{text}\" or \"glob:{text}\" \
                 (accepted is {ACCEPTED})",
                text = text.escape_debug()
            )),
            _ => Ok(Self::word(text)),
        }
    }
}

impl Pattern {
    fn word(word: &str) -> Self {
        Self::Words(vec![word.into()])
    }
}

fn one_of(words: &str) -> Result<Pattern, String> {
    let words: Vec<Vec<u8>> = words.split('|').map(Into::into).collect();
    match words.iter().any(Vec::is_empty) {
        true => Err("\"oneof:\" needs words with | between them, none of them empty".into()),
        false => Ok(Pattern::Words(words)),
    }
}

fn glob(pattern: &str) -> Result<Pattern, String> {
    if pattern.is_empty() {
        return Err("\"glob:\" needs a pattern; the empty argument is \"\"".into());
    }
    let glob = Glob::new(pattern);
    glob.map(Pattern::Glob)
        .map_err(|what| format!("the glob \"{}\" has {what}", pattern.escape_debug()))
}

/// `LOW-HIGH`, `LOW-`, or nothing for all from 0.
fn range(text: &str) -> Option<RangeInclusive<i64>> {
    if text.is_empty() {
        return Some(0..=i64::MAX);
    }
    // The first byte may be the sign of the lower end.
    let dash = text.bytes().skip(1).position(|b| b == b'-')? + 1;
    let (low, high) = (&text[..dash], &text[dash + 1..]);
    let low = integer(low.as_bytes())?;
    let high = match high {
        "" => i64::MAX,
        high => integer(high.as_bytes())?,
    };
    (low <= high).then_some(low..=high)
}

fn below(directory: &str) -> Result<Pattern, String> {
    let mut path = directory.as_bytes().to_vec();
    if !path.ends_with(b"/") {
        path.push(b'/');
    }
    let inside = path
        .strip_prefix(b"/")
        .and_then(|rest| rest.strip_suffix(b"/"));
    match path == b"/" || inside.is_some_and(is_clean) {
        true if !directory.is_empty() => Ok(Pattern::Below(path)),
        _ => Err(format!(
            "\"below:{}\" needs an absolute path without \"//\", \".\" and \"..\"",
            directory.escape_debug()
        )),
    }
}

/// Whether each component of a relative path is a name.
fn is_clean(path: &[u8]) -> bool {
    path.split(|&b| b == b'/')
        .all(|component| !matches!(component, b"" | b"." | b".."))
}

/// A decimal integer in its shortest form. Others mean another number to some programs: 010.
fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let shortest = match digits {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let text = std::str::from_utf8(text).ok().filter(|_| shortest)?;
    text.parse().ok()
}

/// Patterns for all arguments of a program, in order, without its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArgumentList {
    each: Vec<Pattern>,
    /// More arguments may follow.
    open: bool,
}

impl ArgumentList {
    /// A list of these patterns; without any it matches a program without arguments.
    ///
    /// # Errors
    ///
    /// The index of a [`Pattern::Rest`] that is not the last one.
    pub fn new(mut each: Vec<Pattern>) -> Result<Self, usize> {
        let open = each.last() == Some(&Pattern::Rest);
        if open {
            each.pop();
        }
        match each.iter().position(|pattern| *pattern == Pattern::Rest) {
            Some(index) => Err(index),
            None => Ok(Self { each, open }),
        }
    }

    /// For how many arguments it has a pattern of their own.
    pub fn len(&self) -> usize {
        self.each.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    /// Whether it matches these arguments.
    pub fn matches(&self, arguments: &[&[u8]]) -> bool {
        let enough = match self.open {
            true => arguments.len() >= self.each.len(),
            false => arguments.len() == self.each.len(),
        };
        enough
            && self
                .each
                .iter()
                .zip(arguments)
                .all(|(own, argument)| own.fits(argument))
    }
}

#[cfg(test)]
mod tests {
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
}
