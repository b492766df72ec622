//! A daemon in a sandbox, to which the kernel reports less.

use super::Setup;
use nix::errno::Errno;

/// Where `struct seccomp_data` has the number of the system call and its first argument.
const NUMBER: u32 = 0;
const ARGUMENT: u32 = if cfg!(target_endian = "little") {
    16
} else {
    20
};

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const IS: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Has socket(2) fail for netlink, as `RestrictAddressFamilies=` of a unit does.
const FILTER: [libc::sock_filter; 6] = [
    instruction(LOAD, NUMBER, 0, 0),
    instruction(IS, libc::SYS_socket as u32, 0, 3),
    instruction(LOAD, ARGUMENT, 0, 0),
    instruction(IS, libc::AF_NETLINK as u32, 0, 1),
    instruction(
        RETURN,
        libc::SECCOMP_RET_ERRNO | libc::EAFNOSUPPORT as u32,
        0,
        0,
    ),
    instruction(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
];

const fn instruction(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

impl Setup {
    /// A daemon that cannot ask the kernel for the user of a TCP connection: all of its clients
    /// there are unknown users.
    pub fn without_netlink(self) -> Self {
        self.before_exec(|| {
            let filter = FILTER;
            let program = libc::sock_fprog {
                len: filter.len() as u16,
                filter: filter.as_ptr().cast_mut(),
            };
            // SAFETY: numbers only.
            Errno::result(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
            // SAFETY: the kernel reads the program, which is there until the call is over.
            Errno::result(unsafe {
                libc::prctl(
                    libc::PR_SET_SECCOMP,
                    libc::SECCOMP_MODE_FILTER,
                    &raw const program,
                )
            })?;
            Ok(())
        })
    }
}
