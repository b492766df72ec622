//! What shells offer for `sockexecctl`: the options that there are, and the jobs that a server has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::answers;
use crate::common::skip;
use crate::server::{PROGRAM, Server, stderr_of, stdout_of};
use sockexec::settings::KEYS;

const COMMANDS: [&str; 18] = [
    "status", "jobs", "kill", "set", "explain", "reload", "drain", "undrain", "rules", "config",
    "metrics", "recent", "follow", "totals", "ping", "top", "version", "help",
];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("completions")
        .join(name)
}

/// The options that `--help` has, long and short, with these words in front.
fn options(words: &[&str]) -> BTreeSet<String> {
    let output = Command::new(PROGRAM)
        .args(words)
        .arg("--help")
        .output()
        .unwrap();
    let help = stdout_of(&output);
    let lines = help
        .lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with('-'));
    let words = lines.flat_map(|line| line.split([' ', ',']).filter(|word| word.starts_with('-')));
    words.map(str::to_owned).collect()
}

/// A shell with the program in its PATH, and what it prints.
fn shell(name: &str, args: &[&str]) -> Option<BTreeSet<String>> {
    let shell = skip::unless_tool(name)?;
    let directory = Path::new(PROGRAM).parent().unwrap().display();
    let path = format!("{directory}:{}", std::env::var("PATH").unwrap());
    let output = Command::new(shell)
        .args(args)
        .env("PATH", path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr_of(&output));
    let text = stdout_of(&output);
    let first = |line: &str| line.split('\t').next().map(str::to_owned);
    Some(
        text.lines()
            .filter_map(first)
            .filter(|line| !line.is_empty())
            .collect(),
    )
}

fn fish(words: &[&str]) -> Option<BTreeSet<String>> {
    let source = format!(
        "source {}; complete -C $argv[1]",
        file("sockexecctl.fish").display()
    );
    shell("fish", &["--no-config", "-c", &source, &words.join(" ")])
}

fn bash(words: &[&str]) -> Option<BTreeSet<String>> {
    let library = "/usr/share/bash-completion/bash_completion";
    if !Path::new(library).exists() {
        skip::missing("there is no bash-completion");
        return None;
    }
    let script = format!(
        "source {library}; source {}
        COMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1)) COMP_LINE=\"$*\" COMP_POINT=${{#COMP_LINE}}
        _sockexecctl \"$1\" \"${{!#}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\" 2>/dev/null
        printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        file("sockexecctl.bash").display()
    );
    let mut args = vec!["-c", script.as_str(), "bash"];
    args.extend(words);
    shell("bash", &args)
}

#[test]
fn options_and_commands_are_those_that_there_are() {
    let commands: BTreeSet<_> = COMMANDS.map(String::from).into();
    for offers in [bash, fish] {
        let Some(offered) = offers(&["sockexecctl", ""]) else {
            continue;
        };
        assert_eq!(offered, commands);
        for words in [
            &[][..],
            &["kill"],
            &["set"],
            &["top"],
            &["explain"],
            &["status"],
            &["recent"],
            &["follow"],
            &["totals"],
        ] {
            let mut offered = BTreeSet::new();
            for dash in ["-", "--"] {
                let line = [&["sockexecctl"], words, &[dash]].concat();
                offered.extend(offers(&line).unwrap());
            }
            assert_eq!(offered, options(words), "{words:?}");
        }
    }
}

#[test]
fn help_offers_the_other_commands() {
    let mut commands: BTreeSet<_> = COMMANDS.map(String::from).into();
    commands.remove("help");
    for offers in [bash, fish] {
        if let Some(offered) = offers(&["sockexecctl", "help", ""]) {
            assert_eq!(offered, commands);
        }
    }
}

#[test]
fn kill_offers_the_jobs_of_the_server_that_is_named() {
    let server = Server::answering(answers::serving(12));
    let socket = server.path().to_str().unwrap();
    let jobs: BTreeSet<_> = ["1", "10", "11", "12"].map(String::from).into();
    for offers in [bash, fish] {
        let before = offers(&["sockexecctl", "-s", socket, "kill", "1"]);
        let behind = offers(&["sockexecctl", "kill", "--socket", socket, "1"]);
        for offered in [before, behind].into_iter().flatten() {
            assert_eq!(offered, jobs);
        }
        // Without a server there is nothing to offer, and no complaint.
        let none = offers(&["sockexecctl", "-s", "/nonexistent/socket", "kill", ""]);
        assert_eq!(none.unwrap_or_default(), BTreeSet::new());
    }
}

#[test]
fn kill_offers_signals_that_are_accepted() {
    for offers in [bash, fish] {
        let Some(offered) = offers(&["sockexecctl", "kill", "--signal", ""]) else {
            continue;
        };
        assert!(
            offered.contains("TERM") && offered.len() > 20,
            "{offered:?}"
        );
        for signal in offered {
            assert!(sockexec::signal::parse(&signal).is_some(), "{signal}");
        }
    }
}

#[test]
fn settings_and_their_values() {
    for offers in [bash, fish] {
        if let Some(offered) = offers(&["sockexecctl", "set", "t"]) {
            assert_eq!(offered, ["timeout=".to_owned()].into());
        }
        if let Some(offered) = offers(&["sockexecctl", "set", ""]) {
            // Some shells offer the words behind a name, too.
            let offered: BTreeSet<_> = offered.iter().map(|word| word.split('=').next()).collect();
            let settable = KEYS.iter().filter(|key| key.is.settable.is_some());
            assert_eq!(offered, settable.map(|key| Some(key.name)).collect());
        }
    }
}

#[test]
fn zsh_reads_its_completions() {
    let file = file("_sockexecctl");
    shell("zsh", &["-n", file.to_str().unwrap()]);
}

/// Types each text and a tab in zsh, and waits until the screen shows what belongs there.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "fpath=($1 \$fpath); autoload -U compinit; compinit -u -D; LISTMAX=9999; print rea''dy"
zpty -r z shown '*ready*' || exit 1
shift
for text expected in "$@"; do
    zpty -n -w z "$text"$'\t'
    zpty -r z shown "*$expected*" || exit 1
    zpty -n -w z $'\x15'
    print -r -- "$text"
done
zpty -d z
"#;

#[test]
fn zsh_completes_commands_signals_and_programs() {
    let Some(zsh) = skip::unless_tool("zsh") else {
        return;
    };
    let directory = file("");
    // Only what the text lacks is sure to be drawn in one piece, unless it is a list.
    let cases = [
        ("sockexecctl undr", "ain"),
        ("sockexecctl help undr", "ain"),
        ("sockexecctl kill --signal=STK", "FLT"),
        ("sockexec-client /no/socket una", "uname"),
    ];
    let output = Command::new("timeout")
        .arg("60")
        .arg(zsh)
        .args(["-f", "-c", ZSH, "zsh"])
        .arg(&directory)
        .args(cases.iter().flat_map(|(text, expected)| [text, expected]))
        .env("TERM", "xterm")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let typed: Vec<_> = cases.iter().map(|(text, _)| *text).collect();
    assert_eq!(stdout_of(&output).lines().collect::<Vec<_>>(), typed);
}
