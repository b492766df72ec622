//! Replies, checked against each rule of the protocol about them while they are read.

/// How a reply ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Exit(i32),
    /// What stands after `termsig`: a number, or a name with `--termsig name`.
    Signal(String),
}

/// A whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub end: End,
}

/// The most data that one pair may carry.
pub const PAIR_MAX: usize = 32 * 1024;

impl Reply {
    /// Reads a whole reply and panics where it breaks a rule.
    #[track_caller]
    pub fn parse(bytes: &[u8]) -> Self {
        match Self::try_parse(bytes) {
            Ok(reply) => reply,
            Err(error) => panic!("{error} in the reply \"{}\"", shorten(bytes)),
        }
    }

    pub fn try_parse(mut bytes: &[u8]) -> Result<Self, String> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut end = None;
        while let Some(((kind, data), rest)) = pair(bytes)? {
            bytes = rest;
            if end.is_some() {
                return Err(format!("a pair {kind:?} after the end"));
            }
            match kind {
                b"stdout" => stdout.extend_from_slice(data),
                b"stderr" => stderr.extend_from_slice(data),
                b"exitcode" => end = Some(End::Exit(text(data)?.parse().map_err(|_| "no code")?)),
                b"termsig" => end = Some(End::Signal(text(data)?.to_owned())),
                _ => return Err(format!("an unknown type \"{}\"", kind.escape_ascii())),
            }
        }
        if !bytes.is_empty() {
            return Err("half a pair".to_owned());
        }
        let end = end.ok_or("no end")?;
        Ok(Self {
            stdout,
            stderr,
            end,
        })
    }

    /// The reply's bytes when each stream's pairs are joined into one, which makes
    /// replies comparable that came in different pieces.
    pub fn joined(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (kind, data) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !data.is_empty() {
                put_pair(&mut out, kind, data);
            }
        }
        match &self.end {
            End::Exit(code) => put_pair(&mut out, "exitcode", code.to_string().as_bytes()),
            End::Signal(signal) => put_pair(&mut out, "termsig", signal.as_bytes()),
        }
        out
    }

    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Checks that the program succeeded, and returns what it wrote.
    #[track_caller]
    pub fn succeeded(self) -> String {
        assert_eq!(self.end, End::Exit(0), "{}{}", self.out(), self.err());
        self.out()
    }

    /// Checks for a refusal with this code whose reason has all these words.
    #[track_caller]
    pub fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.end, End::Exit(code), "{}{}", self.out(), self.err());
        let reason = self.err();
        assert!(reason.starts_with("sockexec: "), "{reason}");
        assert!(reason.ends_with('\n'), "{reason}");
        for word in words {
            assert!(reason.contains(word), "no \"{word}\" in \"{reason}\"");
        }
    }
}

fn text(data: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(data).map_err(|e| e.to_string())
}

/// What stands first in some bytes, and the rest of them; `None` when it is not complete.
type Split<'a, T> = Result<Option<(T, &'a [u8])>, String>;

/// The first pair of `bytes` and what follows it; `None` when it is not complete.
pub fn pair(bytes: &[u8]) -> Split<'_, (&[u8], &[u8])> {
    let Some((kind, rest)) = netstring(bytes)? else {
        return Ok(None);
    };
    let Some((data, rest)) = netstring(rest)? else {
        return Ok(None);
    };
    if data.len() > PAIR_MAX {
        return Err(format!("a pair of {} bytes", data.len()));
    }
    Ok(Some(((kind, data), rest)))
}

fn netstring(bytes: &[u8]) -> Split<'_, &[u8]> {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let Some(&colon) = bytes.get(digits) else {
        return Ok(None);
    };
    let length = text(&bytes[..digits])?;
    if colon != b':' || length.is_empty() || (length.len() > 1 && length.starts_with('0')) {
        return Err(format!("\"{}\" as a netstring", shorten(bytes)));
    }
    let length: usize = length.parse().map_err(|_| "a length that is too large")?;
    let rest = &bytes[digits + 1..];
    match rest.get(length) {
        None => Ok(None),
        Some(b',') => Ok(Some((&rest[..length], &rest[length + 1..]))),
        Some(_) => Err("a netstring without its comma".to_owned()),
    }
}

/// Appends one netstring.
pub fn put(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(format!("{}:", data.len()).as_bytes());
    out.extend_from_slice(data);
    out.push(b',');
}

fn put_pair(out: &mut Vec<u8>, kind: &str, data: &[u8]) {
    put(out, kind.as_bytes());
    put(out, data);
}

/// Enough of some bytes to see what they are.
pub fn shorten(bytes: &[u8]) -> String {
    let shown = bytes[..bytes.len().min(200)].escape_ascii();
    format!("{shown} ({} bytes)", bytes.len())
}
