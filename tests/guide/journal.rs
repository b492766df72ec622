//! The patterns that the pages give to `journalctl -g` find lines of the log.

use crate::common::daemon::{command, finish};
use crate::common::{Setup, process};
use crate::pages;
use nix::sys::signal::Signal;
use std::collections::BTreeSet;

/// The patterns behind `-g`, without quotes.
fn patterns() -> BTreeSet<String> {
    let mut patterns = BTreeSet::new();
    for page in pages::all() {
        let text = pages::read(&page);
        for line in text
            .split(['\n', '`'])
            .filter(|line| line.contains("journalctl -u sockexec "))
        {
            let Some((_, rest)) = line.split_once(" -g ") else {
                continue;
            };
            let pattern = match rest.strip_prefix('\'') {
                Some(quoted) => quoted.split('\'').next(),
                None => rest.split(' ').next(),
            };
            patterns.insert(pattern.unwrap().to_owned());
        }
    }
    patterns
}

#[test]
fn patterns_for_the_journal_find_what_they_are_for() {
    let rules = "timeout = 0.2\n[[allow]]\nprogram = [\"/usr/bin/\", \"/bin/\"]\n";
    let daemon = Setup::new().config(rules).start();
    daemon.shell("exit 3");
    daemon.shell("kill -9 $$");
    daemon.run(&["sleep", "30"]);
    daemon.run(&["/sbin/refused"]);
    process::signal(daemon.pid(), Signal::SIGHUP);
    daemon
        .log
        .wait_for("a reload", |line| line.contains("read again"));
    let log = daemon
        .directory
        .file("log", 0o644, daemon.log.all().join("\n"));
    let patterns = patterns();
    assert!(patterns.len() >= 4, "{patterns:?}");
    for pattern in patterns {
        let ours = pattern.replace("uid=33", &format!("uid={}", process::own_user().0));
        let found = finish(command("grep").args(["-cP", "-e", &ours, &log])).stdout;
        let count: usize = String::from_utf8(found).unwrap().trim().parse().unwrap();
        assert!(count > 0, "{pattern}");
        assert!(count < daemon.log.all().len(), "{pattern} finds everything");
    }
}
