//! Messages with an ID and fields, for logs that have both.

use std::fmt::Display;

use log::Level;

/// Messages that have an entry in the catalog of the journal, `systemd/sockexec.catalog`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageId {
    /// A request has arguments that are too long for the other records.
    JobRequested,
    /// The process of a job was made.
    JobStarted,
    /// A job is over.
    JobEnded,
    /// A job is over, because one of its limits has ended its program.
    LimitStruck,
    /// A request was refused.
    Refused,
    /// The configuration was read and is in effect.
    ConfigurationRead,
    /// The configuration is not valid, so nothing has changed.
    ConfigurationFailed,
    /// Lines were lost.
    LinesLost,
}

impl MessageId {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::JobRequested,
        Self::JobStarted,
        Self::JobEnded,
        Self::LimitStruck,
        Self::Refused,
        Self::ConfigurationRead,
        Self::ConfigurationFailed,
        Self::LinesLost,
    ];

    /// The value of `MESSAGE_ID=`. It never changes: catalogs and people's queries have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JobRequested => "6278302ce76f4ad2a873015a5366065c",
            Self::JobStarted => "c5a24d2d8bb04c64ab128f4cd5a5e0d6",
            Self::JobEnded => "a82d6dd93630467ab12124cec99d46ad",
            Self::LimitStruck => "3a307abc21284f0b9ee97ddf82ce82eb",
            Self::Refused => "745320dc843e42fab9acf71ac0440ec1",
            Self::ConfigurationRead => "08c83fe172b94bd699f4bc334bd9d04c",
            Self::ConfigurationFailed => "22e6c7b93b8348c59e2af8300f1b1522",
            Self::LinesLost => "2433e03acee845b1b9f5187b5a9ae4dd",
        }
    }
}

/// The fields of a message: names in capital letters, and values of any bytes.
#[derive(Debug, Default)]
pub struct Fields(Vec<u8>);

impl Fields {
    /// Adds a field. A value with a newline is sent with its length. Without memory for it there is
    /// no such field.
    pub fn put(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        // The name, the signs around the value, and its length.
        if self.0.try_reserve(name.len() + value.len() + 16).is_err() {
            return;
        }
        self.0.extend_from_slice(name.as_bytes());
        if value.contains(&b'\n') {
            self.0.push(b'\n');
            self.0
                .extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            self.0.push(b'=');
        }
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }

    /// Adds a field with a value that has no newline.
    pub fn show(&mut self, name: &str, value: impl Display) {
        self.put(name, value.to_string());
    }

    /// Adds a field, if it has a value.
    pub fn show_some(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.show(name, value);
        }
    }

    /// The bytes, as the journal reads them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// A numbered record.
pub trait Numbered {
    /// Its level.
    fn level(&self) -> Level;

    /// Its kind.
    fn message_id(&self) -> MessageId;

    /// Its first line.
    fn line(&self, number: u64) -> String;

    /// Passes on the lines that follow, for a log without fields.
    fn further_lines(&self, number: u64, put: &mut dyn FnMut(&str));

    /// Its fields, for a log that has them.
    fn fields(&self, fields: &mut Fields);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_id_is_another() {
        for (index, id) in MessageId::ALL.iter().enumerate() {
            assert_eq!(id.as_str().len(), 32);
            let lower = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            assert!(id.as_str().chars().all(lower), "{id:?}");
            let rest = &MessageId::ALL[index + 1..];
            assert!(rest.iter().all(|other| other.as_str() != id.as_str()));
        }
    }

    #[test]
    fn a_value_with_a_newline_has_its_length_in_front() {
        let mut fields = Fields::default();
        fields.put("A", "b=c");
        fields.put("B", b"\xff\n");
        fields.show_some("C", Some(7));
        fields.show_some("D", None::<u32>);
        let expected = b"A=b=c\nB\n\x02\0\0\0\0\0\0\0\xff\n\nC=7\n";
        assert_eq!(fields.into_bytes(), expected);
    }

    const CATALOG: &str = include_str!("../../systemd/sockexec.catalog");

    #[test]
    fn the_catalog_has_each_message_and_no_other() {
        let entries = CATALOG.lines().filter_map(|line| line.strip_prefix("-- "));
        let expected = MessageId::ALL.map(MessageId::as_str);
        assert_eq!(entries.collect::<Vec<_>>(), expected);
        for head in ["Subject: ", "Defined-By: sockexec", "Documentation: man:"] {
            let count = CATALOG
                .lines()
                .filter(|line| line.starts_with(head))
                .count();
            assert_eq!(count, expected.len(), "{head}");
        }
    }

    #[test]
    fn the_catalog_names_fields_that_there_are() {
        let sources = [
            include_str!("../record/numbered.rs"),
            include_str!("../server/reload.rs"),
            include_str!("queue.rs"),
            "\"MESSAGE\" \"_PID\"",
        ];
        let words = CATALOG.split(|c: char| !(c.is_ascii_uppercase() || "_@=".contains(c)));
        let fields = words.filter_map(|word| {
            let inserted = word
                .strip_prefix('@')
                .and_then(|word| word.strip_suffix('@'));
            inserted.or_else(|| word.strip_suffix('=').filter(|word| word.len() > 1))
        });
        let mut count = 0;
        for field in fields.filter(|field| !field.contains('@')) {
            let quoted = format!("\"{field}\"");
            assert!(sources.iter().any(|text| text.contains(&quoted)), "{field}");
            count += 1;
        }
        assert!(count > 20);
    }
}
