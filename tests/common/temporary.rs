//! A directory that a test has to itself and that is gone afterwards.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

/// Owns the directory: it is removed with all that is in it on drop.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// Makes a directory that others may look into: daemons may run as someone else.
    /// The name is short, because a socket's path may not have more than 107 bytes.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("sockexec-{}-{count}", process::id()));
        fs::DirBuilder::new().mode(0o755).create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file with these permissions and returns its path as text.
    pub fn file(&self, name: &str, mode: u32, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    /// Makes a FIFO, at which a program can wait: `read go <FIFO`.
    pub fn fifo(&self, name: &str) -> String {
        let path = self.0.join(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    /// Lets the program go that waits at the FIFO. The line is in the file that comes
    /// back: it must live until the program has read it.
    #[must_use]
    pub fn release(&self, fifo: &str) -> fs::File {
        // Opened both ways, it never waits for the other end.
        let mut open = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.0.join(fifo))
            .unwrap();
        open.write_all(b"go\n").unwrap();
        open
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A test that has failed keeps nothing either; what mattered is in its output.
        let _ = fs::remove_dir_all(&self.0);
    }
}
