//! Values of slots that addresses are found in.

use alloy_primitives::{Address, U256, map::HashMap};

/// Slots remembered at most.
pub(super) const MAX_SLOTS: usize = 1 << 16;

/// What slots held when they were last seen: the pair's tokens, the proxy's implementation.
///
/// Two generations of at most half the limit each: what is not seen again while a generation fills up is forgotten.
#[derive(Debug, Default)]
pub(super) struct Memory {
    young: HashMap<(Address, U256), U256>,
    old: HashMap<(Address, U256), U256>,
}

impl Memory {
    pub(super) fn get(&self, address: Address, slot: U256) -> Option<U256> {
        let place = (address, slot);
        self.young.get(&place).or_else(|| self.old.get(&place)).copied()
    }

    pub(super) fn put(&mut self, address: Address, slot: U256, value: U256) {
        if self.young.len() >= MAX_SLOTS / 2 {
            self.old = core::mem::take(&mut self.young);
        }
        self.young.insert((address, slot), value);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
