//! A file that others could change is refused, and one that has been emptied.

use crate::common::daemon::{PROGRAM, command, finish};
use crate::common::process::own_user;
use crate::common::temporary::Directory;
use crate::common::user::NOBODY;
use crate::common::{Setup, skip};
use serde_json::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;

const RULE: &str = "[[allow]]\nprogram = \"/usr/bin/echo\"\n";

/// The message of `--check` about a file that it refuses; for this user, if one is named.
#[track_caller]
fn refusal(file: &str, user: Option<u32>) -> Option<String> {
    let mut check = command(PROGRAM);
    check.args(["--check", "--config", file]);
    if let Some(user) = user {
        check.uid(user).gid(user);
    }
    let output = finish(&mut check);
    let error = String::from_utf8(output.stderr).unwrap();
    match output.status.code() {
        Some(0) => None,
        Some(100) => Some(error),
        _ => panic!("{}: {error}", output.status),
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    let directory = Directory::new();
    for (mode, part) in [
        (0o664, "its group (mode 0664)"),
        (0o606, "every user (mode 0606)"),
    ] {
        let file = directory.file("f.toml", mode, RULE);
        let error = refusal(&file, None).unwrap();
        let place = format!("sockexec: {file}: others could change it: {file} is writable by ");
        assert!(error.starts_with(&place) && error.contains(part), "{error}");
    }
    let file = directory.file("f.toml", 0o600, RULE);
    assert_eq!(refusal(&file, None), None);
}

#[test]
fn a_file_in_a_directory_that_others_may_write_is_refused() {
    let directory = Directory::new();
    let deep = directory.join("deep");
    fs::create_dir(&deep).unwrap();
    chmod(&deep, 0o755);
    let file = directory.file("deep/f.toml", 0o644, RULE);
    assert_eq!(refusal(&file, None), None);
    for place in [&deep, directory.path()] {
        chmod(place, 0o777);
        let error = refusal(&file, None).unwrap();
        assert!(
            error.contains(&format!("{} is writable", place.display())),
            "{error}"
        );
        // In a sticky directory such as /tmp no other user can replace the file.
        chmod(place, 0o1777);
        assert_eq!(refusal(&file, None), None);
        chmod(place, 0o755);
    }
    // A link is as good as its own way.
    let open = directory.join("open");
    fs::create_dir(&open).unwrap();
    symlink(&file, open.join("link")).unwrap();
    chmod(&open, 0o777);
    let error = refusal(open.join("link").to_str().unwrap(), None).unwrap();
    assert!(error.contains("open is writable by every user"), "{error}");
}

#[test]
fn a_file_of_somebody_else_is_refused() {
    if !skip::unless_root() {
        return;
    }
    let directory = Directory::new();
    let file = directory.file("f.toml", 0o644, RULE);
    assert_eq!(refusal(&file, None), None);
    // Every user trusts a file of root.
    assert_eq!(refusal(&file, Some(NOBODY)), None);
    chown(&file, Some(NOBODY), None).unwrap();
    let error = refusal(&file, None).unwrap();
    let told = format!("{file} belongs to user {NOBODY} and not to root\n");
    assert!(error.ends_with(&told), "{error}");
    // The server's own user could harm the server in other ways as well. A warning is logged.
    assert_eq!(refusal(&file, Some(NOBODY)), None);
    let output = finish(
        command(PROGRAM)
            .args(["--check", "--config", &file])
            .uid(NOBODY),
    );
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("programs that the server runs can change the rules"),
        "{told}"
    );
    let error = refusal(&file, Some(4242)).unwrap();
    assert!(error.contains("and not to root or to user 4242"), "{error}");
    // So it is with its directory.
    chown(&file, Some(0), None).unwrap();
    chown(directory.path(), Some(NOBODY), None).unwrap();
    assert!(refusal(&file, None).is_some());
    assert_eq!(refusal(&file, Some(NOBODY)), None);
    chown(directory.path(), Some(0), None).unwrap();
}

#[test]
fn an_ordinary_user_runs_a_server_with_a_file_of_its_own() {
    let daemon = Setup::new().control().config(RULE).start();
    daemon.serves();
    daemon.run(&["id"]).refused(126, &["rule"]);
    let file = daemon.directory.join("sockexec.toml");
    let owner = fs::metadata(&file).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&owner), own_user().0);
    // A warning is logged, unless that user is root.
    let line = daemon
        .log
        .all()
        .into_iter()
        .find(|line| line.contains("can change the rules"));
    assert_eq!(line.is_some(), own_user().0 != 0, "{line:?}");
}

#[test]
fn a_reload_keeps_to_the_rules_when_others_could_change_the_file() {
    let daemon = Setup::new().control().config(RULE).start();
    let text = "[[allow]]\nprogram = \"*\"\n";
    let file = daemon.directory.file("sockexec.toml", 0o666, text);
    let error = daemon.fails("reload", json!({}));
    assert!(error.contains("others could change it"), "{error}");
    daemon.run(&["id"]).refused(126, &["rule"]);
    chmod(Path::new(&file), 0o644);
    daemon.ask("reload", json!({}));
    daemon.run(&["id"]).succeeded();
}

#[test]
fn an_empty_file_is_refused_and_one_with_a_comment_is_not() {
    let directory = Directory::new();
    for text in ["", "\n", " \t\r\n\n"] {
        let file = directory.file("f.toml", 0o644, text);
        let error = refusal(&file, None).unwrap();
        assert!(error.contains("f.toml: it is empty"), "{error}");
    }
    let file = directory.file("f.toml", 0o644, "# nothing to set\n");
    assert_eq!(refusal(&file, None), None);
}
