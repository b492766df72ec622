//! The servers that there are: `sockexec.service`, and one `sockexec@NAME.service` for each tenant.
//!
//! Their control sockets have fixed places, which only root can make. No such socket is touched here,
//! since systemd would start the server.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

/// The directory with the directories of all servers.
pub const PLACE: &str = "/run";

/// The name of a control socket.
const SOCKET: &str = "control.sock";

/// Where the control groups of units are: on most systems, and on those that mix both versions.
const TREES: [&str; 3] = [
    "/sys/fs/cgroup",
    "/sys/fs/cgroup/systemd",
    "/sys/fs/cgroup/unified",
];

/// The maximum depth of slices in slices.
const DEPTH_MAX: usize = 8;

/// A server, or its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The name of its unit, without `.service`, or else the path of its socket.
    pub name: String,
    /// Its control socket.
    pub socket: PathBuf,
    /// It does not run, and would be started by a connection.
    pub rests: bool,
}

impl Instance {
    /// The server at a path that was given. One that is no unit's is asked in any case.
    pub fn at(socket: &Path) -> Self {
        let unit = unit_at(socket, Path::new(PLACE));
        let is_unit = unit.is_some();
        let mut one = [Self {
            name: unit.unwrap_or_else(|| socket.display().to_string()),
            socket: socket.to_owned(),
            rests: false,
        }];
        if is_unit {
            note_rest(&mut one);
        }
        let [one] = one;
        one
    }
}

/// All of them, in the order of their names.
pub fn all() -> Vec<Instance> {
    let mut all = in_directory(Path::new(PLACE));
    note_rest(&mut all);
    all
}

/// Notes which of these units do not run, if that is known.
fn note_rest(all: &mut [Instance]) {
    let trees = TREES.map(Path::new);
    let Some(tree) = trees.into_iter().find(|tree| is_systemds(tree)) else {
        return;
    };
    let running = units_in(tree, 0);
    for instance in all {
        let unit = format!("{}.service", instance.name);
        instance.rests = !running.contains(&unit);
    }
}

/// The unit whose control socket has this path, in a directory with the directories of all.
fn unit_at(socket: &Path, place: &Path) -> Option<String> {
    let directory = socket.parent()?;
    let is_usual = socket.file_name()? == SOCKET && directory.parent()? == place;
    unit_of(directory.file_name()?.to_str()?).filter(|_| is_usual)
}

fn in_directory(place: &Path) -> Vec<Instance> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let mut all: Vec<_> = entries
        .filter_map(|entry| {
            let name = unit_of(entry.file_name().to_str()?)?;
            let socket = entry.path().join(SOCKET);
            let is_socket = fs::metadata(&socket).is_ok_and(|found| found.file_type().is_socket());
            is_socket.then_some(Instance {
                name,
                socket,
                rests: false,
            })
        })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// The unit whose sockets are in a directory of this name.
fn unit_of(directory: &str) -> Option<String> {
    let is_part_of_name = |c: char| c.is_ascii_alphanumeric() || ":_.-\\@".contains(c);
    match directory.strip_prefix("sockexec-") {
        None => (directory == "sockexec").then(|| directory.to_owned()),
        Some(name) if name.is_empty() || !name.chars().all(is_part_of_name) => None,
        Some(name) => Some(format!("sockexec@{name}")),
    }
}

/// The control socket of the tenant of this name, or of the unit `sockexec@NAME`, as `status --all`
/// prints it.
///
/// # Errors
///
/// When it cannot be the name of one.
pub fn socket_of(name: &str) -> Result<PathBuf, String> {
    let name = name.strip_prefix("sockexec@").unwrap_or(name);
    let directory = format!("sockexec-{name}");
    match unit_of(&directory) {
        Some(_) => Ok(Path::new(PLACE).join(directory).join(SOCKET)),
        None => Err("not the name of a tenant: letters, digits and any of :_.-\\@".into()),
    }
}

/// Whether systemd has its units here: its own group is always there.
fn is_systemds(tree: &Path) -> bool {
    tree.join("init.scope").is_dir()
}

/// The units of servers that have processes. A group of that name is there as long as its unit is
/// active, in whichever slice. Other users can make groups only below their own units.
fn units_in(slice: &Path, depth: usize) -> Vec<String> {
    let entries = fs::read_dir(slice).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut units = Vec::new();
    for name in names {
        if name.ends_with(".slice") && depth < DEPTH_MAX {
            units.append(&mut units_in(&slice.join(&name), depth + 1));
        } else if name.starts_with("sockexec") && name.ends_with(".service") {
            units.push(name);
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// A directory of this test's own, which is removed with it.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let id = std::process::id();
            let path = std::env::temp_dir().join(format!("sockexecctl-{id}-{name}"));
            fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn directories_have_the_names_of_units() {
        for (directory, unit) in [
            ("sockexec", Some("sockexec")),
            ("sockexec-web", Some("sockexec@web")),
            ("sockexec-a-b.c:d@e_f", Some("sockexec@a-b.c:d@e_f")),
            (r"sockexec-a\x2db", Some(r"sockexec@a\x2db")),
            ("sockexec-", None),
            ("sockexec-a b", None),
            ("sockexec-a\"b", None),
            ("sockexecute", None),
            ("other", None),
        ] {
            assert_eq!(unit_of(directory).as_deref(), unit, "{directory}");
        }
    }

    #[test]
    fn a_tenant_has_its_socket() {
        let path = Path::new("/run/sockexec-web/control.sock");
        assert_eq!(socket_of("web").as_deref(), Ok(path));
        assert_eq!(socket_of("sockexec@web").as_deref(), Ok(path));
        for name in ["", "sockexec@", "a/b", "../x", "a b", "\u{e4}"] {
            assert!(socket_of(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_path_is_known_for_the_units_that_have_it() {
        for (path, unit) in [
            ("/x/sockexec/control.sock", Some("sockexec")),
            ("/x/sockexec-web/control.sock", Some("sockexec@web")),
            ("/x/sockexec-web/exec.sock", None),
            ("/x/other/control.sock", None),
            ("/y/sockexec/control.sock", None),
            ("/x/y/sockexec/control.sock", None),
            ("control.sock", None),
            ("/", None),
        ] {
            let found = unit_at(Path::new(path), Path::new("/x"));
            assert_eq!(found.as_deref(), unit, "{path}");
        }
    }

    #[test]
    fn only_control_sockets_are_found_in_order() {
        let directory = Directory::new("places");
        for name in ["sockexec-b", "sockexec", "sockexec-a", "sockexec-none", "x"] {
            fs::create_dir(directory.0.join(name)).unwrap();
        }
        let _listeners = ["sockexec-b", "sockexec", "sockexec-a", "x"]
            .map(|name| UnixListener::bind(directory.0.join(name).join("control.sock")).unwrap());
        fs::write(directory.0.join("sockexec-none/control.sock"), "a file").unwrap();
        let names: Vec<_> = in_directory(&directory.0)
            .into_iter()
            .map(|i| i.name)
            .collect();
        assert_eq!(names, ["sockexec", "sockexec@a", "sockexec@b"]);
        assert_eq!(in_directory(&directory.0.join("nowhere")), []);
    }

    #[test]
    fn running_units_are_found_in_slices_and_nowhere_else() {
        let directory = Directory::new("groups");
        assert!(!is_systemds(&directory.0));
        for path in [
            "init.scope",
            "system.slice/sockexec.service/server",
            "system.slice/cron.service/sockexec@fake.service",
            "system.slice/system-sockexec.slice/sockexec@web.service",
            "a.slice/a-b.slice/a-b-c.slice/sockexec@deep.service",
        ] {
            fs::create_dir_all(directory.0.join(path)).unwrap();
        }
        assert!(is_systemds(&directory.0));
        let mut units = units_in(&directory.0, 0);
        units.sort();
        let expected = [
            "sockexec.service",
            "sockexec@deep.service",
            "sockexec@web.service",
        ];
        assert_eq!(units, expected);
    }
}
