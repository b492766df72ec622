//! The statements of ARCHITECTURE.md about the layers, and the form of files, checked on the sources.
//!
//! The checks read the sources as words, in `source`; each has tests of its own on made-up
//! sources, so that it is known to find what it looks for.

#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/pages.rs"]
mod pages;
#[path = "tidy/protocols.rs"]
mod protocols;
#[path = "tidy/security.rs"]
mod security;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/words.rs"]
mod words;

use std::collections::{BTreeMap, BTreeSet};

use circles::Folder;
use layers::Layer;

/// The heading of the table of claims.
const CLAIMS: &str = "\n## Claims\n";

#[test]
fn each_claim_about_security_has_tests_that_exist() {
    let claims = security::claims(&source::read("SECURITY.md"), CLAIMS);
    assert!(claims.len() > 15);
    let faults = security::faults(&claims);
    assert!(faults.is_empty(), "{faults:#?}");
}

/// The heading of the table of layers.
const LAYERS: &str = "\n## The layers\n";

fn layers() -> Vec<Layer> {
    layers::table(&source::read("ARCHITECTURE.md"), LAYERS)
}

#[test]
fn modules_use_what_the_table_of_layers_says_and_pure_ones_are() {
    let (table, texts) = (layers(), layers::texts());
    assert!(table.len() > 15 && texts.len() > 15);
    let faults = layers::faults(&table, &texts);
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn what_architecture_says_of_the_layers_in_words_is_in_the_table() {
    let table = layers();
    let layer = |name: &str| {
        let found = table.iter().find(|layer| layer.module == name);
        found.unwrap_or_else(|| panic!("no {name}"))
    };
    for name in ["rules", "schedule", "session", "wire"] {
        assert!(layer(name).pure, "{name} is to be pure");
    }
    // Only these see what is decided about a connection and the system.
    let both = table.iter().filter(|layer| {
        let has = |name: &str| layer.uses.iter().any(|used| used == name);
        has("session") && has("os")
    });
    let both: Vec<_> = both.map(|layer| &layer.module[..]).collect();
    assert_eq!(both, ["server", "connection"]);
    assert_eq!(layer("program").uses, [""; 0]);
    let of_os = &layer("os").uses;
    let plain = ["execution", "id", "program", "signal"];
    assert!(
        of_os.iter().all(|name| plain.contains(&&name[..])),
        "{of_os:?}"
    );
}

/// All folders of sources, each with its files. A program's own modules are in its folder.
fn folders() -> BTreeMap<String, Folder> {
    let mut folders = BTreeMap::<String, Folder>::new();
    for path in source::below("src") {
        let text = source::program(&path);
        let parts: Vec<&str> = path.split('/').collect();
        // A file belongs to its folder, and with all others there to each folder above.
        for depth in 2..parts.len() {
            let folder = parts[1..depth].join("/");
            let file = match parts[depth].trim_end_matches(".rs") {
                "main" => "mod",
                name => name,
            };
            let files = folders.entry(folder).or_default();
            files.entry(file.to_owned()).or_default().push_str(&text);
        }
    }
    folders.remove("bin");
    folders
}

/// The names of all methods that are not in this folder.
fn elsewhere(folder: &str) -> BTreeSet<String> {
    let below = format!("src/{folder}/");
    let others = source::below("src")
        .into_iter()
        .filter(|path| !path.starts_with(&below));
    others
        .flat_map(|path| circles::methods(&source::program(&path)))
        .collect()
}

#[test]
fn files_of_a_folder_do_not_call_each_other_in_circles() {
    let mut found = Vec::new();
    for (name, folder) in folders() {
        let uses = circles::uses(&name, &folder, &elsewhere(&name));
        if let Some(circle) = circles::circle(&uses) {
            found.push(format!("{name}: {}", circles::describe(&circle, &uses)));
        }
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn all_folders_are_looked_at_and_what_their_files_use_is_found() {
    let folders = folders();
    let names = [
        "bin/sockexecctl",
        "client",
        "config",
        "connection",
        "control",
        "os",
        "schedule",
        "server",
        "session",
        "wire",
    ];
    for name in names {
        let uses = circles::uses(name, &folders[name], &elsewhere(name));
        let count: usize = uses.values().map(BTreeMap::len).sum();
        assert!(count > 2, "{name}: {uses:?}");
    }
    // One by an import, one by a method.
    let uses = circles::uses("server", &folders["server"], &elsewhere("server"));
    assert!(uses["answers"].contains_key("reporting"), "{uses:?}");
    assert!(uses["mod"].contains_key("admission"), "{uses:?}");
}

#[test]
fn protocols_are_compared_in_wire_only() {
    let others = source::below("src")
        .into_iter()
        .filter(|path| !path.starts_with("src/wire/"));
    for path in others {
        let found = protocols::comparisons(&source::program(&path));
        assert!(found.is_empty(), "{path}: {found:?}");
    }
}

#[test]
fn protocols_are_named_only_where_architecture_says() {
    let files = source::below("src")
        .into_iter()
        .filter(|path| !path.starts_with("src/wire/"));
    let naming = files.filter(|path| protocols::names_one(&source::program(path)));
    let naming: Vec<_> = naming.collect();
    assert_eq!(naming, ["src/config/flags.rs", "src/config/sockproc.rs"]);
}

#[test]
fn all_connections_are_walked_only_where_architecture_says() {
    let walks = |path: &String| {
        let text = source::program(path);
        let tokens = source::tokens(&text);
        let mut calls = tokens
            .windows(3)
            .filter(|three| three[..2] == ["table", "."]);
        calls.any(|three| ["ids", "iter", "iter_mut", "into_iter"].contains(&three[2]))
    };
    let walking: Vec<_> = source::below("src/server")
        .into_iter()
        .filter(walks)
        .collect();
    let named = ["answers", "shutdown", "work"].map(|name| format!("src/server/{name}.rs"));
    assert_eq!(walking, named);
    // The table shows all of its connections by these only.
    let table = source::program("src/server/table.rs");
    let heads = table
        .split("fn ")
        .skip(1)
        .filter_map(|rest| rest.split_once('{'));
    let of_many = heads.filter_map(|(head, _)| {
        let (name, result) = head.split_once("->")?;
        let many = ["Vec", "Iterator", "BTreeMap", "["].map(|word| result.contains(word));
        many.contains(&true).then(|| name.split('(').next())
    });
    assert_eq!(of_many.collect::<Vec<_>>(), [Some("ids"), Some("iter")]);
}

#[test]
fn the_server_has_at_most_twelve_fields() {
    let text = source::program("src/server/mod.rs");
    let tokens = source::tokens(&text);
    let start = tokens
        .windows(3)
        .position(|three| three == ["struct", "Server", "{"])
        .expect("the server");
    let mut depth = 0;
    let fields = tokens[start + 2..].iter().map_while(|token| {
        depth += match *token {
            "{" | "(" | "<" => 1,
            "}" | ")" | ">" => -1,
            _ => 0,
        };
        (depth > 0).then_some(depth == 1 && *token == ":")
    });
    let count = fields.filter(|is_field| *is_field).count();
    assert!((5..=12).contains(&count), "{count} fields");
}

#[test]
fn unsafe_stands_only_where_it_must() {
    let with_unsafe = [
        "src/os/accounts/question.rs",
        "src/os/background.rs",
        "src/os/cgroup/place.rs",
        "src/os/clock.rs",
        "src/os/descriptors.rs",
        "src/os/launch/buffer.rs",
        "src/os/launch/child.rs",
        "src/os/launch/clone.rs",
        "src/os/launch/clone3.rs",
        "src/os/launch/identity.rs",
        "src/os/launch/limits.rs",
        "src/os/launch/stack.rs",
        "src/os/listen.rs",
        "src/os/memory.rs",
        "src/os/peer.rs",
        "src/os/poller.rs",
        "src/os/privileges.rs",
        "src/os/process.rs",
        "src/os/queued.rs",
        "src/os/rights.rs",
        "src/os/signals.rs",
        "src/os/syscall.rs",
    ];
    let files = source::below("src").into_iter();
    let files = files.filter(|path| source::tokens(&source::program(path)).contains(&"unsafe"));
    assert_eq!(files.collect::<Vec<_>>(), with_unsafe);
}

#[test]
fn files_open_with_what_they_are_and_stay_readable() {
    for directory in ["src", "tests", "benches", "fuzz/fuzz_targets"] {
        for path in source::below(directory) {
            let text = source::read(&path);
            assert!(text.starts_with("//!"), "{path} does not say what it is");
            for (number, line) in text.lines().enumerate() {
                let place = format!("{path}:{}", number + 1);
                assert!(line.chars().count() <= 120, "{place} is too long");
                assert!(line.trim_end() == line, "{place} ends with a blank");
                assert!(!line.contains(concat!("TO", "DO")), "{place} is not done");
            }
        }
    }
}

#[test]
fn what_is_not_there_on_purpose_is_not() {
    // Clients are programs of their own.
    let daemon = |path: &String| !path.starts_with("src/bin/") && !path.starts_with("src/client/");
    let mut found = Vec::new();
    for path in source::below("src").into_iter().filter(daemon) {
        let text = source::program(&path);
        let tokens = source::tokens(&text);
        let absent = ["HashMap", "HashSet", "RwLock", "Condvar", "async", "await"];
        let words = tokens.iter().filter(|token| absent.contains(token));
        found.extend(words.map(|word| format!("{path}: {word}")));
        let thread = ["spawn", "scope", "Builder"];
        let threads = tokens
            .windows(3)
            .filter(|t| t[..2] == ["thread", "::"] && thread.contains(&t[2]));
        found.extend(threads.map(|three| format!("{path}: {}", three.concat())));
        let handlers = tokens.windows(3).filter(|t| t[..2] == ["SigHandler", "::"]);
        let handlers = handlers.filter(|three| !["SigIgn", "SigDfl"].contains(&three[2]));
        found.extend(handlers.map(|three| format!("{path}: {}", three.concat())));
        if path != "src/log/mod.rs" && tokens.contains(&"Mutex") {
            found.push(format!("{path}: Mutex"));
        }
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn comments_have_none_of_the_words_that_read_badly() {
    let mut faults = Vec::new();
    for path in all_files() {
        let text = source::read(&path);
        let comment = |line: &str| {
            let at = line.find("//").filter(|at| line[..*at].trim().is_empty());
            at.map_or(String::new(), |at| line[at..].to_owned())
        };
        let comments: Vec<_> = text.lines().map(comment).collect();
        let found = words::faults(&comments.join("\n")).into_iter();
        faults.extend(
            found.map(|(line, phrase, better)| format!("{path}:{line}: \"{phrase}\": {better}")),
        );
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn pages_have_none_of_the_words_that_read_badly() {
    let mut pages: Vec<String> = [
        "ARCHITECTURE.md",
        "README.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "lua/README.md",
        "debian/control",
    ]
    .map(str::to_owned)
    .into();
    for directory in ["docs", "examples", "man", "systemd"] {
        let entries = std::fs::read_dir(source::root().join(directory)).expect("a directory");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let names = paths.filter(|path| path.is_file());
        pages.extend(names.map(source::relative));
    }
    assert!(pages.len() > 30, "{pages:?}");
    let faults = pages.iter().flat_map(|page| {
        let faults = words::faults(&source::read(page)).into_iter();
        faults.map(move |(line, phrase, better)| format!("{page}:{line}: \"{phrase}\": {better}"))
    });
    let faults: Vec<_> = faults.collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// All sources, of the program and of its tests.
fn all_files() -> Vec<String> {
    let folders = ["src", "tests", "benches", "fuzz/fuzz_targets"];
    folders.into_iter().flat_map(source::below).collect()
}

#[test]
fn what_architecture_names_is_there() {
    let (page, files) = (source::read("ARCHITECTURE.md"), all_files());
    assert_eq!(pages::missing(&page, &files), [""; 0]);
    // Each module is on the map.
    let (map, _) = page.split_once(LAYERS).expect("the map");
    for module in layers().iter().map(|layer| &layer.module) {
        let names = [format!("`src/{module}/`"), format!("`src/{module}.rs`")];
        assert!(
            names.iter().any(|name| map.contains(&name[..])),
            "{module} is not on the map"
        );
    }
    // What a type has is where the type is.
    let texts: Vec<_> = source::below("src")
        .iter()
        .map(|path| source::program(path))
        .collect();
    let words: Vec<BTreeSet<&str>> = texts
        .iter()
        .map(|text| source::tokens(text).into_iter().collect())
        .collect();
    let members = pages::members(&page);
    assert!(members.len() > 10, "{members:?}");
    for (of, name) in members {
        let found = words
            .iter()
            .any(|words| words.contains(of) && words.contains(name));
        assert!(found, "there is no {of}::{name}");
    }
    // A constant is in the file that the table of limits names.
    let (_, limits) = page.split_once("\n## Limits\n").expect("the table");
    let limits = limits.split("\n## ").next().unwrap_or_default();
    let placed: Vec<_> = pages::rows(limits)
        .iter()
        .flat_map(|row| pages::placed(row[2]))
        .collect();
    assert!(placed.len() > 15, "{placed:?}");
    for (name, places) in placed {
        for place in places {
            let text = source::program(&format!("src/{place}"));
            assert!(
                source::tokens(&text).contains(&&name[..]),
                "no {name} in {place}"
            );
        }
    }
}

#[test]
fn heads_of_modules_list_all_their_files() {
    let files = source::below("src");
    let mut tables = 0;
    for head in files
        .iter()
        .filter(|path| path.ends_with("/mod.rs") || path.ends_with("/main.rs"))
    {
        let Some(mut listed) = pages::listed(&source::read(head)) else {
            continue;
        };
        listed.remove("mod");
        let (folder, _) = head.rsplit_once('/').expect("it is in one");
        let inside = files
            .iter()
            .filter_map(|path| path.strip_prefix(&format!("{folder}/")));
        let names = inside.map(|path| {
            path.split('/')
                .next()
                .unwrap_or(path)
                .trim_end_matches(".rs")
        });
        let there: BTreeSet<String> = names
            .filter(|name| !["mod", "tests"].contains(name))
            .map(str::to_owned)
            .collect();
        assert_eq!(listed, there, "{head}");
        tables += 1;
    }
    assert!(tables >= 5, "{tables} heads with a table");
    // And that of the library its modules, each once.
    let library = source::read("src/lib.rs");
    let rows = pages::rows(&library)
        .into_iter()
        .map(|row| row[0].to_owned());
    let rows = rows.filter(|cell| cell.starts_with("[`"));
    let mut rows: Vec<_> = rows
        .map(|cell| cell.replace(['[', ']', '`'], "").replace("mod@", ""))
        .collect();
    rows.sort();
    let tokens = source::tokens(&library);
    let modules = tokens
        .windows(3)
        .filter(|three| three[..2] == ["pub", "mod"]);
    let mut modules: Vec<_> = modules.map(|three| three[2]).collect();
    modules.sort_unstable();
    assert_eq!(rows, modules);
}
