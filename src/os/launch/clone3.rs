//! clone3(2) with `CLONE_INTO_CGROUP`: makes the child inside a cgroup. The function of the C library
//! for clone(2) cannot pass that, and it has none for this call.
//!
//! The new process begins on a stack of its own, so what comes after the call must be written in
//! assembler: in the child, the call of its function, and its exit.

use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr;

use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

/// The life of a child.
pub(super) type Main = extern "C" fn(*mut c_void) -> c_int;

/// `CLONE_INTO_CGROUP`, as clone3(2) has it.
const INTO_CGROUP: u64 = 1 << 33;

/// `struct clone_args` up to `cgroup`. The libc crate does not have it for 32-bit architectures.
#[derive(Debug, Default)]
#[repr(C, align(8))]
pub(super) struct CloneArguments {
    flags: u64,
    pub(super) pidfd: u64,
    pub(super) child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    pub(super) stack: u64,
    pub(super) stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// The arguments of clone3(2) for a process in `cgroup`.
pub(super) fn arguments(flags: c_int, cgroup: BorrowedFd<'_>) -> CloneArguments {
    CloneArguments {
        flags: flags as u64 | INTO_CGROUP,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: cgroup.as_raw_fd() as u64,
        ..CloneArguments::default()
    }
}

/// Makes a child that calls `main` on its stack, and exits with its result.
///
/// # Safety
///
/// `arguments` name a stack for the child, and everything that `main` needs stays in place until it
/// has left.
pub(super) unsafe fn clone3(
    arguments: &CloneArguments,
    main: Main,
    argument: *mut c_void,
) -> Result<Pid, Errno> {
    // SAFETY: the caller's promise.
    let result = unsafe { call(arguments, main, argument) };
    match result {
        errno @ -4095..=-1 => Err(Errno::from_raw(-errno as c_int)),
        pid => Ok(Pid::from_raw(pid as c_int)),
    }
}

/// Tries to start a process in `cgroup`, which ends at once.
///
/// # Errors
///
/// When that cannot be done.
pub(in crate::os) fn probe(cgroup: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut pidfd: c_int = -1;
    // A copy of this process, with no stack but its own.
    let mut arguments = arguments(libc::CLONE_PIDFD, cgroup);
    arguments.pidfd = ptr::from_mut(&mut pidfd) as u64;
    // SAFETY: as fork(2); the child makes one system call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            ptr::from_ref(&arguments),
            size_of::<CloneArguments>(),
        )
    };
    match Errno::result(result)? {
        0 => {
            // SAFETY: ends this process, whose memory is a copy.
            unsafe { libc::_exit(0) }
        }
        pid => {
            // SAFETY: the kernel has just made this descriptor, and nothing else uses it.
            drop(unsafe { OwnedFd::from_raw_fd(pidfd) });
            let end = waitpid(Pid::from_raw(pid as c_int), None)?;
            if !matches!(end, WaitStatus::Exited(_, 0)) {
                // The kernel takes it for a process of a cgroup that is being killed.
                return Err(Errno::ECANCELED);
            }
        }
    }
    match IS_THERE {
        true => Ok(()),
        false => Err(Errno::ENOSYS),
    }
}

/// Whether there is assembler for this architecture.
const IS_THERE: bool = cfg!(any(
    target_arch = "x86_64",
    target_arch = "x86",
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "riscv64"
));

#[cfg(target_arch = "x86_64")]
unsafe fn call(arguments: &CloneArguments, main: Main, argument: *mut c_void) -> isize {
    let result;
    // SAFETY: the caller's promise. The child has its own stack and never comes back; the parent
    // continues behind the label with its registers as they were, but for those named.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r13",
            "call r12",
            "mov edi, eax",
            "mov eax, {exit}",
            "syscall",
            "ud2",
            "2:",
            exit = const libc::SYS_exit,
            inlateout("rax") libc::SYS_clone3 as isize => result,
            in("rdi") ptr::from_ref(arguments),
            in("rsi") size_of::<CloneArguments>(),
            in("r12") main,
            in("r13") argument,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

#[cfg(target_arch = "x86")]
unsafe fn call(arguments: &CloneArguments, main: Main, argument: *mut c_void) -> isize {
    let result;
    // SAFETY: as above. The argument goes onto the stack, which is aligned as a call needs it.
    unsafe {
        std::arch::asm!(
            "int 0x80",
            "test eax, eax",
            "jnz 2f",
            "xor ebp, ebp",
            "sub esp, 12",
            "push edx",
            "call edi",
            "mov ebx, eax",
            "mov eax, {exit}",
            "int 0x80",
            "ud2",
            "2:",
            exit = const libc::SYS_exit,
            inlateout("eax") libc::SYS_clone3 as isize => result,
            in("ebx") ptr::from_ref(arguments),
            in("ecx") size_of::<CloneArguments>(),
            in("edi") main,
            in("edx") argument,
        );
    }
    result
}

#[cfg(target_arch = "arm")]
unsafe fn call(arguments: &CloneArguments, main: Main, argument: *mut c_void) -> isize {
    let result;
    // SAFETY: as above. The compiler may reserve r7, and it is restored in the parent.
    unsafe {
        std::arch::asm!(
            "mov {r7}, r7",
            "mov r7, {number}",
            "svc 0",
            "cmp r0, #0",
            "bne 2f",
            "mov r0, r3",
            "blx r2",
            "mov r7, {exit}",
            "svc 0",
            "udf #0",
            "2:",
            "mov r7, {r7}",
            exit = const libc::SYS_exit,
            r7 = out(reg) _,
            number = in(reg) libc::SYS_clone3,
            inlateout("r0") ptr::from_ref(arguments) => result,
            in("r1") size_of::<CloneArguments>(),
            in("r2") main,
            in("r3") argument,
        );
    }
    result
}

#[cfg(target_arch = "aarch64")]
unsafe fn call(arguments: &CloneArguments, main: Main, argument: *mut c_void) -> isize {
    let result;
    // SAFETY: as above.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x10",
            "blr x9",
            "mov x8, {exit}",
            "svc 0",
            "brk 1",
            "2:",
            exit = const libc::SYS_exit,
            in("x8") libc::SYS_clone3,
            inlateout("x0") ptr::from_ref(arguments) => result,
            in("x1") size_of::<CloneArguments>(),
            in("x9") main,
            in("x10") argument,
        );
    }
    result
}

#[cfg(target_arch = "riscv64")]
unsafe fn call(arguments: &CloneArguments, main: Main, argument: *mut c_void) -> isize {
    let result;
    // SAFETY: as above.
    unsafe {
        std::arch::asm!(
            "ecall",
            "bnez a0, 2f",
            "mv a0, t2",
            "jalr t1",
            "li a7, {exit}",
            "ecall",
            "ebreak",
            "2:",
            exit = const libc::SYS_exit,
            in("a7") libc::SYS_clone3,
            inlateout("a0") ptr::from_ref(arguments) => result,
            in("a1") size_of::<CloneArguments>(),
            in("t1") main,
            in("t2") argument,
        );
    }
    result
}

/// Never used: [`probe`] has failed.
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "x86",
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "riscv64"
)))]
unsafe fn call(_: &CloneArguments, _: Main, _: *mut c_void) -> isize {
    -(libc::ENOSYS as isize)
}
