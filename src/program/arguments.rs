//! The arguments of a program, for which there may be no memory.

use std::collections::TryReserveError;

/// A program's arguments, `argv[0]` first: each ends with a NUL, as execve(2) requires.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    bytes: Vec<u8>,
    count: usize,
}

impl Arguments {
    /// Adds bytes, none of them NUL, to the argument that is being built.
    ///
    /// # Errors
    ///
    /// When there is no memory. Nothing is added then.
    pub fn try_extend(&mut self, bytes: &[u8]) -> Result<(), OutOfMemory> {
        try_append(&mut self.bytes, bytes)
    }

    /// Ends the argument that is being built.
    ///
    /// # Errors
    ///
    /// When there is no memory. The argument is then not ended.
    pub fn try_end(&mut self) -> Result<(), OutOfMemory> {
        try_append(&mut self.bytes, &[0])?;
        self.count += 1;
        Ok(())
    }

    /// A list of all of `arguments`, none of which has a NUL.
    ///
    /// # Errors
    ///
    /// When there is no memory.
    pub fn try_collect<'a>(
        arguments: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, OutOfMemory> {
        let mut all = Self::default();
        for argument in arguments {
            debug_assert!(!argument.contains(&0), "a NUL in an argument");
            all.try_extend(argument)?;
            all.try_end()?;
        }
        Ok(all)
    }

    /// The number of bytes, each with its NUL.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The number of bytes of memory that they take, with the pointers for execve(2).
    pub fn footprint(&self) -> usize {
        self.bytes.capacity() + self.count * size_of::<*const u8>()
    }

    /// Their number.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The arguments without their NULs.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes
            .split_inclusive(|&b| b == 0)
            .map(|argument| &argument[..argument.len() - 1])
    }

    /// The name of the program, `argv[0]`.
    pub fn program(&self) -> &[u8] {
        self.iter().next().unwrap_or_default()
    }

    /// The arguments with their NULs, one after another.
    pub fn as_bytes_with_nul(&self) -> &[u8] {
        &self.bytes
    }
}

/// There is no memory for data from a client, or for data to be sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

impl From<TryReserveError> for OutOfMemory {
    fn from(_: TryReserveError) -> Self {
        Self
    }
}

/// Appends `bytes` to `to`, or nothing.
///
/// # Errors
///
/// When there is no memory.
pub fn try_append(to: &mut Vec<u8>, bytes: &[u8]) -> Result<(), OutOfMemory> {
    to.try_reserve(bytes.len())?;
    to.extend_from_slice(bytes);
    Ok(())
}
