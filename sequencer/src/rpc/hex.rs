//! Values of parameters, read as strictly as geth reads them and refused in its words.
//!
//! Looser types would take `"0x01"`, `"1"` or `1` for a number and an address without `0x`: what one node takes and
//! the next refuses is a bug that a client finds late.

use alloy::eips::{BlockId, BlockNumberOrTag, RpcBlockHash};
use alloy::primitives::{Address, B256, Bytes, U64, U256, hex};
use alloy::serde::JsonStorageKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::Value;

/// Why a value is refused.
type Read<T> = Result<T, String>;

macro_rules! strict {
    ($($(#[$doc:meta])* $name:ident($inner:ty) = $read:path;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(super) struct $name(pub(super) $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $read(&Value::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
            }
        }
    )*};
}

strict! {
    /// A quantity of at most 64 bits.
    Number(u64) = number;
    /// An account.
    Account(Address) = address;
    /// Thirty-two bytes.
    Hash(B256) = hash;
    /// Bytes.
    Data(Bytes) = data;
    /// A block number or a tag.
    Tag(BlockNumberOrTag) = tag;
    /// A block number, a tag, a hash, or an object with a number or a hash (EIP-1898).
    Block(BlockId) = block;
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        U64::from(self.0).serialize(serializer)
    }
}

pub(super) fn number(value: &Value) -> Read<u64> {
    Ok(quantity(text(value)?, 64)?.saturating_to())
}

pub(super) fn word(value: &Value) -> Read<U256> {
    quantity(text(value)?, 256)
}

pub(super) fn address(value: &Value) -> Read<Address> {
    fixed::<20>(text(value)?, "address").map(Address::from)
}

pub(super) fn hash(value: &Value) -> Read<B256> {
    fixed::<32>(text(value)?, "hash").map(B256::from)
}

pub(super) fn data(value: &Value) -> Read<Bytes> {
    bytes(text(value)?).map(Bytes::from)
}

pub(super) fn tag(value: &Value) -> Read<BlockNumberOrTag> {
    Ok(match text(value)? {
        "earliest" => BlockNumberOrTag::Earliest,
        "latest" => BlockNumberOrTag::Latest,
        "pending" => BlockNumberOrTag::Pending,
        "safe" => BlockNumberOrTag::Safe,
        "finalized" => BlockNumberOrTag::Finalized,
        number => BlockNumberOrTag::Number(quantity(number, 64)?.saturating_to()),
    })
}

pub(super) fn block(value: &Value) -> Read<BlockId> {
    match value {
        Value::Object(fields) => match (fields.get("blockNumber"), fields.get("blockHash")) {
            (Some(_), Some(_)) => {
                Err("cannot specify both BlockHash and BlockNumber, choose one or the other".to_owned())
            }
            (Some(number), None) => Ok(tag(number)?.into()),
            (None, Some(named)) => {
                let canonical = match fields.get("requireCanonical") {
                    None | Some(Value::Null) => None,
                    Some(Value::Bool(canonical)) => Some(*canonical),
                    Some(_) => return Err("requireCanonical is not a boolean".to_owned()),
                };
                Ok(BlockId::Hash(RpcBlockHash::from_hash(hash(named)?, canonical)))
            }
            (None, None) => Err("neither block nor hash specified".to_owned()),
        },
        Value::String(text) if text.len() == 66 => Ok(hash(value)?.into()),
        _ => Ok(tag(value)?.into()),
    }
}

/// A storage key: up to 32 bytes, with or without `0x`, of odd length too. Whole words stay words, shorter keys
/// become quantities, as geth answers them.
pub(super) fn storage_key(text: &str) -> Read<JsonStorageKey> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let bytes = digits.len().div_ceil(2);
    if bytes > 32 {
        return Err(format!("storage key too long (want at most 32 bytes): {text:?}"));
    }
    let mut key = B256::ZERO;
    hex::decode_to_slice(format!("{digits:0>64}"), key.as_mut_slice())
        .map_err(|_| format!("invalid hex in storage key: {text:?}"))?;
    Ok(if bytes == 32 { JsonStorageKey::Hash(key) } else { JsonStorageKey::Number(key.into()) })
}

fn text(value: &Value) -> Read<&str> {
    value.as_str().ok_or_else(|| "non-string where a hex string is expected".to_owned())
}

fn digits(text: &str) -> Read<&str> {
    if text.is_empty() {
        return Err("empty hex string".to_owned());
    }
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    digits.ok_or_else(|| "hex string without 0x prefix".to_owned())
}

fn quantity(text: &str, bits: usize) -> Read<U256> {
    let digits = digits(text)?;
    if digits.is_empty() {
        return Err("hex string \"0x\"".to_owned());
    }
    if digits.len() > 1 && digits.starts_with('0') {
        return Err("hex number with leading zero digits".to_owned());
    }
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err("invalid hex string".to_owned());
    }
    if digits.len() > bits / 4 {
        return Err(format!("hex number > {bits} bits"));
    }
    U256::from_str_radix(digits, 16).map_err(|_| "invalid hex string".to_owned())
}

fn bytes(text: &str) -> Read<Vec<u8>> {
    let digits = digits(text)?;
    if !digits.len().is_multiple_of(2) {
        return Err("hex string of odd length".to_owned());
    }
    // Not `hex::decode` on the text: it would take a second prefix.
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err("invalid hex string".to_owned());
    }
    hex::decode(digits).map_err(|_| "invalid hex string".to_owned())
}

fn fixed<const N: usize>(text: &str, name: &str) -> Read<[u8; N]> {
    let bytes = bytes(text)?;
    <[u8; N]>::try_from(bytes.as_slice())
        .map_err(|_| format!("hex string has length {}, want {} for {name}", 2 * bytes.len(), 2 * N))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_have_one_form() {
        assert_eq!(number(&json!("0x0")), Ok(0));
        assert_eq!(number(&json!("0xffffffffffffffff")), Ok(u64::MAX));
        assert_eq!(word(&json!(format!("0x{}", "f".repeat(64)))), Ok(U256::MAX));
        let refused = [
            (json!("0x"), "hex string \"0x\""),
            (json!("0x01"), "hex number with leading zero digits"),
            (json!("0x00"), "hex number with leading zero digits"),
            (json!("10"), "hex string without 0x prefix"),
            (json!(""), "empty hex string"),
            (json!("0xg"), "invalid hex string"),
            (json!("0x10000000000000000"), "hex number > 64 bits"),
            (json!(16), "non-string where a hex string is expected"),
        ];
        for (value, reason) in refused {
            assert_eq!(number(&value).unwrap_err(), reason, "{value}");
        }
        assert_eq!(word(&json!(format!("0x1{}", "0".repeat(64)))).unwrap_err(), "hex number > 256 bits");
    }

    #[test]
    fn addresses_have_a_prefix_and_twenty_bytes() {
        assert!(address(&json!("0x7777777777777777777777777777777777777777")).is_ok());
        let refused = [
            ("7777777777777777777777777777777777777777", "hex string without 0x prefix"),
            ("0x777", "hex string of odd length"),
            ("0x7777", "hex string has length 4, want 40 for address"),
            ("0x0x77", "invalid hex string"),
        ];
        for (value, reason) in refused {
            assert_eq!(address(&json!(value)).unwrap_err(), reason, "{value}");
        }
    }

    #[test]
    fn blocks_are_named_in_six_ways() {
        let word = B256::repeat_byte(7);
        assert_eq!(block(&json!("latest")), Ok(BlockId::latest()));
        assert_eq!(block(&json!("0x10")), Ok(BlockId::number(16)));
        assert_eq!(block(&json!(word)), Ok(word.into()));
        assert_eq!(block(&json!({"blockNumber": "0x10"})), Ok(BlockId::number(16)));
        assert_eq!(block(&json!({"blockHash": word})), Ok(word.into()));
        let canonical = RpcBlockHash::from_hash(word, Some(true));
        let named = json!({"blockHash": word, "requireCanonical": true});
        assert_eq!(block(&named), Ok(BlockId::Hash(canonical)));
        for wrong in [json!({}), json!({"blockHash": word, "blockNumber": "0x1"}), json!("0x01"), json!(1)] {
            assert!(block(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn storage_keys_are_read_leniently() {
        let one = U256::from(1);
        for key in ["0x1", "0x01", "1", "0X0001"] {
            assert_eq!(storage_key(key), Ok(JsonStorageKey::Number(one)), "{key}");
        }
        let word = B256::with_last_byte(1);
        assert_eq!(storage_key(&word.to_string()), Ok(JsonStorageKey::Hash(word)));
        let long = format!("0x{}", "0".repeat(65));
        let reason = format!("storage key too long (want at most 32 bytes): \"{long}\"");
        assert_eq!(storage_key(&long).unwrap_err(), reason);
        assert_eq!(storage_key("0xasdf").unwrap_err(), "invalid hex in storage key: \"0xasdf\"");
    }
}
