//! Recognition of HTTP requests, which must not be run as shell commands, by their first line.
//!
//! Owns nothing. Source: RFC 9112, section 3, and the leniency of real servers.

/// The methods that another program can be made to send to a port, with a path.
const METHODS: [&[u8]; 9] = [
    b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH",
];

/// More letters than any method has.
const METHOD_MAX: usize = 32;

/// Whether a command is the first line of an HTTP request. The shell would run it, and a browser,
/// or a server that fetches a URL from a stranger, can be made to send one to any port.
///
/// A capital word, then a path, or any text that ends in a version: with a line break in the
/// address the stranger chooses where the command ends.
pub fn is_request_line(command: &[u8]) -> bool {
    let start = &command[..command.len().min(METHOD_MAX)];
    let Some(at) = start.iter().position(|&b| b == b' ') else {
        return false;
    };
    let (method, rest) = command.split_at(at);
    let is_method = at > 0 && method.iter().all(|&b| b == b'-' || b.is_ascii_uppercase());
    let is_path = METHODS.contains(&method) && rest.trim_ascii_start().starts_with(b"/");
    is_method && (is_path || ends_with_version(rest))
}

/// Whether this ends in `HTTP/1.1` or the like, as a word.
fn ends_with_version(bytes: &[u8]) -> bool {
    let Some([blank, name @ .., major, b'.', minor]) = bytes.last_chunk::<9>() else {
        return false;
    };
    blank.is_ascii_whitespace()
        && name == b"HTTP/"
        && major.is_ascii_digit()
        && minor.is_ascii_digit()
}
