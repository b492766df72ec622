//! The unit of the service manager in which a process runs, by its cgroup.

use std::fs;

/// The system unit of a process, such as `nginx.service`. `None` if it has none, or if it is hidden.
pub fn of_process(pid: i32) -> Option<String> {
    // The kernel makes this file when it is read, so no disk is waited for.
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    unit_in(&text).map(str::to_owned)
}

/// As cgroups(7) describes the file: in one of the hierarchies that systemd may use.
fn unit_in(text: &str) -> Option<&str> {
    text.lines().find_map(|line| {
        let unified = line.strip_prefix("0::");
        let path = unified.or_else(|| line.split_once(":name=systemd:").map(|(_, path)| path))?;
        unit_of_path(path)
    })
}

/// The first part of the path that is no slice.
fn unit_of_path(path: &str) -> Option<&str> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    // An underscore protects a name that the kernel could take for a file of its own.
    let mut names = parts.map(|part| part.strip_prefix('_').unwrap_or(part));
    let unit = names.find(|name| !name.ends_with(".slice"))?;
    let kinds = [".service", ".scope", ".socket", ".mount", ".swap"];
    kinds
        .iter()
        .any(|kind| unit.ends_with(kind))
        .then_some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_the_first_that_is_no_slice() {
        for (text, unit) in [
            ("0::/system.slice/nginx.service\n", Some("nginx.service")),
            (
                "0::/user.slice/user-7.slice/user@7.service/app.slice/a.service\n",
                Some("user@7.service"),
            ),
            (
                "0::/user.slice/user-7.slice/session-2.scope\n",
                Some("session-2.scope"),
            ),
            ("0::/system.slice/a.service/job-1\n", Some("a.service")),
            ("0::/_a.service\n", Some("a.service")),
            (
                "5:cpu:/x\n1:name=systemd:/system.slice/old.service\n",
                Some("old.service"),
            ),
            (
                "9:name=systemd:/\n1:cpu:/\n0::/system.slice/b.service\n",
                Some("b.service"),
            ),
            ("0::/\n", None),
            ("0::/init.scope\n", Some("init.scope")),
            ("0::/../a/b\n", None),
            ("0::/system.slice\n", None),
            ("", None),
        ] {
            assert_eq!(unit_in(text), unit, "{text}");
        }
        assert_eq!(of_process(-1), None);
    }
}
