//! Programs of rules that others could change: a warning, and an error where it is strict.

use crate::common::daemon::{PROGRAM, command, finish};
use crate::common::temporary::Directory;
use crate::common::user::NOBODY;
use crate::common::{Setup, skip};
use serde_json::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

/// The exit code and the messages of `--check`; for this user, if one is named.
fn check(text: &str, user: Option<u32>) -> (Option<i32>, String) {
    let directory = Directory::new();
    let file = directory.file("f.toml", 0o644, text);
    let mut check = command(PROGRAM);
    check.args(["--check", "--config", &file]);
    if let Some(user) = user {
        chown(directory.path(), Some(0), None).unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        check.uid(user).gid(user);
    }
    let output = finish(&mut check);
    let told = String::from_utf8(output.stderr).unwrap();
    let told = told.replace(&file, "f.toml");
    // The file itself belongs to the user, who may be an ordinary one.
    let lines = told
        .lines()
        .filter(|line| !line.contains("can change the rules"));
    let told = lines.map(|line| format!("{line}\n")).collect();
    (output.status.code(), told)
}

/// A directory that only root can change, as the directories above it, with a program.
struct Safe(PathBuf);

impl Safe {
    fn new(name: &str) -> Self {
        let name = format!("/run/sockexec-programs-{name}-{}", std::process::id());
        let safe = Self(name.into());
        fs::create_dir(&safe.0).unwrap();
        fs::write(safe.0.join("job"), "#!/bin/sh\n").unwrap();
        safe.chmod("", 0o755);
        safe.chmod("job", 0o755);
        safe
    }

    fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.0.join(name), Permissions::from_mode(mode)).unwrap();
    }

    fn job(&self) -> String {
        self.0.join("job").display().to_string()
    }
}

impl Drop for Safe {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[track_caller]
fn warned(text: &str, user: Option<u32>, warning: &str) {
    let (code, told) = check(text, user);
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains(&format!("sockexec: warning: {warning}")),
        "{told}"
    );
    let (code, told) = check(&format!("strict = true\n{text}"), user);
    assert_eq!(code, Some(100), "{told}");
    assert!(
        told.contains(&format!("sockexec: f.toml: strict: {warning}")),
        "{told}"
    );
}

#[track_caller]
fn accepted(text: &str, user: Option<u32>) {
    let (code, told) = check(&format!("strict = true\n{text}"), user);
    assert_eq!((code, &told[..]), (Some(0), ""));
}

#[test]
fn a_program_of_the_system_is_accepted_and_one_in_a_temporary_directory_is_not() {
    let rule = "[[allow]]\nname = \"a\"\n";
    accepted(
        &format!("{rule}program = [\"/usr/bin/id\", \"/usr/lib/\", \"*\"]"),
        None,
    );
    let directory = Directory::new();
    let job = directory.file("job", 0o755, "");
    let temporary = Path::new(&job).parent().unwrap().parent().unwrap();
    if fs::metadata(temporary).unwrap().permissions().mode() & 0o002 == 0 {
        return skip::say("no other user can write to the temporary directory");
    }
    let temporary = temporary.display();
    let reason = format!("others could put it there: {temporary} is writable by others");
    let text = format!("{rule}program = \"{job}\"");
    warned(&text, None, &format!("rule 1 (a): {job}: {reason}"));
    // What runs is the program in front.
    let text = format!("{rule}program = \"/usr/bin/id\"\nrun-prefix = [\"{job}\", \"--\"]");
    warned(&text, None, &format!("rule 1 (a): {job}: others could"));
}

#[test]
fn a_program_that_others_could_change_is_named_with_the_reason() {
    if !skip::unless_root() {
        return;
    }
    let safe = Safe::new("others");
    let (job, directory) = (safe.job(), safe.0.display().to_string());
    let rule = format!("[[allow]]\nprogram = \"{job}\"\n");
    accepted(&rule, None);
    for (name, mode, reason) in [
        (
            "job",
            0o775,
            format!("{job} is writable by its group (mode 0775)"),
        ),
        (
            "job",
            0o757,
            format!("{job} is writable by every user (mode 0757)"),
        ),
        (
            "",
            0o775,
            format!("{directory} is writable by its group (mode 0775)"),
        ),
    ] {
        safe.chmod(name, mode);
        warned(
            &rule,
            None,
            &format!("rule 1: {job}: others could change it: {reason}"),
        );
        let below = format!("[[allow]]\nuser = 5\nprogram = \"{directory}/\"\n");
        match name {
            "" => warned(&below, None, &format!("rule 1: {directory}/: others could")),
            _ => accepted(&below, None),
        }
        safe.chmod(name, 0o755);
    }
    safe.chmod("", 0o1777);
    let reason =
        format!("others could put it there: {directory} is writable by others (mode 1777)");
    warned(&rule, None, &format!("rule 1: {job}: {reason}"));
    safe.chmod("", 0o755);
    chown(&job, Some(4242), None).unwrap();
    warned(
        &rule,
        None,
        &format!(
            "rule 1: {job}: others could change it: {job} belongs to user 4242 and not to root"
        ),
    );
    // A link counts with its target.
    let link = safe.0.join("link");
    symlink(&job, &link).unwrap();
    let rule = format!("[[allow]]\nprogram = \"{}\"\n", link.display());
    warned(
        &rule,
        None,
        &format!(
            "rule 1: {}: others could change it: {job} belongs",
            link.display()
        ),
    );
}

#[test]
fn a_program_that_its_own_user_could_change_is_named_too() {
    if !skip::unless_root() {
        return;
    }
    let safe = Safe::new("own");
    let job = safe.job();
    let rule = format!("[[allow]]\nprogram = \"{job}\"\n");
    chown(&job, Some(NOBODY), None).unwrap();
    let itself = format!(
        "rule 1: {job}: it could change itself: {job} belongs to user {NOBODY}, as which it runs"
    );
    // Of the server, and of the rule.
    warned(&rule, Some(NOBODY), &itself);
    warned(&format!("{rule}run-as = {NOBODY}\n"), None, &itself);
    // The server's own user is trusted, where it is another one.
    accepted(&format!("{rule}run-as = \"daemon\"\n"), Some(NOBODY));
    accepted(&format!("{rule}run-as = \"peer\"\n"), Some(NOBODY));
    let other = format!("rule 1: {job}: others could change it");
    warned(&format!("{rule}run-as = \"daemon\"\n"), None, &other);
    // It is the user that the server will have.
    let directory = Directory::new();
    let file = directory.file("f.toml", 0o644, &rule);
    let line = ["--check", "--config", &file, "--user", "nobody"];
    let told = finish(command(PROGRAM).args(line)).stderr;
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains(&itself), "{told}");
}

#[test]
fn a_program_that_does_not_exist_is_a_warning_and_no_more() {
    let rule = "[[allow]]\nprogram = [\"/usr/bin/id\", \"/usr/bin/no such\", \"/none/\"]\n";
    for (line, text) in [(1, rule), (2, &format!("strict = true\n{rule}"))] {
        let (code, told) = check(text, None);
        assert_eq!(code, Some(0), "{told}");
        for program in ["/usr/bin/no such", "/none/"] {
            let warning =
                format!("sockexec: warning: f.toml:{line}: rule 1: {program} does not exist\n");
            assert!(told.contains(&warning), "{told}");
        }
        assert!(!told.contains("/usr/bin/id"), "{told}");
    }
    let (_, told) = check("[[allow]]\nprogram = \"/none/a\\u0007\"\n", None);
    assert!(told.contains(": /none/a\\u{7} does not exist"), "{told}");
}

#[test]
fn a_shell_or_an_interpreter_without_patterns_is_a_warning() {
    let warning = "runs any program that its arguments name";
    for program in [
        "/bin/sh",
        "/usr/bin/env",
        "/usr/bin/perl5.40",
        "/usr/bin/python3.13",
    ] {
        let rule = format!("[[allow]]\nname = \"a\"\nprogram = \"{program}\"\n");
        let (code, told) = check(&rule, None);
        // One that is not there has a warning of its own.
        let expected = match Path::new(program).exists() {
            true => warning,
            false => "does not exist",
        };
        let expected = format!("sockexec: warning: f.toml:1: rule 1 (a): {program} {expected}");
        assert!(code == Some(0) && told.contains(&expected), "{told}");
        let (_, told) = check(&format!("{rule}arguments = [\"-V\"]\n"), None);
        assert!(!told.contains(warning), "{told}");
    }
    let (_, told) = check(
        "[[allow]]\nprogram = [\"/usr/bin/id\", \"/usr/bin/\"]\n",
        None,
    );
    assert!(!told.contains(warning), "{told}");
}

#[test]
fn a_program_in_front_that_no_directory_of_path_has_is_a_warning() {
    let rule = |front| {
        format!("[[allow]]\nuser = 5\n\n[[allow]]\nuser = 6\nrun-prefix = [\"{front}\", \"--\"]\n")
    };
    let (code, told) = check(&rule("no-such-program"), None);
    let expected =
        "warning: f.toml:4: rule 2: run-prefix: no-such-program is in no directory of PATH\n";
    assert!(code == Some(0) && told.contains(expected), "{told}");
    let (_, told) = check(&rule("nice"), None);
    assert!(!told.contains("run-prefix"), "{told}");
}

#[test]
fn a_missing_program_has_its_line_in_the_log_at_the_start_and_at_a_reload() {
    let rule = "[[allow]]\nuser = 0\nprogram = \"/no/such\"\n";
    let daemon = Setup::new().control().config(rule).start();
    let logged = |place: &str| {
        daemon.log.wait_for("the warning", |line| {
            line.contains("warning: ")
                && line.contains(&format!("sockexec.toml:{place} does not exist"))
        });
    };
    logged("1: rule 1: /no/such");
    let moved = rule.replace("/no/such", "/no/other");
    daemon
        .directory
        .file("sockexec.toml", 0o644, format!("# moved\n{moved}"));
    daemon.ask("reload", json!({}));
    logged("2: rule 1: /no/other");
}

#[test]
fn many_programs_in_one_directory_are_one_warning() {
    if !skip::unless_root() {
        return;
    }
    let safe = Safe::new("many");
    fs::write(safe.0.join("other"), "").unwrap();
    safe.chmod("other", 0o755);
    safe.chmod("", 0o777);
    let place = safe.0.display();
    let rule = format!("[[allow]]\nprogram = [\"{place}/job\", \"{place}/other\", \"{place}/\"]\n");
    let (_, told) = check(&rule.repeat(2), None);
    for title in ["rule 1: ", "rule 2: "] {
        assert_eq!(told.matches(title).count(), 1, "{told}");
    }
}

#[test]
fn a_server_logs_it_at_its_start_and_at_a_reload_and_a_strict_one_keeps_its_rules() {
    if !skip::unless_root() {
        return;
    }
    let safe = Safe::new("server");
    let job = safe.job();
    let rule = format!("[[allow]]\nprogram = \"{job}\"\n");
    safe.chmod("job", 0o777);
    let daemon = Setup::new().control().config(&rule).start();
    let warned = |mode: &str| {
        daemon.log.wait_for("the warning", |line| {
            line.contains("warning: rule 1: ") && line.contains(mode)
        });
    };
    warned("is writable by every user (mode 0777)");
    daemon.run(&[&job]).succeeded();
    safe.chmod("job", 0o775);
    daemon.ask("reload", json!({}));
    warned("is writable by its group (mode 0775)");
    let strict = format!("strict = true\n{rule}nice = 5\n");
    daemon.directory.file("sockexec.toml", 0o644, &strict);
    let error = daemon.fails("reload", json!({}));
    assert!(error.contains("sockexec.toml: strict: rule 1: "), "{error}");
    safe.chmod("job", 0o755);
    let answer = daemon.ask("reload", json!({}));
    assert_eq!(answer["changed"], json!(["strict", "allow"]));
    daemon.run(&[&job]).succeeded();
}

#[test]
fn the_file_of_the_servers_user_is_no_warning_where_programs_run_as_others() {
    if !skip::unless_root() {
        return;
    }
    let directory = Directory::new();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    for (text, exposed) in [
        ("[[allow]]\nprogram = \"/usr/bin/id\"\n", true),
        (
            "run-as = \"daemon\"\n[[allow]]\nprogram = \"/usr/bin/id\"\n",
            false,
        ),
        (
            "run-as = \"peer\"\n[[allow]]\nprogram = \"/usr/bin/id\"\n",
            false,
        ),
        (
            "[[allow]]\nprogram = \"/usr/bin/id\"\nrun-as = \"daemon\"\n",
            false,
        ),
        (
            "default = \"allow\"\n[[allow]]\nprogram = \"/usr/bin/id\"\nrun-as = \"daemon\"\n",
            true,
        ),
    ] {
        let file = directory.file("f.toml", 0o644, text);
        chown(&file, Some(NOBODY), None).unwrap();
        let mut check = command(PROGRAM);
        let output = finish(check.args(["--check", "--config", &file]).uid(NOBODY));
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert_eq!(
            told.contains("can change the rules"),
            exposed,
            "{text}: {told}"
        );
    }
}

#[test]
fn no_program_becomes_the_servers_own_user_by_its_name() {
    if !skip::unless_root() {
        return;
    }
    let directory = Directory::new();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    for (text, place) in [
        ("run-as = \"nobody\"\n", "f.toml: run-as: "),
        (
            "[[allow]]\nuser = 1\n[[allow]]\nname = \"x\"\nuser = 2\nrun-as = 65534\n",
            "f.toml: rule 2 (x): run-as: ",
        ),
    ] {
        let file = directory.file("f.toml", 0o644, text);
        let mut check = command(PROGRAM);
        let output = finish(check.args(["--check", "--config", &file]).uid(NOBODY));
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(100), "{told}");
        let reason = format!("{place}that is the server's own user");
        assert!(told.contains(&reason), "{told}");
        // Root's own server may have it.
        let mut check = command(PROGRAM);
        let output = finish(check.args(["--check", "--config", &file]));
        assert!(output.status.success(), "{output:?}");
    }
}
