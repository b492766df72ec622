//! The program's input, its end, and malformed input.

use crate::common::{Client, End, request, shell};
use crate::{Refused, Target, check, conversation, exactly, prints, with_stdin, without_stdin};

#[test]
fn standard_input() {
    let cat = request(&["cat"]);
    let hello = "6:stdout,5:hello,8:exitcode,1:0,";
    let conversations = [
        conversation("one chunk", "1:1,3:cat,5:hello,0:,", exactly(hello)),
        conversation("two chunks", "1:1,3:cat,3:hel,2:lo,0:,", exactly(hello)),
        conversation(
            "five chunks",
            with_stdin(&cat, &[b"h", b"e", b"l", b"l", b"o"]),
            exactly(hello),
        ),
        conversation("none", "1:1,3:cat,0:,", exactly("8:exitcode,1:0,")),
        conversation(
            "a netstring inside",
            "1:1,3:cat,3:0:,,0:,",
            exactly("6:stdout,3:0:,,8:exitcode,1:0,"),
        ),
        conversation(
            "what comes after the end is thrown away",
            "1:1,3:cat,5:hello,0:,5:world,0:,garbage:",
            exactly(hello),
        ),
        conversation(
            "a second request after the end is thrown away",
            "1:1,3:cat,5:hello,0:,1:1,5:uname,0:,",
            exactly(hello),
        ),
        conversation(
            "a program that does not read",
            with_stdin(&request(&["echo", "hello"]), &[b"unread"]),
            exactly("6:stdout,6:hello\n,8:exitcode,1:0,"),
        ),
        conversation(
            "a program that reads a part",
            with_stdin(&shell("head -c 5; exit 4"), &[b"hello", b" and more"]),
            exactly("6:stdout,5:hello,8:exitcode,1:4,"),
        ),
    ];
    check(&conversations, false);
}

#[test]
fn a_half_close_ends_the_input() {
    let conversations = [
        conversation(
            "instead of the empty netstring",
            "1:1,3:cat,5:hello,",
            exactly("6:stdout,5:hello,8:exitcode,1:0,"),
        ),
        conversation(
            "after the empty netstring",
            "1:1,3:cat,5:hello,0:,",
            exactly("6:stdout,5:hello,8:exitcode,1:0,"),
        ),
        conversation(
            "right after the arguments",
            shell("cat; echo end; exit 2"),
            exactly("6:stdout,4:end\n,8:exitcode,1:2,"),
        ),
        conversation("before anything", "", Refused(100, &["sockexec: "])),
        conversation("in the count", "1:", Refused(100, &[])),
        conversation("after the count", "1:2,", Refused(100, &[])),
        conversation("in an argument", "1:2,4:ec", Refused(100, &[])),
        conversation("before the last comma", "1:1,4:true", Refused(100, &[])),
        conversation("before the last argument", "1:2,4:echo,", Refused(100, &[])),
    ];
    check(&conversations, true);
}

#[test]
fn a_half_close_inside_a_chunk_is_malformed() {
    // The program has started by then: it is ended, and the code is 100.
    let Some(target) = Target::new() else { return };
    for cut in [&b"5:hel"[..], b"5", b"5:hello"] {
        let mut input = request(&["cat"]);
        input.extend_from_slice(cut);
        let reply = target.converse([&input[..]].into_iter(), true).unwrap();
        assert_eq!(reply.end, End::Exit(100), "{}", cut.escape_ascii());
    }
}

#[test]
fn numbers_are_decimal_without_zeros_in_front() {
    let refused = |name, input: &str| conversation(name, input, Refused(100, &["sockexec: "]));
    check(
        &[
            refused("a zero before the length of the count", "01:1,4:true,0:,"),
            refused("a zero before the count", "2:01,4:true,0:,"),
            refused("only zeros as count", "2:00,4:true,0:,"),
            refused("zero as count", "1:0,0:,"),
            refused("no count", "0:,4:true,0:,"),
            refused("a count with a sign", "2:+1,4:true,0:,"),
            refused("a count with a blank", "2:1 ,4:true,0:,"),
            refused("a count of ten digits", "10:0000000001,4:true,0:,"),
            refused("a zero before the length of an argument", "1:1,04:true,0:,"),
            refused("zeros as the length of an argument", "1:1,00:,0:,"),
            refused("a sign before a length", "1:1,+4:true,0:,"),
            refused("a blank before a length", "1:1, 4:true,0:,"),
            refused("no length", "1:1,:,0:,"),
        ],
        false,
    );
}

#[test]
fn binary_data_stays_what_it_is() {
    let all: Vec<u8> = (0..=255).collect();
    let input = with_stdin(&request(&["cat"]), &[&all]);
    check(&[conversation("all bytes", input, prints(&all))], false);
    // An argument may have all of them but NUL.
    let argument = &all[1..];
    let input = without_stdin(&request(&[&b"printf"[..], b"%s", argument]));
    check(
        &[conversation("all but NUL", input, prints(argument))],
        false,
    );
}

#[test]
fn a_chunk_is_passed_on_before_its_end() {
    let Some(target) = Target::new() else { return };
    let mut client = Client::connect(&target.path);
    client.send("1:1,3:cat,999999999:hello");
    assert_eq!(client.pair(), ("stdout".to_owned(), b"hello".to_vec()));
}

#[test]
fn what_is_malformed_after_the_programs_end_is_not_looked_at() {
    let Some(target) = Target::new() else { return };
    for bad in ["x", "05:hello,", "5:hello;", "9999999999:"] {
        let mut client = Client::connect(&target.path);
        client.send("1:1,4:true,");
        assert_eq!(client.pair(), ("exitcode".to_owned(), b"0".to_vec()));
        client.send_piece(bad.as_bytes()).unwrap();
        client.end();
        assert_eq!(client.try_rest().unwrap(), b"", "{bad}");
    }
}

#[test]
fn what_a_program_says_at_its_end_comes_before_the_fault() {
    let Some(target) = Target::new() else { return };
    let mut client = Client::connect(&target.path);
    client.send(shell(
        "exec 2>/dev/null; trap 'echo last; exit 3' TERM; echo first; while :; do sleep 0.01; done",
    ));
    assert_eq!(client.line(), "first");
    client.send("x");
    let reply = client.reply();
    assert_eq!(reply.out(), "last\n");
    reply.refused(100, &["'x' in the length of a netstring"]);
}

#[test]
fn malformed_after_the_start_ends_the_program() {
    let Some(target) = Target::new() else { return };
    for bad in [&b"x"[..], b"05:hello,", b"5:hello;", b":,", b"9999999999:"] {
        // The program would run for ever, and is ended.
        let mut input = shell("echo started; exec sleep 1000");
        input.extend_from_slice(bad);
        let reply = target.converse([&input[..]].into_iter(), false).unwrap();
        assert_eq!(reply.end, End::Exit(100), "{}", bad.escape_ascii());
        assert!(reply.err().contains("sockexec: "), "{}", reply.err());
    }
}
