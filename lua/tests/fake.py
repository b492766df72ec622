"""Servers that misbehave: one UNIX socket a fault, all in the directory that is given.

Prints `ready` once all of them listen, and ends when its standard input does.
"""

import fcntl
import os
import socket
import struct
import sys
import termios
import threading
import time

UNAME = b"6:stdout,6:Linux\n,8:exitcode,1:0,"


def read_request(connection):
    """Reads until the empty netstring that ends a request."""
    request = b""
    while not request.endswith(b"0:,"):
        more = connection.recv(65536)
        if not more:
            return
        request += more


def wait_until_read(connection):
    """Waits until the client has taken all that was sent, so that what follows comes by itself."""
    while struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))[0]:
        time.sleep(0.0002)


def wait_for_close(connection):
    try:
        while connection.recv(65536):
            pass
    except OSError:
        pass


def answer(reply):
    """A server that sends `reply` and closes."""

    def serve(connection):
        read_request(connection)
        connection.sendall(reply)
        connection.shutdown(socket.SHUT_WR)
        wait_for_close(connection)

    return serve


def one_byte_at_a_time(connection):
    read_request(connection)
    for byte in UNAME:
        connection.sendall(bytes([byte]))
        wait_until_read(connection)


def in_two_parts(connection):
    """A pair and a half; the other half once the client has sent something more."""
    connection.recv(len("1:1,1:x,"), socket.MSG_WAITALL)
    connection.sendall(b"6:stdout,5:first,6:stdout,11:hello ")
    connection.recv(65536)
    connection.sendall(b"there,8:exitcode,1:0,")


def close_at_once(connection):
    del connection


def close_late(connection):
    read_request(connection)
    connection.sendall(UNAME)
    time.sleep(0.1)


def never_close(connection):
    read_request(connection)
    connection.sendall(UNAME)
    wait_for_close(connection)


def silent(connection):
    wait_for_close(connection)


deaf_connections = []


def deaf(connection):
    """Neither reads nor answers. The connection is kept, and dies with this process."""
    deaf_connections.append(connection.dup())


def reply_without_reading(connection):
    """Whatever the client sends fails, yet a whole reply waits for it."""
    connection.shutdown(socket.SHUT_RD)
    connection.sendall(UNAME)
    connection.shutdown(socket.SHUT_WR)


def reply_and_reset(connection):
    """Closed with the request unread, which a client sees as a connection reset after the reply."""
    connection.recv(1)
    connection.sendall(UNAME)


FAULTS = {
    "one-byte-at-a-time": one_byte_at_a_time,
    "in-two-parts": in_two_parts,
    "close-at-once": close_at_once,
    "close-late": close_late,
    "never-close": never_close,
    "silent": silent,
    "deaf": deaf,
    "reply-without-reading": reply_without_reading,
    "reply-and-reset": reply_and_reset,
    "half-a-pair": answer(b"6:stdout,"),
    "half-a-netstring": answer(b"6:stdout,100:abc"),
    "no-status": answer(b"6:stdout,3:abc,"),
    "status-first": answer(b"8:exitcode,1:7,6:stdout,4:late,"),
    "unknown-type": answer(b"5:bogus,3:abc," + UNAME + b"0:,0:,"),
    "signal-name": answer(b"7:termsig,4:TERM,"),
    "odd-status": answer(b"8:exitcode,3:0x1,"),
    "malformed-start": answer(b"hello"),
    "malformed-zero": answer(b"6:stdout,01:a,"),
    "malformed-comma": answer(b"6:stdout,3:abcd"),
    "malformed-colon": answer(b"6:stdout,3abc,"),
    "malformed-length": answer(b"6:stdout,9999999999:a,"),
    "malformed-after-status": answer(b"8:exitcode,1:0,x"),
}


def accept_forever(listener, serve):
    def one(connection):
        with connection:
            try:
                serve(connection)
            except OSError:
                pass

    while True:
        connection, _ = listener.accept()
        threading.Thread(target=one, args=(connection,), daemon=True).start()


def listen(directory, name, backlog):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(directory, name))
    listener.listen(backlog)
    return listener


def start(function, *args):
    threading.Thread(target=function, args=args, daemon=True).start()


def full_queue(directory):
    """A server whose listen queue is full, and stays so until someone has connected to `make-room`."""
    listener = listen(directory, "full-queue", 0)
    fillers = []
    while True:
        filler = socket.socket(socket.AF_UNIX)
        filler.setblocking(False)
        try:
            filler.connect(listener.getsockname())
        except BlockingIOError:
            break
        fillers.append(filler)

    def make_room(connection):
        # The client tries again by itself before there is room.
        connection.sendall(b"6:stdout,0:,8:exitcode,1:0,")
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.05)
        for filler in fillers:
            filler.close()
        start(accept_forever, listener, answer(UNAME))

    start(accept_forever, listen(directory, "make-room", 8), make_room)


def main():
    directory = sys.argv[1]
    for name, serve in FAULTS.items():
        start(accept_forever, listen(directory, name, 64), serve)
    full_queue(directory)
    print("ready", flush=True)
    sys.stdin.buffer.read()


main()
