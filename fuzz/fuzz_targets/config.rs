//! Any bytes as a configuration file: it is accepted as a whole, or refused with its name.
#![no_main]

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use libfuzzer_sys::fuzz_target;
use sockexec::config::{Config, Source};
use sockexec::rules::{Request, Rules};

thread_local! {
    /// The file, and its path, at which no other user can change it.
    static FILE: RefCell<(File, String)> = {
        let name = format!("sockexec-fuzz-{}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        let path = path.into_os_string().into_string().expect("UTF-8");
        RefCell::new((file.expect("a new file"), path))
    };
}

fn load(path: &str) -> Result<Config, String> {
    Source::from_arguments(["sockexec", "--config", path])
        .expect("a good command line")
        .load()
}

/// The decision about words of the file as a request is the same with its reasons, and with no more
/// arguments than are needed.
fn decide(rules: &Rules, data: &[u8]) {
    let words: Vec<_> = data.split(|b| b"\n\"".contains(b)).collect();
    for (at, program) in words
        .iter()
        .enumerate()
        .filter(|(_, word)| word.starts_with(b"/"))
    {
        let arguments = &words[at + 1..];
        let request = Request {
            peer: Some((0, &[0])),
            label: words.first().copied(),
            program,
            arguments,
        };
        let needed = arguments.len().min(rules.arguments_needed());
        let short = Request {
            arguments: &arguments[..needed],
            ..request
        };
        let decision = rules.decide(&request);
        assert_eq!(rules.decide(&short), decision);
        assert_eq!(rules.explain(&request).decision, decision);
    }
}

fuzz_target!(|data: &[u8]| FILE.with_borrow(|(file, path)| {
    file.set_len(0).expect("an empty file");
    file.write_all_at(data, 0).expect("room for it");
    match load(path) {
        Err(error) => {
            assert!(error.starts_with(&format!("{path}:")), "{error}");
            assert!(!error.contains(|c: char| c.is_control()), "{error:?}");
        }
        Ok(config) => {
            // The same text has the same result, and its values are within their bounds.
            assert_eq!(
                load(path).expect("once more").changed_since(&config),
                [""; 0]
            );
            assert!(config.settings.max_connections > 0 && config.settings.mode.0 <= 0o777);
            assert!((1..=100).contains(&config.settings.user_share));
            decide(&config.rules, data);
        }
    }
}));
