//! An HTTP request for figures.
//!
//! ```text
//! request = method " " target " HTTP/1." digit line-end *( name ":" value line-end ) line-end
//! ```
//!
//! Source: RFC 9112. Knows of no descriptor.

/// The maximum size of a request: what other servers accept, too.
pub const SIZE_MAX: usize = 8 * 1024;

/// The path of the figures, as Prometheus has it by default.
pub const PATH: &str = "/metrics";

/// The request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// With figures.
    Figures {
        /// With the text itself, and not only with what comes before.
        body: bool,
    },
}

/// A request that is not answered with figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is no HTTP request.
    Malformed,
    /// There is nothing at this path.
    NotFound,
    /// With this method nothing can be done here.
    Method,
    /// It did not come in time.
    Late,
    /// It is too large.
    TooLarge,
    /// Its version is not 1.0 or 1.1.
    Version,
}

/// The length of a complete request at the beginning of `bytes`.
pub fn length(bytes: &[u8]) -> Option<usize> {
    let begin = skipped(bytes);
    let mut line = begin;
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        if at < begin {
            continue;
        }
        if matches!(&bytes[line..at], b"" | b"\r") {
            return Some(at + 1);
        }
        line = at + 1;
    }
    None
}

/// Empty lines that old clients send before a request.
fn skipped(bytes: &[u8]) -> usize {
    let mut empty = bytes
        .iter()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'));
    empty.by_ref().count()
}

/// Reads a complete request.
///
/// # Errors
///
/// Why it is not answered with figures.
pub fn read(bytes: &[u8]) -> Result<Wanted, Refusal> {
    let text = std::str::from_utf8(&bytes[skipped(bytes)..]).map_err(|_| Refusal::Malformed)?;
    let mut lines = text.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::Malformed);
    };
    let minor = minor_version(version)?;
    let mut names = Vec::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, _) = line.split_once(':').ok_or(Refusal::Malformed)?;
        if !is_token(name) {
            return Err(Refusal::Malformed);
        }
        names.push(name);
    }
    let hosts = names
        .iter()
        .filter(|name| name.eq_ignore_ascii_case("host"));
    let hosts = hosts.count();
    if !is_token(method) || hosts > 1 || (minor == 1 && hosts == 0) {
        return Err(Refusal::Malformed);
    }
    if path(target)? != PATH {
        return Err(Refusal::NotFound);
    }
    match method {
        "GET" => Ok(Wanted::Figures { body: true }),
        "HEAD" => Ok(Wanted::Figures { body: false }),
        _ => Err(Refusal::Method),
    }
}

/// The second digit of the version.
fn minor_version(version: &str) -> Result<u8, Refusal> {
    let numbers = version.strip_prefix("HTTP/").ok_or(Refusal::Malformed)?;
    match numbers.as_bytes() {
        [b'1', b'.', minor] if minor.is_ascii_digit() => Ok((minor - b'0').min(1)),
        [major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Err(Refusal::Version)
        }
        _ => Err(Refusal::Malformed),
    }
}

/// The path of a target, which may be a whole address, without its query.
fn path(target: &str) -> Result<&str, Refusal> {
    let whole = target.strip_prefix("http://");
    let path = match whole {
        Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]),
        None if target.starts_with('/') => target,
        // `*` is that of the whole server.
        None if target == "*" => target,
        None => return Err(Refusal::Malformed),
    };
    Ok(path.split_once('?').map_or(path, |(path, _)| path))
}

fn is_token(text: &str) -> bool {
    let is_sign = |c| "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || is_sign(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_complete_with_its_empty_line() {
        for (bytes, complete) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
            ("GET / HTTP/1.0\n\n", true),
            ("\r\n\r\nGET / HTTP/1.0\r\n\r\n", true),
            ("\r\n\r\n", false),
            ("", false),
        ] {
            let bytes = bytes.as_bytes();
            let wanted = complete.then_some(bytes.len());
            assert_eq!(length(bytes), wanted);
            assert_eq!(length(&[bytes, b"more"].concat()), wanted);
            for end in 0..bytes.len() {
                assert_eq!(length(&bytes[..end]), None);
            }
        }
    }

    #[test]
    fn requests_and_their_answers() {
        let figures = |body| Ok(Wanted::Figures { body });
        let host = "\r\nHost: a";
        for (line, headers, wanted) in [
            ("GET /metrics HTTP/1.1", host, figures(true)),
            ("HEAD /metrics HTTP/1.1", host, figures(false)),
            ("GET /metrics HTTP/1.0", "", figures(true)),
            (
                "GET /metrics HTTP/1.1",
                "\r\nhOST:\r\nAccept: */*",
                figures(true),
            ),
            ("GET /metrics?name[]=x&y HTTP/1.1", host, figures(true)),
            ("GET http://a:1/metrics HTTP/1.1", host, figures(true)),
            ("GET /metrics HTTP/1.7", host, figures(true)),
            ("POST /metrics HTTP/1.1", host, Err(Refusal::Method)),
            ("get /metrics HTTP/1.1", host, Err(Refusal::Method)),
            ("GET / HTTP/1.1", host, Err(Refusal::NotFound)),
            ("GET http://a HTTP/1.1", host, Err(Refusal::NotFound)),
            ("POST /other HTTP/1.1", host, Err(Refusal::NotFound)),
            ("GET /metrics/ HTTP/1.1", host, Err(Refusal::NotFound)),
            (
                "GET /metrics/../metrics HTTP/1.1",
                host,
                Err(Refusal::NotFound),
            ),
            ("OPTIONS * HTTP/1.1", host, Err(Refusal::NotFound)),
            ("GET /metrics HTTP/2.0", host, Err(Refusal::Version)),
            ("PRI * HTTP/2.0", "", Err(Refusal::Version)),
            ("GET /metrics HTTP/1.1", "", Err(Refusal::Malformed)),
            (
                "GET /metrics HTTP/1.1",
                "\r\nHost: a\r\nHost: b",
                Err(Refusal::Malformed),
            ),
            (
                "GET /metrics HTTP/1.1",
                "\r\nHost: a\r\nno colon",
                Err(Refusal::Malformed),
            ),
            (
                "GET /metrics HTTP/1.1",
                "\r\nHost : a",
                Err(Refusal::Malformed),
            ),
            ("GET /metrics", host, Err(Refusal::Malformed)),
            ("GET  /metrics HTTP/1.1", host, Err(Refusal::Malformed)),
            ("GET metrics HTTP/1.1", host, Err(Refusal::Malformed)),
            ("GET /metrics HTTP/11", host, Err(Refusal::Malformed)),
            ("GET /metrics HTTP/1.x", host, Err(Refusal::Malformed)),
            ("GET /metrics FTP/1.1", host, Err(Refusal::Malformed)),
            ("5:hello,", "", Err(Refusal::Malformed)),
            ("G\u{e4}T /metrics HTTP/1.1", host, Err(Refusal::Malformed)),
        ] {
            let request = format!("{line}{headers}\r\n\r\n");
            assert_eq!(read(request.as_bytes()), wanted, "{request}");
            let plain = request.replace("\r\n", "\n");
            assert_eq!(read(plain.as_bytes()), wanted, "{plain}");
        }
        assert_eq!(
            read(b"GET /metrics\xff HTTP/1.1\r\n\r\n"),
            Err(Refusal::Malformed)
        );
    }
}
