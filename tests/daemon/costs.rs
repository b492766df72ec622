//! What a program cost, and the limit that has ended it: in the log and in the metrics.

use serde_json::json;

use crate::common::{Daemon, End, Setup};

/// The number in a field of a line.
fn field(line: &str, name: &str) -> Option<f64> {
    let mut words = line.split(' ');
    words.find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

fn line_of(daemon: &Daemon, word: &str) -> String {
    daemon.log.wait_for(word, |line| line.contains(word))
}

#[test]
fn the_line_has_what_the_program_and_its_children_cost() {
    let daemon = Daemon::start(&[]);
    // Some work in a child, and 64 MiB in another.
    daemon.shell(
        "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; \
         head -c 67108864 /dev/zero | tail -n 1 >/dev/null; : marker-cost",
    );
    let line = line_of(&daemon, "marker-cost");
    let (user, time) = (field(&line, "utime"), field(&line, "time"));
    assert!(user.is_some_and(|user| user > 0.01), "{line}");
    assert!(field(&line, "stime").is_some(), "{line}");
    // On two processors a pipe can cost more time than it takes, and no more than twice.
    assert!(user < time.map(|time| 4.0 * time), "{line}");
    let memory = field(&line, "memory").unwrap_or_default();
    assert!(memory >= 67_108_864.0, "{line}");
}

#[test]
fn a_program_smaller_than_the_server_does_not_have_the_servers_memory() {
    let daemon = Daemon::start(&[]);
    daemon.run(&["true", "marker-small"]);
    let line = line_of(&daemon, "marker-small");
    assert!(field(&line, "utime").is_some(), "{line}");
    assert_eq!(field(&line, "memory"), None, "{line}");
}

#[test]
fn a_limit_that_ends_a_program_is_named() {
    let setup = Setup::new().control();
    let file = setup.directory.join("large");
    let daemon = setup.start();
    let file = file.display();
    let reply = daemon.shell(&format!(
        "ulimit -f 1; exec dd if=/dev/zero of={file} bs=4096 count=9"
    ));
    assert_eq!(reply.end, End::Signal(libc::SIGXFSZ.to_string()));
    let line = line_of(&daemon, "dd");
    assert!(line.contains(" limit=file-size "), "{line}");
    daemon.shell("kill -XCPU $$");
    let line = line_of(&daemon, "XCPU");
    assert!(line.contains(" limit=cpu "), "{line}");
    let metrics = daemon.control().ask("metrics", &json!({})).unwrap();
    for limit in ["cpu", "file-size"] {
        let metric = format!("sockexec_limits_struck_total{{limit=\"{limit}\"}} 1\n");
        assert!(metrics.contains(&metric), "{metrics}");
    }
    daemon.shell("exit 24 # marker-none");
    assert!(!line_of(&daemon, "marker-none").contains(" limit="));
}
