//! The table of layers in ARCHITECTURE.md: which module uses which, and which of them are pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{self, paths, tokens};

/// What a pure module may have all the same: names of errors, of signals and of log levels.
const PLAIN: [&str; 4] = [
    "log::LevelFilter",
    "nix::errno",
    "nix::sys::signal",
    "std::io::Error",
];

/// What a pure module may not have of the standard library, which is what asks the system.
const SYSTEM: [&str; 9] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::path",
    "std::process",
    "std::sync",
    "std::thread",
];

/// Words with which a clock is read or something is written.
const WORDS: [&str; 8] = [
    "SystemTime",
    "print",
    "println",
    "eprint",
    "eprintln",
    "dbg",
    "unsafe",
    "extern",
];

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Layer {
    pub module: String,
    pub pure: bool,
    /// Modules, or what is in one: `os`, `os::peer`.
    pub uses: Vec<String>,
}

/// The rows of the table below this heading, from the top to the bottom.
pub fn table(text: &str, heading: &str) -> Vec<Layer> {
    let (_, after) = text.split_once(heading).expect("the heading of the table");
    let part = after.split("\n## ").next().unwrap_or_default();
    let rows = part.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [module, pure, uses] = cells[..] else {
            panic!("not three cells: {row}");
        };
        Layer {
            module: module.trim_matches('`').to_owned(),
            pure: match pure {
                "pure" => true,
                "" => false,
                other => panic!("pure or not, not {other}: {row}"),
            },
            uses: uses
                .split(", ")
                .filter(|name| !name.is_empty())
                .map(|name| name.trim_matches('`').to_owned())
                .collect(),
        }
    })
    .collect()
}

/// The files of each module: those of the library, the daemon, and the other programs.
pub fn modules(files: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut modules = BTreeMap::<String, Vec<String>>::new();
    for file in files.iter().filter(|file| *file != "src/lib.rs") {
        let inside = file.strip_prefix("src/").unwrap_or(file);
        let parts: Vec<&str> = inside.split('/').collect();
        let name = match parts[..] {
            ["bin", program, ..] => format!("bin/{program}"),
            [module, ..] => module.to_owned(),
            [] => continue,
        };
        let name = name.trim_end_matches(".rs").to_owned();
        modules.entry(name).or_default().push(file.clone());
    }
    modules
}

/// What a program text has of other modules: their names, and what of them. Programs name the
/// library.
pub fn used(text: &str, module: &str) -> BTreeSet<String> {
    let program = module.starts_with("bin/");
    let all = paths(text, &|name| name == "sockexec");
    let of_others = all.into_iter().filter_map(|path| {
        let path = match &path[0][..] {
            "sockexec" => &path[1..],
            "crate" if !program => &path[1..],
            _ => return None,
        };
        // A type of `main` is in no module.
        let in_main = path[0].starts_with(|c: char| c.is_ascii_uppercase());
        (path[0] != module && !in_main).then(|| path.join("::"))
    });
    of_others.collect()
}

/// What is not so of a table, for people; nothing when all is.
pub fn faults(table: &[Layer], texts: &BTreeMap<String, Vec<(String, String)>>) -> Vec<String> {
    let mut faults = Vec::new();
    let rows: Vec<&str> = table.iter().map(|layer| &layer.module[..]).collect();
    for module in texts.keys().filter(|module| !rows.contains(&&module[..])) {
        faults.push(format!("{module} has no row"));
    }
    for (at, layer) in table.iter().enumerate() {
        let module = &layer.module;
        let Some(files) = texts.get(module) else {
            faults.push(format!("{module} has a row, and is not there"));
            continue;
        };
        let mut needless: BTreeSet<&str> = layer.uses.iter().map(String::as_str).collect();
        for (file, text) in files {
            for path in used(text, module) {
                let allowed = layer.uses.iter().find(|&allowed| is_part(&path, allowed));
                match allowed {
                    Some(allowed) => _ = needless.remove(&allowed[..]),
                    None => faults.push(format!("{file} uses {path}")),
                }
            }
            if layer.pure {
                let unclean = impurities(text).into_iter();
                faults.extend(unclean.map(|word| format!("{file} is pure, and has {word}")));
            }
        }
        for name in needless {
            faults.push(format!("{module} does not use {name}"));
        }
        for name in &layer.uses {
            let other = name.split("::").next().unwrap_or_default();
            match rows.iter().position(|row| *row == other) {
                Some(below) if below > at => {
                    if layer.pure && !table[below].pure && !is_plain_file(name, texts) {
                        faults.push(format!("{module} is pure, and uses {name}"));
                    }
                }
                _ => faults.push(format!("{name} is not below {module}")),
            }
        }
    }
    faults
}

/// Whether this is one file of a module, such as `control::message`, and that one is pure.
fn is_plain_file(name: &str, texts: &BTreeMap<String, Vec<(String, String)>>) -> bool {
    let Some((module, _)) = name.split_once("::") else {
        return false;
    };
    let path = format!("src/{}.rs", name.replace("::", "/"));
    let files = texts.get(module).into_iter().flatten();
    let mut files = files.filter(|(file, _)| *file == path);
    files
        .next()
        .is_some_and(|(_, text)| impurities(text).is_empty())
}

/// Whether a path is this or in it.
fn is_part(path: &str, whole: &str) -> bool {
    let rest = path.strip_prefix(whole);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// What a pure module must not have.
pub fn impurities(text: &str) -> Vec<String> {
    let roots = ["std", "core", "alloc", "nix", "libc", "log"];
    let mut found: Vec<String> = paths(text, &|name| roots.contains(&name))
        .iter()
        .map(|path| path.join("::"))
        .filter(|path| {
            let foreign = ["libc", "log", "nix"]
                .iter()
                .any(|root| is_part(path, root));
            let plain = PLAIN.iter().any(|plain| is_part(path, plain));
            let system = SYSTEM.iter().any(|system| is_part(path, system));
            (system || foreign) && !plain
        })
        .collect();
    let tokens = tokens(text);
    found.extend(
        tokens
            .iter()
            .filter(|token| WORDS.contains(token))
            .map(|&token| token.to_owned()),
    );
    let now = tokens
        .windows(3)
        .filter(|three| *three == ["Instant", "::", "now"]);
    found.extend(now.map(|now| now.concat()));
    found
}

/// The sources of each module, by file.
pub fn texts() -> BTreeMap<String, Vec<(String, String)>> {
    let files = source::below("src");
    let read = |file: String| (file.clone(), source::program(&file));
    modules(&files)
        .into_iter()
        .map(|(module, files)| (module, files.into_iter().map(read).collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# Title\n\n## Layers\n\nText.\n\n| module | | uses |\n| --- | --- | --- |\n\
        | `roof` | | `floor`, `cellar::wine` |\n| `floor` | pure | `cellar::wine` |\n\
        | `cellar` | | |\n\n## Next\n\n| `other` | | |\n";

    /// Each module with its file; a cellar has wine.
    fn texts(of: &[(&str, &str)]) -> BTreeMap<String, Vec<(String, String)>> {
        let mut texts = BTreeMap::<String, Vec<_>>::new();
        for (name, text) in of {
            let file = (format!("src/{name}.rs"), (*text).to_owned());
            texts.insert((*name).to_owned(), vec![file]);
        }
        if let Some(cellar) = texts.get_mut("cellar") {
            cellar.push(("src/cellar/wine.rs".into(), "use std::fmt;".into()));
        }
        texts
    }

    const SOUND: [(&str, &str); 3] = [
        (
            "roof",
            "use crate::floor::F; use crate::{cellar::wine::W, roof::own};",
        ),
        (
            "floor",
            "use std::fmt; use nix::errno::Errno; use crate::cellar::wine;",
        ),
        ("cellar", "use std::fs;"),
    ];

    /// What is found when one module has this text.
    fn with(module: &str, text: &str) -> Vec<String> {
        let mut texts = texts(&SOUND);
        texts.get_mut(module).unwrap()[0].1.push_str(text);
        faults(&table(TABLE, "## Layers"), &texts)
    }

    #[test]
    fn a_sound_house_has_no_faults() {
        assert_eq!(with("roof", ""), [""; 0]);
        let rows = table(TABLE, "## Layers");
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[0].uses, ["floor", "cellar::wine"]);
        assert!(rows[1].pure && !rows[2].pure);
    }

    #[test]
    fn whatever_is_not_in_the_table_is_found() {
        for (module, text, fault) in [
            (
                "roof",
                "use crate::cellar::coal;",
                "src/roof.rs uses cellar::coal",
            ),
            (
                "cellar",
                "fn f() { crate::floor::go() }",
                "src/cellar.rs uses floor::go",
            ),
            (
                "floor",
                "use std::{fmt, fs};",
                "src/floor.rs is pure, and has std::fs",
            ),
            (
                "floor",
                "use nix::unistd::read;",
                "src/floor.rs is pure, and has nix::unistd::read",
            ),
            (
                "floor",
                "f(Instant::now())",
                "src/floor.rs is pure, and has Instant::now",
            ),
            (
                "floor",
                "log::info!()",
                "src/floor.rs is pure, and has log::info",
            ),
            (
                "floor",
                "println!()",
                "src/floor.rs is pure, and has println",
            ),
        ] {
            assert_eq!(with(module, text), [fault]);
        }
    }

    #[test]
    fn a_table_that_says_more_than_is_so_is_found() {
        let rows = table(TABLE, "## Layers");
        let mut fewer = texts(&SOUND);
        fewer.remove("cellar");
        assert!(faults(&rows, &fewer).contains(&"cellar has a row, and is not there".into()));
        let mut more = texts(&SOUND);
        more.insert("shed".into(), Vec::new());
        assert_eq!(faults(&rows, &more), ["shed has no row"]);
        let mut sour = texts(&SOUND);
        sour.get_mut("cellar").unwrap()[1].1 = "use std::fs;".into();
        assert_eq!(
            faults(&rows, &sour),
            ["floor is pure, and uses cellar::wine"]
        );
        let mut idle = texts(&SOUND);
        idle.get_mut("roof").unwrap()[0].1 = "use crate::floor::F;".into();
        assert_eq!(faults(&rows, &idle), ["roof does not use cellar::wine"]);
        let mut turned = table(TABLE, "## Layers");
        turned.reverse();
        let found = faults(&turned, &texts(&SOUND));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.iter().all(|fault| fault.contains("is not below")));
    }
}
