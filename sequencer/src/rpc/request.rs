//! Messages and overrides as callers write them.

use std::collections::BTreeMap;

use alloy::primitives::B256;
use alloy::rpc::types::{BlockOverrides, TransactionRequest, state::StateOverride};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Map, Value};

use super::hex;

/// How a field must be written.
type Check = fn(&Value) -> Result<(), String>;

/// A message to run. Fields that a call does not know are ignored, as in geth.
#[derive(Clone, Debug, Default)]
pub(super) struct Message(pub(super) TransactionRequest);

/// What a caller wants of a block.
#[derive(Clone, Debug, Default)]
pub(super) struct BlockChanges(pub(super) BlockOverrides);

/// What a caller wants of the state.
#[derive(Clone, Debug, Default)]
pub(super) struct StateChanges(pub(super) StateOverride);

const MESSAGE: &[(&str, Check)] = &[
    ("from", address),
    ("to", address),
    ("gas", number),
    ("gasPrice", word),
    ("maxFeePerGas", word),
    ("maxPriorityFeePerGas", word),
    ("maxFeePerBlobGas", word),
    ("value", word),
    ("nonce", number),
    ("data", data),
    ("input", data),
    ("chainId", word),
];

const BLOCK: &[(&str, Check)] = &[
    ("number", word),
    ("blockNumber", word),
    ("difficulty", word),
    ("time", number),
    ("timestamp", number),
    ("gasLimit", number),
    ("coinbase", address),
    ("feeRecipient", address),
    ("random", hash),
    ("prevRandao", hash),
    ("baseFee", word),
    ("baseFeePerGas", word),
    ("blobBaseFee", word),
    ("beaconRoot", hash),
    ("withdrawals", no_withdrawals),
];

const ACCOUNT: &[(&str, Check)] =
    &[("balance", word), ("nonce", number), ("code", data), ("movePrecompileToAddress", address)];

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = checked(Map::deserialize(deserializer)?, MESSAGE).map_err(D::Error::custom)?;
        fields.remove("type"); // counts for nothing, known or not
        serde_json::from_value(fields.into()).map(Self).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for BlockChanges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = checked(Map::deserialize(deserializer)?, BLOCK).map_err(D::Error::custom)?;
        let hashes = fields.remove("blockHash").map(block_hashes).transpose().map_err(D::Error::custom)?;
        let read: BlockOverrides = serde_json::from_value(fields.into()).map_err(D::Error::custom)?;
        Ok(Self(BlockOverrides { block_hash: hashes.flatten(), ..read }))
    }
}

impl<'de> Deserialize<'de> for StateChanges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut accounts: Map<String, Value> = Map::deserialize(deserializer)?;
        for (address, account) in &mut accounts {
            hex::address(&Value::String(address.clone())).map_err(D::Error::custom)?;
            if let Value::Object(fields) = account {
                *fields = checked(std::mem::take(fields), ACCOUNT)
                    .map_err(|error| D::Error::custom(format!("{address}: {error}")))?;
            }
        }
        serde_json::from_value(accounts.into()).map(Self).map_err(D::Error::custom)
    }
}

/// The fields without null ones, if all that are known are written as they must be.
fn checked(fields: Map<String, Value>, known: &[(&str, Check)]) -> Result<Map<String, Value>, String> {
    let fields: Map<_, _> = fields.into_iter().filter(|(_, value)| !value.is_null()).collect();
    for (name, check) in known {
        if let Some(value) = fields.get(*name) {
            check(value).map_err(|reason| format!("{name}: {reason}"))?;
        }
    }
    Ok(fields)
}

/// Numbers of blocks are names here: quantities or decimal ones, as JSON writes integers that are names.
fn block_hashes(value: Value) -> Result<Option<BTreeMap<u64, B256>>, String> {
    let Value::Object(hashes) = value else { return Ok(None) };
    let read = |(name, value): (String, Value)| {
        let number = name.parse().or_else(|_| hex::number(&Value::String(name)))?;
        Ok::<_, String>((number, hex::hash(&value)?))
    };
    hashes.into_iter().map(read).collect::<Result<_, _>>().map(Some)
}

fn address(value: &Value) -> Result<(), String> {
    hex::address(value).map(drop)
}

fn hash(value: &Value) -> Result<(), String> {
    hex::hash(value).map(drop)
}

fn number(value: &Value) -> Result<(), String> {
    hex::number(value).map(drop)
}

fn word(value: &Value) -> Result<(), String> {
    hex::word(value).map(drop)
}

fn data(value: &Value) -> Result<(), String> {
    hex::data(value).map(drop)
}

/// Blocks of this chain hold none.
fn no_withdrawals(value: &Value) -> Result<(), String> {
    let none = value.as_array().is_some_and(Vec::is_empty);
    if none { Ok(()) } else { Err("blocks of this chain have no withdrawals".to_owned()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy::primitives::U256;
    use serde_json::json;

    use super::*;

    #[test]
    fn message_names_the_field_that_it_refuses() {
        let read = |value| serde_json::from_value::<Message>(value);
        let error = read(json!({"gas": "0x05208"})).unwrap_err();
        assert_eq!(error.to_string(), "gas: hex number with leading zero digits");
        assert!(read(json!({"to": null, "value": "0x1", "unknown": 7})).is_ok());
        assert!(read(json!({"value": 1})).is_err() && read(json!("0x")).is_err());
    }

    #[test]
    fn block_hashes_are_named_by_number() {
        let word = B256::repeat_byte(3);
        let read: BlockChanges =
            serde_json::from_value(json!({"number": "0x9", "blockHash": {"0x7": word, "8": word}})).unwrap();
        assert_eq!(read.0.number, Some(U256::from(9)));
        assert_eq!(read.0.block_hash, Some([(7, word), (8, word)].into()));
        assert!(serde_json::from_value::<BlockChanges>(json!({"blockHash": {"x": word}})).is_err());
    }

    #[test]
    fn overridden_accounts_are_named() {
        let read = |value| serde_json::from_value::<StateChanges>(value);
        let account = "0x7777777777777777777777777777777777777777";
        assert_eq!(read(json!({account: {"balance": "0x5"}})).unwrap().0.len(), 1);
        let error = read(json!({account: {"balance": "5"}})).unwrap_err().to_string();
        assert_eq!(error, format!("{account}: balance: hex string without 0x prefix"));
        assert!(read(json!({"0x7": {}})).is_err());
    }
}
