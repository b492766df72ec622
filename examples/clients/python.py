#!/usr/bin/env python3
"""Runs a program through sockexec: python.py SOCKET PROGRAM [ARGUMENT...]"""
import os, socket, sys, threading


class Failure(Exception):
    """No exit code: (111, reason) or another fault, or (128 and the number of a signal, reason)."""


def netstring(data):
    return b"%d:%b," % (len(data), data)


def send(connection, argv, stdin):
    words = [b"%d" % len(argv), *map(os.fsencode, argv)]
    try:
        connection.sendall(b"".join(map(netstring, words)))
        while data := stdin.read(65536):
            connection.sendall(netstring(data))
        connection.sendall(netstring(b""))
    except ConnectionError:
        pass  # The program has ended without reading all of it.
    except BaseException:
        connection.shutdown(socket.SHUT_RDWR)  # Input that breaks off is not input that ends.
        raise


def receive(reply):
    length, byte = b"", reply.read(1)
    while byte.isdigit() and len(length) < 9:
        length, byte = length + byte, reply.read(1)
    data = reply.read(int(length)) if length and byte == b":" else None
    if data is None or len(data) < int(length) or reply.read(1) != b",":
        raise Failure(111, "the reply is cut off or malformed")
    return data


def run(path, argv, stdin, stdout, stderr):
    """Streams the output and returns the exit code. A thread sends: neither direction waits for the other."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
    except OSError as error:
        raise Failure(111, f"{path}: {error.strerror}")
    threading.Thread(target=send, args=(connection, argv, stdin), daemon=True).start()
    reply, kind, reason = connection.makefile("rb"), None, ""
    while kind not in (b"exitcode", b"termsig"):
        kind, data = receive(reply), receive(reply)
        if kind in (b"stdout", b"stderr"):
            stream = stdout if kind == b"stdout" else stderr
            stream.write(data)
            stream.flush()
            reason = data.decode(errors="replace") if kind == b"stderr" else reason
    connection.shutdown(socket.SHUT_RDWR)
    code = int(data)
    if kind == b"termsig":
        raise Failure(128 + code, f"ended by signal {code}")
    if code in (100, 111, 126, 127) and reason.startswith("sockexec: "):
        raise Failure(code, f"fault {code}: {reason.strip()}")
    return code


if __name__ == "__main__":
    try:
        stdin = open(0, "rb", buffering=0, closefd=False)
        sys.exit(run(sys.argv[1], sys.argv[2:], stdin, sys.stdout.buffer, sys.stderr.buffer))
    except (Failure, OSError) as error:
        code, reason = error.args if isinstance(error, Failure) else (111, error)
        print(f"python.py: {reason}", file=sys.stderr)
        sys.exit(code)
