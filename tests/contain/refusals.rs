//! Where jobs cannot have cgroups, nothing runs without them.

use crate::cgroup::Directory;
use crate::common::Setup;
use crate::common::daemon::finish;

/// What a daemon with these arguments, and with its own file and socket, reports at a start that is
/// refused.
fn refusal(mut setup: Setup) -> String {
    let file = setup.directory.join("sockexec.toml");
    let socket = setup.directory.join("s");
    setup.command.arg("--config").arg(file).arg(socket);
    let output = finish(&mut setup.command);
    assert_eq!(output.status.code(), Some(111), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_second_server_in_the_same_directory_is_refused() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = directory.contained();
    let second = directory.setup("contain = true\n");
    let text = refusal(second);
    assert!(
        text.contains("another server has its jobs' cgroups there"),
        "{text}"
    );
    daemon.serves();
}

#[test]
fn a_directory_elsewhere_is_refused() {
    let setup = Setup::new()
        .config("contain = true\n")
        .arguments(["--cgroup", "/proc"]);
    let text = refusal(setup);
    assert!(
        text.contains("/proc is not in a cgroup2 file system"),
        "{text}"
    );
}

#[test]
fn without_a_delegated_cgroup_contain_is_refused_and_says_what_to_do() {
    let setup = Setup::new().config("contain = true\n");
    let text = refusal(setup);
    assert!(
        text.contains("contain = true: ") && text.contains("--cgroup"),
        "{text}"
    );
}

#[test]
fn a_reload_that_asks_for_what_is_not_there_changes_nothing() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = directory.contained();
    let file = daemon.directory.join("sockexec.toml");
    std::fs::write(
        &file,
        "contain = true\ncpu-weight = 50\nmemory-max = \"1G\"\n",
    )
    .unwrap();
    let available = std::fs::read_to_string(directory.path().join("cgroup.controllers")).unwrap();
    if available.split_whitespace().any(|name| name == "memory") {
        return crate::common::skip::say("the controllers are there");
    }
    let error = daemon.fails("reload", serde_json::json!({}));
    assert!(
        error.contains("the controller memory is not delegated to"),
        "{error}"
    );
    daemon.serves();
}
