//! Arguments as text of printable ASCII, from which their exact bytes can be restored.
//!
//! ```text
//! list     = argument *( " " argument )
//! argument = 1*plain / DQUOTE *( plain / " " / "=" / escape ) DQUOTE
//! plain    = any graphic ASCII character but DQUOTE, "'", "\" and "="
//! escape   = "\" ( "\" / DQUOTE / "'" / "n" / "r" / "t" / "x" 2HEXDIG )
//! piece    = [ "..." ] list [ "..." ]
//! cut      = list ( "..." / " ..." )
//! ```
//!
//! An argument that begins or ends with three dots is quoted, so these stand outside of quotes only
//! where an argument continues: in the next piece, or, at a blank's distance, where more arguments
//! would follow. An argument with a `=` is quoted, so that none looks like a field of a log line.

use std::ascii::escape_default;
use std::fmt;

use crate::program::OutOfMemory;

/// Marks that something is missing, or continues elsewhere.
const MORE: &str = "...";

/// More than what is added to a text between two checks whether there is memory.
const ROOM: usize = 32;

/// Passes a list of arguments to `put`, in at most `count` pieces, none longer than `most` bytes
/// without its marks. If that is not enough, the rest is missing, the last piece ends with a mark,
/// and the result is true.
///
/// # Errors
///
/// When there is no memory for a piece.
pub(super) fn pieces<'a>(
    arguments: impl IntoIterator<Item = &'a [u8]>,
    (most, count): (usize, usize),
    mut put: impl FnMut(&str),
) -> Result<bool, OutOfMemory> {
    let mut text = String::new();
    let mut left = count;
    for argument in arguments {
        let quote = if is_plain(argument) { "" } else { "\"" };
        if !text.is_empty() {
            let first = argument.first().map_or(0, |&byte| unit(byte).len());
            if text.len() + 1 + 2 * quote.len() + first <= most {
                text.push(' ');
            } else if left == 1 {
                mark(&mut text, false);
                put(&text);
                return Ok(true);
            } else {
                put(&text);
                left -= 1;
                text.clear();
            }
        }
        text.push_str(quote);
        let mut rest = argument;
        while let Some(&byte) = rest.first() {
            let unit = unit(byte);
            if text.len() + unit.len() + quote.len() > most {
                text.push_str(quote);
                mark(&mut text, true);
                put(&text);
                if left == 1 {
                    return Ok(true);
                }
                left -= 1;
                text.clear();
                text.push_str(MORE);
                text.push_str(quote);
            }
            // Characters that stand for themselves go together.
            let room = most - quote.len() - text.len();
            let run = rest
                .iter()
                .take(room)
                .take_while(|&&b| is_itself(b))
                .count();
            text.try_reserve(run + ROOM)?;
            match run {
                0 => text.extend(unit.map(char::from)),
                _ => text.extend(rest[..run].utf8_chunks().map(|chunk| chunk.valid())),
            }
            rest = &rest[run.max(1)..];
        }
        text.push_str(quote);
    }
    if !text.is_empty() {
        put(&text);
    }
    Ok(false)
}

/// The characters of a byte in quotes. A plain one stands for itself.
fn unit(byte: u8) -> std::ascii::EscapeDefault {
    escape_default(byte)
}

/// Whether a byte in quotes stands for itself.
fn is_itself(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !b"\"'\\".contains(&byte)
}

/// Marks the text as cut: in its last argument, or after that.
pub(super) fn mark(text: &mut String, in_argument: bool) {
    if !in_argument {
        text.push(' ');
    }
    text.push_str(MORE);
}

/// Whether an argument stands for itself.
fn is_plain(argument: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_graphic() && !b"\"'\\=".contains(b);
    let more = MORE.as_bytes();
    !argument.is_empty()
        && argument.iter().all(plain)
        && !argument.starts_with(more)
        && !argument.ends_with(more)
}

/// A value of a field of a log line, quoted as an argument is.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = if is_plain(self.0) { "" } else { "\"" };
        write!(f, "{quote}{}{quote}", self.0.escape_ascii())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The arguments of pieces, and whether something is missing, by the grammar above.
    pub(in crate::session) fn parse(pieces: &[String]) -> Option<(Vec<Vec<u8>>, bool)> {
        let mut arguments: Vec<Vec<u8>> = Vec::new();
        let mut open = false;
        for piece in pieces {
            let mut rest = match (open, piece.strip_prefix("...")) {
                (true, Some(rest)) => rest,
                (false, None) => piece,
                _ => return None,
            };
            loop {
                let (part, after) = word(rest)?;
                match open {
                    true => arguments.last_mut()?.extend(part),
                    false => arguments.push(part),
                }
                open = false;
                match after {
                    "" => break,
                    "..." => {
                        open = true;
                        break;
                    }
                    " ..." => return Some((arguments, true)),
                    _ => rest = after.strip_prefix(' ')?,
                }
            }
        }
        Some((arguments, open))
    }

    /// The argument at the beginning, and the text after it.
    fn word(text: &str) -> Option<(Vec<u8>, &str)> {
        let Some(quoted) = text.strip_prefix('"') else {
            let end = text.find(' ').unwrap_or(text.len());
            let (mut word, mut after) = text.split_at(end);
            if let Some(before) = word.strip_suffix("...") {
                (word, after) = (before, &text[before.len()..]);
            }
            let fits = is_plain(word.as_bytes());
            return fits.then(|| (word.as_bytes().to_vec(), after));
        };
        let mut bytes = Vec::new();
        let mut characters = quoted.char_indices();
        loop {
            bytes.push(match characters.next()? {
                (at, '"') => return Some((bytes, &quoted[at + 1..])),
                (_, '\\') => match characters.next()?.1 {
                    'n' => b'\n',
                    'r' => b'\r',
                    't' => b'\t',
                    'x' => {
                        let digits = [characters.next()?.1, characters.next()?.1];
                        u8::from_str_radix(&digits.iter().collect::<String>(), 16).ok()?
                    }
                    other @ ('\\' | '"' | '\'') => other as u8,
                    _ => return None,
                },
                (_, other) => other as u8,
            });
        }
    }

    fn collected<'a>(
        arguments: impl IntoIterator<Item = &'a [u8]>,
        most: usize,
        count: usize,
    ) -> (Vec<String>, bool) {
        let mut all = Vec::new();
        let cut = pieces(arguments, (most, count), |text| all.push(text.to_owned()));
        (all, cut.unwrap())
    }

    /// Numbers that look random, the same in each run.
    fn numbers(mut state: u64) -> impl FnMut(usize) -> usize {
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap() % below
        }
    }

    fn random_arguments(seed: u64) -> Vec<Vec<u8>> {
        let mut next = numbers(seed);
        // Bytes that have a meaning in the text, and all others.
        let special = b" .=\"'\\\n\tx.. ";
        let argument = |next: &mut dyn FnMut(usize) -> usize| {
            let length = [0, 1, 3, 9, 40, 300][next(6)];
            let byte = |next: &mut dyn FnMut(usize) -> usize| match next(3) {
                0 => special[next(special.len())],
                1 => b'a',
                _ => u8::try_from(1 + next(255)).unwrap(),
            };
            (0..length).map(|_| byte(next)).collect()
        };
        (0..1 + next(8)).map(|_| argument(&mut next)).collect()
    }

    #[test]
    fn exact_bytes_are_restored_from_pieces_of_any_size() {
        for seed in 1..3000 {
            let arguments = random_arguments(seed);
            for most in [8, 13, 64, 900, 100_000] {
                let list = arguments.iter().map(Vec::as_slice);
                let (all, cut) = collected(list.clone(), most, usize::MAX);
                assert!(!cut);
                assert_eq!(parse(&all), Some((arguments.clone(), false)), "{all:?}");
                for text in &all {
                    assert!(text.len() <= most + 2 * MORE.len(), "{text}");
                    assert!(text.trim() == text, "{text:?}");
                    let printable = |b: u8| b == b' ' || b.is_ascii_graphic();
                    assert!(text.bytes().all(printable), "{text:?}");
                }
                // What is cut is the beginning.
                let (first, is_cut) = collected(list, most, 1);
                assert_eq!(first.len(), 1);
                assert_eq!(is_cut, all.len() > 1);
                let (found, cut) = parse(&first).unwrap();
                assert_eq!(cut, is_cut);
                let (last, before) = found.split_last().unwrap();
                assert_eq!(before, &arguments[..before.len()]);
                assert!(arguments[before.len()].starts_with(last));
            }
        }
    }

    #[test]
    fn no_unquoted_word_has_the_sign_of_a_field() {
        for seed in 1..1000 {
            let arguments = random_arguments(seed);
            let list = arguments.iter().map(Vec::as_slice);
            for text in collected(list, 50, usize::MAX).0 {
                let mut quoted = false;
                let mut escaped = false;
                for c in text.chars() {
                    match c {
                        _ if escaped => escaped = false,
                        '\\' => escaped = true,
                        '"' => quoted = !quoted,
                        _ => assert!(quoted || c != '=', "{text}"),
                    }
                }
                assert!(!quoted, "{text}");
            }
        }
    }

    #[test]
    fn an_argument_in_two_pieces_has_a_mark_in_both() {
        let arguments = [&b"sh"[..], b"-c", b"echo one; echo two"];
        let all = |arguments: &[&'static [u8]], most| {
            collected(arguments.iter().copied(), most, usize::MAX).0
        };
        let found = all(&arguments, 20);
        assert_eq!(found, ["sh -c \"echo one; ec\"...", "...\"ho two\""]);
        assert_eq!(all(&[b"abcdefghij", b"k"], 8), ["abcdefgh...", "...ij k"]);
        assert_eq!(all(&[b"abcdefgh", b"ijk"], 8), ["abcdefgh", "ijk"]);
        let (cut, _) = collected([&b"abcdefgh"[..], b"ijk"], 8, 1);
        assert_eq!(cut, ["abcdefgh ..."]);
    }
}
