//! One line for each job: who, what, how it ended, how long it took, how much went by.

use crate::common::process::{own_user, wait_gone};
use crate::common::{Daemon, End, Setup, request, shell};

/// The audit line of the job whose arguments have this word in them.
fn line_of(daemon: &Daemon, word: &str) -> String {
    daemon.log.wait_for(word, |line| line.contains(word))
}

/// True when these stand in the line, digits around them not counting as the same.
#[track_caller]
fn has(line: &str, number: impl ToString) {
    let number = number.to_string();
    let found = line
        .split(|c: char| !c.is_ascii_digit())
        .any(|word| word == number);
    assert!(found, "no {number} in {line}");
}

#[test]
fn each_job_has_a_line() {
    let daemon = Daemon::start(&[]);
    let mut client = daemon.begin(shell("echo $$; cat >/dev/null; echo marker-one; exit 42"));
    let program = client.number();
    client.send_netstring(&[b'x'; 7654]);
    client.end();
    assert_eq!(client.reply().end, End::Exit(42));
    let line = line_of(&daemon, "marker-one");
    let (user, group) = own_user();
    has(&line, user);
    has(&line, group);
    has(&line, std::process::id());
    has(&line, 42);
    has(&line, 7654);
    has(&line, program.to_string().len() + "\nmarker-one\n".len());
    assert!(line.contains(&format!(" program={program} ")), "{line}");
    // At info, and once.
    daemon.serves();
    let count = daemon
        .log
        .all()
        .iter()
        .filter(|l| l.contains("marker-one"))
        .count();
    assert_eq!(count, 1);
}

#[test]
fn the_line_tells_of_signals_and_of_clients_that_went() {
    let daemon = Daemon::start(&["-k", "60"]);
    assert_eq!(
        daemon.shell(": marker-two; kill -USR1 $$").end,
        End::Signal("10".into())
    );
    let line = line_of(&daemon, "marker-two");
    assert!(line.contains("10") || line.contains("USR1"), "{line}");
    let mut client = daemon.begin(shell(": marker-three; echo $$; exec sleep 1000"));
    let pid = client.number();
    drop(client);
    wait_gone(pid);
    let line = line_of(&daemon, "marker-three");
    assert!(line.contains(&format!(" program={pid} ")), "{line}");
    assert_eq!(daemon.run(&["/no/such/marker-four"]).end, End::Exit(127));
    line_of(&daemon, "marker-four");
}

#[test]
fn arguments_cannot_forge_lines() {
    let daemon = Daemon::start(&[]);
    daemon.run(&[
        "echo",
        "marker-five\nsockexec: forged\x1b[2J\r\u{7f}\u{9b}",
        "after",
    ]);
    let line = line_of(&daemon, "marker-five");
    assert!(!line.chars().any(char::is_control), "{line:?}");
    assert!(line.contains("forged"), "{line}");
    assert!(line.contains("after"), "{line}");
    let mut head = request(&[&b"echo"[..], b"marker-six \xff\xfe \xe2\x80\xae"]);
    head.extend_from_slice(b"0:,");
    daemon.begin(head).reply();
    let line = line_of(&daemon, "marker-six");
    assert!(!line.contains('\u{202e}'), "{line}");
    // Two arguments and one with a space in it look different.
    daemon.run(&["echo", "marker-seven", "b"]);
    daemon.run(&["echo", "marker-eight b"]);
    let cut = |line: String, name: &str| line[line.find(name).unwrap()..].replace(name, "");
    let two = cut(line_of(&daemon, "marker-seven"), "marker-seven");
    let one = cut(line_of(&daemon, "marker-eight"), "marker-eight");
    assert_ne!(two.get(..3), one.get(..3));
}

#[test]
fn long_arguments_are_cut() {
    let daemon = Daemon::start(&[]);
    let long = "x".repeat(100_000);
    daemon.run(&["true", "marker-nine", &long]);
    assert!(line_of(&daemon, "marker-nine").len() < 4096);
    let mut many = vec!["true", "marker-ten"];
    many.resize(10_000, "\x01");
    daemon.run(&many);
    assert!(line_of(&daemon, "marker-ten").len() < 4096);
}

#[test]
fn refusals_have_a_line_with_the_reason() {
    let daemon = Daemon::start(&[]);
    let before = daemon.log.all().len();
    let reply = daemon.begin("1:2,999999999:").reply();
    reply.refused(100, &[]);
    let reason = reply.err();
    let reason = reason.trim_start_matches("sockexec: ").trim_end();
    daemon
        .log
        .wait(|lines| {
            lines[before..]
                .iter()
                .any(|l| l.contains(reason))
                .then_some(())
        })
        .unwrap_or_else(|| panic!("{:#?}", daemon.log.all()));
}

#[test]
fn who_only_looks_whether_a_daemon_is_there_is_no_fault() {
    let setup = Setup::new().config("default = \"allow\"\n");
    let daemon = setup.arguments(["-d"]).start();
    drop(daemon.connect());
    daemon
        .log
        .wait_for("its end", |line| line.contains("left without a request"));
    daemon.serves();
    // For root there is one about that.
    let mut others = daemon.log.all();
    others.retain(|line| !line.contains("programs run as root"));
    assert!(!others.iter().any(|line| line.contains("warning")));
}

#[test]
fn what_is_cut_shows_that_it_is() {
    let daemon = Daemon::start(&[]);
    for length in [256, 257, 1000] {
        let word = "y".repeat(length);
        daemon.run(&["true", &word]);
        let line = line_of(&daemon, "argv=true yyy");
        assert!(line.ends_with("y..."), "{length}: {line}");
    }
}
