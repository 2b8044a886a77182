//! Between Rust's numbers and Postgres' columns; every conversion is checked.

use alloy_primitives::{Address, B256, U256};

use crate::IndexError;

/// A `u64` as `bigint`.
pub(crate) fn to_bigint(value: u64) -> Result<i64, IndexError> {
    i64::try_from(value).map_err(|_| IndexError::TooLarge(value))
}

/// A `bigint` that was written by [`to_bigint`].
pub(crate) fn to_u64(value: i64, what: &'static str) -> Result<u64, IndexError> {
    u64::try_from(value).map_err(|_| IndexError::Corrupt(what))
}

/// A length or position as `integer`.
pub(crate) fn to_integer(value: usize) -> Result<i32, IndexError> {
    i32::try_from(value).map_err(|_| IndexError::TooLarge(value as u64))
}

/// An `integer` that was written by [`to_integer`].
pub(crate) fn to_u32(value: i32, what: &'static str) -> Result<u32, IndexError> {
    u32::try_from(value).map_err(|_| IndexError::Corrupt(what))
}

/// 32 bytes.
pub(crate) fn to_hash(bytes: &[u8], what: &'static str) -> Result<B256, IndexError> {
    B256::try_from(bytes).map_err(|_| IndexError::Corrupt(what))
}

/// 20 bytes.
pub(crate) fn to_address(bytes: &[u8], what: &'static str) -> Result<Address, IndexError> {
    Address::try_from(bytes).map_err(|_| IndexError::Corrupt(what))
}

/// 20 bytes or null.
pub(crate) fn to_optional_address(
    bytes: Option<&[u8]>,
    what: &'static str,
) -> Result<Option<Address>, IndexError> {
    bytes.map(|bytes| to_address(bytes, what)).transpose()
}

/// 32 bytes, big-endian.
pub(crate) fn to_u256(bytes: &[u8], what: &'static str) -> Result<U256, IndexError> {
    Ok(to_hash(bytes, what)?.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_above_what_postgres_holds_are_refused() {
        assert_eq!(to_bigint(i64::MAX as u64).unwrap(), i64::MAX);
        assert!(matches!(to_bigint(u64::MAX), Err(IndexError::TooLarge(u64::MAX))));
    }

    #[test]
    fn bytes_of_another_length_are_corrupt() {
        assert!(matches!(to_hash(&[0; 31], "hash"), Err(IndexError::Corrupt("hash"))));
        assert!(matches!(to_address(&[0; 32], "address"), Err(IndexError::Corrupt("address"))));
        assert!(to_u64(-1, "number").is_err());
    }
}
