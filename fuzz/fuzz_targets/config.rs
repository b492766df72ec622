//! Any bytes as a configuration file: it is accepted as a whole, or refused with its name.
#![no_main]

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use libfuzzer_sys::fuzz_target;
use nix::sys::memfd::{MFdFlags, memfd_create};
use sockexec::config::{Config, Source};

thread_local! {
    /// The file, in memory, and where it is.
    static FILE: RefCell<(File, String)> = {
        let fd = memfd_create("sockexec.toml", MFdFlags::empty()).expect("a file in memory");
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        RefCell::new((fd.into(), path))
    };
}

fn load(path: &str) -> Result<Config, String> {
    Source::from_arguments(["sockexec", "--config", path])
        .expect("a good command line")
        .load()
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
            // The same text says the same, and what it says is within its bounds.
            assert_eq!(
                load(path).expect("once more").changed_since(&config),
                [""; 0]
            );
            assert!(config.max_connections > 0 && config.mode <= 0o777);
            assert!((1..=100).contains(&config.user_share));
        }
    }
}));
