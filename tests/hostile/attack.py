"""What one process may try on another: `attack.py PID SOCKET...` prints a line for each attempt.

A line is the attempt, the target, and "refused" or what happened instead. The target 0 is a child of
the attacker itself, on which each attempt must succeed: that shows that it is one.
"""

import ctypes
import errno
import os
import resource
import signal
import socket
import sys

libc = ctypes.CDLL(None, use_errno=True)
ATTACH, DETACH, SEIZE = 16, 17, 0x4206
PIDFD_OPEN, PIDFD_GETFD, PIDFD_SEND_SIGNAL = 434, 438, 424


def call(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def trace(request):
    def attempt(pid):
        call(libc.ptrace(request, pid, None, None))
        os.waitpid(pid, 0) if request == ATTACH else os.kill(pid, signal.SIGSTOP) or os.waitpid(pid, 0)
        call(libc.ptrace(DETACH, pid, None, None))
        os.kill(pid, signal.SIGCONT)

    return attempt


class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


BUFFER = ctypes.create_string_buffer(8)


def read_memory(pid):
    # A child has the same addresses; elsewhere the permission is examined first.
    own = Piece(ctypes.addressof(BUFFER), 8)
    call(libc.process_vm_readv(pid, ctypes.byref(own), 1, ctypes.byref(own), 1, 0))


def take_descriptor(pid):
    other = call(libc.syscall(PIDFD_OPEN, pid, 0))
    os.close(call(libc.syscall(PIDFD_GETFD, other, 0, 0)))


def signal_descriptor(pid):
    other = call(libc.syscall(PIDFD_OPEN, pid, 0))
    call(libc.syscall(PIDFD_SEND_SIGNAL, other, signal.SIGCONT, None, 0))


def opens(name, mode):
    return lambda pid: open(f"/proc/{pid}/{name}", mode).close()


ATTEMPTS = {
    "attach": trace(ATTACH),
    "seize": trace(SEIZE),
    "read memory": read_memory,
    "open memory": opens("mem", "r+b"),
    "environment": opens("environ", "rb"),
    "maps": opens("maps", "rb"),
    "list descriptors": lambda pid: os.listdir(f"/proc/{pid}/fd"),
    "take a descriptor": take_descriptor,
    "limits": lambda pid: resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0)),
    "processors": lambda pid: os.sched_setaffinity(pid, os.sched_getaffinity(0)),
    "priority": lambda pid: os.setpriority(os.PRIO_PROCESS, pid, 19),
    "memory score": lambda pid: os.write(os.open(f"/proc/{pid}/oom_score_adj", os.O_WRONLY), b"1000"),
    "signal": lambda pid: os.kill(pid, signal.SIGCONT),
    "signal a descriptor": signal_descriptor,
    "kill": lambda pid: os.kill(pid, signal.SIGKILL),
}


def attempt(name, target, action):
    try:
        action()
        print(name, target, "succeeded", flush=True)
    except OSError as error:
        refused = error.errno in (errno.EPERM, errno.EACCES)
        print(name, target, "refused" if refused else error, flush=True)


def child():
    pid = os.fork()
    if pid == 0:
        while True:
            signal.pause()
    return pid


def at_socket(path):
    attempt("connect", path, lambda: socket.socket(socket.AF_UNIX).connect(path))
    attempt("replace", path, lambda: os.unlink(path))


own = child()
for name, action in ATTEMPTS.items():
    attempt(name, 0, lambda: action(own))
os.waitpid(own, 0)
for argument in sys.argv[1:]:
    if argument.startswith("/"):
        at_socket(argument)
        continue
    for name, action in ATTEMPTS.items():
        attempt(name, argument, lambda: action(int(argument)))
