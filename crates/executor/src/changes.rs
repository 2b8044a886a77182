//! What a block did to the state.

use alloy_primitives::{
    Address, B256, KECCAK256_EMPTY, U256,
    map::{AddressMap, B256Map},
};
use revm::{
    bytecode::Bytecode,
    database::{AccountStatus, BundleAccount, BundleState, states::StorageSlot},
    state::AccountInfo,
};

/// One slot's change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotChange {
    /// The slot.
    pub slot: U256,
    /// Value before the block.
    pub before: U256,
    /// Value after it.
    pub after: U256,
}

/// One account's change. Codes are in [`Changes::codes`]; `code` is `None` in both infos.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// The account before the block, if there was one.
    pub before: Option<AccountInfo>,
    /// The account after it, if there is one.
    pub after: Option<AccountInfo>,
    /// The account before the block was destroyed: slots that are not in `slots` are zero now.
    pub wiped: bool,
    /// Slots whose value changed, sorted; after a wipe, those that are not zero, with `before` zero.
    pub slots: Vec<SlotChange>,
}

/// What a block did to the state: only what is different after it.
///
/// There is one way to write each change down, so two blocks did the same if and only if their changes are equal.
/// What came and went within the block leaves no trace, with one exception: an account that was there before and was
/// destroyed stays listed when it is made again, since its old storage is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Changed accounts.
    pub accounts: AddressMap<AccountChange>,
    /// New codes by hash: those of accounts that have another code than before, or had none.
    pub codes: B256Map<Bytecode>,
}

impl AccountChange {
    /// The change from `before` to `after`, or `None` if there is none. `destroyed`: the account was gone at some
    /// point in between (SELFDESTRUCT, EIP-161), so that nothing of the storage that it had before is left. `slots`
    /// may hold unchanged ones; each slot once.
    #[must_use]
    pub fn new(
        before: Option<AccountInfo>,
        after: Option<AccountInfo>,
        destroyed: bool,
        mut slots: Vec<SlotChange>,
    ) -> Option<Self> {
        // Neither the code nor the place where a database keeps the account is part of its change.
        let bare = |info| AccountInfo { code: None, account_id: None, ..info };
        let (before, after) = (before.map(bare), after.map(bare));
        let wiped = before.is_some() && (destroyed || after.is_none());
        if after.is_none() {
            slots.clear();
        }
        if wiped || before.is_none() {
            slots.iter_mut().for_each(|slot| slot.before = U256::ZERO);
        }
        slots.retain(|slot| slot.before != slot.after);
        if !wiped && slots.is_empty() && before == after {
            return None;
        }
        slots.sort_unstable_by_key(|slot| slot.slot);
        Some(Self { before, after, wiped, slots })
    }

    /// The hash of the account's new code, if it has one.
    fn new_code(&self) -> Option<B256> {
        let hash = self.after.as_ref()?.code_hash;
        let had = self.before.as_ref().map(|before| before.code_hash);
        (had != Some(hash) && hash != KECCAK256_EMPTY && !hash.is_zero()).then_some(hash)
    }

    fn into_bundle(self, codes: &B256Map<Bytecode>) -> BundleAccount {
        let code = self.new_code().and_then(|hash| codes.get(&hash).cloned());
        let status = match (&self.before, &self.after) {
            (_, None) => AccountStatus::Destroyed,
            (_, Some(_)) if self.wiped => AccountStatus::DestroyedChanged,
            (None, Some(_)) => AccountStatus::InMemoryChange,
            (Some(_), Some(_)) => AccountStatus::Changed,
        };
        let slots = self.slots.into_iter();
        let storage =
            slots.map(|slot| (slot.slot, StorageSlot::new_changed(slot.before, slot.after))).collect();
        let after = self.after.map(|after| AccountInfo { code, ..after });
        BundleAccount::new(self.before, after, storage, status)
    }

    fn from_bundle(account: &BundleAccount) -> Option<Self> {
        let slots = account.storage.iter().map(|(slot, value)| SlotChange {
            slot: *slot,
            before: value.previous_or_original_value,
            after: value.present_value,
        });
        let info = |info: &Option<AccountInfo>| info.as_ref().map(AccountInfo::copy_without_code);
        Self::new(info(&account.original_info), info(&account.info), account.was_destroyed(), slots.collect())
    }
}

impl Changes {
    /// Whether nothing is different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Adds what became of `address`; the code of a changed account is asked for by hash.
    pub(crate) fn insert(
        &mut self,
        address: Address,
        change: AccountChange,
        code: impl FnOnce(&B256) -> Option<Bytecode>,
    ) {
        if let Some(hash) = change.new_code()
            && !self.codes.contains_key(&hash)
            && let Some(code) = code(&hash)
        {
            self.codes.insert(hash, code);
        }
        self.accounts.insert(address, change);
    }

    /// As revm's bundle of one block, without reverts.
    #[must_use]
    pub fn into_bundle(self) -> BundleState {
        let Self { accounts, codes } = self;
        let mut bundle = BundleState::default();
        bundle.state.reserve(accounts.len());
        for (address, change) in accounts {
            let account = change.into_bundle(&codes);
            bundle.state_size += account.size_hint();
            bundle.state.insert(address, account);
        }
        bundle.contracts = codes;
        bundle
    }

    /// What of revm's `bundle` is different after it.
    #[must_use]
    pub fn from_bundle(bundle: &BundleState) -> Self {
        let mut changes = Self::default();
        for (address, account) in &bundle.state {
            let Some(change) = AccountChange::from_bundle(account) else { continue };
            changes.insert(*address, change, |hash| {
                let own = || account.info.as_ref().and_then(|info| info.code.clone());
                bundle.contracts.get(hash).cloned().or_else(own)
            });
        }
        changes
    }
}
