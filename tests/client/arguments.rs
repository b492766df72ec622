//! The client program's command line: its own arguments, and those of the program that it runs.

use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use crate::server::{PROGRAM, Server};

#[test]
fn arguments_after_the_path_are_the_programs() {
    for (options, args) in [
        (&[][..], &["ls", "-l", "--", "--help", ""][..]),
        (&[], &["-h"]),
        (&[], &["--version", "x"]),
        (&["--"], &["ls", "--", "-V"]),
    ] {
        let server = Server::<()>::saying(b"8:exitcode,1:0,");
        let status = Command::new(PROGRAM)
            .args(options)
            .arg(server.path())
            .args(args)
            .stdin(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        let expected: Vec<_> = args.iter().map(|arg| arg.as_bytes()).collect();
        assert_eq!(server.join(), expected);
    }
}

#[test]
fn command_lines_without_sense_exit_100_and_help_exits_0() {
    for (args, code) in [
        (&[][..], 100),
        (&["path"], 100),
        (&["--no-such-option", "path", "true"], 100),
        (&["-h"], 0),
        (&["--help"], 0),
        (&["-V"], 0),
        (&["-v"], 0),
        (&["help"], 0),
        (&["--version"], 0),
    ] {
        let output = Command::new(PROGRAM).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        let (told, silent) = match code {
            0 => (&output.stdout, &output.stderr),
            _ => (&output.stderr, &output.stdout),
        };
        assert!(told.windows(15).any(|part| part == b"sockexec-client"));
        assert!(silent.is_empty());
    }
}

#[test]
fn under_its_other_name_it_is_the_same() {
    let server = Server::<()>::saying(b"6:stdout,2:hi,8:exitcode,1:4,");
    let link = server.scratch.path("sockexec.client");
    symlink(PROGRAM, &link).unwrap();
    let output = Command::new(&link)
        .arg(server.path())
        .arg("-program")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(output.stdout, b"hi");
    assert_eq!(server.join(), [b"-program"]);
}
