//! Programs that run, programs that cannot, and their environment.

use crate::common::process::own_user;
use crate::common::reply::put;
use crate::common::temporary::Directory;
use crate::common::{request, shell, skip};
use crate::{
    Exactly, Refused, Target, check, conversation, exactly, prints, with_stdin, without_stdin,
};
use std::process::Command;

#[test]
fn programs_and_their_ends() {
    let mut conversations = vec![
        conversation(
            "the example of the manual",
            "2:10,4:echo,1:1,1:2,1:3,1:4,1:5,1:6,1:7,1:8,1:9,0:,",
            exactly("6:stdout,18:1 2 3 4 5 6 7 8 9\n,8:exitcode,1:0,"),
        ),
        conversation(
            "nothing to say",
            "1:1,4:true,0:,",
            exactly("8:exitcode,1:0,"),
        ),
        conversation("a code", "1:1,5:false,0:,", exactly("8:exitcode,1:1,")),
        conversation(
            "stderr and a code",
            without_stdin(&shell("echo oops >&2; exit 3")),
            exactly("6:stderr,5:oops\n,8:exitcode,1:3,"),
        ),
        conversation(
            "both streams",
            without_stdin(&shell("echo out; echo err >&2; exit 255")),
            exactly("6:stdout,4:out\n,6:stderr,4:err\n,8:exitcode,3:255,"),
        ),
        conversation(
            "a long name of a program",
            "1:1,9:/bin/true,0:,",
            exactly("8:exitcode,1:0,"),
        ),
        conversation(
            "empty arguments",
            without_stdin(&request(&["printf", "[%s]", "", "a", ""])),
            exactly("6:stdout,7:[][a][],8:exitcode,1:0,"),
        ),
        conversation(
            "arguments are not for a shell",
            without_stdin(&request(&["printf", "%s\n", "$HOME; `id` * \"'\\"])),
            prints("$HOME; `id` * \"'\\\n".as_bytes()),
        ),
        conversation(
            "argv[0] is what was sent",
            without_stdin(&request(&["cat", "/proc/self/cmdline"])),
            exactly("6:stdout,23:cat\0/proc/self/cmdline\0,8:exitcode,1:0,"),
        ),
    ];
    for (name, signal, number) in [
        ("TERM", "TERM", "2:15"),
        ("KILL", "KILL", "1:9"),
        ("INT", "INT", "1:2"),
        ("a signal that leaves no core", "USR1", "2:10"),
        ("a realtime signal", "34", "2:34"),
    ] {
        conversations.push(conversation(
            name,
            without_stdin(&shell(&format!("kill -{signal} $$"))),
            exactly(&format!("7:termsig,{number},")),
        ));
    }
    check(&conversations, false);
}

#[test]
fn uname_says_what_uname_says() {
    let own = Command::new("uname").arg("-a").output().unwrap();
    let uname = conversation("uname", "1:2,5:uname,2:-a,0:,", prints(&own.stdout));
    check(&[uname], false);
}

#[test]
fn programs_that_cannot_be_run() {
    let directory = Directory::new();
    let no_interpreter = directory.file("orphan", 0o755, "#!/no/such/interpreter\n");
    let plain_text = directory.file("text", 0o755, "echo a shell has read this\n");
    let not_executable = directory.file("data", 0o644, "#!/bin/sh\n");
    let empty = directory.file("empty", 0o755, "");
    let long = "a".repeat(200_000);
    let directory_name = directory.path().to_str().unwrap();
    let conversations = [
        conversation(
            "not found in PATH",
            without_stdin(&request(&["no-such-program"])),
            exactly(
                "6:stderr,53:sockexec: no-such-program: No such file or directory\n,8:exitcode,3:127,",
            ),
        ),
        conversation(
            "no such file",
            without_stdin(&request(&["/no/such/program", "x"])),
            exactly(
                "6:stderr,54:sockexec: /no/such/program: No such file or directory\n,8:exitcode,3:127,",
            ),
        ),
        conversation(
            "an empty name",
            "1:1,0:,0:,",
            Refused(127, &["No such file or directory"]),
        ),
        conversation(
            "a directory",
            without_stdin(&request(&[directory_name])),
            Refused(126, &["Permission denied"]),
        ),
        conversation(
            "a file in the place of a directory",
            without_stdin(&request(&[&format!("{plain_text}/x")])),
            Refused(126, &["Not a directory"]),
        ),
        conversation(
            "a name that is too long",
            without_stdin(&request(&[&"n".repeat(5000)])),
            Exactly(too_long_a_name()),
        ),
        conversation(
            "not executable",
            without_stdin(&request(&[&not_executable])),
            Refused(126, &["Permission denied"]),
        ),
        conversation(
            "no interpreter",
            without_stdin(&request(&[&no_interpreter])),
            Refused(126, &["orphan"]),
        ),
        conversation(
            "text without #!",
            without_stdin(&request(&[&plain_text])),
            Refused(126, &["Exec format error"]),
        ),
        conversation(
            "an empty file",
            without_stdin(&request(&[&empty])),
            Refused(126, &["Exec format error"]),
        ),
        conversation(
            "an argument that is too long",
            without_stdin(&request(&["echo", &long])),
            Refused(126, &["Argument list too long"]),
        ),
        conversation(
            "with stdin",
            with_stdin(&request(&["no-such-program"]), &[b"unread"]),
            exactly(
                "6:stderr,53:sockexec: no-such-program: No such file or directory\n,8:exitcode,3:127,",
            ),
        ),
    ];
    check(&conversations, false);
}

/// The refusal of a name of 5000 bytes, of which it repeats 1024.
fn too_long_a_name() -> Vec<u8> {
    let reason = format!("sockexec: {}: File name too long\n", "n".repeat(1024));
    let mut reply = Vec::new();
    for data in [&b"stderr"[..], reason.as_bytes(), b"exitcode", b"126"] {
        put(&mut reply, data);
    }
    reply
}

#[test]
fn many_arguments() {
    let mut arguments = vec!["sh", "-c", "echo $#", "sh"];
    arguments.resize(10_004, "a");
    let input = without_stdin(&request(&arguments));
    let out = exactly("6:stdout,6:10000\n,8:exitcode,1:0,");
    check(&[conversation("ten thousand", input, out)], false);
}

#[test]
fn the_program_sees_the_environment() {
    let Some(target) = Target::new() else { return };
    let Some(daemon) = &target.daemon else {
        return skip::say("the environment of another daemon is not known");
    };
    let out = daemon.run(&["env"]).succeeded();
    let has = |line: &str| out.lines().any(|l| l == line);
    assert!(has("SOCKEXEC_TEST=seen"), "{out}");
    assert!(has("PROTO=IPC"), "{out}");
    let (uid, gid) = own_user();
    assert!(has(&format!("IPCREMOTEEUID={uid}")), "{out}");
    assert!(has(&format!("IPCREMOTEEGID={gid}")), "{out}");
    let pid = std::process::id();
    assert!(has(&format!("IPCREMOTEPID={pid}")), "{out}");
    for name in ["LISTEN_", "NOTIFY_SOCKET", "WATCHDOG_"] {
        assert!(!out.lines().any(|l| l.starts_with(name)), "{out}");
    }
    // It is not the daemon that is asked, which keeps that to itself.
    let own = std::env::current_dir().unwrap();
    assert_eq!(
        daemon.run(&["pwd"]).succeeded().trim_end(),
        own.to_str().unwrap()
    );
}
