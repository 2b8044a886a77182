//! What must hold for a conditional transaction (OP specification, "Conditional Transactions").
//!
//! A condition is judged twice: against the head, before the transaction enters the pool, and against the open block and
//! the state right before the transaction, when a block would take it.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256};
use lockstep_primitives::Header;
use lockstep_state::StateError;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::Value;

use super::hex::{self, Number};

/// What must hold of the chain; bounds are inclusive. As JSON it is what clients send.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    known_accounts: Accounts,
    block_number_min: Option<Number>,
    block_number_max: Option<Number>,
    timestamp_min: Option<Number>,
    timestamp_max: Option<Number>,
}

/// What must hold of accounts, by address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
struct Accounts(BTreeMap<Address, Known>);

/// What must hold of one account's storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
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

/// The state that a condition is judged by.
pub(crate) trait Storage {
    /// Why it cannot be read.
    type Error;

    fn root(&mut self, account: Address) -> Result<B256, Self::Error>;
    fn slot(&mut self, account: Address, slot: U256) -> Result<U256, Self::Error>;
}

impl Storage for &lockstep_state::Overlay {
    type Error = StateError;

    fn root(&mut self, account: Address) -> Result<B256, StateError> {
        self.storage_root(account)
    }

    fn slot(&mut self, account: Address, slot: U256) -> Result<U256, StateError> {
        self.storage(account, slot)
    }
}

impl Condition {
    /// Whether the bounds leave anything between them.
    pub(super) fn check_bounds(&self) -> Result<(), String> {
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

    /// Look-ups that it takes: one per storage root, slot and kind of bound, and for an account without slots.
    pub(crate) fn cost(&self) -> usize {
        let of_account = |known: &Known| match known {
            Known::Root(_) => 1,
            Known::Slots(slots) => slots.len().max(1),
        };
        let accounts: usize = self.known_accounts.0.values().map(of_account).sum();
        let numbers = self.block_number_min.is_some() || self.block_number_max.is_some();
        let times = self.timestamp_min.is_some() || self.timestamp_max.is_some();
        accounts + usize::from(numbers) + usize::from(times)
    }

    /// Whether it names storage roots.
    pub(crate) fn has_roots(&self) -> bool {
        self.known_accounts.0.values().any(|known| matches!(known, Known::Root(_)))
    }

    /// Whether it holds for the block of `header` and that state, or what does not.
    pub(crate) fn holds<S: Storage>(
        &self,
        header: &Header,
        storage: &mut S,
    ) -> Result<Result<(), String>, S::Error> {
        let Header { number, timestamp, .. } = *header;
        if is_outside(number, &self.block_number_min, &self.block_number_max) {
            return Ok(Err(format!("failed header check: block number {number} outside the bounds")));
        }
        if is_outside(timestamp, &self.timestamp_min, &self.timestamp_max) {
            return Ok(Err(format!("failed header check: timestamp {timestamp} outside the bounds")));
        }
        for (account, known) in &self.known_accounts.0 {
            if !known.is_so(*account, storage)? {
                return Ok(Err(format!("failed state check: storage of {account} differs")));
            }
        }
        Ok(Ok(()))
    }
}

impl Known {
    fn is_so<S: Storage>(&self, account: Address, storage: &mut S) -> Result<bool, S::Error> {
        match self {
            Self::Root(root) => Ok(storage.root(account)? == *root),
            Self::Slots(slots) => {
                for (slot, value) in slots {
                    if storage.slot(account, (*slot).into())? != U256::from_be_bytes(value.0) {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }
}

fn is_outside(value: u64, min: &Option<Number>, max: &Option<Number>) -> bool {
    min.as_ref().is_some_and(|min| value < min.0) || max.as_ref().is_some_and(|max| value > max.0)
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
        type Error = StateError;

        fn root(&mut self, account: Address) -> Result<B256, StateError> {
            Ok(if account == ACCOUNT { B256::repeat_byte(2) } else { EMPTY_ROOT_HASH })
        }

        fn slot(&mut self, account: Address, slot: U256) -> Result<U256, StateError> {
            Ok(if account == ACCOUNT && slot == U256::from(1) { U256::from(5) } else { U256::ZERO })
        }
    }

    fn read(json: Value) -> Condition {
        serde_json::from_value(json).unwrap()
    }

    fn holds(json: Value) -> bool {
        let header = Header { number: 10, timestamp: 100, ..Header::default() };
        read(json).holds(&header, &mut One).unwrap().is_ok()
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
        assert_eq!(read(json!({"knownAccounts": {ACCOUNT.to_string(): {}}})).cost(), 1);
        assert!(condition.check_bounds().is_ok());
        assert!(read(json!({"blockNumberMin": "0x2", "blockNumberMax": "0x1"})).check_bounds().is_err());
        assert!(read(json!({"timestampMin": "0x2", "timestampMax": "0x1"})).check_bounds().is_err());
    }

    #[test]
    fn a_condition_reads_back_as_it_was_written() {
        for json in [
            json!({}),
            json!({"knownAccounts": {ACCOUNT.to_string(): {word(1): word(5)}, Address::ZERO.to_string(): word(2)}}),
            json!({"blockNumberMin": "0x0", "blockNumberMax": "0xa", "timestampMin": "0x1", "timestampMax": "0x64"}),
        ] {
            let condition = read(json);
            assert_eq!(read(serde_json::to_value(&condition).unwrap()), condition);
        }
    }
}
