//! Processes of a job's user that attack the server, or a job of another user.

use crate::common::process::{self, children, field_of, lives};
use crate::common::user;
use crate::common::{Client, Daemon, End, Setup, request, skip, sockproc};
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::Signal;
use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::chown;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Users of jobs, which every Debian has: `daemon` and `bin`. The server is nobody's.
const DAEMON: u32 = 1;
const BIN: u32 = 2;

/// Clients choose the user of their program by its name.
const RULES: &str = "[[allow]]\nprogram = \"/usr/bin/bash\"\nrun-as = \"uucp\"\n\
                     [[allow]]\nprogram = \"/usr/bin/dash\"\nrun-as = \"bin\"\n\
                     [[allow]]\nprogram = \"*\"\nrun-as = \"daemon\"\n";

/// A server that root has started, with jobs of three users.
fn setup() -> Setup {
    Setup::new()
        .arguments(["--user", "nobody"])
        .control()
        .config(RULES)
}

fn dash(script: &str) -> Vec<u8> {
    request(&["dash", "-c", script])
}

/// Does something as another user, without any privilege.
#[track_caller]
fn as_user<T: Send>(user: u32, action: impl FnOnce() -> T + Send) -> T {
    user::as_user(user, user, &[], action).expect("the caller is root")
}

/// Starts a job of bin that waits. Returns its process.
#[track_caller]
fn victim(daemon: &Daemon) -> (Client, u32) {
    let mut client = daemon.begin(dash("echo $$; exec sleep 1000"));
    let pid = client.number();
    process::eventually("the program is the job's", || {
        process::link(pid, "exe").is_some_and(|exe| exe.ends_with("sleep"))
    });
    (client, pid)
}

fn call(result: libc::c_long) -> Result<(), Errno> {
    Errno::result(result).map(drop)
}

fn ptrace(request: libc::c_uint, pid: libc::pid_t) -> Result<(), Errno> {
    let none = ptr::null_mut::<libc::c_void>();
    // SAFETY: these requests write to no memory of ours.
    call(unsafe { libc::ptrace(request, pid, none, none) })
}

fn read_memory(pid: libc::pid_t) -> Result<(), Errno> {
    let mut byte = 0_u8;
    let local = libc::iovec {
        iov_base: ptr::from_mut(&mut byte).cast(),
        iov_len: 1,
    };
    let remote = libc::iovec {
        iov_base: ptr::without_provenance_mut(0x1000),
        iov_len: 1,
    };
    // SAFETY: one byte of ours; the other process's address is not dereferenced here.
    call(unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) as _ })
}

fn pidfd(pid: libc::pid_t) -> Result<OwnedFd, Errno> {
    // SAFETY: the call takes numbers, and returns a new descriptor.
    unsafe {
        let fd = Errno::result(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

fn take_descriptor(pid: libc::pid_t) -> Result<(), Errno> {
    let process = pidfd(pid)?;
    for number in 0..40 {
        // SAFETY: the call takes numbers; a descriptor that it returns ends this test.
        let got = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) };
        if Errno::result(got) != Err(Errno::EBADF) {
            return call(got);
        }
    }
    Err(Errno::EBADF)
}

fn signal_by_pidfd(pid: libc::pid_t) -> Result<(), Errno> {
    let process = pidfd(pid)?;
    let none = ptr::null::<libc::siginfo_t>();
    // SAFETY: without information about the signal.
    call(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            libc::SIGKILL,
            none,
            0,
        )
    })
}

fn lower_limit(pid: libc::pid_t) -> Result<(), Errno> {
    let limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: a limit, and nowhere to put the old one.
    call(unsafe {
        libc::prlimit(pid, libc::RLIMIT_NOFILE, &raw const limit, ptr::null_mut()).into()
    })
}

fn opens(pid: libc::pid_t, name: &str) -> Result<(), Errno> {
    let path = format!("/proc/{pid}/{name}");
    let opened = match name {
        "fd" => fs::read_dir(path).map(drop),
        "cwd" | "root" | "exe" => fs::read_link(path).map(drop),
        "mem" => OpenOptions::new().write(true).open(path).map(drop),
        _ => File::open(path).map(drop),
    };
    opened.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
}

fn kill(target: libc::pid_t, signal: libc::c_int) -> Result<(), Errno> {
    // SAFETY: numbers.
    call(unsafe { libc::kill(target, signal) }.into())
}

fn make_nice(pid: libc::pid_t) -> Result<(), Errno> {
    // SAFETY: numbers.
    call(unsafe { libc::setpriority(libc::PRIO_PROCESS, pid as u32, 19) }.into())
}

type Attack = (&'static str, fn(libc::pid_t) -> Result<(), Errno>);

/// Attacks that need the permission to trace a process.
const LOOKS: [Attack; 12] = [
    ("attach", |pid| ptrace(libc::PTRACE_ATTACH, pid)),
    ("seize", |pid| ptrace(libc::PTRACE_SEIZE, pid)),
    ("process_vm_readv", read_memory),
    ("pidfd_getfd", take_descriptor),
    ("mem", |pid| opens(pid, "mem")),
    ("maps", |pid| opens(pid, "maps")),
    ("environ", |pid| opens(pid, "environ")),
    ("auxv", |pid| opens(pid, "auxv")),
    ("fd", |pid| opens(pid, "fd")),
    ("cwd", |pid| opens(pid, "cwd")),
    ("root", |pid| opens(pid, "root")),
    ("exe", |pid| opens(pid, "exe")),
];

/// Attacks that need the permission to signal it, or to change it.
const BLOWS: [Attack; 6] = [
    ("kill", |pid| kill(pid, libc::SIGKILL)),
    ("stop", |pid| kill(pid, libc::SIGSTOP)),
    ("kill its group", |pid| kill(-pid, libc::SIGKILL)),
    ("pidfd_send_signal", signal_by_pidfd),
    ("prlimit", lower_limit),
    ("niceness", make_nice),
];

/// Checks that none of these works. A group without processes of this number is no target.
#[track_caller]
fn fail(attacks: &[Attack], pid: libc::pid_t) {
    for (name, attack) in attacks {
        let result = attack(pid);
        let refused = [Errno::EPERM, Errno::EACCES, Errno::ESRCH];
        let is_refused = result.is_err_and(|errno| refused.contains(&errno));
        assert!(is_refused, "{name}: {result:?}");
    }
    assert_eq!(kill(pid, 0), Err(Errno::EPERM), "it is there");
}

#[test]
fn a_process_of_a_jobs_user_cannot_touch_the_server() {
    if !skip::unless_root() {
        return;
    }
    let daemon = setup().start();
    let pid = daemon.pid() as libc::pid_t;
    for user in [DAEMON, BIN] {
        as_user(user, || fail(&[&LOOKS[..], &BLOWS].concat(), pid));
    }
    // Nor does it obey.
    let control = daemon.control_path();
    let connected = as_user(DAEMON, || Client::try_connect(&control).map(drop));
    let error = connected.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    daemon.serves();
    daemon.stop();
}

#[test]
fn a_process_of_a_jobs_user_cannot_touch_a_job_of_another() {
    if !skip::unless_root() {
        return;
    }
    let daemon = setup().start();
    let (_client, pid) = victim(&daemon);
    let target = pid as libc::pid_t;
    as_user(DAEMON, || fail(&[&LOOKS[..], &BLOWS].concat(), target));
    assert!(lives(pid));
    // Its own user's processes may do all of that.
    for name in ["mem", "environ", "fd", "exe"] {
        assert_eq!(as_user(BIN, || opens(target, name)), Ok(()), "{name}");
    }
    assert_eq!(as_user(BIN, || kill(target, libc::SIGKILL)), Ok(()));
    process::wait_gone(pid);
}

#[test]
fn a_program_that_kills_everything_reaches_its_own_user_only() {
    if !skip::unless_root() {
        return;
    }
    let daemon = setup().start();
    let mut other = daemon.begin(request(&["sh", "-c", "echo $$; cat"]));
    let other_pid = other.number();
    assert_eq!(process::status(other_pid, "Uid"), "1\t1\t1\t1");
    // Jobs of a user that other tests do not have.
    let bash = |script: &str| daemon.begin(request(&["bash", "-c", script]));
    let mut victim = bash("echo $$; exec sleep 1000");
    let victim_pid = victim.number();
    assert_eq!(process::status(victim_pid, "Uid"), "10\t10\t10\t10");
    let reply = bash("kill -9 -1; echo here").reply();
    // A process does not signal itself this way.
    assert_eq!((&*reply.out(), reply.end), ("here\n", End::Exit(0)));
    process::wait_gone(victim_pid);
    assert_eq!(victim.reply().end, End::Signal("9".into()));
    assert!(lives(other_pid));
    other.send_netstring(b"still here");
    other.send(crate::common::client::END);
    assert_eq!(other.reply().out(), "still here");
    // One by one it reaches no other either.
    let server = daemon.pid();
    let reply = bash(&format!("kill -9 {server}")).reply();
    assert!(reply.err().contains("not permitted"), "{}", reply.err());
    daemon.stop();
}

/// Processes of bin that hunt the server's children.
#[derive(Default)]
struct Hunt {
    over: AtomicBool,
    /// Children that were stopped before they were the program.
    caught: AtomicUsize,
}

impl Hunt {
    /// Lets bin send each child of the server a signal as soon as the child is bin's, while `action`
    /// runs. Returns all children that it has reached.
    fn during(&self, daemon: &Daemon, signal: libc::c_int, action: impl FnOnce()) -> Vec<u32> {
        let server = daemon.pid();
        thread::scope(|scope| {
            let hunters =
                [(); 2].map(|()| scope.spawn(|| as_user(BIN, || self.run(server, signal))));
            action();
            self.over.store(true, Ordering::Relaxed);
            hunters.map(|hunter| hunter.join().unwrap()).concat()
        })
    }

    fn run(&self, server: u32, signal: libc::c_int) -> Vec<u32> {
        let mut reached = Vec::new();
        while !self.over.load(Ordering::Relaxed) {
            for pid in children(server) {
                if reached.contains(&pid) || kill(pid as libc::pid_t, signal).is_err() {
                    continue;
                }
                reached.push(pid);
                if signal == libc::SIGSTOP && self.is_before_its_exec(pid) {
                    self.caught.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        reached
    }

    /// Whether a process that was stopped is still in the server's memory. There it must not be
    /// looked at, although its user is bin.
    fn is_before_its_exec(&self, pid: u32) -> bool {
        let read = || fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let is = |status: &str, states: &[&str]| {
            let has = |state: &&str| status.contains(&format!("\nState:\t{state}"));
            states.iter().any(has)
        };
        let mut status = read();
        while is(&status, &["R", "S", "D"]) && !self.over.load(Ordering::Relaxed) {
            status = read();
        }
        let caught = is(&status, &["T"]) && field_of(&status, "Name") == "sockexec";
        if caught {
            for (name, look) in LOOKS {
                assert_ne!(look(pid as libc::pid_t), Ok(()), "{name}");
            }
        }
        caught
    }
}

#[test]
fn children_that_are_stopped_before_their_exec_are_in_nobodys_way() {
    // There are fewer places for children that start.
    const WANTED: usize = 9;
    const JOBS_MAX: usize = 400;
    if !skip::unless_root() {
        return;
    }
    let daemon = setup().arguments(["-t", "0", "-m", "500"]).start();
    let hunt = Hunt::default();
    let mut clients = Vec::new();
    let reached = hunt.during(&daemon, libc::SIGSTOP, || {
        while hunt.caught.load(Ordering::Relaxed) < WANTED && clients.len() < JOBS_MAX {
            let client = daemon.begin(dash("echo right"));
            client.end();
            clients.push(client);
            daemon.serves();
        }
    });
    let caught = hunt.caught.load(Ordering::Relaxed);
    assert!(caught > 0, "{} of {JOBS_MAX} reached", reached.len());
    for _ in 0..20 {
        daemon.serves();
    }
    // A disconnect ends what is stopped,
    let (client, stopped) = victim(&daemon);
    process::signal(stopped, Signal::SIGSTOP);
    drop(client);
    process::wait_gone(stopped);
    drop(clients.pop());
    // and what goes on has missed nothing.
    for pid in reached {
        process::signal_if_there(pid, Signal::SIGCONT);
    }
    for client in clients {
        assert_eq!(client.reply().succeeded(), "right\n");
    }
    daemon.wait_jobs("running", 0);
    daemon.stop();
}

#[test]
fn children_that_are_killed_before_their_exec_are_answered() {
    if !skip::unless_root() {
        return;
    }
    let daemon = setup().arguments(["-t", "0"]).start();
    let hunt = Hunt::default();
    let mut killed = 0;
    hunt.during(&daemon, libc::SIGKILL, || {
        for _ in 0..20 {
            let clients = [(); 12].map(|()| daemon.begin(dash(":")));
            clients.iter().for_each(Client::end);
            daemon.serves();
            for client in clients {
                match client.reply().end {
                    End::Exit(0) => {}
                    end => {
                        assert_eq!(end, End::Signal("9".into()));
                        killed += 1;
                    }
                }
            }
        }
    });
    assert!(killed > 0);
    assert_eq!(daemon.begin(dash("echo served")).reply().out(), "served\n");
    daemon.stop();
}

/// Checks that these lines of a status have no capability.
#[track_caller]
fn has_no_capability(status: &str) {
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(field_of(status, set), "0".repeat(16), "{set}");
    }
}

#[test]
fn a_program_has_no_privilege_of_the_server_in_any_configuration() {
    const THREE: &str = "-all,+setuid,+setgid,+kill";
    if !skip::unless_root() {
        return;
    }
    let by_manager = || {
        let setup = Setup::by(&[
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            &format!("--inh-caps={THREE}"),
            &format!("--ambient-caps={THREE}"),
            &format!("--bounding-set={THREE}"),
        ]);
        chown(
            setup.directory.path(),
            Some(user::NOBODY),
            Some(user::NOBODY),
        )
        .unwrap();
        setup
    };
    let rule = "[[allow]]\nprogram = \"*\"\n";
    for config in [
        String::new(),
        format!("no-new-privileges = false\n{rule}"),
        format!("{rule}run-prefix = [\"env\", \"--\"]\n"),
        format!("run-as = \"bin\"\nno-new-privileges = false\n{rule}"),
        format!("run-as = \"peer\"\n{rule}run-as = \"bin\"\n"),
    ] {
        let daemon = by_manager().config(&config).start();
        has_no_capability(&daemon.run(&["cat", "/proc/self/status"]).succeeded());
        // A file that keeps what is inheritable gains nothing either.
        let child = daemon.shell("setsid -w sh -c 'cat /proc/self/status'");
        has_no_capability(&child.succeeded());
    }
    let daemon = by_manager().sockproc().start();
    has_no_capability(&sockproc::run(&daemon, "cat /proc/self/status").succeeded());
}
