//! Where a program asks which protocol it is in a way that a new one would not stop: a comparison,
//! or a `match` that has an arm for all others.

use crate::source::{is_name, tokens};

/// Each such place in a program text, by its words.
pub fn comparisons(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut found = compared(&tokens);
    for (at, _) in tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| **token == "match")
    {
        let Some(open) = tokens[at..].iter().position(|&token| token == "{") else {
            continue;
        };
        let arms = arms(&tokens[at + open + 1..]);
        found.extend(open_ended(&arms).map(|pattern| format!("{} =>", pattern.join(" "))));
    }
    found
}

/// Whether a program text names one protocol or another.
pub fn names_one(text: &str) -> bool {
    let tokens = tokens(text);
    (0..tokens.len()).any(|at| is_protocol(&tokens[at..]))
}

/// Whether the name of a protocol begins here.
fn is_protocol(tokens: &[&str]) -> bool {
    matches!(tokens, ["Protocol", "::", name, ..] if name.starts_with(|c: char| c.is_ascii_uppercase()))
}

fn compared(tokens: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_matches = 0;
    for at in 0..tokens.len() {
        if tokens[at..].starts_with(&["matches", "!", "("]) {
            let mut depth = 0;
            let end = tokens[at + 2..].iter().position(|token| {
                depth += match *token {
                    "(" => 1,
                    ")" => -1,
                    _ => 0,
                };
                depth == 0
            });
            in_matches = at + 2 + end.unwrap_or_default();
        }
        if !is_protocol(&tokens[at..]) {
            continue;
        }
        let mut begin = at;
        while begin >= 2 && tokens[begin - 1] == "::" {
            begin -= 2;
        }
        let (before, after) = (&tokens[..begin], &tokens[at + 3..]);
        let sign = |tokens: &[&str]| matches!(tokens, ["=" | "!", "="]);
        if at < in_matches
            || before.last() == Some(&"let")
            || sign(&before[before.len().saturating_sub(2)..])
            || sign(&after[..after.len().min(2)])
        {
            found.push(tokens[at..at + 3].concat());
        }
    }
    found
}

/// The patterns of the arms of a `match`, from behind its brace, without their conditions.
fn arms<'a>(tokens: &[&'a str]) -> Vec<Vec<&'a str>> {
    let mut arms = Vec::new();
    let mut pattern = Some(Vec::new());
    let mut depth = 0;
    let mut at = 0;
    while at < tokens.len() && depth >= 0 {
        let token = tokens[at];
        match token {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        match &mut pattern {
            Some(words) if depth == 0 && tokens[at..].starts_with(&["=", ">"]) => {
                arms.push(std::mem::take(words));
                pattern = None;
                at += 1;
            }
            Some(words) => words.push(token),
            None if depth == 0 && (token == "," || token == "}") => {
                pattern = Some(Vec::new());
                // A block may have a comma behind it, or none.
                if token == "}" && tokens.get(at + 1) == Some(&",") {
                    at += 1;
                }
            }
            None => {}
        }
        at += 1;
    }
    for words in &mut arms {
        if let Some(condition) = words.iter().position(|&word| word == "if") {
            words.truncate(condition);
        }
    }
    arms
}

/// The patterns that take whatever protocol, where others name one.
fn open_ended<'a>(arms: &'a [Vec<&'a str>]) -> impl Iterator<Item = &'a Vec<&'a str>> {
    let named = arms.iter().find_map(|pattern| {
        parts(pattern)
            .iter()
            .position(|part| (0..part.len()).any(|at| is_protocol(&part[at..])))
    });
    arms.iter().filter(move |pattern| {
        let Some(place) = named else { return false };
        let parts = parts(pattern);
        // A pattern of one word stands for the whole tuple.
        let part = parts.get(place).unwrap_or(&parts[0]);
        matches!(part[..], [word] if is_name(word))
    })
}

/// The parts of a tuple; a pattern that is none is the only part.
fn parts<'a>(pattern: &[&'a str]) -> Vec<Vec<&'a str>> {
    let [first, inside @ .., _] = pattern else {
        return vec![pattern.to_vec()];
    };
    if *first != "(" {
        return vec![pattern.to_vec()];
    }
    let mut depth = 0;
    let mut parts = vec![Vec::new()];
    for token in inside {
        match *token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        match *token {
            "," if depth == 0 => parts.push(Vec::new()),
            _ => parts.last_mut().expect("one at least").push(*token),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_new_protocol_would_slip_through_is_found() {
        for text in [
            "if a == Protocol::Exec { }",
            "if a != crate::wire::Protocol::Exec { }",
            "f(Protocol::Exec == a)",
            "matches!(a.b(), (Protocol::Exec | Protocol::Control, _))",
            "if let Protocol::Exec = a { }",
            "match a { Protocol::Exec => 1, _ => 2 }",
            "match a { Protocol::Exec => { f(1, 2) } other => g() }",
            "match (a, b) { (C::D, Protocol::Exec) => f(), (C::E, _) => g(), _ => h() }",
            "match (a, b) { (C::D, Protocol::Exec) => f(), _ => h() }",
        ] {
            assert!(!comparisons(text).is_empty(), "{text}");
            assert!(names_one(text));
        }
    }

    #[test]
    fn what_a_new_protocol_would_stop_is_not() {
        for text in [
            "match a { Protocol::Exec => 1, Protocol::Sockproc | Protocol::Control if b => 2, }",
            "match (a, b) { (Protocol::Exec, _) => f(), (Protocol::Control, C::D) => g() }",
            "f(a, Protocol::Exec); let a = Protocol::Exec; let b = (Protocol::Exec, 1);",
            "match a { B::C => f(Protocol::Exec), _ => 2 }",
            "match a { Protocol::Exec => match b { C => 1, _ => 2 }, Protocol::Control => 3 }",
            "if a == b { } matches!(a, B::C)",
        ] {
            assert_eq!(comparisons(text), [""; 0], "{text}");
        }
        assert!(!names_one("Protocol::of_socket(name); a.protocol"));
    }
}
