//! The directory, the environment and the standard input of a program.

use crate::{line, start};

#[test]
fn a_program_starts_in_its_directory() {
    let daemon = start("directory = \"/usr/share\"\n");
    assert_eq!(
        line(&daemon, "pwd; env | grep -c ^OLDPWD= || :"),
        "/usr/share\n0"
    );
}
