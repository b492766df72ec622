//! Words that a technical text does without, looked for in pages and comments.

/// Each phrase, and a better way to write it.
const PHRASES: [(&str, &str); 15] = [
    ("anybody", "name the user, client or process"),
    ("came to run", "ran, or was executed"),
    ("come to run", "run, or are executed"),
    ("comes to run", "runs, or is executed"),
    ("everybody", "every user, all clients"),
    ("in good order", "cleanly"),
    ("is said so", "is reported"),
    ("is to be had", "is available"),
    ("so many", "name the number"),
    ("somebody", "name the user, client or process"),
    ("tell", "report, log, return or notify"),
    ("telling", "reporting, logging or notifying"),
    ("tells", "reports, logs, returns or notifies"),
    ("told", "reported, logged, asked or notified"),
    ("whoever", "the user, client or process that"),
];

/// The phrases in a text, with their lines. A phrase may be broken by the end of a line.
pub fn faults(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    let numbered = text.lines().zip(1..);
    let words: Vec<(String, usize)> = numbered
        .flat_map(|(line, number)| {
            let words = line.split(|c: char| !c.is_alphanumeric());
            words.map(move |word| (word.to_lowercase(), number))
        })
        .filter(|(word, _)| !word.is_empty())
        .collect();
    let mut found = Vec::new();
    for (at, (_, number)) in words.iter().enumerate() {
        for (phrase, better) in PHRASES {
            let wanted = phrase.split(' ');
            let here = words[at..].iter().map(|(word, _)| &word[..]);
            if here.take(wanted.clone().count()).eq(wanted) {
                found.push((*number, phrase, better));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::faults;

    #[test]
    fn phrases_are_found_also_across_lines_and_parts_of_words_are_not() {
        for (text, wanted) in [
            ("The log tells why.", &[(1, "tells")][..]),
            (
                "It is\nTold by *whoever* asks",
                &[(2, "told"), (2, "whoever")],
            ),
            (
                "Here so\n  many wait, in\ngood order",
                &[(1, "so many"), (2, "in good order")],
            ),
            ("a told-you-so", &[(1, "told")]),
            (
                "Intelligent satellites, so few, come to a stop and run.",
                &[],
            ),
            ("", &[]),
        ] {
            let found = faults(text).into_iter();
            let found: Vec<_> = found.map(|(line, phrase, _)| (line, phrase)).collect();
            assert_eq!(found, wanted, "{text}");
        }
    }
}
