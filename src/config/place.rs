//! A key in the file that is no setting of the table: its accepted values, and its errors with
//! their place.

use toml::Spanned;
use toml::de::DeValue;

use super::document::{Document, scalar, wanted};
use crate::settings::value::{Kind, Stored};

/// A value with its place in the file.
pub type Node<'i> = Spanned<DeValue<'i>>;

/// The accepted values of a key of a rule, or of the execution of programs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Accepts {
    /// A name or a number, or a list of them.
    Accounts,
    /// An absolute path, or `*`, or a list of them.
    Programs,
    /// A value.
    One(Kind),
    /// A list of strings.
    Words,
    /// A name for people.
    Name,
    /// A security label, or a list of them.
    Labels,
    /// A list of patterns, or a list of such lists.
    Arguments,
    /// A user, or the client's.
    User,
    /// The directory in which a program starts.
    Directory,
    /// A table of limits.
    Limits,
    /// A table of variables.
    Variables,
}

impl Accepts {
    /// The accepted values, as text after "not".
    pub fn accepted(self) -> String {
        match self {
            Self::Accounts => "a name or a number from 0 to 4294967294, or a list of them".into(),
            Self::Programs => {
                "an absolute path without \"..\", with a slash at the end for a directory, \"*\" \
                 for all, or a list of them"
                    .into()
            }
            Self::One(kind) => wanted(kind),
            Self::Words => {
                "a list of strings with a program in front, such as [\"nice\", \"-n\", \"10\"]"
                    .into()
            }
            Self::Name => {
                "a string of 1 to 64 printable ASCII characters, not digits alone, without space, \
                 \"=\" and quotation marks"
                    .into()
            }
            Self::Labels => {
                "a security label, with or without a \"*\" at the end, or a list of them".into()
            }
            Self::Arguments => {
                "a list of strings, such as [\"status\", \"glob:*.service\"], or a list of such \
                 lists"
                    .into()
            }
            Self::User => "the name or the number of a user, or \"peer\" for the client's".into(),
            Self::Directory => "a string with an absolute path".into(),
            Self::Limits => "a table, such as { cpu = 10, memory = \"200M\" }".into(),
            Self::Variables => "a table of strings, such as { LANG = \"C.UTF-8\" }".into(),
        }
    }
}

/// A key of a table in the file, of which a `T` is made.
#[derive(Debug)]
pub struct TableKey<T> {
    /// Its name.
    pub name: &'static str,
    /// Its accepted values.
    pub accepts: Accepts,
    /// Puts its value into the `T`.
    pub(super) put: fn(&mut T, &Place<'_>, &Node<'_>) -> Result<(), String>,
    /// Whether its values in two of them differ.
    pub(super) differs: fn(&T, &T) -> bool,
}

/// Makes a table of keys: the name, the accepted values, the field, and the function that reads it.
macro_rules! keys {
    ($(#[doc = $doc:literal])* pub static $table:ident: $type:ty = {
        $($name:literal, $accepts:expr, $field:ident = $read:expr;)*
    }) => {
        $(#[doc = $doc])*
        pub static $table: &[TableKey<$type>] = &[$(
            TableKey {
                name: $name,
                accepts: $accepts,
                put: |all, place, value| {
                    all.$field = $read(place, value)?;
                    Ok(())
                },
                differs: |new, old| new.$field != old.$field,
            },
        )*];
    };
}

pub(super) use keys;

/// A key at a place in the file.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The file.
    pub document: &'a Document<'a>,
    /// The key.
    pub key: &'static str,
    /// Its accepted values.
    pub accepts: Accepts,
}

impl Place<'_> {
    /// The value is none of those accepted.
    pub fn refusal(&self, value: &Node<'_>) -> String {
        let accepted = self.accepts.accepted();
        self.document.refusal(&value.span(), self.key, &accepted)
    }

    /// Something is wrong with a value.
    pub fn error(&self, value: &Node<'_>, what: &str) -> String {
        let what = format!("{}: {what}", self.key);
        self.document.error(&value.span(), &what)
    }

    /// The value, if the key accepts one.
    ///
    /// # Errors
    ///
    /// When it is not accepted.
    pub fn stored<T: Stored>(&self, value: &Node<'_>) -> Result<T, String> {
        let Accepts::One(kind) = self.accepts else {
            return Err(self.refusal(value));
        };
        let read = scalar(kind, value.get_ref()).and_then(T::stored);
        read.ok_or_else(|| self.document.wrong(value, self.key, kind))
    }

    /// The elements of a list that is not empty.
    ///
    /// # Errors
    ///
    /// When it is something else.
    pub fn list<'v, 'i>(&self, value: &'v Node<'i>) -> Result<&'v [Node<'i>], String> {
        match value.get_ref() {
            DeValue::Array(list) if !list.is_empty() => Ok(list),
            _ => Err(self.refusal(value)),
        }
    }

    /// The elements of a list, or the value if it is none.
    ///
    /// # Errors
    ///
    /// When it is an empty list.
    pub fn one_or_more<'v, 'i>(&self, value: &'v Node<'i>) -> Result<&'v [Node<'i>], String> {
        match value.get_ref() {
            DeValue::Array(_) => self.list(value),
            _ => Ok(std::slice::from_ref(value)),
        }
    }
}

/// An optional value, which is there.
pub fn one<T: Stored>(place: &Place<'_>, value: &Node<'_>) -> Result<Option<T>, String> {
    place.stored(value).map(Some)
}
