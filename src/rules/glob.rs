//! A glob for one argument, as a shell matches the names of files, on bytes:
//!
//! ```text
//! *         any number of bytes, but no slash
//! ?         one byte, but no slash
//! [a-z_]    one of these bytes; [!a-z] or [^a-z]: one byte, but none of these and no slash
//! \x        x itself
//! ```
//!
//! A component (the text between two slashes, or all of it) that is empty, `.` or `..` is matched
//! by itself only: so no wildcard leads upwards, or to the directory itself. As in a shell, a
//! wildcard in front matches no `-`: an argument cannot become an option that way.
//!
//! Each component remembers its last star only, so the work is bounded by the product of the
//! lengths of pattern and argument.

/// The longest argument that a glob matches: the work for one argument has a limit.
pub const ARGUMENT_MAX: usize = 4096;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    components: Vec<Vec<Token>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    One,
    Many,
    Class {
        /// The first and the last byte of each range.
        ranges: Vec<(u8, u8)>,
        negated: bool,
    },
}

impl Token {
    /// Whether it matches this one byte.
    fn takes(&self, byte: u8) -> bool {
        match self {
            Self::Byte(own) => *own == byte,
            Self::One => true,
            Self::Many => false,
            Self::Class { ranges, negated } => {
                ranges
                    .iter()
                    .any(|(low, high)| (low..=high).contains(&&byte))
                    != *negated
            }
        }
    }
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// A text that says what is wrong with it.
    pub fn new(pattern: &str) -> Result<Self, &'static str> {
        let mut rest = pattern.as_bytes();
        let (mut components, mut tokens) = (Vec::new(), Vec::new());
        while let Some((&byte, behind)) = rest.split_first() {
            rest = behind;
            match byte {
                b'/' => components.push(std::mem::take(&mut tokens)),
                b'?' => tokens.push(Token::One),
                // Two stars match what one does.
                b'*' if tokens.last() == Some(&Token::Many) => {}
                b'*' => tokens.push(Token::Many),
                b'[' => tokens.push(class(&mut rest)?),
                b'\\' => match rest.split_first() {
                    Some((b'/', _)) | None => return Err("a backslash with nothing to quote"),
                    Some((&quoted, behind)) => {
                        rest = behind;
                        tokens.push(Token::Byte(quoted));
                    }
                },
                plain => tokens.push(Token::Byte(plain)),
            }
        }
        components.push(tokens);
        Ok(Self { components })
    }

    /// Whether it matches all of an argument.
    pub fn matches(&self, argument: &[u8]) -> bool {
        if argument.len() > ARGUMENT_MAX || (argument.starts_with(b"-") && !self.is_option()) {
            return false;
        }
        let mut own = self.components.iter();
        let mut others = argument.split(|&b| b == b'/');
        loop {
            match (own.next(), others.next()) {
                (None, None) => return true,
                (Some(tokens), Some(component)) if component_matches(tokens, component) => {}
                _ => return false,
            }
        }
    }

    /// Whether it begins with a `-` that is not up to a wildcard.
    fn is_option(&self) -> bool {
        let first = self.components.first().and_then(|tokens| tokens.first());
        first == Some(&Token::Byte(b'-'))
    }
}

/// The set whose `[` was read.
fn class(rest: &mut &[u8]) -> Result<Token, &'static str> {
    const OPEN: &str = "a [ without its ] (a [ itself is written \\[)";
    let negated = matches!(rest.first(), Some(b'!' | b'^'));
    if negated {
        *rest = &rest[1..];
    }
    let mut ranges = Vec::new();
    loop {
        let low = match rest {
            // A bracket in front is one of the bytes.
            [b']', ..] if !ranges.is_empty() => {
                *rest = &rest[1..];
                return Ok(Token::Class { ranges, negated });
            }
            [b'[', b':' | b'.' | b'=', ..] => return Err("a named class in brackets"),
            _ => member(rest)?.ok_or(OPEN)?,
        };
        let high = match rest {
            [b'-', next, ..] if *next != b']' => {
                *rest = &rest[1..];
                member(rest)?.ok_or(OPEN)?
            }
            _ => low,
        };
        if low > high {
            return Err("a range in brackets that ends before it begins");
        }
        if (low..=high).contains(&b'/') && !negated {
            return Err("a slash in brackets, which match none");
        }
        ranges.push((low, high));
    }
}

/// The next byte in brackets, perhaps behind a backslash.
fn member(rest: &mut &[u8]) -> Result<Option<u8>, &'static str> {
    if let [b'\\', ..] = rest {
        *rest = &rest[1..];
    }
    let Some((&byte, behind)) = rest.split_first() else {
        return Ok(None);
    };
    // It has several bytes, of which each would be a member.
    if !byte.is_ascii() {
        return Err("a character in brackets that is not ASCII");
    }
    *rest = behind;
    Ok(Some(byte))
}

fn component_matches(tokens: &[Token], text: &[u8]) -> bool {
    if matches!(text, b"" | b"." | b"..") {
        return tokens.len() == text.len() && tokens.iter().all(|t| *t == Token::Byte(b'.'));
    }
    let (mut token, mut at) = (0, 0);
    // Behind the last star: the token, and the first byte that the star does not take.
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match tokens.get(token) {
            Some(Token::Many) => {
                token += 1;
                star = Some((token, at));
            }
            Some(one) if one.takes(text[at]) => {
                token += 1;
                at += 1;
            }
            _ => {
                let Some((behind, taken)) = star else {
                    return false;
                };
                (token, at) = (behind, taken + 1);
                star = Some((token, at));
            }
        }
    }
    tokens[token..].iter().all(|token| *token == Token::Many)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, argument: &str) -> bool {
        let glob = Glob::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        glob.matches(argument.as_bytes())
    }

    #[test]
    fn arguments_that_match_and_arguments_that_do_not() {
        for (pattern, yes, no) in [
            (
                "*",
                &["a", ".profile", "a b\nc", "..."][..],
                &["", ".", "..", "-x", "-", "a/b", "/"][..],
            ),
            (
                "*.service",
                &["x.service", ".service"],
                &["x.service2", "../x.service", "/x.service"],
            ),
            ("a?c", &["abc", "a-c", "a.c"], &["ac", "abbc", "a/c", "aéc"]),
            ("[a-c]x", &["ax", "cx"], &["dx", "x", "[a-c]x"]),
            ("[!a-c]x", &["dx", "éx"][..1], &["ax", "/x", "-x", "x"]),
            ("[^a]", &["b", "^"], &["a", "/"]),
            ("[]a]", &["]", "a"], &["b", "]a"]),
            ("[!]a]", &["b"], &["]", "a"]),
            ("[a-]x", &["ax"], &["bx", "-x"]),
            ("x[a\\]-]", &["x]", "x-", "xa"], &["x\\"]),
            ("\\*\\?\\[", &["*?["], &["abc"]),
            ("a\\\\b", &["a\\b"], &["ab"]),
            ("-*", &["-", "-x", "--long"], &["x", "--output=/etc/x"]),
            (
                "--size=*",
                &["--size=5"],
                &["--size=/", "--siz=5", "--size=./x"][..1],
            ),
            ("[-a]x", &["ax"], &["-x"]),
            (
                "/srv/*.img",
                &["/srv/a.img"],
                &["/srv/../a.img", "/srv/a/b.img", "/srv/a.img/"],
            ),
            (
                "/srv/*/x",
                &["/srv/a/x", "/srv/.a/x"],
                &["/srv/../x", "/srv/./x", "/srv//x"],
            ),
            (
                "/srv/.*",
                &["/srv/.a", "/srv/..."],
                &["/srv/.", "/srv/..", "/srv/a"],
            ),
            ("/srv/*", &["/srv/a"], &["/srv/", "/srv", "srv/a"]),
            ("../*", &["../a"], &["../..", "./a", "a"]),
            ("a//b", &["a//b"], &["a/b", "a///b"]),
            ("word", &["word"], &["Word", "words", ""]),
            ("**", &["a"], &["a/b", ""]),
            ("*a*b*", &["ab", "xaxxbx", "aab"], &["ba", "a", "b"]),
            ("é*", &["é", "éx"], &["e"]),
        ] {
            for argument in yes {
                assert!(matches(pattern, argument), "{pattern} {argument}");
            }
            for argument in no {
                assert!(!matches(pattern, argument), "{pattern} {argument}");
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_match_byte_by_byte() {
        let glob = Glob::new("?[!a]*").unwrap();
        assert!(glob.matches(b"\xff\xfe") && glob.matches(b"\xff\xfe\x80"));
        assert!(!glob.matches(b"\xff") && !glob.matches(b"\xffa"));
    }

    #[test]
    fn patterns_with_a_mistake_are_refused() {
        for (pattern, what) in [
            ("[a", "without its ]"),
            ("[", "without its ]"),
            ("[]", "without its ]"),
            ("[!", "without its ]"),
            ("[!]", "without its ]"),
            ("[a-", "without its ]"),
            ("[a\\", "without its ]"),
            ("a\\", "a backslash"),
            ("a\\/b", "a backslash"),
            ("[z-a]", "before it begins"),
            ("[a/b]", "a slash"),
            ("[+-9]", "a slash"),
            ("[é]", "not ASCII"),
            ("[[:alpha:]]", "a named class"),
        ] {
            let error = Glob::new(pattern).expect_err(pattern);
            assert!(error.contains(what), "{pattern}: {error}");
        }
    }

    #[test]
    fn a_long_argument_costs_little_and_a_longer_one_is_not_matched() {
        // An exponential matcher does not return from this.
        let pattern = format!("{}b", "*a".repeat(500));
        assert!(!matches(&pattern, &"a".repeat(ARGUMENT_MAX)));
        assert!(matches("*", &"a".repeat(ARGUMENT_MAX)));
        assert!(!matches("*", &"a".repeat(ARGUMENT_MAX + 1)));
    }

    /// The same, by trying everything.
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => (0..=text.len())
                .take_while(|&n| !text[..n].contains(&b'/'))
                .any(|n| naive(rest, &text[n..])),
            [b'?', rest @ ..] => {
                matches!(text, [byte, behind @ ..] if *byte != b'/' && naive(rest, behind))
            }
            [b'[', b'!', b'a', b']', rest @ ..] => {
                matches!(text, [byte, behind @ ..] if !b"a/".contains(byte) && naive(rest, behind))
            }
            [b'[', b'a', b'-', b'b', b']', rest @ ..] => {
                matches!(text, [b'a' | b'b', behind @ ..] if naive(rest, behind))
            }
            [own, rest @ ..] => {
                matches!(text, [byte, behind @ ..] if byte == own && naive(rest, behind))
            }
        }
    }

    /// The two rules beyond: about special components, and about options.
    fn naive_with_rules(pattern: &str, text: &str) -> bool {
        let special = |component: &str| matches!(component, "" | "." | "..");
        let both = || pattern.split('/').zip(text.split('/'));
        naive(pattern.as_bytes(), text.as_bytes())
            && both().all(|(own, other)| own == other || !special(other))
            && (!text.starts_with('-') || pattern.starts_with('-'))
    }

    #[test]
    fn random_patterns_match_as_a_naive_matcher_has_it() {
        let parts = [
            "*", "?", "[!a]", "[a-b]", "a", "b", ".", "/", "-", "*", "a", "/",
        ];
        let letters = ["a", "b", ".", "/", "-", "c", "a"];
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut below = |end: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % end as u64).unwrap()
        };
        let mut matched = 0;
        for _ in 0..200_000 {
            let pattern: String = (0..below(7)).map(|_| parts[below(parts.len())]).collect();
            let text: String = (0..below(7))
                .map(|_| letters[below(letters.len())])
                .collect();
            let expected = naive_with_rules(&pattern, &text);
            assert_eq!(matches(&pattern, &text), expected, "{pattern:?} {text:?}");
            matched += usize::from(expected);
        }
        assert!(matched > 2000, "{matched} matched: the test tries nothing");
    }
}
