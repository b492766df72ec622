//! The beginning of a request's arguments, for a record: as one line, and as a list.

use std::fmt;

use crate::program::Arguments;

/// The number of bytes of an argument list that are shown, with a blank between two arguments.
const SHOWN_MAX: usize = 256;

/// The beginning of an argument list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// Each argument ends with a NUL; the last one may be cut.
    bytes: Vec<u8>,
    cut: bool,
}

impl Excerpt {
    /// Of these.
    pub fn of(arguments: &Arguments) -> Self {
        let all = arguments.as_bytes_with_nul();
        // A NUL follows the last argument, and no blank.
        let shown = all.len().min(SHOWN_MAX + 1);
        Self {
            bytes: all[..shown].to_vec(),
            cut: shown < all.len(),
        }
    }

    /// Whether there are no arguments, because no request is complete.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether there is more than [`Excerpt::list`] has.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// One string for each argument. A backslash is doubled, and a byte that is not part of UTF-8
    /// is `\x` and two digits, so that the bytes can be restored; all else is unchanged.
    pub fn list(&self) -> impl Iterator<Item = String> {
        self.arguments().map(escaped)
    }

    fn arguments(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes
            .split_inclusive(|&b| b == 0)
            .map(|argument| argument.strip_suffix(&[0]).unwrap_or(argument))
    }
}

fn escaped(argument: &[u8]) -> String {
    let mut text = String::with_capacity(argument.len());
    for chunk in argument.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', r"\\"));
        text.extend(chunk.invalid().iter().map(|byte| format!(r"\x{byte:02x}")));
    }
    text
}

/// The arguments as one line of printable ASCII, cut. An ambiguous argument is quoted and escaped.
impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = String::new();
        for argument in self.arguments() {
            if !line.is_empty() {
                line.push(' ');
            }
            let plain = |b: &u8| b.is_ascii_graphic() && !b"\"'\\".contains(b);
            if !argument.is_empty() && argument.iter().all(plain) {
                line.extend(argument.iter().map(|&b| char::from(b)));
            } else {
                line.push('"');
                line.extend(argument.escape_ascii().map(char::from));
                line.push('"');
            }
        }
        if line.len() > SHOWN_MAX || self.cut {
            line.truncate(SHOWN_MAX);
            line.push_str("...");
        }
        f.write_str(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(arguments: &[&[u8]]) -> Excerpt {
        Excerpt::of(&Arguments::try_collect(arguments.iter().copied()).unwrap())
    }

    /// The bytes from which the list was made, decoded as the manual describes.
    fn restored(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = text;
        while let Some((before, escape)) = rest.split_once('\\') {
            bytes.extend_from_slice(before.as_bytes());
            match escape.strip_prefix('\\') {
                Some(after) => {
                    bytes.push(b'\\');
                    rest = after;
                }
                None => {
                    bytes.push(u8::from_str_radix(&escape[1..3], 16).unwrap());
                    rest = &escape[3..];
                }
            }
        }
        bytes.extend_from_slice(rest.as_bytes());
        bytes
    }

    #[test]
    fn no_argument_of_a_line_looks_like_another() {
        for (arguments, line) in [
            (&[][..], ""),
            (&[&b"uname"[..], b"-a"], "uname -a"),
            (&[b"sh", b"-c", b"echo hi"], r#"sh -c "echo hi""#),
            (&[b"", b"'", b"\\"], r#""" "\'" "\\""#),
            (&[b"\n\x1b[2J\xff\xc2\x9b"], r#""\n\x1b[2J\xff\xc2\x9b""#),
        ] {
            assert_eq!(excerpt(arguments).to_string(), line);
        }
    }

    #[test]
    fn the_list_has_every_byte() {
        for argument in [
            &b""[..],
            b"echo hi",
            b"\\xff",
            b"\\",
            b"a\xffb\xfe\\n",
            "\u{9b}\u{e4}".as_bytes(),
            b"cut \xe2\x80",
        ] {
            let found: Vec<_> = excerpt(&[b"x", argument]).list().collect();
            assert_eq!(found[0], "x");
            assert_eq!(restored(&found[1]), argument, "{found:?}");
            assert_eq!(found.len(), 2);
        }
        let plain: Vec<_> = excerpt(&[b"sh", b"a b\n", "\u{e4}\"".as_bytes()])
            .list()
            .collect();
        assert_eq!(plain, ["sh", "a b\n", "\u{e4}\""]);
    }

    #[test]
    fn what_is_cut_shows_that_it_is() {
        let whole = excerpt(&[b"true", &[b'y'; 251]]);
        assert!(!whole.is_cut());
        assert!(whole.to_string().ends_with("yy") && whole.to_string().len() == SHOWN_MAX);
        for more in [
            excerpt(&[b"true", &[b'y'; 252]]),
            excerpt(&[b"true", &[b'y'; 251], b""]),
            excerpt(&[b"true", &[b'y'; 100_000]]),
        ] {
            assert!(more.is_cut());
            assert_eq!(more.to_string(), format!("{whole}..."));
            let list: Vec<_> = more.list().collect();
            assert_eq!(list.concat().trim_end_matches('y'), "true");
            assert!(list.concat().len() <= SHOWN_MAX);
        }
        // Escapes need more room in the line.
        let escaped = excerpt(&[&[0xff; 100]]);
        assert!(!escaped.is_cut());
        assert_eq!(escaped.list().next().unwrap().len(), 400);
        let line = escaped.to_string();
        assert!(line.len() == SHOWN_MAX + 3 && line.ends_with("..."));
        assert_eq!(excerpt(&vec![&b""[..]; 10_000]).list().count(), 257);
    }
}
