//! The names in the pages are those of the code: commands, options, units, settings, states.

use crate::common::daemon::{PROGRAM, command, finish};
use crate::pages;
use sockexec::config::{Config, Source};
use sockexec::session::JobState;
use sockexec::settings::KEYS;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The programs of the package.
const PROGRAMS: [(&str, &str); 3] = [
    ("sockexec", PROGRAM),
    ("sockexecctl", env!("CARGO_BIN_EXE_sockexecctl")),
    ("sockexec-client", env!("CARGO_BIN_EXE_sockexec-client")),
];

/// What a program prints about itself.
fn help(program: &str, arguments: &[&str]) -> String {
    let output = finish(command(program).args(arguments).arg("--help"));
    String::from_utf8(output.stdout).unwrap()
}

/// All commands that the pages show, in words: the program is the first.
fn commands() -> Vec<(String, Vec<String>)> {
    let mut commands = Vec::new();
    for page in pages::all() {
        let blocks = pages::blocks(&page).into_iter();
        let shown = blocks.filter(|(kind, _)| ["", "console"].contains(&&kind[..]));
        let lines = shown.flat_map(|(_, text)| text.lines().map(str::to_owned).collect::<Vec<_>>());
        for line in lines.chain(pages::spans(&page)) {
            let parts = line.split(['|', ';', '#', '(', '"']);
            for part in parts.flat_map(|part| part.split("&&")) {
                let words = part.split_whitespace().map(str::to_owned);
                let words: Vec<_> = words
                    .skip_while(|word| ["$", "sudo", "-u", "www-data"].contains(&&word[..]))
                    .collect();
                if words.len() > 1 && PROGRAMS.iter().any(|(name, _)| *name == words[0]) {
                    commands.push((format!("{}: {}", page.display(), words.join(" ")), words));
                }
            }
        }
    }
    commands
}

#[test]
fn commands_and_options_in_the_pages_exist() {
    let programs = BTreeMap::from(PROGRAMS);
    let helps: BTreeMap<_, _> = PROGRAMS.map(|(name, path)| (name, help(path, &[]))).into();
    let has = |text: &str, word: &str| {
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '-');
        let mut words = words.map(|one| one.trim_end_matches('-'));
        words.any(|one| one == word)
    };
    let commands = commands();
    assert!(commands.len() > 40, "{}", commands.len());
    for (place, words) in commands {
        let mut text = helps[&words[0][..]].clone();
        if words[0] == "sockexecctl" {
            let name = words[1..].iter().find(|word| {
                word.starts_with(|c: char| c.is_ascii_lowercase()) && !word.contains('/')
            });
            if let Some(name) = name {
                let listed = text
                    .lines()
                    .any(|line| line.split_whitespace().next() == Some(name));
                assert!(listed, "{place}");
                text += &help(programs["sockexecctl"], &[name]);
            }
        }
        if words[0] == "sockexec" && words.iter().any(|word| word == "--explain") {
            text += &help(programs["sockexec"], &["--explain"]);
        }
        // The options of a program behind a client's socket, or behind explain, are its own.
        let own = words[1..].iter().take_while(|word| {
            !word.contains(".sock") && word[..] != *"SOCKET" && !word.starts_with("/usr/")
        });
        for option in own.filter(|word| word.starts_with("--")) {
            let option = option
                .split('=')
                .next()
                .unwrap()
                .trim_end_matches([',', '.', ':', ')']);
            assert!(has(&text, option), "{place}: {option}");
        }
    }
}

#[test]
fn units_in_the_pages_exist() {
    let mut count = 0;
    for page in pages::all() {
        let text = pages::read(&page);
        let words = text.split(|c: char| !c.is_alphanumeric() && !"@.-_%".contains(c));
        for word in words.map(|word| word.trim_end_matches('.')) {
            let ours = word.starts_with("sockexec") || word.starts_with("sockproc");
            let unit = [".socket", ".service"]
                .iter()
                .any(|end| word.ends_with(end));
            if !ours || !unit {
                continue;
            }
            let (name, kind) = word.rsplit_once('.').unwrap();
            let name = name
                .split_once('@')
                .map_or(name.to_owned(), |(name, _)| format!("{name}@"));
            let file = format!("systemd/{name}.{kind}");
            let own = text.contains(&format!("/etc/systemd/system/{word}"));
            let there = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file).exists();
            assert!(there || own, "{}: {word}", page.display());
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

/// The configuration of a text, which must be valid.
fn load(place: &str, text: &str) -> Config {
    let directory = crate::common::temporary::Directory::new();
    let file = directory.file("sockexec.toml", 0o644, text);
    let mut source = Source::from_arguments(["sockexec", "--config", &file]).unwrap();
    source
        .load()
        .unwrap_or_else(|error| panic!("{place}: {error}\n{text}"))
}

#[test]
fn settings_and_rules_in_the_pages_are_valid() {
    let mut count = 0;
    for page in pages::all() {
        for (kind, text) in pages::blocks(&page) {
            // One shows a mistake.
            if kind != "toml" || text.contains("timeuot") {
                continue;
            }
            // A program of the reader's, which this machine has not.
            let text = text.replace("strict = true\n", "");
            load(&page.display().to_string(), &text);
            count += 1;
        }
    }
    assert!(count >= 3, "{count}");
}

/// A default in the page as the table of settings has it: in bytes and seconds.
fn plain(text: &str) -> Option<String> {
    let number = |text: &str| text.parse::<u64>().ok();
    match text.split_once(' ') {
        Some((n, "MiB")) => Some((number(n)? << 20).to_string()),
        Some((n, "GiB")) => Some((number(n)? << 30).to_string()),
        Some((n, "s" | "%")) => Some(number(n)?.to_string()),
        _ => number(text).map(|n| n.to_string()),
    }
}

#[test]
fn the_limits_in_their_page_are_the_defaults() {
    let text = pages::read(Path::new("docs/limits.md"));
    let rows = text.lines().filter(|line| line.starts_with("| ")).skip(2);
    let mut found = 0;
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [_, settings, default, _] = cells[..] else {
            panic!("{row}")
        };
        let names = settings.split('`').skip(1).step_by(2);
        for (name, default) in names.zip(default.split([',', ';'])) {
            let key = KEYS.iter().find(|key| key.name == name);
            if let (Some(key), Some(default)) = (key, plain(default.trim())) {
                assert_eq!(default, key.default(), "{row}");
                found += 1;
            }
        }
    }
    assert!(found >= 12, "{found}");
}

#[test]
fn the_states_of_a_job_in_the_picture_are_those_of_jobs() {
    let blocks = pages::blocks(Path::new("docs/operating.md"));
    let picture = blocks.iter().find(|(_, text)| text.contains("[running]"));
    let (_, picture) = picture.expect("the picture");
    let boxes = picture.split('[').skip(1);
    let boxes: BTreeSet<&str> = boxes
        .filter_map(|part| Some(part.split_once(']')?.0))
        .collect();
    assert_eq!(boxes, BTreeSet::from(JobState::ALL.map(JobState::name)));
}

#[test]
fn the_screen_of_top_is_a_part_of_its_picture() {
    let blocks = pages::blocks(Path::new("docs/control.md"));
    let screen = blocks.iter().find(|(_, text)| text.contains("[1 running]"));
    let (_, screen) = screen.expect("the screen");
    let picture = pages::read(Path::new("docs/pictures/top.txt"));
    for line in screen.lines() {
        assert!(
            picture.lines().any(|one| one.trim_end() == line.trim_end()),
            "{line}"
        );
    }
}
