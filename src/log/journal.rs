//! The systemd journal, by its own protocol: a datagram with the fields of an entry. One that is
//! too large for the socket goes into a sealed file in memory, whose descriptor is sent.

use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};

use super::datagrams::Datagrams;
use super::message::Fields;
use super::written::Written;

/// See the module.
#[derive(Debug)]
pub(super) struct Journal {
    socket: Datagrams,
    facility: u8,
}

impl Journal {
    /// The journal whose socket is at this path, with the facility of this number.
    pub(super) fn at(socket: &Path, facility: u8) -> Self {
        Self {
            socket: Datagrams::to(socket),
            facility,
        }
    }

    /// An entry with this text.
    pub(super) fn entry(&self, severity: u8, text: &str) -> Fields {
        let mut fields = Fields::default();
        fields.put("MESSAGE", text);
        fields.show("PRIORITY", severity);
        fields.put("SYSLOG_IDENTIFIER", "sockexec");
        fields.show("SYSLOG_FACILITY", self.facility);
        fields
    }

    pub(super) fn write(&mut self, entry: &[u8]) -> Written {
        self.socket.write(|socket| match socket.send(entry) {
            Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => send_file(socket, entry),
            sent => sent.map(|_| Written::All),
        })
    }
}

/// Sends an entry in a file. Without memory for that it is lost.
fn send_file(socket: &UnixDatagram, entry: &[u8]) -> io::Result<Written> {
    let Ok(file) = sealed(entry) else {
        return Ok(Written::Never);
    };
    let descriptors = [file.as_raw_fd()];
    sendmsg::<UnixAddr>(
        socket.as_raw_fd(),
        &[IoSlice::new(&[])],
        &[ControlMessage::ScmRights(&descriptors)],
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    Ok(Written::All)
}

/// A file in memory that cannot change any more: journald reads no other.
fn sealed(bytes: &[u8]) -> io::Result<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut file = File::from(memfd_create(c"sockexec-log", flags)?);
    file.write_all(bytes)?;
    let seals = SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_WRITE
        | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::IoSliceMut;

    use nix::cmsg_space;
    use nix::sys::socket::{ControlMessageOwned, recvmsg};

    use super::*;

    #[test]
    fn an_entry_has_its_text_and_its_level() {
        let journal = Journal::at(Path::new("/no/such/socket"), 10);
        let entry = journal.entry(4, "one\ntwo").into_bytes();
        let text = String::from_utf8(entry).unwrap();
        assert_eq!(
            text,
            "MESSAGE\n\u{7}\0\0\0\0\0\0\0one\ntwo\nPRIORITY=4\nSYSLOG_IDENTIFIER=sockexec\n\
             SYSLOG_FACILITY=10\n"
        );
    }

    /// The bytes of the next entry, and the seals of the file, if it came in one.
    fn receive(socket: &UnixDatagram) -> (Vec<u8>, Option<SealFlag>) {
        let mut bytes = vec![0; 1 << 20];
        let mut room = [IoSliceMut::new(&mut bytes)];
        let mut space = cmsg_space!([i32; 1]);
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message =
            recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut room, Some(&mut space), flags).unwrap();
        let length = message.bytes;
        let Some(ControlMessageOwned::ScmRights(passed)) = message.cmsgs().unwrap().next() else {
            bytes.truncate(length);
            return (bytes, None);
        };
        assert_eq!(length, 0);
        let entry = std::fs::read(format!("/proc/self/fd/{}", passed[0])).unwrap();
        let file = File::open(format!("/proc/self/fd/{}", passed[0])).unwrap();
        let seals = fcntl(&file, FcntlArg::F_GET_SEALS).unwrap();
        nix::unistd::close(passed[0]).unwrap();
        (entry, Some(SealFlag::from_bits_truncate(seals)))
    }

    #[test]
    fn an_entry_that_is_too_large_goes_into_a_sealed_file() {
        let path = std::env::temp_dir().join(format!("sockexec-journal-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let journald = UnixDatagram::bind(&path).unwrap();
        let mut journal = Journal::at(&path, 3);
        let large = [&b"MESSAGE="[..], &[b'x'; 4_000_000], b"\n"].concat();
        for entry in [&b"MESSAGE=small\n"[..], &large] {
            assert_eq!(journal.write(entry), Written::All);
            let (found, seals) = receive(&journald);
            assert!(found == entry, "{} bytes", found.len());
            let expected = SealFlag::F_SEAL_SHRINK
                | SealFlag::F_SEAL_GROW
                | SealFlag::F_SEAL_WRITE
                | SealFlag::F_SEAL_SEAL;
            let is_large = entry.len() > 100;
            assert_eq!(seals, is_large.then_some(expected));
        }
        std::fs::remove_file(&path).unwrap();
    }
}
