//! The manual page, the installed file and the table of settings agree.

use crate::common::temporary::Directory;
use sockexec::config::{Accepts, Config, EXECUTION_KEYS, FILE, RULE_KEYS, Source, limit_of};
use sockexec::execution::Resource;
use sockexec::settings::KEYS;
use sockexec::settings::value::Kind;

use std::fs;
use std::path::Path;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The words with which a text describes the accepted values.
fn words(kind: Kind) -> Vec<String> {
    match kind {
        Kind::Number(least, most) | Kind::Bytes(least, most) => vec![format!("{least} to {most}")],
        Kind::Seconds(least, most) => vec![format!("{least} to {most}"), "econds".into()],
        Kind::Rate(most) => vec![format!("0.001 to {most}")],
        Kind::Mode => vec!["0 to 0777".into()],
        Kind::Bool => vec!["true".into(), "false".into()],
        Kind::Words(words) => words.iter().map(|(word, _)| (*word).into()).collect(),
    }
}

#[track_caller]
fn has(text: &str, name: &str, words: &[String]) {
    for word in words {
        assert!(text.contains(&word[..]), "{name}: no \"{word}\" in {text}");
    }
}

/// The items of a section of the manual page, in order: the name and the text, without
/// macros.
fn items(page: &str, section: &str) -> Vec<(String, String)> {
    let begin = page.find(&format!("\n.Sh {section}\n")).unwrap() + 1;
    let end = page[begin..].find("\n.Sh ").unwrap() + begin;
    let mut items: Vec<(String, String)> = Vec::new();
    for line in page[begin..end].lines().skip(1) {
        if let Some(name) = line.strip_prefix(".It Ic ") {
            items.push((name.into(), String::new()));
        } else if line == ".El" {
            // What follows belongs to no item.
            items.push((String::new(), String::new()));
        } else if let Some((_, text)) = items.last_mut() {
            let words = line.strip_prefix('.').and_then(|l| l.split_once(' '));
            text.push_str(words.map_or(line, |(_, words)| words));
            text.push(' ');
        }
    }
    items.retain(|(name, _)| !name.is_empty());
    items
}

/// The keys of rules, in the order of the documents.
fn rule_keys() -> Vec<&'static str> {
    let keys = RULE_KEYS.iter().map(|key| key.name);
    std::iter::once("default").chain(keys).collect()
}

/// The keys of the execution of programs, in the order of the documents.
fn execution_keys() -> Vec<&'static str> {
    EXECUTION_KEYS.iter().map(|key| key.name).collect()
}

/// The names of the settings that take effect at the next start according to the page: in their
/// own text, or at the head of their subsection.
fn at_start(page: &str) -> Vec<String> {
    const SAYS: &str = "takes effect at the next start";
    let (_, part) = page.split_once("\n.Sh SETTINGS\n").unwrap();
    let (part, _) = part.split_once("\n.Sh ").unwrap();
    let mut found = Vec::new();
    for section in part.split("\n.Ss ") {
        let mut items = section.split("\n.It Ic ");
        let all = items.next().unwrap().contains(SAYS);
        let items = items.filter(|text| all || text.contains(SAYS));
        found.extend(items.map(|text| text.lines().next().unwrap().to_owned()));
    }
    found.sort_unstable();
    found
}

#[test]
fn the_manual_page_says_which_settings_take_effect_at_the_next_start() {
    let keys = KEYS.iter().filter(|key| key.is.at_start);
    let mut expected: Vec<_> = keys.map(|key| key.name.to_owned()).collect();
    expected.sort_unstable();
    assert_eq!(at_start(&read("man/sockexec.toml.5")), expected);
}

#[test]
fn the_manual_page_of_sockexecctl_has_what_set_may_change() {
    let page = read("man/sockexecctl.1");
    let (_, part) = page.split_once("\n.It Cm set ").unwrap();
    let (part, _) = part.split_once("\n.El\n").unwrap();
    let items: Vec<_> = part.split("\n.It Cm ").skip(1).collect();
    let settable = KEYS.iter().filter(|key| key.is.settable.is_some());
    let settable: Vec<_> = settable.collect();
    assert_eq!(items.len(), settable.len());
    for key in settable {
        let text = items.iter().find_map(|item| item.strip_prefix(key.name));
        has(text.expect(key.name), key.name, &words(key.kind));
    }
}

#[test]
fn the_manual_page_has_every_key_with_its_range_and_default() {
    let page = read("man/sockexec.toml.5");
    let settings = items(&page, "SETTINGS");
    let names: Vec<_> = settings.iter().map(|(name, _)| &name[..]).collect();
    let mut expected: Vec<_> = KEYS.iter().map(|key| key.name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    expected.sort_unstable();
    assert_eq!(sorted, expected);
    for (name, text) in settings {
        let key = KEYS.iter().find(|key| key.name == name).unwrap();
        has(&text, &name, &words(key.kind));
        has(&text, &name, &[format!("the default is {}", key.default())]);
    }
    let execution = items(&page, "EXECUTION");
    let names: Vec<_> = execution.iter().map(|(name, _)| &name[..]).collect();
    assert_eq!(names, execution_keys());
    for ((name, text), key) in execution.iter().zip(EXECUTION_KEYS) {
        if let Accepts::One(kind) = key.accepts {
            has(text, name, &words(kind));
        }
    }
    for resource in Resource::ALL {
        let (_, limit) = page.split_once(&format!(".It Cm {resource}\n")).unwrap();
        let (limit, _) = limit.split_once("\n.").unwrap();
        has(limit, resource.name(), &words(limit_of(resource)));
    }
    let rules = items(&page, "RULES");
    let names: Vec<_> = rules.iter().map(|(name, _)| &name[..]).collect();
    assert_eq!(names, rule_keys());
    for ((name, text), key) in rules[1..].iter().zip(RULE_KEYS) {
        if let Accepts::One(kind) = key.accepts {
            has(text, name, &words(kind));
        }
    }
}

/// The settings of the installed file, in order: the name, the value as it stands there,
/// and the comment above. `[[allow]]` is one with no value.
fn installed() -> Vec<(String, String, String)> {
    let (mut all, mut comment) = (Vec::new(), String::new());
    for line in read("systemd/sockexec.toml").lines() {
        if let Some(text) = line.strip_prefix("# ") {
            comment.push_str(text);
            comment.push(' ');
        } else if let Some(setting) = line.strip_prefix('#').filter(|rest| !rest.is_empty()) {
            let (name, value) = setting.split_once(" = ").unwrap_or((setting, ""));
            all.push((name.into(), value.into(), comment.clone()));
        } else {
            assert!(line.is_empty() || line == "#", "{line} is in force");
            comment.clear();
        }
    }
    all
}

#[test]
fn the_installed_file_has_every_key_with_its_range_and_default() {
    let installed = installed();
    let allow = installed
        .iter()
        .position(|(name, _, _)| name == "[[allow]]");
    let (settings, rules) = installed.split_at(allow.unwrap());
    let mut names: Vec<_> = settings.iter().map(|(name, _, _)| &name[..]).collect();
    assert_eq!(names.pop(), Some("default"));
    let execution = settings.len() - 1 - EXECUTION_KEYS.len();
    assert_eq!(names.split_off(execution), execution_keys());
    let (settings, execution) = settings.split_at(execution);
    for ((name, value, comment), key) in execution.iter().zip(EXECUTION_KEYS) {
        if let Accepts::One(kind) = key.accepts {
            has(comment, name, &words(kind));
        }
        for resource in Resource::ALL {
            assert!(name != "limits" || value.contains(resource.name()));
        }
    }
    let mut expected: Vec<_> = KEYS.iter().map(|key| key.name).collect();
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected);
    for (name, value, comment) in settings {
        let key = KEYS.iter().find(|key| key.name == name).unwrap();
        has(comment, name, &words(key.kind));
        let quoted = matches!(key.kind, Kind::Mode | Kind::Words(_));
        let quote = if quoted { "\"" } else { "" };
        assert_eq!(*value, format!("{quote}{}{quote}", key.default()), "{name}");
    }
    let names: Vec<_> = rules[1..].iter().map(|(name, _, _)| &name[..]).collect();
    assert_eq!(names, rule_keys()[1..]);
    for ((name, _, comment), key) in rules[1..].iter().zip(RULE_KEYS) {
        if let Accepts::One(kind) = key.accepts {
            has(comment, name, &words(kind));
        }
    }
}

fn load(text: &str) -> Config {
    let directory = Directory::new();
    let file = directory.file("sockexec.toml", 0o644, text);
    let mut source = Source::from_arguments(["sockexec", "--config", &file]).unwrap();
    source.load().unwrap()
}

#[test]
fn the_installed_file_is_accepted_and_changes_nothing() {
    let text = read("systemd/sockexec.toml");
    let config = load(&text);
    assert_eq!(config.changed_since(&Config::default()), [""; 0]);
    assert!(config.rules.allow_everything());
    let in_force: Vec<_> = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if setting.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => {
                setting
            }
            _ => line,
        })
        .collect();
    let config = load(&in_force.join("\n"));
    let changed = config.changed_since(&Config::default());
    // A given 0 means that it is not 30 with --inetd.
    let expected = ["idle-exit", "allow", "default"].into_iter();
    assert_eq!(
        changed,
        expected.chain(execution_keys()).collect::<Vec<_>>()
    );
    let rule = config.rules.get(0).unwrap();
    assert!(!rule.users.is_empty() && !rule.groups.is_empty() && !rule.programs.is_empty());
    assert!(rule.max_jobs.is_some() && rule.timeout.is_some() && !rule.run_prefix.is_empty());
    assert!(rule.name.is_some() && !rule.labels.is_empty() && !rule.arguments.is_empty());
    assert_eq!(rule.execution, *config.rules.general());
}

#[test]
fn the_example_beside_the_default_of_the_installed_file_is_accepted() {
    let text = read("systemd/sockexec.toml");
    let lines: Vec<_> = text.lines().collect();
    let default = lines.iter().position(|line| *line == "#default = \"deny\"");
    let example = lines[default.unwrap() + 1..].iter();
    let example = example.map_while(|line| match line.strip_prefix('#') {
        Some(text) => Some(text.strip_prefix("   ").unwrap_or("")),
        None => line.is_empty().then_some(""),
    });
    let example = example.take_while(|line| !line.starts_with('#'));
    let example: Vec<_> = example.filter(|line| !line.is_empty()).collect();
    assert_eq!(example, ["[[allow]]", "program = \"/usr/bin/uptime\""]);
    let config = load(&format!("default = \"deny\"\n{}", example.join("\n")));
    assert_eq!(config.rules.iter().count(), 1);
}

#[test]
fn the_examples_of_the_manual_page_are_accepted() {
    let page = read("man/sockexec.toml.5");
    let begin = page.find("\n.Sh EXAMPLES\n").unwrap();
    let end = page.find("\n.Sh SECURITY\n").unwrap();
    let examples = page[begin..end]
        .split("\n.Bd -literal -offset 2n\n")
        .skip(1);
    let mut count = 0;
    for example in examples {
        let text = example.split("\n.Ed").next().unwrap();
        let rule = match text.contains("[[allow]]") {
            true => "",
            false => "[[allow]]\nprogram = \"*\"\n",
        };
        // A group that the reader has, and this machine has not.
        let text = format!("{rule}{text}").replace("operators", "root");
        assert!(!load(&text).rules.allow_everything(), "{text}");
        count += 1;
    }
    assert_eq!(count, 10);
}

/// A section of the protocol's page.
fn protocol(section: &str) -> String {
    let page = read("man/sockexec-protocol.7");
    let begin = page.find(&format!("\n.Sh {section}\n")).unwrap() + 1;
    let end = page[begin..].find("\n.Sh ").unwrap() + begin;
    page[begin..end].to_owned()
}

/// A default of the table of limits as the table of settings has it: in bytes and seconds.
fn plain(default: &str) -> String {
    match default.split_once(' ') {
        Some((number, "MiB")) => (number.parse::<u64>().unwrap() << 20).to_string(),
        Some((number, "s")) => number.to_owned(),
        _ => default.to_owned(),
    }
}

#[test]
fn the_limits_in_the_protocols_page_are_the_defaults() {
    let section = protocol("LIMITS");
    let rows: Vec<(&str, &str)> = section
        .lines()
        .filter_map(|line| line.strip_prefix(".It ")?.split_once(" Ta "))
        .collect();
    for (what, name) in [
        ("size of the arguments", "request-max"),
        ("connections that are served at once", "max-connections"),
        ("listen queue", "queue"),
        ("from acceptance to the last argument", "request-timeout"),
        ("arguments, all connections together", "requests-memory"),
        ("life of a connection", "timeout"),
        ("from SIGTERM on", "kill-timeout"),
        ("after the reply", "linger"),
    ] {
        let row = rows.iter().find(|(first, _)| *first == what);
        let (_, rest) = row.unwrap_or_else(|| panic!("no row: {what}"));
        let default = rest.split(" Ta ").next().unwrap();
        let key = KEYS.iter().find(|key| key.name == name).unwrap();
        assert_eq!(plain(default), key.default(), "{what}");
    }
}

#[test]
fn the_sockets_in_the_protocols_page_are_those_of_the_units() {
    let section = protocol("SOCKETS");
    let mut rows = Vec::new();
    for line in section.lines() {
        let Some(row) = line.strip_prefix(".It Li ") else {
            continue;
        };
        let columns: Vec<_> = row.split(" Ta ").collect();
        let [protocol, path, unit] = columns[..] else {
            panic!("{row}")
        };
        let path: String = path
            .split_whitespace()
            .filter(|word| !matches!(*word, "Pa" | "Ar" | "Ns"))
            .collect();
        let path = path.replace("TENANT", "%i");
        rows.push(unit.to_owned());
        let text = read(&format!("systemd/{unit}"));
        let has = |line: String| text.lines().any(|l| l == line);
        assert!(has(format!("ListenStream={path}")), "{unit}: {path}");
        assert!(has(format!("FileDescriptorName={protocol}")), "{unit}");
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    let names = fs::read_dir(directory).unwrap();
    let mut units: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".socket"))
        // That one speaks HTTP, and not with the server.
        .filter(|name| name != "sockexec-metrics.socket")
        .collect();
    rows.sort_unstable();
    units.sort_unstable();
    assert_eq!(rows, units);
}

#[test]
fn the_examples_of_readme_and_install_are_accepted() {
    for (name, wanted) in [("README.md", 1), ("docs/install.md", 2)] {
        let page = read(name);
        let blocks = page.split("```").filter_map(|block| block.split_once('\n'));
        let examples: Vec<_> = blocks
            .map(|(_, text)| text)
            .filter(|text| text.starts_with("[[allow]]"))
            .collect();
        assert_eq!(examples.len(), wanted, "{name}");
        for text in examples {
            assert!(!load(text).rules.allow_everything(), "{name}: {text}");
        }
    }
}

#[test]
fn the_units_name_the_file_so_that_it_must_be_there_and_check_with_the_options_of_the_start() {
    for (unit, more) in [
        (
            "systemd/sockexec.service",
            "--job-user ${SOCKEXEC_JOB_USER} --fallback stop-grace=10",
        ),
        (
            "systemd/sockexec@.service",
            "--fallback stop-grace=10 --fallback idle-exit=300",
        ),
    ] {
        let text = read(unit);
        let commands = |name: &str| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(name));
            lines.collect::<Vec<_>>()
        };
        let options = format!("--config {FILE} {more} $SOCKEXEC_OPTIONS");
        let start = format!("/usr/sbin/sockexec {options}");
        assert_eq!(commands("ExecStart="), [&start[..]], "{unit}");
        // Before SIGHUP.
        let check = format!("/usr/sbin/sockexec --check --quiet {options}");
        assert_eq!(commands("ExecReload=")[0], check, "{unit}");
    }
}

#[test]
fn the_defaults_of_the_units_are_valid_and_yield_to_the_file() {
    let directory = Directory::new();
    let words = |name: &str| {
        let text = read(name);
        let line = text.lines().find_map(|l| l.strip_prefix("ExecStart="));
        let line = line.unwrap().replace("${SOCKEXEC_JOB_USER}", "");
        let words = line.split(' ').filter(|word| *word != "$SOCKEXEC_OPTIONS");
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    for (unit, idle_exit) in [
        ("systemd/sockexec.service", None),
        ("systemd/sockexec@.service", Some(300)),
    ] {
        let load = |text: &str, option: &[&str]| {
            let file = directory.file("f.toml", 0o644, text);
            let given = ["--config", &file]
                .into_iter()
                .chain(option.iter().copied());
            let line = words(unit).into_iter().chain(given.map(str::to_owned));
            Source::from_arguments(line).unwrap().load().unwrap()
        };
        let times = |config: &Config| {
            let seconds = config.idle_exit().map(|time| time.as_secs());
            (config.settings.stop_grace.as_secs(), seconds)
        };
        // An option that says nothing of them leaves both.
        assert_eq!(times(&load("queue = 5\n", &["-m", "20"])), (10, idle_exit));
        let text = "stop-grace = 5\nidle-exit = 6\n";
        assert_eq!(times(&load(text, &[])), (5, Some(6)));
        let options = ["--stop-grace", "7", "--idle-exit", "8"];
        assert_eq!(times(&load(text, &options)), (7, Some(8)));
    }
}

#[test]
fn the_oldest_rust_is_the_same_everywhere() {
    let oldest = env!("CARGO_PKG_RUST_VERSION");
    let control = read("debian/control");
    for tool in ["cargo", "rustc"] {
        has(
            &control,
            "debian/control",
            &[format!("{tool} (>= {oldest})")],
        );
    }
    has(
        &read("README.md"),
        "README.md",
        &[format!("{oldest} or newer")],
    );
    has(
        &read("CHANGELOG.md"),
        "CHANGELOG.md",
        &[format!("Rust {oldest}")],
    );
}
