//! The form in which a reply comes.

use crate::common::reply::pair;
use crate::common::{Client, request};
use crate::{Target, without_stdin};
use std::io::Read;
use std::time::Instant;

#[test]
fn a_reply_comes_in_whole_pairs() {
    let Some(target) = Target::new() else { return };
    let head = without_stdin(&request(&["head", "-c", "4000000", "/dev/zero"]));
    for _ in 0..5 {
        let mut client = Client::connect(&target.path);
        client.send(&head);
        // Larger than what a socket holds: each read takes all that there is.
        let mut bytes = vec![0; 4 << 20];
        let (mut reads, mut total) = (0, 0);
        loop {
            let count = client.stream().read(&mut bytes).unwrap();
            if count == 0 {
                break;
            }
            reads += 1;
            let mut rest = &bytes[..count];
            while !rest.is_empty() {
                let Some(((kind, data), next)) = pair(rest).unwrap() else {
                    panic!("read {reads}, of {count} bytes, ends inside a pair");
                };
                if kind == b"stdout" {
                    total += data.len();
                }
                rest = next;
            }
        }
        assert_eq!(total, 4_000_000);
    }
}

#[test]
fn the_end_of_file_comes_straight_after_the_last_pair() {
    let Some(target) = Target::new() else { return };
    let mut delays = Vec::new();
    for _ in 0..100 {
        let mut client = Client::connect(&target.path);
        client.send("1:1,4:true,0:,");
        assert_eq!(client.pair(), ("exitcode".to_owned(), b"0".to_vec()));
        let start = Instant::now();
        assert_eq!(client.try_rest().unwrap(), b"");
        delays.push(start.elapsed());
    }
    delays.sort_unstable();
    // A known client waits for a millisecond only. The few slow ones are the machine's.
    assert!(delays[80].as_micros() < 1000, "{delays:?}");
}
