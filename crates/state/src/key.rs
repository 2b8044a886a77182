//! Names of the values in the store.
//!
//! ```text
//! 0 ++ keccak(address) [32]                             account, RLP as in the trie
//! 1 ++ keccak(address) [32] ++ keccak(slot) [32]        storage value, RLP as in the trie
//! 2 ++ length [1] ++ packed path                        node of the account trie
//! 3 ++ keccak(address) [32] ++ length [1] ++ packed path    node of a storage trie
//! ```
//!
//! `length` counts nibbles.

use std::{
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
};

use alloy_primitives::{B256, Bytes, hex};
use alloy_trie::Nibbles;

const MAX_KEY_BYTES: usize = 66;

/// The name of a value, whatever the block.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    bytes: [u8; MAX_KEY_BYTES],
    length: u8,
}

impl Key {
    /// `None` if `bytes` is longer than any key.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let length = u8::try_from(bytes.len()).ok()?;
        let mut key = Self { bytes: [0; MAX_KEY_BYTES], length };
        key.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(key)
    }

    fn join(parts: &[&[u8]]) -> Self {
        let mut key = Self { bytes: [0; MAX_KEY_BYTES], length: 0 };
        for part in parts {
            let start = key.len();
            key.bytes[start..start + part.len()].copy_from_slice(part);
            key.length += u8::try_from(part.len()).expect("parts are hashes and paths of at most 32 bytes");
        }
        key
    }
}

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", hex::encode(&**self))
    }
}

/// A new value for a key; `None` deletes it.
pub(crate) type Write = (Key, Option<Bytes>);

/// One Merkle-Patricia trie and the values at its leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trie {
    /// The accounts.
    Accounts,
    /// The storage of the account whose address has this hash.
    Storage(B256),
}

impl Trie {
    /// Where the value with this hashed key is.
    pub(crate) fn value(&self, hashed: &B256) -> Key {
        match self {
            Self::Accounts => Key::join(&[&[0], &hashed[..]]),
            Self::Storage(owner) => Key::join(&[&[1], &owner[..], &hashed[..]]),
        }
    }

    /// Where the node whose path starts at `path` is.
    pub(crate) fn node(&self, path: &Nibbles) -> Key {
        let length = [u8::try_from(path.len()).expect("paths have at most 64 nibbles")];
        let packed = path.pack();
        match self {
            Self::Accounts => Key::join(&[&[2], &length, &packed]),
            Self::Storage(owner) => Key::join(&[&[3], &owner[..], &length, &packed]),
        }
    }
}

/// What all values and all nodes of an account's storage start with.
pub(crate) fn storage_prefixes(owner: &B256) -> [Key; 2] {
    [Key::join(&[&[1], &owner[..]]), Key::join(&[&[3], &owner[..]])]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_key_fits() {
        let key = Trie::Storage(B256::repeat_byte(7)).node(&Nibbles::unpack(B256::repeat_byte(9)));
        assert_eq!(key.len(), MAX_KEY_BYTES);
        assert_eq!(Key::from_slice(&key), Some(key));
        assert!(Key::from_slice(&[0; MAX_KEY_BYTES + 1]).is_none());
    }
}
