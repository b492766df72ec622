//! Names of users for people who read the log: those of /etc/passwd, in a copy, so that the server
//! does not wait. A directory service is not asked.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

const PASSWD: &str = "/etc/passwd";

/// The part of that file that is read, in bytes: enough for ten thousand users.
const READ_MAX: u64 = 1 << 20;

/// The longest name, in bytes (`LOGIN_NAME_MAX`).
const NAME_MAX: usize = 256;

/// See the module.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<u32, Box<str>>);

impl Names {
    /// The names in /etc/passwd now; none if it cannot be read.
    pub fn read() -> Self {
        Self(read(Path::new(PASSWD)).map_or_else(|_| BTreeMap::new(), |text| parse(&text)))
    }

    /// The name of the user with this number, if that is known.
    pub fn of(&self, uid: u32) -> Option<&str> {
        self.0.get(&uid).map(AsRef::as_ref)
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe in its place must not make the server wait for a writer.
    let file: File = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut text = Vec::new();
    file.take(READ_MAX).read_to_end(&mut text)?;
    if text.len() as u64 == READ_MAX {
        // The last line may be incomplete.
        let end = text.iter().rposition(|&byte| byte == b'\n').unwrap_or(0);
        text.truncate(end);
    }
    Ok(text)
}

/// As passwd(5) describes it. The first of several users with one number gives it its name, as
/// in getpwuid(3).
fn parse(text: &[u8]) -> BTreeMap<u32, Box<str>> {
    let mut names = BTreeMap::new();
    for line in text.split(|&byte| byte == b'\n') {
        if let Some((uid, name)) = entry(line) {
            names.entry(uid).or_insert_with(|| name.into());
        }
    }
    names
}

fn entry(line: &[u8]) -> Option<(u32, &str)> {
    let mut fields = std::str::from_utf8(line).ok()?.split(':');
    let name = fields.next()?;
    let uid = fields.nth(1)?.parse().ok()?;
    let is_comment = name.starts_with(['#', '+', '-']);
    (!name.is_empty() && name.len() <= NAME_MAX && !is_comment).then_some((uid, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    #[test]
    fn the_first_user_of_a_number_gives_it_its_name() {
        let text = b"root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:\n\nmail:x:8:8:::\r\n\
            # old:x:1:1:::\n+nis:x:2:2:::\nno number:x:y:1\n:x:3:3:::\nshort\n\xff:x:4:4:::\n\
            last:x:5";
        let names = Names(parse(text));
        let expected = [(0, "root"), (5, "last"), (8, "mail")];
        let all = names.0.iter().map(|(&uid, name)| (uid, &**name));
        assert_eq!(all.collect::<Vec<_>>(), expected);
        assert_eq!((names.of(0), names.of(1)), (Some("root"), None));
    }

    #[test]
    fn this_system_has_names() {
        assert_eq!(Names::read().of(0), Some("root"));
    }

    #[test]
    fn only_a_plain_file_is_read_and_not_without_end() {
        let path = std::env::temp_dir().join(format!("sockexec-names-{}", std::process::id()));
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        assert!(read(&path).is_err());
        std::fs::remove_file(&path).unwrap();
        let line = "a:x:7:7:::\n";
        std::fs::write(&path, line.repeat(READ_MAX as usize / line.len() + 1)).unwrap();
        let text = read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(text.len() < READ_MAX as usize && text.len() % line.len() == line.len() - 1);
    }
}
