//! An account as bytes, for a pipe between two processes of the same program.

use nix::errno::Errno;

use crate::execution::Account;

/// The answer to a question: the account, if the databases have it.
pub type Answer = Result<Option<Account>, Errno>;

/// The most bytes of an answer: a process has at most 65536 groups, of four bytes each.
pub(super) const SIZE_MAX: usize = 1 << 20;

/// What the first byte says about the rest.
const ABSENT: u8 = 0;
const FAILED: u8 = 1;
const FOUND: u8 = 2;

/// The bytes of an answer.
pub(super) fn encode(answer: &Answer) -> Vec<u8> {
    let mut bytes = Vec::new();
    match answer {
        Ok(None) => bytes.push(ABSENT),
        Err(errno) => {
            bytes.push(FAILED);
            put(&mut bytes, *errno as u32);
        }
        Ok(Some(account)) => {
            bytes.push(FOUND);
            put(&mut bytes, account.uid);
            put(&mut bytes, account.gid);
            put(&mut bytes, account.groups.len() as u32);
            account
                .groups
                .iter()
                .for_each(|&group| put(&mut bytes, group));
            for text in [account.name.as_bytes(), &account.home, &account.shell] {
                put(&mut bytes, text.len() as u32);
                bytes.extend_from_slice(text);
            }
        }
    }
    bytes
}

fn put(bytes: &mut Vec<u8>, number: u32) {
    bytes.extend_from_slice(&number.to_ne_bytes());
}

/// The answer in these bytes, if they are exactly one.
pub(super) fn decode(bytes: &[u8]) -> Option<Answer> {
    let (&kind, rest) = bytes.split_first()?;
    let mut rest = Rest(rest);
    let answer = match kind {
        ABSENT => Ok(None),
        FAILED => Err(Errno::from_raw(rest.number()? as i32)),
        FOUND => Ok(Some(rest.account()?)),
        _ => return None,
    };
    rest.0.is_empty().then_some(answer)
}

/// Bytes that are not decoded yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_ne_bytes(*number))
    }

    fn text(&mut self) -> Option<Vec<u8>> {
        let length = self.number()? as usize;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text.to_vec())
    }

    fn account(&mut self) -> Option<Account> {
        let (uid, gid, count) = (self.number()?, self.number()?, self.number()?);
        let groups = (0..count)
            .map(|_| self.number())
            .collect::<Option<Vec<_>>>()?;
        Some(Account {
            uid,
            gid,
            groups,
            name: String::from_utf8(self.text()?).ok()?,
            home: self.text()?,
            shell: self.text()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_out_as_they_went_in_and_nothing_else_does() {
        let account = Account {
            name: "daemon".into(),
            uid: 1,
            gid: u32::MAX,
            groups: vec![1, 2, 3],
            home: b"/\xff".to_vec(),
            shell: Vec::new(),
        };
        for answer in [Ok(Some(account)), Ok(None), Err(Errno::EAGAIN)] {
            let bytes = encode(&answer);
            assert_eq!(decode(&bytes), Some(answer));
            for end in 0..bytes.len() {
                assert_eq!(decode(&bytes[..end]), None);
            }
            assert_eq!(decode(&[&bytes[..], b"x"].concat()), None);
        }
        assert_eq!(decode(&[9]), None);
        // A count of groups beyond the end.
        assert_eq!(decode(&[&[FOUND][..], &[0xff; 12]].concat()), None);
    }
}
