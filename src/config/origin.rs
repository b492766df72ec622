//! Where each value of the configuration came from, for an operator that asks.

use std::collections::BTreeMap;

/// Where a value came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nothing sets it.
    #[default]
    Default,
    /// The option `--fallback`.
    Fallback,
    /// The option of its own.
    Option,
    /// This line of the configuration file.
    File(usize),
    /// The command `set`.
    Set,
}

/// The origins of all keys that have another one than the default.
#[derive(Clone, Debug, Default)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// That of a key.
    pub fn of(&self, key: &str) -> Origin {
        self.0.get(key).copied().unwrap_or_default()
    }

    pub(super) fn note(&mut self, key: &str, origin: Origin) {
        self.0.insert(key.to_owned(), origin);
    }
}
