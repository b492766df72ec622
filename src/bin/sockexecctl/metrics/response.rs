//! An HTTP response. Source: RFC 9110 and 9112.

use super::request::{PATH, Refusal, SIZE_MAX};

/// The text format of Prometheus in the one version that it has.
const FIGURES: &str = "text/plain; version=0.0.4; charset=utf-8";

const TEXT: &str = "text/plain; charset=utf-8";

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    status: &'static str,
    kind: &'static str,
    /// The methods that are possible, if the request had another one.
    allow: bool,
    body: String,
}

impl Response {
    /// These figures.
    pub fn figures(text: String) -> Self {
        Self {
            kind: FIGURES,
            ..Self::text("200 OK", text)
        }
    }

    /// There are none, and why.
    pub fn unavailable(why: &str) -> Self {
        Self::text("503 Service Unavailable", format!("{why}\n"))
    }

    /// To a request that is not answered with figures.
    pub fn refusal(refusal: &Refusal) -> Self {
        let (status, why) = match refusal {
            Refusal::Malformed => ("400 Bad Request", "this is not an HTTP request".into()),
            Refusal::NotFound => ("404 Not Found", format!("the figures are at {PATH}")),
            Refusal::Method => (
                "405 Method Not Allowed",
                "the figures can only be read".into(),
            ),
            Refusal::Late => (
                "408 Request Timeout",
                "the request did not come in time".into(),
            ),
            Refusal::TooLarge => (
                "431 Request Header Fields Too Large",
                format!("a request has at most {SIZE_MAX} bytes"),
            ),
            Refusal::Version => (
                "505 HTTP Version Not Supported",
                "this server speaks HTTP/1.1".into(),
            ),
        };
        Self {
            allow: *refusal == Refusal::Method,
            ..Self::text(status, format!("{why}\n"))
        }
    }

    fn text(status: &'static str, body: String) -> Self {
        Self {
            status,
            kind: TEXT,
            allow: false,
            body,
        }
    }

    /// Its bytes; without `body`, those that come before.
    pub fn to_bytes(&self, body: bool) -> Vec<u8> {
        let (status, kind, length) = (self.status, self.kind, self.body.len());
        let allow = if self.allow {
            "Allow: GET, HEAD\r\n"
        } else {
            ""
        };
        let mut text = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{allow}\
             Connection: close\r\n\r\n"
        );
        if body {
            text.push_str(&self.body);
        }
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_bytes() {
        let figures = Response::figures("a 1\n".into());
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
                    Content-Length: 4\r\nConnection: close\r\n\r\n";
        assert_eq!(figures.to_bytes(false), head.as_bytes());
        assert_eq!(figures.to_bytes(true), format!("{head}a 1\n").as_bytes());
        let refusal = Response::refusal(&Refusal::Method).to_bytes(true);
        let text = String::from_utf8(refusal).unwrap();
        assert!(text.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
        assert!(text.contains("\r\nAllow: GET, HEAD\r\n"));
        assert!(text.ends_with("\r\n\r\nthe figures can only be read\n"));
    }
}
