"""The module in a real nginx: starts one on a socket of its own, asks it, counts.

    nginx.py DIRECTORY

The environment names the sockets: SOCKEXEC_SOCKET is the real server's, SOCKEXEC_FAKES the directory
of fake.py's; SOCKEXEC_TESTS_PATH is the PATH of the programs that the server runs. Ends with a line `counts PASSED FAILED SKIPPED`.
"""

import glob
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

DIRECTORY = sys.argv[1]
SOCKET = os.environ["SOCKEXEC_SOCKET"]
TESTS = os.path.dirname(os.path.abspath(__file__))
LIB = os.path.join(os.path.dirname(TESTS), "lib")
CONCURRENCY = 64
CROWD = 300
PATIENCE = 120

counts = {"passed": 0, "failed": 0, "skipped": 0}


class Connection(http.client.HTTPConnection):
    """HTTP over nginx's UNIX socket."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(os.path.join(DIRECTORY, "http.sock"))


def ask(path, body=None):
    connection = Connection("localhost")
    connection.request("POST" if body else "GET", path, body)
    answer = connection.getresponse()
    return answer.status, answer.read()


def wait_for(what, condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited in vain for " + what)
        time.sleep(0.01)


def check(got, wanted):
    if got != wanted:
        raise AssertionError(f"got {got!r:.300}, wanted {wanted!r:.300}")


def uname(*options):
    return subprocess.run(["uname", *options], stdout=subprocess.PIPE, check=True).stdout


def hold_open(fifo):
    """The writing side of a FIFO. Opened for reading too, so that neither the opening nor a write
    depends on a reader being there; kept open, so that a reader never sees an end."""
    return open(os.open(fifo, os.O_RDWR), "wb", buffering=0)


def example_locations():
    check(ask("/uname-1"), (200, uname() + b"\n"))
    check(ask("/uname-2"), (200, uname("-a") + b"\n"))
    check(ask("/cat-1"), (200, b"this is neat!\n"))
    check(ask("/cat-2"), (200, b"awesome\n"))
    check(ask("/shell"), (200, os.environ["SOCKEXEC_TESTS_PATH"].encode() + b"\n\n"))


def slow_print():
    """Each line arrives while the program still waits to be allowed the next one."""
    script = os.path.join(DIRECTORY, "slow-print")
    step = os.path.join(DIRECTORY, "step")
    os.mkfifo(step)
    with open(script, "w", encoding="ascii") as file:
        file.write(f"#!/bin/sh\nfor n in 1 2 3; do echo line $n; read go < {step}; done\n")
    os.chmod(script, 0o755)
    connection = Connection("localhost")
    connection.request("GET", "/slow-print")
    answer = connection.getresponse()
    with hold_open(step) as file:
        for number in (1, 2, 3):
            check(answer.readline(), b"line %d\n" % number)
            file.write(b"go\n")
        check(answer.read(), b"")


def large(path, size):
    """Bytes of every value, there and back."""
    body = bytes(range(256)) * (size // 256)
    status, answer = ask(path, body)
    check(status, 200)
    check(len(answer), len(body))
    check(answer == body, True)


def concurrency():
    """No program ends before all have begun, so that a worker that blocked would never finish."""
    gate, arrived = (os.path.join(DIRECTORY, name) for name in ("gate", "arrived"))
    os.mkfifo(gate)
    answers = {}

    def one(number):
        answers[number] = ask(f"/gate?id={number}")

    threads = [threading.Thread(target=one, args=(n,)) for n in range(CONCURRENCY)]
    for thread in threads:
        thread.start()

    def all_arrived():
        if not os.path.exists(arrived):
            return False
        with open(arrived, encoding="ascii") as file:
            return len(file.readlines()) == CONCURRENCY

    wait_for("all programs to begin", all_arrived)
    with hold_open(gate) as file:
        file.write(b"go\n" * CONCURRENCY)
        for thread in threads:
            thread.join()
    check(answers, {n: (200, b"%d\n" % n) for n in range(CONCURRENCY)})


def more_than_the_server_takes():
    """Its slots and its listen queue overflow; who finds them full tries again."""
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(ask("/nap"))) for _ in range(CROWD)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check([answer for answer in answers if answer != (200, b"rested\n")], [])
    check(len(answers), CROWD)


def many_large():
    """Several large transfers at once."""
    body = os.urandom(1 << 20)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(ask("/echo", body))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check([answer == (200, body) for answer in answers], [True] * 16)


def phases():
    check(ask("/rewrite"), (200, b"100000"))
    check(ask("/access"), (200, b"100000"))
    ask("/timer")
    wait_for("the timer", lambda: ask("/result?of=timer")[1])
    check(ask("/result?of=timer")[1], b"100000")


def forbidden_phase():
    """A nil and a reason, not a Lua error."""
    ask("/log")
    wait_for("the log phase", lambda: ask("/result?of=log")[1])
    result = ask("/result?of=log")[1]
    check(result.startswith(b"nil ") and b"log_by_lua" in result, True)


def starting_phases():
    for phase in ("init", "init_worker"):
        result = ask("/result?of=" + phase)[1]
        # Without LuaSocket there must at least be a reason.
        if b"LuaSocket" not in result:
            check(result, uname())


def nothing_left(workers):
    """All connections to the servers are closed again; no request was aborted by a Lua error."""

    def sockets():
        count = 0
        for worker in workers:
            for descriptor in glob.glob(f"/proc/{worker}/fd/*"):
                try:
                    count += os.readlink(descriptor).startswith("socket:")
                except OSError:
                    pass
        return count

    # The listening socket, and each worker's ends of the channels that nginx itself keeps.
    wait_for("the workers' sockets to be closed", lambda: sockets() <= 4 * len(workers))
    with open(os.path.join(DIRECTORY, "error.log"), encoding="utf-8", errors="replace") as file:
        words = ("[alert]", "[emerg]", "aborted", "lua entry thread", "lua user thread")
        bad = [line for line in file if any(word in line for word in words)]
    check(bad, [])


def test(name, body, *args):
    try:
        body(*args)
    except Exception as fault:  # pylint: disable=broad-except
        counts["failed"] += 1
        print(f"FAILED  nginx: {name}: {type(fault).__name__}: {fault}")
    else:
        counts["passed"] += 1
        print(f"ok      nginx: {name}")


def run_suite(name):
    """A suite of the plain tests; its counts are added to ours."""
    try:
        lines = ask("/suite/" + name)[1].decode(errors="replace").splitlines()
        print("\n".join(lines[:-1]))
        word, *numbers = lines[-1].split()
        check(word, "counts")
        for kind, number in zip(counts, numbers):
            counts[kind] += int(number)
    except Exception as fault:  # pylint: disable=broad-except
        counts["failed"] += 1
        print(f"FAILED  nginx: suite {name}: {type(fault).__name__}: {fault}")


def module(name):
    """Where a dynamic module is, or None: nginx may have it built in."""
    for directory in ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules"):
        path = os.path.join(directory, name)
        if os.path.exists(path):
            return path
    return None


def write_config():
    before = []
    for name in ("ndk_http_module.so", "ngx_http_lua_module.so"):
        if module(name):
            before.append(f"load_module {module(name)};\n")
    if os.geteuid() == 0:
        # The sockets lie in a directory that is ours alone.
        before.append("user root;\n")
    with open(os.path.join(TESTS, "nginx.conf"), encoding="ascii") as file:
        text = file.read()
    for name, value in (("SOCKET", SOCKET), ("DIRECTORY", DIRECTORY), ("LIB", LIB), ("TESTS", TESTS)):
        text = text.replace(f"@{name}@", value)
    path = os.path.join(DIRECTORY, "nginx.conf")
    with open(path, "w", encoding="ascii") as file:
        file.write("".join(before) + text)
    return path


def start_nginx():
    binary = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin") or shutil.which("openresty")
    command = [binary, "-p", DIRECTORY, "-c", write_config(), "-e", os.path.join(DIRECTORY, "error.log")]
    nginx = subprocess.Popen(command)

    def answers():
        if nginx.poll() is not None:
            with open(os.path.join(DIRECTORY, "error.log"), encoding="utf-8") as file:
                sys.exit("nginx did not start:\n" + file.read())
        try:
            return ask("/result?of=init_worker")[1]
        except OSError:
            return False

    wait_for("nginx to answer", answers)
    return nginx


def main():
    # What was tested is to be seen even when a test never returns.
    sys.stdout.reconfigure(line_buffering=True)
    nginx = start_nginx()
    try:
        children = f"/proc/{nginx.pid}/task/{nginx.pid}/children"
        with open(children, encoding="ascii") as file:
            workers = file.read().split()
        test("the page's locations", example_locations)
        test("the page's slow-print, line by line", slow_print)
        test("1 MiB there and back", large, "/echo", 1 << 20)
        test("32 MiB there and back", large, "/echo", 32 << 20)
        test("32 MiB there and back as a stream", large, "/echo-stream", 32 << 20)
        test(f"{CONCURRENCY} at once", concurrency)
        test("16 times 1 MiB at once", many_large)
        test(f"{CROWD} at once, more than the server takes", more_than_the_server_takes)
        test("rewrite, access and timer phases", phases)
        test("a phase without cosockets", forbidden_phase)
        test("the starting phases", starting_phases)
        for name in ("netstring", "page", "large", "faults"):
            run_suite(name)
        test("nothing is left open, nothing was aborted", nothing_left, workers)
    finally:
        nginx.send_signal(signal.SIGQUIT)
        try:
            nginx.wait(10)
        except subprocess.TimeoutExpired:
            nginx.terminate()
            nginx.wait()
    print("counts", *counts.values())


main()
