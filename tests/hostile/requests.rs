//! Requests that are wrong, too large, or never complete.

use crate::common::client::END;
use crate::common::process::{eventually, resident};
use crate::common::random::Random;
use crate::common::skip;
use crate::common::{Daemon, End, Reply, request};
use std::time::{Duration, Instant};

/// Sends this and nothing more, keeps the connection open, and waits for the reply.
#[track_caller]
fn answer(daemon: &Daemon, input: impl AsRef<[u8]>) -> Reply {
    let mut client = daemon.connect();
    // The server may hang up before it has read all.
    let _ = client.send_piece(input.as_ref());
    let reply = Reply::parse(&client.try_rest().expect("a reply"));
    daemon.serves();
    reply
}

#[test]
fn malformed_requests_are_refused_with_a_reason() {
    let daemon = Daemon::start(&[]);
    for input in [
        "x",
        "\n",
        ":",
        ",",
        " 1:1,",
        "-1:",
        "00:",
        "01:1,",
        "1;1,",
        "1:1;",
        "1:11",
        "1:1,x",
        "1:1,05:uname,",
        "1:1,5:uname;",
        "1:1,5:unamex",
        "GET / HTTP/1.1\r\n\r\n",
        "{\"cmd\":\"status\"}",
        "\0\0\0\x10:",
        "uname -a\r\n0\r\n",
    ] {
        answer(&daemon, input).refused(100, &[]);
    }
}

#[test]
fn a_length_of_more_than_nine_digits_is_refused() {
    let daemon = Daemon::start(&[]);
    for input in [
        "9999999999:",
        "99999999999:",
        "1:1,99999999999:",
        "1:1,99999999999999999999999999999999999999:",
        "18446744073709551617:1,",
    ] {
        answer(&daemon, input).refused(100, &["9"]);
    }
    // What is malformed is refused as soon as it is, not when a colon comes.
    answer(&daemon, "9999999999").refused(100, &["9"]);
}

#[test]
fn a_count_that_is_none_is_refused() {
    let daemon = Daemon::start(&[]);
    for count in [
        "", "0", "00", "01", "-1", "+1", "1e9", "abc", " 1", "1 ", "1.0", "0x1", "\0", "\u{661}",
    ] {
        let mut input = Vec::new();
        crate::common::reply::put(&mut input, count.as_bytes());
        input.extend_from_slice(b"4:true,0:,");
        answer(&daemon, input).refused(100, &[]);
    }
}

#[test]
fn a_count_beyond_all_measure_is_refused_at_once() {
    let daemon = Daemon::start(&[]);
    let before = resident(daemon.pid());
    for count in [
        "1000000000",
        "4294967296",
        "4294967297",
        "18446744073709551615",
        "18446744073709551617",
        "99999999999999999999999999999999999",
    ] {
        let mut input = Vec::new();
        crate::common::reply::put(&mut input, count.as_bytes());
        answer(&daemon, input).refused(100, &[]);
    }
    assert!(resident(daemon.pid()) < before + 1024);
}

#[test]
fn an_argument_with_a_nul_is_refused() {
    let daemon = Daemon::start(&[]);
    for arguments in [
        vec![&b"tr\0ue"[..]],
        vec![b"echo", b"\0"],
        vec![b"echo", b"a", b"b\0"],
        vec![b"\0"],
    ] {
        answer(&daemon, request(&arguments)).refused(100, &["NUL"]);
    }
}

/// True when the text names the limit of 2 MiB.
fn names_two_mebibytes(text: &str) -> bool {
    text.contains("2097152") || text.contains("2 MiB")
}

#[test]
fn a_request_that_is_too_large_is_refused_with_the_limit() {
    let daemon = Daemon::start(&[]);
    // By its length alone, before any of it has come.
    for input in ["1:1,999999999:", "1:2,4:echo,2097153:"] {
        let reply = answer(&daemon, input);
        reply.refused(100, &[]);
        assert!(names_two_mebibytes(&reply.err()), "{}", reply.err());
    }
    // As a count it is none, whatever its digits would be.
    answer(&daemon, "999999999:").refused(100, &[]);
    // By the sum.
    let megabyte = "x".repeat(1 << 20);
    let reply = answer(&daemon, request(&["echo", &megabyte, &megabyte]));
    reply.refused(100, &[]);
    assert!(names_two_mebibytes(&reply.err()), "{}", reply.err());
}

#[test]
fn a_request_just_below_the_limit_is_taken() {
    let daemon = Daemon::start(&[]);
    // It is too long for the kernel, but the request is in order.
    let long = "x".repeat((2 << 20) - 100);
    answer(&daemon, request(&["echo", &long])).refused(126, &["Argument list too long"]);
}

#[test]
fn the_limit_is_for_the_arguments_only() {
    let daemon = Daemon::start(&[]);
    let mut client = daemon.begin(request(&["wc", "-c"]));
    client.send("5000000:");
    client.send(vec![b'x'; 5_000_000]);
    client.send(",0:,");
    assert_eq!(client.reply().succeeded().trim(), "5000000");
}

#[test]
fn silence_is_ended_by_the_deadline() {
    let daemon = Daemon::start(&["-t", "0.6"]);
    for input in ["", "1", "1:", "1:1", "1:1,", "1:1,5:una", "1:1,5:uname"] {
        let start = Instant::now();
        let client = daemon.begin(input);
        let reply = client.reply();
        reply.refused(100, &["0.6"]);
        let elapsed = start.elapsed();
        assert!(elapsed >= Duration::from_millis(600), "{elapsed:?}");
        assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    }
    daemon.serves();
}

#[test]
fn dripping_does_not_move_the_deadline() {
    let daemon = Daemon::start(&["-t", "0.6"]);
    let start = Instant::now();
    let mut client = daemon.begin("1:1,500000:");
    let stream = client.stream().try_clone().unwrap();
    // A byte now and then, for as long as nothing comes back.
    stream
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let mut first = [0];
    while std::io::Read::read(&mut &stream, &mut first).is_err() {
        let _ = client.send_piece(b"x");
        assert!(start.elapsed() < Duration::from_secs(10));
    }
    assert_eq!(first, *b"6", "the start of 6:stderr");
}

#[test]
fn one_byte_at_a_time_is_a_request() {
    let daemon = Daemon::start(&[]);
    let mut client = daemon.connect();
    for byte in b"2:10,4:echo,1:1,1:2,1:3,1:4,1:5,1:6,1:7,1:8,1:9,0:," {
        client.send_piece(&[*byte]).unwrap();
    }
    assert_eq!(client.reply().succeeded(), "1 2 3 4 5 6 7 8 9\n");
}

#[test]
fn the_one_byte_that_killed_the_original() {
    let daemon = Daemon::start(&[]);
    let client = daemon.begin("1");
    daemon.serves();
    client.end();
    client.reply().refused(100, &[]);
    drop(daemon.begin("1"));
    daemon.serves();
}

#[test]
fn garbage_gets_an_answer() {
    let daemon = Daemon::start(&["-t", "5"]);
    let seed = std::process::id().into();
    eprintln!("seed {seed}");
    let mut random = Random::new(seed);
    // Bytes that come close to a request more often than any byte does.
    let alphabet = b"0123456789:,,:1112 truecat\0\xff-";
    for round in 0..300 {
        let length = random.below(60);
        let mut input: Vec<u8> = (0..length)
            .map(|_| alphabet[random.below(alphabet.len())])
            .collect();
        if round % 2 == 0 {
            input.splice(..0, b"1:2,3:cat,1:-,".iter().copied());
        }
        let mut client = daemon.connect();
        for piece in input.chunks(1 + random.below(20)) {
            if client.send_piece(piece).is_err() {
                break;
            }
        }
        client.end();
        let bytes = client.try_rest().unwrap();
        let reply = Reply::try_parse(&bytes);
        assert!(reply.is_ok(), "{reply:?} for \"{}\"", input.escape_ascii());
    }
    daemon.serves();
}

#[test]
fn a_valid_request_with_damage_gets_an_answer() {
    let daemon = Daemon::start(&["-t", "5"]);
    let seed = std::process::id().into();
    eprintln!("seed {seed}");
    let mut random = Random::new(seed);
    for _ in 0..300 {
        let mut input = request(&["cat", "-", "/dev/null"]);
        input.extend_from_slice(b"5:hello,12:hello again\n,0:,");
        let at = random.below(input.len());
        match random.below(3) {
            0 => input[at] = u8::try_from(random.below(256)).unwrap(),
            1 => drop(input.remove(at)),
            _ => input.insert(at, b"0123456789:,"[random.below(12)]),
        }
        let mut client = daemon.connect();
        let _ = client.send_piece(&input);
        client.end();
        let bytes = client.try_rest().unwrap();
        let reply = Reply::try_parse(&bytes);
        assert!(reply.is_ok(), "{reply:?} for \"{}\"", input.escape_ascii());
    }
    daemon.serves();
}

#[test]
fn what_follows_a_refusal_is_read_and_thrown_away() {
    let daemon = Daemon::start(&[]);
    let mut client = daemon.connect();
    let mut input = b"1:x,".to_vec();
    input.resize(4 << 20, b'y');
    // Without a server that reads on, this would stop, or end in EPIPE.
    client.send(input);
    client.reply().refused(100, &[]);
}

#[test]
fn a_client_busy_sending_sees_its_reply() {
    let daemon = Daemon::start(&[]);
    for _ in 0..10 {
        let mut client = daemon.begin(request(&["sh", "-c", "echo done; exit 3"]));
        for _ in 0..200 {
            client.send_netstring(&[b'x'; 20_000]);
        }
        client.send(END);
        let reply = client.reply();
        assert_eq!((reply.out(), reply.end), ("done\n".into(), End::Exit(3)));
    }
}

#[test]
fn a_client_that_never_hangs_up_is_hung_up_on() {
    let daemon = Daemon::start(&[]);
    let before = crate::common::process::sockets(daemon.pid());
    let mut client = daemon.begin("1:1,4:true,0:,");
    assert_eq!(client.pair().0, "exitcode");
    // It keeps the connection, and the server reads on for a second only.
    eventually("the connection is closed", || {
        crate::common::process::sockets(daemon.pid()) == before
    });
    assert!(client.send_piece(b"x").is_err());
}

/// How many bytes and calls of write(2) and the like the server has made. Only root may ask.
fn writes(daemon: &Daemon) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/io", daemon.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("syscw: "));
    line.unwrap().parse().unwrap()
}

#[test]
fn a_client_that_sends_pieces_of_one_byte_does_not_cost_a_write_each() {
    if !skip::unless_root() {
        return;
    }
    let daemon = Daemon::start(&[]);
    let pieces = 200_000;
    let before = writes(&daemon);
    let mut client = daemon.begin(request(&["wc", "-c"]));
    client.send("1:x,".repeat(pieces));
    client.send(END);
    assert_eq!(client.reply().succeeded(), format!("{pieces}\n"));
    let made = writes(&daemon) - before;
    assert!(made < pieces as u64 / 100, "{made} writes");
}
