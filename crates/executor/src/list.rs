//! The block access list in the making (EIP-7928).

use alloy_primitives::Address;
use revm::state::{
    Account,
    bal::{Bal, BalIndex},
};

/// What the included transactions of a block touched, with the values after each of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct List {
    bal: Bal,
    /// Of the transaction that was included last; the first has 1.
    index: BalIndex,
}

impl List {
    /// An empty list that goes on where this one ends.
    pub(crate) fn next(&self) -> Self {
        Self { bal: Bal::new(), index: self.index }
    }

    /// The next transaction is included.
    pub(crate) const fn include(&mut self) {
        self.index += 1;
    }

    /// That transaction loaded `account`, which is as it was before and after it.
    pub(crate) fn touched(&mut self, address: Address, account: &Account) {
        self.bal.update_account(self.index, address, account);
    }

    /// Adds what [`Self::next`] became.
    pub(crate) fn append(&mut self, later: Self) {
        self.index = later.index;
        append(&mut self.bal, later.bal, 0);
    }

    pub(crate) fn into_bal(self) -> Bal {
        self.bal
    }
}

/// Adds to `bal` what was recorded on the state after it; `later` counts from `offset`.
pub(crate) fn append(bal: &mut Bal, later: Bal, offset: BalIndex) {
    for (address, mut account) in later.accounts {
        if offset > 0 {
            let info = &mut account.account_info;
            info.balance.writes.iter_mut().for_each(|(index, _)| *index += offset);
            info.nonce.writes.iter_mut().for_each(|(index, _)| *index += offset);
            info.code.writes.iter_mut().for_each(|(index, _)| *index += offset);
            let slots = account.storage.storage.values_mut();
            slots.for_each(|slot| slot.writes.iter_mut().for_each(|(index, _)| *index += offset));
        }
        let known = bal.accounts.entry(address).or_default();
        known.account_info.extend(account.account_info);
        known.storage.extend(account.storage);
    }
}
