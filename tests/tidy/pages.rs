//! What ARCHITECTURE.md and the heads of modules name: files and constants that must be there.

use std::collections::BTreeSet;

/// The words of a text that stand between backticks, without those of its code blocks.
pub fn quoted(text: &str) -> Vec<&str> {
    let outside = text.split("```").step_by(2);
    outside
        .flat_map(|part| part.split('`').skip(1).step_by(2))
        .collect()
}

/// The sources that a text names and that are not there. A path may begin at the root or in
/// `src`; a name alone is that of any file.
pub fn missing<'a>(text: &'a str, files: &[String]) -> Vec<&'a str> {
    let is_there = |path: &str| {
        let below = format!("/{path}");
        match path.contains('/') {
            true => files
                .iter()
                .any(|file| file == path || *file == format!("src{below}")),
            false => files
                .iter()
                .any(|file| file == path || file.ends_with(&below)),
        }
    };
    let sources = quoted(text).into_iter().filter(|word| {
        word.ends_with(".rs")
            && word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_/-.".contains(c))
    });
    sources.filter(|path| !is_there(path)).collect()
}

/// The names such as `Type::method` in a text, in two parts.
pub fn members(text: &str) -> Vec<(&str, &str)> {
    let words = quoted(text).into_iter();
    let pairs = words.filter_map(|word| word.trim_end_matches("()").split_once("::"));
    let plain = |name: &str| name.chars().all(|c| c.is_alphanumeric() || c == '_');
    pairs
        .filter(|(of, name)| {
            of.starts_with(|c: char| c.is_ascii_uppercase()) && plain(of) && plain(name)
        })
        .collect()
}

/// The rows of the tables of a text, cell by cell.
pub fn rows(text: &str) -> Vec<Vec<&str>> {
    let rows = text
        .lines()
        .map(|line| line.trim_start_matches("//!").trim());
    rows.filter(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// The constants and types that stand before `in` and a file: `NAME` in `file.rs`, `NAME` in
/// `a.rs`, `b.rs`.
pub fn placed(cell: &str) -> Vec<(String, Vec<String>)> {
    let own = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let mut placed = Vec::new();
    for part in cell.split(';') {
        if let Some((names, files)) = part.split_once(" in ") {
            let files = own(quoted(files));
            placed.extend(
                own(quoted(names))
                    .into_iter()
                    .map(|name| (name, files.clone())),
            );
        }
    }
    placed
}

/// The files that a module's head lists in its tables, if it has one.
pub fn listed(head: &str) -> Option<BTreeSet<String>> {
    let mut tables = head.split("//! | file |").skip(1).peekable();
    tables.peek()?;
    let mut listed = BTreeSet::new();
    for table in tables {
        let lines = table.lines().skip(1);
        for line in lines.take_while(|line| line.starts_with("//! |")) {
            let cells = rows(line);
            listed.extend(quoted(cells[0][0]).into_iter().map(str::to_owned));
        }
    }
    Some(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_found() {
        let files = ["src/a/b.rs", "src/c.rs", "tests/d.rs"].map(str::to_owned);
        let text = "`a/b.rs` `src/a/b.rs` `c.rs` `b.rs` `tests/d.rs` `x.rs` `a/c.rs` `d/b.rs` `a/` `f()`\n\
            ```\n`gone.rs`\n```\n`e.rs`";
        assert_eq!(missing(text, &files), ["x.rs", "a/c.rs", "d/b.rs", "e.rs"]);
    }

    #[test]
    fn members_of_types_are_found() {
        let text = "`Server::turn`, `Order::Judge` `a::B` `config::Source::load` `X::y()` `a`";
        assert_eq!(
            members(text),
            [("Server", "turn"), ("Order", "Judge"), ("X", "y")]
        );
    }

    #[test]
    fn names_and_their_files_are_found() {
        let cell = "`A`, `B` in `a.rs`, `b.rs`; 5 s; `C` in `c.rs`";
        let placed: Vec<_> = placed(cell)
            .into_iter()
            .map(|(name, files)| format!("{name} {}", files.join(" ")))
            .collect();
        assert_eq!(placed, ["A a.rs b.rs", "B a.rs b.rs", "C c.rs"]);
    }

    #[test]
    fn the_table_of_a_head_is_found() {
        let head = "//! X.\n//!\n//! | state | means |\n//! |---|---|\n//! | `Y` | y |\n//!\n\
            //! | file | what it knows |\n//! |---|---|\n//! | `mod` | all |\n//! | `a` | c |\n//!\n\
            //! | file | what it owns |\n//! |---|---|\n//! | `b` | c |\n\nmod a;\n";
        let listed: Vec<_> = listed(head).unwrap().into_iter().collect();
        assert_eq!(listed, ["a", "b", "mod"]);
        assert_eq!(super::listed("//! X.\n"), None);
    }
}
