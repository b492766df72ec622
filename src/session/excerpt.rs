//! A request's arguments, for a record: all of them, or only their beginning.

use std::fmt;

use super::quoting::{mark, pieces};
use crate::program::{Arguments, OutOfMemory};

/// The number of bytes of an argument list that are shown, with a blank between two arguments.
const SHOWN_MAX: usize = 256;

/// The number of bytes of an argument list that are kept for the record at the end, each argument
/// with a NUL. Of a longer list only what is shown is kept.
const KEPT_MAX: usize = 2048;

/// The longest text of arguments in one line of the log, without its marks. With what stands in
/// front of it a line then has no more than the 1024 bytes that every syslogd takes.
const PIECE_MAX: usize = 900;

/// As many of these as it takes.
const IN_PIECES: (usize, usize) = (PIECE_MAX, usize::MAX);

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// Each argument ends with a NUL; the last one may be cut.
    bytes: Vec<u8>,
    /// The number of all arguments.
    count: usize,
    cut: bool,
    /// Only the program's name is kept, because arguments may be secret.
    hidden: bool,
}

impl Excerpt {
    /// Of these. `shown`: more than the program's name may be kept.
    pub fn of(arguments: &Arguments, shown: bool) -> Self {
        let all = arguments.as_bytes_with_nul();
        let kept = match shown {
            true if all.len() <= KEPT_MAX => all.len(),
            // A NUL follows the last argument, and no blank.
            true => SHOWN_MAX + 1,
            false => (arguments.program().len() + 1).min(SHOWN_MAX + 1),
        };
        let kept = kept.min(all.len());
        Self {
            bytes: all[..kept].to_vec(),
            count: arguments.count(),
            cut: kept < all.len(),
            hidden: !shown,
        }
    }

    /// Keeps no more than is shown.
    pub fn shorten(&mut self) {
        if self.bytes.len() > SHOWN_MAX + 1 {
            self.bytes = self.bytes[..SHOWN_MAX + 1].to_vec();
            self.cut = true;
        }
    }

    /// Whether there are no arguments, because no request is complete.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The number of all arguments.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether some were too long to be kept. Those that may be secret are never too long.
    pub fn is_too_long(&self) -> bool {
        self.cut && !self.hidden
    }

    /// The name of the program, `argv[0]`, or its beginning.
    pub fn program(&self) -> &[u8] {
        self.arguments().next().unwrap_or_default()
    }

    /// Whether there is more than [`Excerpt::list`] has.
    pub fn is_cut(&self) -> bool {
        self.cut || self.bytes.len() > SHOWN_MAX + 1
    }

    /// One string for each argument. A backslash is doubled, and a byte that is not part of UTF-8
    /// is `\x` and two digits, so that the bytes can be restored; all else is unchanged.
    pub fn list(&self) -> impl Iterator<Item = String> {
        let shown = &self.bytes[..self.bytes.len().min(SHOWN_MAX + 1)];
        split(shown).map(escaped)
    }

    /// All that is kept, as one line.
    pub fn whole(&self) -> String {
        self.text(usize::MAX)
    }

    /// Passes all arguments to `put`, in pieces for lines of the log, if they are kept, and are more
    /// than the line shows.
    pub fn in_pieces(&self, put: impl FnMut(&str)) {
        if !self.cut && !self.shows_all() {
            // A piece is too small for a lack of memory.
            let _ = pieces(self.arguments(), IN_PIECES, put);
        }
    }

    /// Whether the line has all arguments.
    pub fn shows_all(&self) -> bool {
        !self.cut && pieces(self.arguments(), (SHOWN_MAX, 1), |_| ()) == Ok(false)
    }

    /// The arguments as one line, which has no more bytes than this without the mark at its end.
    fn text(&self, most: usize) -> String {
        let mut text = String::new();
        let cut = pieces(self.arguments(), (most, 1), |piece| text.push_str(piece));
        if self.cut && cut == Ok(false) {
            mark(&mut text, self.bytes.last() != Some(&0));
        }
        text
    }

    fn arguments(&self) -> impl Iterator<Item = &[u8]> {
        split(&self.bytes)
    }
}

/// Passes all arguments to `put`, in pieces for lines of the log.
pub fn in_pieces(arguments: &Arguments, put: impl FnMut(&str)) {
    let _ = pieces(arguments.iter(), IN_PIECES, put);
}

/// Passes all arguments to `put`, as one line, however long it is.
///
/// # Errors
///
/// When there is no memory.
pub fn in_one(arguments: &Arguments, put: impl FnMut(&str)) -> Result<(), OutOfMemory> {
    pieces(arguments.iter(), (usize::MAX, 1), put).map(|_| ())
}

fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes
        .split_inclusive(|&b| b == 0)
        .map(|argument| argument.strip_suffix(&[0]).unwrap_or(argument))
}

/// Text from which the bytes can be restored, as in [`Excerpt::list`].
pub fn escaped(argument: &[u8]) -> String {
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
        f.write_str(&self.text(SHOWN_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::super::quoting::tests::parse;
    use super::*;

    fn collected(arguments: &[&[u8]]) -> Arguments {
        Arguments::try_collect(arguments.iter().copied()).unwrap()
    }

    fn excerpt(arguments: &[&[u8]]) -> Excerpt {
        Excerpt::of(&collected(arguments), true)
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
            (&[b"dd", b"if=a", b"x=", b"="], r#"dd "if=a" "x=" "=""#),
            (
                &[b"echo", b"...", b"a...", b"a..."],
                r#"echo "..." "a..." "a...""#,
            ),
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
        assert!(!whole.is_cut() && whole.shows_all());
        assert!(whole.to_string().ends_with("yy") && whole.to_string().len() == SHOWN_MAX);
        for (more, mark) in [
            (excerpt(&[b"true", &[b'y'; 252]]), "..."),
            (excerpt(&[b"true", &[b'y'; 251], b""]), " ..."),
            (excerpt(&[b"true", &[b'y'; 100_000]]), "..."),
        ] {
            assert!(more.is_cut() && !more.shows_all());
            assert_eq!(more.to_string(), format!("{whole}{mark}"));
            let list: Vec<_> = more.list().collect();
            assert_eq!(list.concat().trim_end_matches('y'), "true");
            assert!(list.concat().len() <= SHOWN_MAX);
        }
        // Escapes need more room in the line.
        let escaped = excerpt(&[&[0xff; 100]]);
        assert!(!escaped.is_cut() && !escaped.shows_all());
        assert_eq!(escaped.list().next().unwrap().len(), 400);
        let line = escaped.to_string();
        assert!(
            line.len() <= SHOWN_MAX + 3 && line.ends_with("\"..."),
            "{line}"
        );
        assert_eq!(excerpt(&vec![&b""[..]; 10_000]).list().count(), 257);
    }

    #[test]
    fn what_is_kept_is_whole_in_pieces() {
        for length in [0, 251, 252, 1000, KEPT_MAX - 7, KEPT_MAX - 6, 100_000] {
            let argument = vec![b'='; length];
            let arguments = collected(&[b"true", &argument]);
            let excerpt = Excerpt::of(&arguments, true);
            let expected = (vec![b"true".to_vec(), argument], false);
            let mut pieces = Vec::new();
            match excerpt.is_too_long() {
                true => in_pieces(&arguments, |piece| pieces.push(piece.to_owned())),
                false if excerpt.shows_all() => pieces.push(excerpt.to_string()),
                false => excerpt.in_pieces(|piece| pieces.push(piece.to_owned())),
            }
            let mut one = String::new();
            in_one(&arguments, |text| one.push_str(text)).unwrap();
            assert_eq!(excerpt.is_too_long(), length > KEPT_MAX - 6, "{length}");
            assert_eq!(parse(&pieces), Some(expected.clone()), "{length}");
            assert_eq!(parse(&[one.clone()]), Some(expected));
            assert_eq!(excerpt.whole() == one, !excerpt.is_too_long());
        }
    }

    #[test]
    fn of_arguments_that_may_be_secret_only_the_name_is_kept() {
        for secret in [&b"key"[..], b"", &[b'k'; 100_000]] {
            let hidden = Excerpt::of(&collected(&[b"curl", secret, b"-v"]), false);
            assert_eq!(hidden.to_string(), "curl ...");
            assert_eq!((hidden.whole(), hidden.count()), ("curl ...".into(), 3));
            hidden.in_pieces(|piece| panic!("{piece}"));
            assert!(hidden.is_cut() && !hidden.is_too_long());
            assert_eq!(hidden.list().collect::<Vec<_>>(), ["curl"]);
            assert!(!hidden.bytes.windows(3).any(|part| part == b"key"));
        }
        assert_eq!(
            Excerpt::of(&collected(&[b"true"]), false).to_string(),
            "true"
        );
        let long = Excerpt::of(&collected(&[&[b'n'; 3000], b"key"]), false);
        assert_eq!(long.to_string(), format!("{}...", "n".repeat(256)));
    }
}
