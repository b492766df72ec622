//! System calls that leave errno alone.
//!
//! A child that shares the server's memory shares its errno too. The functions of the C library
//! write to it, and so would change the result of a call that the server makes at the same
//! moment. This file calls the kernel directly: one instruction on each architecture, with
//! the registers of syscall(2). No crate does this with the minimum compiler and for all
//! architectures of Debian: `syscalls` requires a newer one (0.7) or a nightly one on s390x
//! (0.6), `rustix` uses the C library on s390x.

use std::ffi::{c_int, c_long};

/// Whether these calls write errno after all. Rust 1.85 has no assembler for POWER and some
/// older architectures. There a child must not run beside the server.
pub const WRITES_ERRNO: bool = !cfg!(any(
    target_arch = "x86_64",
    target_arch = "x86",
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "riscv64",
    target_arch = "loongarch64",
    target_arch = "s390x"
));

/// Makes a system call. The error is its errno.
///
/// # Errors
///
/// The result of the kernel.
///
/// # Safety
///
/// That of the system call: see its manual page.
pub unsafe fn syscall<const N: usize>(
    number: c_long,
    arguments: [usize; N],
) -> Result<usize, c_int> {
    const { assert!(N <= 5, "more do not fit in the registers of 32-bit x86") }
    let mut all = [0; 5];
    for (to, from) in all.iter_mut().zip(arguments) {
        *to = from;
    }
    // SAFETY: the caller's promise.
    let result = unsafe { five(number as usize, all) };
    // The kernel returns -1 to -4095 for an error, and nothing else in that range.
    match result as isize {
        errno @ -4095..=-1 => Err(-errno as c_int),
        _ => Ok(result),
    }
}

#[cfg(target_arch = "x86_64")]
unsafe fn five(number: usize, [a, b, c, d, e]: [usize; 5]) -> usize {
    let result;
    // SAFETY: the caller's promise; all registers that the kernel changes are named.
    unsafe {
        std::arch::asm!("syscall", inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
            lateout("rcx") _, lateout("r11") _, options(nostack, preserves_flags));
    }
    result
}

#[cfg(target_arch = "x86")]
unsafe fn five(number: usize, [a, b, c, d, e]: [usize; 5]) -> usize {
    let result;
    let last = [d, e];
    // SAFETY: as above. The compiler reserves esi, and it is restored afterwards.
    unsafe {
        std::arch::asm!("push esi", "mov esi, [edi]", "mov edi, [edi + 4]", "int 0x80", "pop esi",
            inlateout("eax") number => result, in("ebx") a, in("ecx") b, in("edx") c,
            inlateout("edi") last.as_ptr() => _, options(preserves_flags));
    }
    result
}

#[cfg(target_arch = "aarch64")]
unsafe fn five(number: usize, [a, b, c, d, e]: [usize; 5]) -> usize {
    let result;
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("svc 0", in("x8") number, inlateout("x0") a => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, options(nostack, preserves_flags));
    }
    result
}

#[cfg(target_arch = "arm")]
unsafe fn five(number: usize, [a, b, c, d, e]: [usize; 5]) -> usize {
    let result;
    // SAFETY: as above. The compiler may reserve r7, and it is restored afterwards.
    unsafe {
        std::arch::asm!("mov {r7}, r7", "mov r7, {number}", "svc 0", "mov r7, {r7}",
            r7 = out(reg) _, number = in(reg) number, inlateout("r0") a => result,
            in("r1") b, in("r2") c, in("r3") d, in("r4") e, options(nostack, preserves_flags));
    }
    result
}

#[cfg(target_arch = "riscv64")]
unsafe fn five(number: usize, [a, b, c, d, e]: [usize; 5]) -> usize {
    let result;
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("ecall", in("a7") number, inlateout("a0") a => result,
            in("a1") b, in("a2") c, in("a3") d, in("a4") e, options(nostack, preserves_flags));
    }
    result
}

#[cfg(target_arch = "loongarch64")]
unsafe fn five(number: usize, [a, b, c, d, e]: [usize; 5]) -> usize {
    let result;
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("syscall 0", in("$a7") number, inlateout("$a0") a => result,
            in("$a1") b, in("$a2") c, in("$a3") d, in("$a4") e,
            lateout("$t0") _, lateout("$t1") _, lateout("$t2") _, lateout("$t3") _, lateout("$t4") _,
            lateout("$t5") _, lateout("$t6") _, lateout("$t7") _, lateout("$t8") _,
            options(nostack, preserves_flags));
    }
    result
}

#[cfg(target_arch = "s390x")]
unsafe fn five(number: usize, [a, b, c, d, e]: [usize; 5]) -> usize {
    let result;
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("svc 0", in("r1") number, inlateout("r2") a => result,
            in("r3") b, in("r4") c, in("r5") d, in("r6") e, options(nostack, preserves_flags));
    }
    result
}

/// By way of the C library: see [`WRITES_ERRNO`].
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "x86",
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "riscv64",
    target_arch = "loongarch64",
    target_arch = "s390x"
)))]
unsafe fn five(number: usize, [a, b, c, d, e]: [usize; 5]) -> usize {
    // SAFETY: as above.
    match unsafe { libc::syscall(number as c_long, a, b, c, d, e) } {
        // SAFETY: errno is this thread's.
        -1 => -unsafe { *libc::__errno_location() } as usize,
        result => result as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::errno::Errno;

    #[test]
    fn no_argument_and_a_result() {
        // SAFETY: getpid(2) changes nothing.
        let pid = unsafe { syscall(libc::SYS_getpid, []) };
        assert_eq!(pid, Ok(std::process::id() as usize));
    }

    #[test]
    fn every_argument_arrives() {
        let mut link = [0_u8; 64];
        // SAFETY: the path ends with NUL, and the kernel writes no more than there is room for.
        let length = unsafe {
            syscall(
                libc::SYS_readlinkat,
                [
                    libc::AT_FDCWD as usize,
                    c"/proc/self".as_ptr() as usize,
                    link.as_mut_ptr() as usize,
                    link.len(),
                ],
            )
        };
        let length = length.expect("there is /proc");
        assert_eq!(link[..length], *std::process::id().to_string().as_bytes());
    }

    #[test]
    fn the_last_argument_arrives_too() {
        let seen = |last: usize| {
            // SAFETY: reads a flag of this thread. The kernel insists that the others are 0.
            unsafe {
                syscall(
                    libc::SYS_prctl,
                    [libc::PR_GET_NO_NEW_PRIVS as usize, 0, 0, 0, last],
                )
            }
        };
        assert!(seen(0).is_ok());
        assert_eq!(seen(1), Err(libc::EINVAL));
    }

    #[test]
    fn an_error_is_returned_and_errno_left_alone() {
        Errno::set_raw(libc::EXDEV);
        // SAFETY: there is no such descriptor.
        let result = unsafe { syscall(libc::SYS_dup3, [usize::MAX, 0, 0]) };
        let errno = Errno::last_raw();
        assert_eq!(result, Err(libc::EBADF));
        assert_eq!(
            errno,
            if WRITES_ERRNO {
                libc::EBADF
            } else {
                libc::EXDEV
            }
        );
    }
}
