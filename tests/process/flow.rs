//! Large amounts of bytes: nothing is lost, memory does not grow, and a side that does not
//! read stops only its writer.

use crate::common::client::END;
use crate::common::process::{anonymous, resident};
use crate::common::random::Random;
use crate::common::reply::pair;
use crate::common::{Client, Daemon, End, request, shell};
use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::Duration;

const MIB: usize = 1 << 20;

/// The limit for the growth of the daemon's memory while one side does not read.
const GROWTH_MAX_KIB: usize = 1024;

/// Reads a reply of any size, and compares stdout with `block`, over and over.
/// Returns how many bytes of stdout there were.
fn read_blocks(client: &Client, block: &[u8]) -> (usize, End) {
    let mut received = Vec::new();
    let mut bytes = vec![0; MIB];
    let (mut total, mut end) = (0, None);
    loop {
        let count = client.stream().read(&mut bytes).unwrap();
        if count == 0 {
            assert!(received.is_empty());
            return (total, end.expect("an end"));
        }
        received.extend_from_slice(&bytes[..count]);
        let mut rest = &received[..];
        while let Some(((kind, mut data), next)) = pair(rest).unwrap() {
            assert!(end.is_none(), "a pair after the end");
            rest = next;
            match kind {
                b"stdout" => {
                    while !data.is_empty() {
                        let at = total % block.len();
                        let count = data.len().min(block.len() - at);
                        assert!(data[..count] == block[at..at + count], "at byte {total}");
                        total += count;
                        data = &data[count..];
                    }
                }
                b"exitcode" => {
                    let code = std::str::from_utf8(data).unwrap().parse().unwrap();
                    end = Some(End::Exit(code));
                }
                other => panic!("{} {}", other.escape_ascii(), data.escape_ascii()),
            }
        }
        received = rest.to_vec();
    }
}

/// Writes until no byte has been taken for a while. Returns the number of bytes taken.
fn write_until_stuck(client: &Client, limit: usize) -> usize {
    let mut stream = client.stream();
    stream
        .set_write_timeout(Some(Duration::from_millis(400)))
        .unwrap();
    let mut total = 0;
    while total < limit {
        match stream.write(&[b'x'; 65_536]) {
            Ok(count) => total += count,
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(e) => panic!("{e}"),
        }
    }
    stream
        .set_write_timeout(Some(crate::common::PATIENCE))
        .unwrap();
    total
}

#[test]
fn all_of_256_mib_comes_out() {
    let daemon = Daemon::start(&["-t", "0"]);
    let block = Random::new(1).bytes(MIB + 77);
    let file = daemon.directory.file("block", 0o644, &block);
    let mut head = shell(&format!("for i in $(seq 256); do cat {file}; done"));
    head.extend_from_slice(END);
    let before = resident(daemon.pid());
    let client = daemon.begin(head);
    assert_eq!(
        read_blocks(&client, &block),
        (256 * block.len(), End::Exit(0))
    );
    let growth = resident(daemon.pid()).saturating_sub(before);
    assert!(growth <= GROWTH_MAX_KIB, "{growth} KiB");
}

#[test]
fn all_of_256_mib_comes_back_from_cat() {
    // One chunk larger than any buffer, then small ones: the original died of it.
    let daemon = Daemon::start(&["-t", "0"]);
    let block = Random::new(2).bytes(MIB);
    let client = daemon.begin(request(&["cat"]));
    let mut writer = client.stream().try_clone().unwrap();
    let sent = block.clone();
    let sender = thread::spawn(move || {
        writer.write_all(b"134217728:").unwrap();
        for _ in 0..128 {
            writer.write_all(&sent).unwrap();
        }
        writer.write_all(b",").unwrap();
        for chunk in sent.chunks(4096).cycle().take(128 * 256) {
            writer.write_all(b"4096:").unwrap();
            writer.write_all(chunk).unwrap();
            writer.write_all(b",").unwrap();
        }
        writer.write_all(END).unwrap();
    });
    let before = resident(daemon.pid());
    assert_eq!(read_blocks(&client, &block), (256 * MIB, End::Exit(0)));
    sender.join().unwrap();
    let growth = resident(daemon.pid()).saturating_sub(before);
    assert!(growth <= GROWTH_MAX_KIB, "{growth} KiB");
    client.end();
}

#[test]
fn a_client_that_reads_nothing_stops_the_program_only() {
    let daemon = Daemon::start(&["-t", "0"]);
    let block = Random::new(3).bytes(MIB + 77);
    let file = daemon.directory.file("block", 0o644, &block);
    daemon.serves();
    let before = resident(daemon.pid());
    let mut head = shell(&format!("for i in $(seq 256); do cat {file}; done"));
    head.extend_from_slice(END);
    let client = daemon.begin(head);
    // Long enough for all of it to arrive, if it were read.
    for _ in 0..20 {
        assert_eq!(daemon.run(&["sleep", "0.05"]).end, End::Exit(0));
    }
    let growth = resident(daemon.pid()).saturating_sub(before);
    assert!(growth <= GROWTH_MAX_KIB, "{growth} KiB");
    // And then it reads all.
    assert_eq!(
        read_blocks(&client, &block),
        (256 * block.len(), End::Exit(0))
    );
}

#[test]
fn a_program_that_reads_nothing_stops_its_client_only() {
    let daemon = Daemon::start(&["-t", "0"]);
    let fifo = daemon.directory.fifo("go");
    daemon.serves();
    let before = resident(daemon.pid());
    let mut client = daemon.begin(shell(&format!("echo up; read x <{fifo}; cat | wc -c")));
    assert_eq!(client.line(), "up");
    client.send("268435456:");
    let taken = write_until_stuck(&client, 256 * MIB);
    assert!(taken < 4 * MIB, "the server has taken {taken} bytes");
    daemon.serves();
    let growth = resident(daemon.pid()).saturating_sub(before);
    assert!(growth <= GROWTH_MAX_KIB, "{growth} KiB");
    // The program reads at last, and everything goes on.
    let _go = daemon.directory.release("go");
    let block = vec![b'x'; MIB];
    let mut left = 256 * MIB - taken;
    while left > 0 {
        let count = left.min(block.len());
        client.send(&block[..count]);
        left -= count;
    }
    client.send(",0:,");
    assert_eq!(client.reply().succeeded().trim(), "268435456");
}

#[test]
fn a_program_that_never_reads_ends_with_its_client() {
    let daemon = Daemon::start(&["-t", "0", "-k", "60"]);
    let mut client = daemon.begin(shell("echo $$; exec sleep 1000"));
    let pid = client.number();
    client.send("268435456:");
    write_until_stuck(&client, 256 * MIB);
    // The server reads nothing now, and must see the hang-up all the same.
    drop(client);
    crate::common::process::wait_gone(pid);
}

#[test]
fn a_client_that_never_reads_takes_its_program_along() {
    let daemon = Daemon::start(&["-t", "0", "-k", "60"]);
    let mut client = daemon.begin(shell("echo $$; exec cat /dev/zero"));
    let pid = client.number();
    daemon.serves();
    drop(client);
    crate::common::process::wait_gone(pid);
}

#[test]
fn a_client_that_never_reads_meets_the_deadline() {
    let daemon = Daemon::start(&["-t", "0.7", "-k", "0.3"]);
    let mut client = daemon.begin(shell("echo $$; exec cat /dev/zero"));
    let pid = client.number();
    crate::common::process::wait_gone(pid);
    daemon.serves();
}

#[test]
fn a_connection_that_is_stuck_in_all_ways_keeps_to_its_memory() {
    const COUNT: usize = 40;
    let daemon = Daemon::start(&["-t", "0"]);
    daemon.serves();
    let before = anonymous(daemon.pid());
    let stuck: Vec<_> = (0..COUNT)
        .map(|_| {
            // Neither the client nor the program reads.
            let mut client = daemon.begin(shell(
                "cat /dev/zero >&2 & cat /dev/zero & echo up; exec sleep 1000",
            ));
            client.pair();
            client.send("268435456:");
            client
        })
        .collect();
    thread::scope(|scope| {
        for client in &stuck {
            scope.spawn(|| write_until_stuck(client, 256 * MIB));
        }
    });
    daemon.serves();
    let growth = anonymous(daemon.pid()).saturating_sub(before);
    // Two buffers, and a small struct. Code that is read meanwhile would count as well.
    assert!(growth <= COUNT * 132, "{} KiB each", growth / COUNT);
}

#[test]
fn both_streams_come_in_full() {
    let daemon = Daemon::start(&["-t", "0"]);
    // The original of sockproc hung on a megabyte of either.
    let reply =
        daemon.shell("head -c 3000000 /dev/zero >&2 & head -c 5000000 /dev/zero; wait; exit 3");
    assert_eq!(reply.end, End::Exit(3));
    assert_eq!(
        (reply.stdout.len(), reply.stderr.len()),
        (5_000_000, 3_000_000)
    );
}

#[test]
fn order_within_a_stream_is_kept() {
    let daemon = Daemon::start(&[]);
    let out = daemon.run(&["seq", "1", "200000"]).succeeded();
    let mut wanted = String::new();
    for number in 1..=200_000 {
        wanted.push_str(&number.to_string());
        wanted.push('\n');
    }
    assert!(out == wanted);
}

#[test]
fn a_conversation_goes_back_and_forth() {
    let daemon = Daemon::start(&[]);
    let mut client = daemon.begin(request(&["cat"]));
    for round in 0..1000 {
        let line = format!("line {round}");
        client.send_netstring(format!("{line}\n").as_bytes());
        assert_eq!(client.line(), line);
    }
    client.send(END);
    assert_eq!(client.reply().end, End::Exit(0));
}
