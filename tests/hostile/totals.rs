//! Totals of all clients: memory for incomplete requests, temporary files, and the time of a
//! request.

use crate::common::client::END;
use crate::common::process::{eventually, resident, unread};
use crate::common::reply::put;
use crate::common::{Client, Daemon, Reply, Setup, request, shell, sockproc};
use std::time::Instant;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn start(config: &str) -> Daemon {
    Setup::new().control().config(config).start()
}

/// A request for `true` with arguments of `size` bytes together. The kernel takes none of
/// more than 128 KiB.
fn large(size: usize) -> Vec<u8> {
    let pieces = size.div_ceil(100 * KIB);
    let mut bytes = Vec::new();
    put(&mut bytes, (1 + pieces).to_string().as_bytes());
    put(&mut bytes, b"true");
    for piece in vec![b'x'; size].chunks(100 * KIB) {
        put(&mut bytes, piece);
    }
    bytes.extend_from_slice(END);
    bytes
}

/// A client that sends its request up to `upto`, as fast as the server takes it.
fn half(daemon: &Daemon, request: &[u8], upto: usize) -> Client {
    let client = daemon.connect();
    let bytes = request[..upto].to_vec();
    let mut stream = client.stream().try_clone().unwrap();
    // The kernel's buffer may be smaller than the sent data, which is not read.
    std::thread::spawn(move || std::io::Write::write_all(&mut stream, &bytes));
    client
}

fn request_bytes(daemon: &Daemon) -> usize {
    let bytes = daemon.status()["request-bytes"].as_u64().unwrap();
    bytes.try_into().unwrap()
}

#[test]
fn a_silent_client_has_the_time_for_requests_whatever_the_deadline() {
    for timeout in ["0", "600"] {
        let setup = Setup::new().config("request-timeout = 0.2\n");
        let daemon = setup.arguments(["-t", timeout]).start();
        for begun in ["", "1", "1:2,4:echo,"] {
            let reply = daemon.begin(begun).reply();
            reply.refused(100, &["request-timeout", "0.2 s"]);
        }
        // It is over with the last argument.
        let mut client = daemon.begin(request(&["cat"]));
        let begin = Instant::now();
        eventually("more than that has passed", || {
            begin.elapsed().as_secs_f64() > 0.4
        });
        client.send("2:hi,");
        client.send(END);
        assert_eq!(client.reply().succeeded(), "hi");
    }
}

#[test]
fn the_deadline_of_a_request_names_the_limit_that_was_met() {
    let setup = Setup::new().config("request-timeout = 60\n");
    let daemon = setup.arguments(["-t", "0.2"]).start();
    daemon
        .begin("1")
        .reply()
        .refused(100, &["timeout of 0.2 s"]);
}

#[test]
fn requests_have_a_total_and_wait_unread_beyond_it() {
    let daemon = start("requests-memory = 1048576\n");
    let bytes = large(MIB);
    let mut first = half(&daemon, &bytes, bytes.len() - 10);
    eventually("the first has all", || request_bytes(&daemon) >= MIB - 4096);
    let second = half(&daemon, &bytes, bytes.len());
    eventually("the second sends", || unread(second.stream()) > 0);
    // Small ones are never kept waiting, and show that turns go by.
    for _ in 0..20 {
        daemon.serves();
    }
    assert!(unread(second.stream()) > 0, "the second is read");
    assert_eq!(daemon.jobs().len(), 2);
    first.send(&bytes[bytes.len() - 10..]);
    assert_eq!(first.reply().succeeded(), "");
    assert_eq!(second.reply().succeeded(), "");
    assert_eq!(request_bytes(&daemon), 0);
}

#[test]
fn a_client_that_waits_unread_meets_the_time_for_requests() {
    let daemon = start("requests-memory = 1048576\nrequest-timeout = 1\n");
    let bytes = large(MIB);
    // Connected before the one that takes all, and so the first whose time is over.
    let mut waits = daemon.connect();
    waits.send("2:12,");
    eventually("it is there", || daemon.jobs().len() == 1);
    let first = half(&daemon, &bytes, bytes.len() - 10);
    eventually("the first has all", || request_bytes(&daemon) >= MIB - 4096);
    waits.send(&bytes[5..50_000]);
    waits.reply().refused(100, &["request-timeout"]);
    first.reply().refused(100, &["request-timeout"]);
    assert_eq!(request_bytes(&daemon), 0);
    daemon.serves();
}

#[test]
fn large_requests_that_fill_the_total_are_completed_one_by_one() {
    let daemon = start("requests-memory = 1048576\n");
    let bytes = large(900 * KIB);
    let clients: Vec<Client> = (0..8).map(|_| half(&daemon, &bytes, bytes.len())).collect();
    for client in clients {
        assert_eq!(client.reply().succeeded(), "");
    }
    assert_eq!(request_bytes(&daemon), 0);
}

#[test]
fn a_request_alone_may_be_larger_than_the_total() {
    let daemon = start("requests-memory = 4096\n");
    let mut client = daemon.connect();
    client.send(large(100 * KIB));
    assert_eq!(client.reply().succeeded(), "");
}

#[test]
fn many_large_requests_do_not_take_the_servers_memory() {
    let daemon = start("requests-memory = 4194304\nrequest-timeout = 600\n");
    let before = resident(daemon.pid());
    let bytes = large(2 * MIB - 100);
    let clients: Vec<Client> = (0..32)
        .map(|_| half(&daemon, &bytes, bytes.len() - 10))
        .collect();
    eventually("all that is allowed is in use", || {
        request_bytes(&daemon) >= 4 * MIB
    });
    for _ in 0..20 {
        daemon.serves();
    }
    let grown = resident(daemon.pid()).saturating_sub(before);
    // One that may go beyond, and a buffer for each.
    assert!(grown < 16 * MIB, "{grown} bytes");
    drop(clients);
    eventually("all is given back", || request_bytes(&daemon) == 0);
}

#[test]
fn temporary_files_have_a_total_and_the_program_that_grows_is_ended() {
    let config = "output-memory = 4096\nspool-total = 100000\n";
    let daemon = Setup::new().control().config(config).sockproc().start();
    let fifo = daemon.directory.fifo("go");
    let begin = |command: &str| -> Client {
        let mut client = daemon.connect();
        client.send(sockproc::request(command, b""));
        client
    };
    let first = begin(&format!("head -c 60000 /dev/zero; read go <{fifo}"));
    eventually("the first has written", || {
        daemon.status()["spool-bytes"].as_u64().unwrap() > 50_000
    });
    let second = sockproc::reply(begin("head -c 60000 /dev/zero; exec sleep 600"));
    second.reason(&["100000 bytes", "temporary files"]);
    let _open = daemon.directory.release("go");
    assert_eq!(sockproc::reply(first).succeeded().len(), 60_000);
    let third = sockproc::run(&daemon, "head -c 60000 /dev/zero");
    assert_eq!(third.succeeded().len(), 60_000);
    assert_eq!(daemon.status()["spool-bytes"], 0);
}

#[test]
fn a_request_that_stands_still_is_answered_while_memory_is_in_use() {
    // The half of a request is thrown away when its time is over, with what it has held.
    let daemon = start("requests-memory = 65536\nrequest-timeout = 0.5\n");
    let bytes = large(100 * KIB);
    let client = half(&daemon, &bytes, bytes.len() - 10);
    let reply: Reply = client.reply();
    reply.refused(100, &["request-timeout"]);
    assert_eq!(daemon.begin(shell("echo hi")).reply().succeeded(), "hi\n");
    assert_eq!(request_bytes(&daemon), 0);
}
