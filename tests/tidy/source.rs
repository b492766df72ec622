//! Sources as the checks see them: without comments, texts and unit tests.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the project is.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All sources below a directory of the project, by their path from its root.
pub fn below(directory: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![root().join(directory)];
    while let Some(path) = left.pop() {
        for entry in fs::read_dir(&path)
            .expect("a directory of sources")
            .flatten()
        {
            let path = entry.path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(relative(path));
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {directory}");
    found.sort();
    found
}

pub fn relative(path: PathBuf) -> String {
    let path = path.strip_prefix(root()).expect("below the root");
    path.to_str().expect("a plain name").to_owned()
}

/// A file of the project.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The program in a file: what is a comment, a text or a unit test is blank. A file of unit tests
/// alone has nothing.
pub fn program(path: &str) -> String {
    match path.ends_with("/tests.rs") {
        true => String::new(),
        false => without_tests(&plain(&read(path))),
    }
}

/// The text with blanks in the place of comments and of what is between quotes. Lines stay.
pub fn plain(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = at + opaque(&bytes[at..], at > 0 && is_word(bytes[at - 1]));
        for byte in &mut plain[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(plain).expect("only whole characters were replaced")
}

/// How long the comment, the text or the character is that begins here; 0 when none does.
fn opaque(bytes: &[u8], in_word: bool) -> usize {
    let find = |from: usize, what: &[u8]| {
        let found = bytes[from..].windows(what.len()).position(|w| w == what);
        found.map_or(bytes.len(), |at| from + at + what.len())
    };
    let hashes = |from: usize| bytes[from..].iter().take_while(|&&b| b == b'#').count();
    match bytes {
        [b'/', b'/', ..] => find(0, b"\n") - 1,
        [b'/', b'*', ..] => find(2, b"*/"),
        [b'"', ..] => quoted(bytes),
        [b'b', b'"', ..] if !in_word => 1 + quoted(&bytes[1..]),
        [b'r' | b'b', ..] if !in_word => {
            let prefix = bytes.iter().take_while(|b| b"br".contains(b)).count();
            let marks = hashes(prefix);
            let raw = [&b"r"[..], b"br"].contains(&&bytes[..prefix]);
            if raw && bytes.get(prefix + marks) == Some(&b'"') {
                let end = format!("\"{}", "#".repeat(marks));
                return find(prefix + marks + 1, end.as_bytes());
            }
            0
        }
        [b'\'', b'\\', ..] => find(3, b"'"),
        // Else it is a lifetime.
        [b'\'', ..] => {
            let next = std::str::from_utf8(&bytes[1..bytes.len().min(5)]);
            let length = match next {
                Ok(text) => text.chars().next().map_or(0, char::len_utf8),
                Err(error) if error.valid_up_to() > 0 => {
                    let text = &bytes[1..=error.valid_up_to()];
                    std::str::from_utf8(text)
                        .ok()
                        .and_then(|text| text.chars().next())
                        .map_or(0, char::len_utf8)
                }
                Err(_) => 0,
            };
            match bytes.get(1 + length) {
                Some(b'\'') if length > 0 => length + 2,
                _ => 0,
            }
        }
        _ => 0,
    }
}

/// How long the text is that begins with this quote.
fn quoted(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Whether this can be in a name.
pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The text, which is plain, without the items that are there for tests only.
pub fn without_tests(plain: &str) -> String {
    let mut rest = plain;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once("#[cfg(test)]") {
        kept.push_str(before);
        rest = &after[item(after)..];
    }
    kept.push_str(rest);
    kept
}

/// How long the item is with which this begins: to its semicolon, or to the end of its block.
fn item(text: &str) -> usize {
    match text.find([';', '{']) {
        Some(at) if text.as_bytes()[at] == b'{' => at + block(&text[at..]).len(),
        Some(at) => at + 1,
        None => text.len(),
    }
}

/// The block that begins with this brace.
pub fn block(text: &str) -> &str {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[..=at];
        }
    }
    text
}

/// The names that a text has one after the other, and what stands between them.
pub fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match rest.bytes().take_while(|&b| is_word(b)).count() {
            0 if rest.starts_with("::") => 2,
            0 => first.len_utf8(),
            word => word,
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

/// Whether a token is a name.
pub fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// All paths that begin with `super`, `self`, `crate` or a name that is `known`, each with its
/// names; those in braces one by one.
pub fn paths(text: &str, known: &dyn Fn(&str) -> bool) -> Vec<Vec<String>> {
    let tokens = tokens(text);
    let mut paths = Vec::new();
    let mut at = 0;
    while at + 1 < tokens.len() {
        let begins = at == 0 || tokens[at - 1] != "::";
        let token = tokens[at];
        let first = ["super", "self", "crate"].contains(&token) || known(token);
        if begins && first && tokens[at + 1] == "::" {
            at = path(&tokens, at, Vec::new(), &mut paths);
        } else {
            at += 1;
        }
    }
    paths
}

/// Takes the path that begins here. Returns where it ends.
fn path(
    tokens: &[&str],
    mut at: usize,
    mut so_far: Vec<String>,
    paths: &mut Vec<Vec<String>>,
) -> usize {
    loop {
        match tokens.get(at) {
            Some(&"{") => {
                at += 1;
                while at < tokens.len() && tokens[at] != "}" {
                    match tokens[at] {
                        "," => at += 1,
                        _ => at = path(tokens, at, so_far.clone(), paths),
                    }
                }
                return at + 1;
            }
            Some(token) => so_far.push((*token).to_owned()),
            None => {}
        }
        at += 1;
        if tokens.get(at) != Some(&"::") {
            paths.push(so_far);
            // Where it has another name here.
            return match tokens.get(at) {
                Some(&"as") => at + 2,
                _ => at,
            };
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_texts_are_blank_and_lines_stay() {
        for (text, left) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b\n */ c", "a     \n    c"),
            (r#"a("b \" // c", d)"#, "a(           , d)"),
            ("a(b\"\\xff\") c", "a(       ) c"),
            (r##"a(r#"b " c"#) d"##, "a(          ) d"),
            ("a('{') b('\\'') c('\u{e4}')", "a(   ) b(    ) c(    )"),
            ("fn a<'b>(c: &'b str)", "fn a<'b>(c: &'b str)"),
            ("for r in b", "for r in b"),
        ] {
            assert_eq!(plain(text), left);
        }
    }

    #[test]
    fn paths_in_braces_are_found_one_by_one() {
        let text =
            "use crate::a::{b::{self, C as D}, e}; f(super::g::h(), x::y); use std::{fs, io};";
        let found = paths(text, &|name| name == "std");
        let found: Vec<_> = found.iter().map(|path| path.join("::")).collect();
        let expected = [
            "crate::a::b::self",
            "crate::a::b::C",
            "crate::a::e",
            "super::g::h",
            "std::fs",
            "std::io",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn unit_tests_go_and_what_follows_stays() {
        let text = "a\n#[cfg(test)]\nmod tests { b { } }\nc\n#[cfg(test)]\nuse d;\ne\n";
        let left: Vec<_> = without_tests(text)
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        assert_eq!(left, ["a", "c", "e"]);
    }
}
