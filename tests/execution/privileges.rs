//! The privileges of the server, and that programs have nothing of them.

use crate::common::daemon::finish;
use crate::common::process::{self, field_of};
use crate::common::user::NOBODY;
use crate::common::{Reply, Setup, skip};
use crate::line;
use crate::servers::{THREE, numbers, ordinary, stepped_down, unprivileged};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

#[test]
fn a_program_of_the_servers_own_user_has_no_capabilities_either() {
    if !skip::unless_root() {
        return;
    }
    for daemon in [unprivileged(""), stepped_down("")] {
        let status = daemon.run(&["cat", "/proc/self/status"]).succeeded();
        assert_eq!(field_of(&status, "Uid"), numbers([NOBODY; 4]));
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(field_of(&status, set), "0".repeat(16), "{set}");
        }
        // The server has them, and no others.
        for set in ["CapPrm", "CapEff", "CapBnd"] {
            let own = process::status(daemon.pid(), set);
            assert_eq!(own, format!("{THREE:016x}"), "{set}");
        }
    }
}

/// systemd 257 leaves the inheritable set to a unit whose sandbox refuses capset(2).
#[test]
fn a_sandbox_without_capset_does_not_stop_a_server_without_privileges() {
    if !skip::unless_root() || skip::unless_tool("strace").is_none() {
        return;
    }
    let setup = Setup::by(&[
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--inh-caps=-all,+setuid,+setgid,+kill",
        "strace",
        "-D",
        "-qq",
        "-o/dev/null",
        "-etrace=capset",
        "-einject=capset:error=EPERM",
    ]);
    chown(setup.directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let daemon = setup.start();
    let status = daemon.run(&["cat", "/proc/self/status"]).succeeded();
    assert_eq!(field_of(&status, "CapInh"), format!("{THREE:016x}"));
    for set in ["CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(field_of(&status, set), "0".repeat(16), "{set}");
    }
}

#[test]
fn the_server_stays_hidden_from_programs_of_its_own_user() {
    if !skip::unless_root() {
        return;
    }
    let daemon = stepped_down("");
    let pid = daemon.pid();
    for _ in 0..5 {
        for file in ["mem", "environ", "maps"] {
            let reply = daemon.run(&["head", "-c", "1", &format!("/proc/{pid}/{file}")]);
            reply_is_denied(&reply);
        }
        reply_is_denied(&daemon.run(&["ls", &format!("/proc/{pid}/fd")]));
    }
}

#[track_caller]
fn reply_is_denied(reply: &Reply) {
    assert!(reply.err().contains("Permission denied"), "{}", reply.err());
    assert_eq!(reply.out(), "");
}

#[test]
fn a_server_that_cannot_change_the_user_says_so() {
    if !skip::unless_root() {
        return;
    }
    let words = [
        "run-as",
        "CAP_SETGID, CAP_KILL",
        "AmbientCapabilities=",
        "--user",
    ];
    let mut daemon = ordinary(",+setuid").config("run-as = \"daemon\"\n").spawn();
    assert_eq!(daemon.wait().code(), Some(100));
    daemon.log.wait_for("the refusal", |line| {
        words.iter().all(|word| line.contains(word))
    });
    // It is the same when the configuration is read again, and the old one stays.
    let daemon = ordinary("").config("nice = 3\n").start();
    daemon
        .directory
        .file("sockexec.toml", 0o644, "run-as = \"daemon\"\n");
    daemon.signal(Signal::SIGHUP);
    daemon.log.wait_for("the refusal", |line| {
        line.contains("configuration not changed")
            && line.contains("CAP_SETUID, CAP_SETGID, CAP_KILL")
    });
    assert_eq!(line(&daemon, "id -u; nice"), format!("{NOBODY}\n3"));
}

#[test]
fn a_server_that_steps_down_gives_its_sockets_to_its_user() {
    if !skip::unless_root() {
        return;
    }
    let own = Setup::new()
        .control()
        .arguments(["--user", "nobody", "--mode", "0640"]);
    let group = own.directory.join("of-a-group");
    fs::create_dir(&group).unwrap();
    std::os::unix::fs::chown(&group, None, Some(1)).unwrap();
    fs::set_permissions(&group, fs::Permissions::from_mode(0o2755)).unwrap();
    let sockproc = group.join("s");
    let daemon = own
        .arguments(["--sockproc".as_ref(), sockproc.as_os_str()])
        .start();
    for (path, gid, mode) in [
        (daemon.path(), NOBODY, 0o640),
        (&daemon.control_path(), NOBODY, 0o600),
        // As for any file that this user makes there.
        (&sockproc, 1, 0o640),
    ] {
        let file = fs::metadata(path).unwrap();
        assert_eq!((file.uid(), file.gid()), (NOBODY, gid), "{path:?}");
        assert_eq!(file.mode() & 0o777, mode, "{path:?}");
    }
    // It obeys its own user, and not only root.
    let uid = daemon.status();
    assert!(uid.is_object(), "{uid}");
    daemon.log.wait_for("a file that stays", |line| {
        line.contains("/s: nobody will not be able to remove it at the end")
    });
    assert_eq!(
        line(&daemon, "id -un; id -G; echo $HOME"),
        "nobody\n65534\n/nonexistent"
    );
    daemon.stop();
}

#[test]
fn a_server_that_steps_down_may_lose_its_configuration() {
    if !skip::unless_root() {
        return;
    }
    let setup = Setup::new()
        .arguments(["--user", "nobody"])
        .config("nice = 2\n");
    let file = setup.directory.join("sockexec.toml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let daemon = setup.start();
    daemon.log.wait_for("the warning", |line| {
        line.contains("it cannot be read again as nobody: Permission denied")
    });
    assert_eq!(line(&daemon, "nice"), "2");
}

#[test]
fn only_root_steps_down_and_only_to_another_user() {
    if !skip::unless_root() {
        return;
    }
    let wrong = |by: &[&str], name: &str| {
        let mut setup = Setup::by(by).arguments(["--user", name, "/nonexistent/s"]);
        let output = finish(&mut setup.command);
        assert_eq!(output.status.code(), Some(100));
        String::from_utf8(output.stderr).unwrap()
    };
    for (by, name, reason) in [
        (&[][..], "no such user", "there is no user \"no such user\""),
        (&[], "root", "root is root, with all privileges"),
        (
            &["setpriv", "--reuid=65534", "--clear-groups"],
            "daemon",
            "only root can change its user",
        ),
    ] {
        let text = wrong(by, name);
        assert!(text.contains("--user") && text.contains(reason), "{text}");
    }
    // A check needs no root, but the user.
    let check = |name| {
        let mut setup = Setup::by(&["setpriv", "--reuid=65534", "--clear-groups"]);
        setup = setup.arguments(["--user", name, "--check", "--config", "/dev/null"]);
        finish(&mut setup.command).status.code()
    };
    assert_eq!(
        (check("daemon"), check("no such user")),
        (Some(0), Some(100))
    );
}

#[test]
fn programs_of_root_are_a_warning() {
    if !skip::unless_root() {
        return;
    }
    let warns = |config: &str, options: &[&str]| {
        let daemon = Setup::new().config(config).arguments(options).start();
        daemon.signal(Signal::SIGTERM);
        daemon
            .log
            .wait_for("the end", |line| line.contains("stopping"));
        let mut lines = daemon.log.all().into_iter();
        let warns = lines.any(|line| line.contains("programs run as root"));
        daemon.stop();
        warns
    };
    assert!(warns("", &[]));
    assert!(warns("[[allow]]\nprogram = \"*\"\n", &[]));
    assert!(!warns("", &["--user", "nobody"]));
    assert!(!warns(
        "[[allow]]\nprogram = \"*\"\nrun-as = \"nobody\"\n",
        &[]
    ));
}
