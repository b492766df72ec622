//! Why a command line is refused, for a log.

/// The reason in one line, without the usage and the advice that are for a terminal.
pub fn reason(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let is_for_a_log =
        |part: &&str| !part.starts_with("Usage:") && !part.starts_with("For more information");
    let parts = text.split("\n\n").filter(is_for_a_log).map(|part| {
        let lines: Vec<_> = part.lines().map(str::trim).collect();
        lines.join(" ")
    });
    let whole = parts.collect::<Vec<_>>().join("; ");
    let whole = whole.trim_end_matches([' ', ';']);
    whole.strip_prefix("error: ").unwrap_or(whole).to_owned()
}

#[cfg(test)]
mod tests {
    use crate::config::Source;

    #[test]
    fn the_reason_has_one_line_and_no_advice() {
        for (line, reason) in [
            (
                "sockexec -m 0 x",
                "invalid value '0' for '--max-connections <N>': not a number from 1 to 1000000",
            ),
            (
                "sockexec --log-level wran x",
                "invalid value 'wran' for '--log-level <LEVEL>' [possible values: error, warn, info, \
                 debug]; tip: a similar value exists: 'warn'",
            ),
            (
                "sockexec --time 5",
                "unexpected argument '--time' found; tip: a similar argument exists: '--timeout'",
            ),
            ("sockexec a b", "unexpected argument 'b' found"),
            (
                "sockproc",
                "the following required arguments were not provided: <PATH|PORT>",
            ),
        ] {
            let error = Source::from_arguments(line.split(' ')).unwrap_err();
            assert_eq!(super::reason(&error), reason);
        }
    }
}
