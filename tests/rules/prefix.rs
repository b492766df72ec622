//! The program that a rule puts in front of a program.

use crate::common::sockproc;
use crate::common::{End, Setup, skip};
use crate::start;

#[test]
fn it_gets_the_path_that_was_compared_and_the_arguments() {
    let setup = Setup::new();
    let script = "#!/bin/sh\nfor a; do printf '<%s>' \"$a\"; done\ncat\n";
    let prefix = setup.directory.file("prefix", 0o755, script);
    let rule = format!(
        "[[allow]]\nprogram = \"*\"\nrun-prefix = [\"{prefix}\", \"-a\", \"b c\", \"--\"]\n"
    );
    let daemon = setup.config(&rule).start();
    let mut client = daemon.begin("1:3,4:echo,0:,4:d\ne ,");
    client.send("5:input,0:,");
    let out = client.reply().succeeded();
    assert_eq!(out, "<-a><b c><--></usr/bin/echo><><d\ne >input");
    // Its place in PATH, if it has no slash, and not the client's directory.
    let line = daemon
        .log
        .wait_for("the job", |line| line.contains("argv=echo"));
    assert!(line.contains("exit=0"), "{line}");
}

#[test]
fn nice_is_nice() {
    if skip::unless_tool("nice").is_none() {
        return;
    }
    let daemon = start("[[allow]]\nprogram = \"*\"\nrun-prefix = [\"nice\", \"-n\", \"7\"]\n");
    // SAFETY: numbers; a result of -1 is a niceness too.
    let own = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    assert_eq!(
        daemon.run(&["nice"]).succeeded(),
        format!("{}\n", (own + 7).min(19))
    );
    // The client's program is reported as always.
    let reply = daemon.shell("exit 3");
    assert_eq!(reply.end, End::Exit(3));
    let reply = daemon.shell("kill -TERM $$");
    assert_eq!(reply.end, End::Signal("15".into()));
}

#[test]
fn choom_has_programs_go_first_when_memory_runs_out() {
    if skip::unless_tool("choom").is_none() {
        return;
    }
    let rule = "[[allow]]\nprogram = \"*\"\nrun-prefix = [\"choom\", \"-n\", \"777\", \"--\"]\n";
    let daemon = start(rule);
    let reply = daemon.run(&["cat", "/proc/self/oom_score_adj"]);
    assert_eq!(reply.succeeded(), "777\n");
    let path = format!("/proc/{}/oom_score_adj", daemon.pid());
    let own = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), own);
}

#[test]
fn choom_does_so_for_programs_of_another_user_too() {
    if !skip::unless_root() || skip::unless_tool("choom").is_none() {
        return;
    }
    let prefix = "run-prefix = [\"choom\", \"-n\", \"777\", \"--\"]";
    let rule = format!("[[allow]]\nprogram = \"*\"\nrun-as = \"daemon\"\n{prefix}\n");
    let daemon = start(&rule);
    let script = "id -un; cat /proc/self/oom_score_adj";
    assert_eq!(daemon.shell(script).succeeded(), "daemon\n777\n");
}

#[test]
fn the_rule_is_about_the_program_and_not_about_what_is_in_front() {
    let daemon = start("[[allow]]\nprogram = \"/usr/bin/echo\"\nrun-prefix = [\"env\", \"--\"]\n");
    assert_eq!(daemon.run(&["echo", "hi"]).succeeded(), "hi\n");
    daemon.run(&["env"]).refused(126, &["env", "rule"]);
}

#[test]
fn a_prefix_that_is_missing_is_named_as_what_is_missing() {
    let setup = Setup::new();
    let plain = setup.directory.file("plain", 0o644, "");
    let script = setup.directory.file("script", 0o755, "#!/no/such/shell\n");
    for (prefix, reason) in [
        ("no-such-prefix", "No such file or directory"),
        ("/no/such/prefix", "No such file or directory"),
        (&plain, "Permission denied"),
        (&script, "bad interpreter: No such file or directory"),
    ] {
        let daemon = start(&format!(
            "[[allow]]\nprogram = \"*\"\nrun-prefix = [\"{prefix}\", \"--\"]\n"
        ));
        let reply = daemon.run(&["echo", "hi"]);
        let told =
            format!("sockexec: echo: the server's run-prefix \"{prefix}\" (rule 1): {reason}\n");
        assert_eq!((reply.end.clone(), reply.err()), (End::Exit(126), told));
        daemon
            .log
            .wait_for("the fault", |line| line.contains("run-prefix"));
        // The client's own program is reported as before.
        daemon
            .run(&["none-such"])
            .refused(127, &["none-such: No such file"]);
    }
}

#[test]
fn arguments_that_are_too_long_are_not_the_prefixes_fault() {
    let daemon = start("[[allow]]\nprogram = \"*\"\nrun-prefix = [\"nice\"]\n");
    let long = "x".repeat(200_000);
    let reply = daemon.run(&["echo", &long]);
    reply.refused(126, &["sockexec: echo: Argument list too long"]);
}

#[test]
fn a_path_that_looks_like_a_variable_does_not_come_behind_a_prefix() {
    let setup = Setup::new();
    let script = "#!/bin/sh\necho ran\n";
    let file = setup.directory.file("X=1", 0o755, script);
    let directory = setup.directory.path().display().to_string();
    let beside = setup.directory.file("beside", 0o755, script);
    let daemon = setup
        .env("PATH", format!("{directory}:/usr/bin:/bin"))
        .config("[[allow]]\nprogram = \"*\"\nrun-prefix = [\"env\", \"--\"]\n")
        .control()
        .start();
    for name in [&file, "X=1", &format!("{directory}/no=/x")] {
        let reply = daemon.run(&[name, "id", "-u"]);
        reply.refused(126, &[name, "\"=\"", "run-prefix of rule 1"]);
    }
    assert_eq!(daemon.status()["outcomes"]["refused"], 3);
    assert_eq!(daemon.run(&[beside.as_str(), "a=b"]).succeeded(), "ran\n");
    // Without a prefix it is a name like any other.
    let daemon = start(&format!("[[allow]]\nprogram = \"{directory}/\"\n"));
    assert_eq!(daemon.run(&[&file]).succeeded(), "ran\n");
}

#[test]
fn programs_that_are_known_to_stop_take_no_option_of_the_client() {
    for prefix in [
        &["nice", "-n", "1"][..],
        &["ionice", "-c", "3"],
        &["timeout", "-k", "5", "60"],
        &["chrt", "-b", "0"],
        &["stdbuf", "-oL"],
        &["setsid", "-w"],
        &["nohup"],
        &["prlimit", "--nofile=64"],
        &["taskset", "0xffffffff"],
        &["unshare"],
        &["nice", "timeout", "60", "nohup"],
    ] {
        if skip::unless_tool(prefix[0]).is_none() {
            continue;
        }
        let daemon = start(&format!(
            "[[allow]]\nprogram = \"*\"\nrun-prefix = {prefix:?}\n"
        ));
        let options = ["-n", "-c", "-p", "-u", "--help", "--version", "--", "X=1"];
        let arguments = [&["printf", "<%s>"], &options[..]].concat();
        let out = daemon.run(&arguments).succeeded();
        assert_eq!(out, options.map(|option| format!("<{option}>")).concat());
    }
}

#[test]
fn sockproc_has_it_too() {
    let rule = "[[allow]]\nprogram = \"*\"\nrun-prefix = [\"echo\", \"in front\", \"--\"]\n";
    let daemon = Setup::new().config(rule).sockproc().start();
    let out = sockproc::run(&daemon, "id; id").succeeded();
    assert!(
        out.starts_with("in front -- /") && out.ends_with("/bin/sh -c id; id\n"),
        "{out}"
    );
}
