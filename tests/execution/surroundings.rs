//! The directory, the environment and the standard input of a program.

use crate::common::client::END;
use crate::common::{End, Setup, request, skip, sockproc};
use crate::servers::unprivileged;
use crate::{line, start};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn a_program_starts_in_its_directory() {
    let daemon = start("directory = \"/usr/share\"\n");
    let script = "pwd; env | grep -c ^OLDPWD= || :";
    assert_eq!(line(&daemon, script), "/usr/share\n0");
}

#[test]
fn a_directory_that_is_not_there_is_the_reason() {
    let daemon = start("directory = \"/no/such\"\n");
    let reply = daemon.run(&["true"]);
    reply.refused(
        126,
        &["cannot change to /no/such: No such file or directory"],
    );
}

#[test]
fn a_directory_is_entered_as_the_programs_user() {
    if !skip::unless_root() {
        return;
    }
    let setup = Setup::new();
    let own = setup.directory.join("own");
    fs::create_dir(&own).unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o700)).unwrap();
    let path = own.display();
    let daemon = setup
        .config(&format!("directory = \"{path}\"\nrun-as = \"daemon\"\n"))
        .start();
    let reason = format!("cannot change to {path}: Permission denied");
    daemon.run(&["true"]).refused(126, &[&reason]);
    // What the program's user may enter, and the server's may not.
    let config = format!("directory = \"{path}\"\nrun-as = \"daemon\"\n");
    std::os::unix::fs::chown(&own, Some(1), Some(1)).unwrap();
    let other = unprivileged(&config);
    assert_eq!(line(&other, "pwd"), path.to_string());
}

#[test]
fn configured_variables_replace_the_servers_and_those_of_the_job_stay() {
    let daemon = Setup::new()
        .config("environment = { A = \"new\", PATH = \"/own\", LANG = \"\" }\n")
        .env("A", "old")
        .env("B", "kept")
        .start();
    let text = daemon.run(&["env"]).succeeded();
    let of = |name: &str| {
        let prefix = format!("{name}=");
        let found = text.lines().filter_map(|line| line.strip_prefix(&prefix));
        found.collect::<Vec<_>>()
    };
    for (name, value) in [("A", "new"), ("B", "kept"), ("PATH", "/own"), ("LANG", "")] {
        assert_eq!(of(name), [value], "{name}");
    }
    assert_eq!(of("SOCKEXEC_JOB"), ["1"]);
    assert_eq!(of("PROTO"), ["IPC"]);
}

#[test]
fn without_standard_input_a_program_is_at_its_end_at_once() {
    let daemon = start("stdin = false\n");
    // While the client still sends, and does not end.
    let client = daemon.begin(request(&["cat"]));
    let reply = client.reply();
    assert_eq!((&*reply.out(), reply.end), ("", End::Exit(0)));
    // More than any buffer holds is read and dropped, and the reply is whole.
    let mut client = daemon.begin(request(&["sh", "-c", "cat; echo done; exit 3"]));
    let data = vec![b'x'; 4 << 20];
    client.send(format!("{}:", data.len()));
    client.send(&data);
    client.send(b",");
    client.send(END);
    let reply = client.reply();
    assert_eq!((&*reply.out(), reply.end), ("done\n", End::Exit(3)));
    // Nothing of it was written to the program.
    let job = daemon
        .log
        .wait_for("the job", |line| line.contains("exit=3"));
    assert!(job.contains(" in=0 "), "{job}");
}

#[test]
fn without_standard_input_the_shell_of_sockproc_ends_too() {
    let setup = Setup::new().config("stdin = false\n").sockproc();
    let daemon = setup.start();
    let reply = sockproc::run_with_stdin(&daemon, "cat; echo ran", &vec![b'y'; 1_000_000]);
    assert_eq!(reply.succeeded(), "ran\n");
}
