//! `eth_sendRawTransactionConditional` (OP specification, "Conditional Transactions"): a transaction that enters the
//! pool only while its sender's view of the chain holds.
//!
//! The condition is judged once, against the head. A transaction that entered is one like any other: it may still be
//! included after its condition ceased to hold.

use std::collections::BTreeMap;

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, U256};
use lockstep_primitives::Header;
use lockstep_state::StateError;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use super::{
    api::Api,
    args::Args,
    error::RpcError,
    hex::{self, Data, Number},
};

/// Most look-ups that a condition may take.
const MAX_COST: usize = 1_000;
/// OP's code for a condition that does not hold.
const REJECTED: i32 = -32_003;
/// OP's code for a condition that takes too many look-ups.
const TOO_COSTLY: i32 = -32_005;

/// What must hold of the chain; bounds are inclusive.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    known_accounts: Accounts,
    block_number_min: Option<Number>,
    block_number_max: Option<Number>,
    timestamp_min: Option<Number>,
    timestamp_max: Option<Number>,
}

/// What must hold of accounts, by address.
#[derive(Clone, Debug, Default)]
struct Accounts(BTreeMap<Address, Known>);

/// What must hold of one account's storage.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    Root(B256),
    Slots(BTreeMap<B256, B256>),
}

impl<'de> Deserialize<'de> for Accounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let accounts: Option<BTreeMap<String, Known>> = Option::deserialize(deserializer)?;
        let read = |(address, known)| Ok((hex::address(&Value::String(address))?, known));
        let accounts = accounts.into_iter().flatten().map(read).collect::<Result<_, String>>();
        accounts.map(Self).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Known {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let Value::Object(slots) = value else {
            return hex::hash(&value).map(Self::Root).map_err(D::Error::custom);
        };
        let read = |(slot, value)| Ok((hex::hash(&Value::String(slot))?, hex::hash(&value)?));
        let slots = slots.into_iter().map(read).collect::<Result<_, String>>();
        slots.map(Self::Slots).map_err(D::Error::custom)
    }
}

/// What a condition is judged by.
trait Storage {
    fn root(&self, account: Address) -> Result<B256, StateError>;
    fn slot(&self, account: Address, slot: U256) -> Result<U256, StateError>;
}

impl Storage for lockstep_state::Overlay {
    fn root(&self, account: Address) -> Result<B256, StateError> {
        self.storage_root(account)
    }

    fn slot(&self, account: Address, slot: U256) -> Result<U256, StateError> {
        self.storage(account, slot)
    }
}

impl Condition {
    /// Whether the bounds leave anything between them.
    fn check_bounds(&self) -> Result<(), String> {
        let reversed = |min: &Option<Number>, max: &Option<Number>| match (min, max) {
            (Some(min), Some(max)) => min.0 > max.0,
            _ => false,
        };
        if reversed(&self.block_number_min, &self.block_number_max) {
            return Err("block number minimum constraint must be less than the maximum".to_owned());
        }
        if reversed(&self.timestamp_min, &self.timestamp_max) {
            return Err("timestamp minimum constraint must be less than the maximum".to_owned());
        }
        Ok(())
    }

    /// Look-ups that it takes: one per storage root, slot and kind of bound.
    fn cost(&self) -> usize {
        let of_account = |known: &Known| match known {
            Known::Root(_) => 1,
            Known::Slots(slots) => slots.len(),
        };
        let accounts: usize = self.known_accounts.0.values().map(of_account).sum();
        let numbers = self.block_number_min.is_some() || self.block_number_max.is_some();
        let times = self.timestamp_min.is_some() || self.timestamp_max.is_some();
        accounts + usize::from(numbers) + usize::from(times)
    }

    /// Whether it holds after the block of `header`, or what does not.
    fn holds(&self, header: &Header, storage: &impl Storage) -> Result<Result<(), String>, StateError> {
        let outside = |value: u64, min: &Option<Number>, max: &Option<Number>| {
            min.as_ref().is_some_and(|min| value < min.0) || max.as_ref().is_some_and(|max| value > max.0)
        };
        if outside(header.number, &self.block_number_min, &self.block_number_max) {
            return Ok(Err(format!(
                "failed header check: block number {} outside the bounds",
                header.number
            )));
        }
        if outside(header.timestamp, &self.timestamp_min, &self.timestamp_max) {
            return Ok(Err(format!(
                "failed header check: timestamp {} outside the bounds",
                header.timestamp
            )));
        }
        for (account, known) in &self.known_accounts.0 {
            let same = match known {
                Known::Root(root) => storage.root(*account)? == *root,
                Known::Slots(slots) => {
                    let mut same = true;
                    for (slot, value) in slots {
                        same &= storage.slot(*account, (*slot).into())? == U256::from_be_bytes(value.0);
                    }
                    same
                }
            };
            if !same {
                return Ok(Err(format!("failed state check: storage of {account} differs")));
            }
        }
        Ok(Ok(()))
    }
}

pub(super) async fn send_raw_conditional(api: &Api, mut args: Args) -> Result<B256, RpcError> {
    let Data(raw) = args.required("transaction")?;
    let condition: Condition = args.required("condition")?;
    args.end()?;
    condition.check_bounds().map_err(|text| rejected(format!("failed conditional validation: {text}")))?;
    let cost = condition.cost();
    if cost > MAX_COST {
        let text = format!("conditional cost, {cost}, exceeded max: {MAX_COST}");
        return Err(RpcError::Coded { code: TOO_COSTLY, text });
    }
    let header = api.header(BlockId::latest()).await?.header;
    let block = BlockId::number(header.number);
    api.with_state(block, move |state| condition.holds(&header, state)?.map_err(rejected)).await?;
    Ok(api.context.pool.submit(raw).await?)
}

fn rejected(text: String) -> RpcError {
    RpcError::Coded { code: REJECTED, text }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy::consensus::constants::EMPTY_ROOT_HASH;
    use serde_json::json;

    use super::*;

    const ACCOUNT: Address = Address::repeat_byte(7);

    /// Slot 1 of [`ACCOUNT`] is 5, its root is all twos; nothing else is known.
    struct One;

    impl Storage for One {
        fn root(&self, account: Address) -> Result<B256, StateError> {
            Ok(if account == ACCOUNT { B256::repeat_byte(2) } else { EMPTY_ROOT_HASH })
        }

        fn slot(&self, account: Address, slot: U256) -> Result<U256, StateError> {
            Ok(if account == ACCOUNT && slot == U256::from(1) { U256::from(5) } else { U256::ZERO })
        }
    }

    fn read(json: Value) -> Condition {
        serde_json::from_value(json).unwrap()
    }

    fn holds(json: Value) -> bool {
        let header = Header { number: 10, timestamp: 100, ..Header::default() };
        read(json).holds(&header, &One).unwrap().is_ok()
    }

    fn word(n: u8) -> String {
        B256::with_last_byte(n).to_string()
    }

    #[test]
    fn bounds_are_inclusive() {
        assert!(holds(json!({})));
        assert!(holds(json!({"blockNumberMin": "0xa", "blockNumberMax": "0xa"})));
        assert!(!holds(json!({"blockNumberMin": "0xb"})));
        assert!(!holds(json!({"blockNumberMax": "0x9"})));
        assert!(holds(json!({"timestampMin": "0x64", "timestampMax": "0x64"})));
        assert!(!holds(json!({"timestampMin": "0x65"})));
        assert!(!holds(json!({"timestampMax": "0x63"})));
    }

    #[test]
    fn accounts_are_known_by_root_or_by_slots() {
        let known = |known: Value| json!({"knownAccounts": {ACCOUNT.to_string(): known}});
        assert!(holds(known(json!(B256::repeat_byte(2)))));
        assert!(!holds(known(json!(B256::repeat_byte(3)))));
        assert!(holds(known(json!({word(1): word(5), word(2): word(0)}))));
        assert!(!holds(known(json!({word(1): word(5), word(2): word(1)}))));
        assert!(holds(known(json!({}))));
    }

    #[test]
    fn cost_counts_lookups() {
        let slots: serde_json::Map<_, _> = (0..4).map(|n| (word(n), json!(word(n)))).collect();
        let condition = read(json!({
            "knownAccounts": {ACCOUNT.to_string(): slots, Address::ZERO.to_string(): word(1)},
            "blockNumberMin": "0x1", "blockNumberMax": "0x2", "timestampMax": "0x1",
        }));
        assert_eq!(condition.cost(), 7);
        assert!(condition.check_bounds().is_ok());
        assert!(read(json!({"blockNumberMin": "0x2", "blockNumberMax": "0x1"})).check_bounds().is_err());
        assert!(read(json!({"timestampMin": "0x2", "timestampMax": "0x1"})).check_bounds().is_err());
    }
}
