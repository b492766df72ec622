//! Names and their files, in a directory made for the test.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A directory with `bin/run`, `bin/plain` that cannot be run, `bin/folder`, `late/plain`
/// that can, and `link`, which leads to `bin`.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir()
            .canonicalize()
            .unwrap()
            .join(format!("sockexec-lookup-{}-{count}", process::id()));
        fs::create_dir_all(root.join("bin/folder")).unwrap();
        fs::create_dir(root.join("late")).unwrap();
        for (name, mode) in [
            ("bin/run", 0o755),
            ("bin/plain", 0o644),
            ("late/plain", 0o755),
        ] {
            fs::write(root.join(name), "").unwrap();
            fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        symlink("bin", root.join("link")).unwrap();
        Self(root)
    }

    /// Puts the directory's path in for each `@`.
    fn fill(&self, text: &str) -> Vec<u8> {
        text.replace('@', self.0.to_str().unwrap()).into_bytes()
    }

    fn lookup(&self, path: &str) -> Lookup {
        Lookup::new(&self.fill(path), Some(&self.0))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const ABSENT: Result<&str, LookupError> = Err(LookupError::System(Errno::ENOENT));
const DENIED: Result<&str, LookupError> = Err(LookupError::System(Errno::EACCES));
const UPWARDS: Result<&str, LookupError> = Err(LookupError::Upwards);

#[test]
fn names_mean_files() {
    let place = Place::new();
    for (path, name, file) in [
        // Looked for.
        ("@/bin", "run", Ok("@/bin/run")),
        ("@/none:@/bin", "run", Ok("@/bin/run")),
        ("@/bin/run:@/bin", "run", Ok("@/bin/run")),
        ("@/link", "run", Ok("@/bin/run")),
        ("@/late/../link", "run", Ok("@/bin/run")),
        ("bin", "run", Ok("@/bin/run")),
        ("@/bin:@/late", "plain", Ok("@/late/plain")),
        ("@/bin:@/none", "plain", DENIED),
        ("@/bin", "folder", DENIED),
        ("@/bin", "..", DENIED),
        ("@/bin", "none", ABSENT),
        ("@/bin", "", ABSENT),
        ("", "run", ABSENT),
        // Read.
        ("@/bin", "@/bin/run", Ok("@/bin/run")),
        ("@/bin", "@//bin/./run", Ok("@/bin/run")),
        ("@/bin", "/none/x", Ok("/none/x")),
        ("@/bin", "bin/run", Ok("@/bin/run")),
        ("@/bin", "./bin/run", Ok("@/bin/run")),
        ("@/bin", "@/link/run", Ok("@/link/run")),
        ("@/bin", "@/bin/../bin/run", UPWARDS),
        ("@/bin", "../x", UPWARDS),
        ("@/bin", "@/bin/..", UPWARDS),
        ("@/bin", "@/bin/...", Ok("@/bin/...")),
        ("@/bin", "@/bin/run/", DENIED),
        ("@/bin", "@/bin/.", DENIED),
        ("@/bin", "/", DENIED),
        // Directories of PATH that lead elsewhere.
        ("@/link", "@/link/run", Ok("@/bin/run")),
        ("@/link/", "@/link//run", Ok("@/bin/run")),
        ("link", "@/link/folder/x", Ok("@/bin/folder/x")),
        ("@/link", "@/linked/run", Ok("@/linked/run")),
        ("@/link", "@/link", Ok("@/link")),
    ] {
        let found = place.lookup(path).resolve(&place.fill(name));
        let expected = file.map(|file| place.fill(file));
        assert_eq!(found, expected, "{name} in {path}");
    }
}

#[test]
fn the_links_of_the_system_are_known_without_a_path() {
    let lookup = Lookup::new(b"/none", None);
    let bin = std::fs::canonicalize("/bin").unwrap();
    let file = bin.join("sh").into_os_string().into_encoded_bytes();
    assert_eq!(lookup.resolve(b"/bin/sh"), Ok(file));
    // They are no part of it.
    assert_eq!(
        lookup.resolve(b"sh"),
        Err(LookupError::System(Errno::ENOENT))
    );
}

#[test]
fn the_working_directory_is_the_one_at_the_start() {
    let place = Place::new();
    let lookup = Lookup::new(b":/none", Some(&place.0.join("bin")));
    assert_eq!(lookup.resolve(b"run"), Ok(place.fill("@/bin/run")));
    assert_eq!(lookup.resolve(b"./run"), Ok(place.fill("@/bin/run")));
    let lookup = Lookup::new(b":", None);
    for name in ["run", "./run"] {
        let found = lookup.resolve(name.as_bytes());
        assert_eq!(found, Err(LookupError::System(Errno::ENOENT)));
    }
}

#[test]
fn a_name_that_is_too_long_is_an_error() {
    let place = Place::new();
    let found = place.lookup("@/bin").resolve(&[b'x'; 300]);
    assert_eq!(found, Err(LookupError::System(Errno::ENAMETOOLONG)));
}

#[test]
fn the_directories_of_rules_are_found_the_same_way() {
    let place = Place::new();
    assert_eq!(real(&place.fill("@/link/")), Some(place.fill("@/bin")));
    for (file, parent) in [
        ("@/link/run", Some("@/bin/run")),
        ("@/link/none", Some("@/bin/none")),
        ("@/link", Some("@/link")),
        ("@/none/x", None),
        ("/etc", Some("/etc")),
    ] {
        let found = real_parent(&place.fill(file));
        assert_eq!(found, parent.map(|p| place.fill(p)), "{file}");
    }
}
