//! The state of a block on one thread: a flat cache over a base.

mod tables;

use std::sync::Arc;

use alloy_primitives::{Address, B256, U256};
use parking_lot::Mutex;
use revm::{
    Database, DatabaseRef,
    bytecode::Bytecode,
    database_interface::DBErrorMarker,
    state::{AccountInfo, EvmState},
};
use smallvec::SmallVec;

use crate::{Changes, Transfer};
use tables::Tables;
pub(crate) use tables::has_no_code;

/// State to read from.
pub(crate) trait Base {
    /// Why reading fails.
    type Error: DBErrorMarker;

    /// An account, `None` if there is no such account.
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error>;

    /// A slot of an account that exists.
    fn slot(&self, address: Address, slot: U256) -> Result<U256, Self::Error>;

    /// A code that an account has.
    fn code(&self, hash: B256) -> Result<Bytecode, Self::Error>;

    /// The hash of an earlier block.
    fn block_hash(&self, number: u64) -> Result<B256, Self::Error>;
}

impl<D: DatabaseRef> Base for &D {
    type Error = D::Error;

    fn account(&self, address: Address) -> Result<Option<AccountInfo>, D::Error> {
        self.basic_ref(address)
    }

    fn slot(&self, address: Address, slot: U256) -> Result<U256, D::Error> {
        self.storage_ref(address, slot)
    }

    fn code(&self, hash: B256) -> Result<Bytecode, D::Error> {
        self.code_by_hash_ref(hash)
    }

    fn block_hash(&self, number: u64) -> Result<B256, D::Error> {
        self.block_hash_ref(number)
    }
}

/// Memory of a [`Flat`] that is over, for the next one.
#[derive(Debug, Default)]
pub(crate) struct Spare(Mutex<Option<Tables>>);

/// The state of a block: what was read of the base, and what became of it.
///
/// An account is found by hashing when a transaction loads it; [`AccountInfo::account_id`] carries its place back to
/// [`Self::commit`]. All slots share one map, so an account with two slots allocates nothing of its own.
#[derive(Debug)]
pub(crate) struct Flat<B> {
    base: B,
    tables: Tables,
    spare: Arc<Spare>,
}

impl<B> Flat<B> {
    /// Nothing different from `base`.
    pub(crate) fn new(base: B, spare: &Arc<Spare>) -> Self {
        let tables = spare.0.lock().take().unwrap_or_default();
        Self { base, tables, spare: Arc::clone(spare) }
    }

    /// Takes over what a transaction that ran on this database left behind in `state`, which means nothing after.
    ///
    /// Before EIP-161 an account that a transaction touched exists even if it is empty; revm says so by marking it as
    /// created, so that nothing here depends on the fork.
    pub(crate) fn commit(&mut self, state: &mut EvmState) {
        for (address, account) in state.iter_mut().filter(|(_, account)| account.is_touched()) {
            self.tables.commit(*address, account);
        }
    }

    /// Takes over changes that were made elsewhere, on top of the state as it is here.
    pub(crate) fn apply(&mut self, changes: Changes) {
        self.tables.apply(changes);
    }

    /// An account as it is, if it was read or changed and there is one.
    pub(crate) fn account(&self, address: Address) -> Option<AccountInfo> {
        self.tables.info(self.tables.find(&address)?)
    }

    /// What is different from the base.
    pub(crate) fn changes(&self) -> Changes {
        self.tables.changes()
    }

    /// What is different from the base. Nothing is left here.
    pub(crate) fn take_changes(&mut self) -> Changes {
        self.tables.take_changes()
    }
}

impl<B: Base> Flat<B> {
    /// Carries out a plain transfer of `from`, if the state allows it; otherwise nothing happens.
    pub(crate) fn transfer(
        &mut self,
        from: Address,
        transfer: &Transfer,
        fee_accounts: &[Address],
    ) -> Result<bool, B::Error> {
        let (sender, recipient) = (self.place(from)?, self.place(transfer.to)?);
        let mut paid = SmallVec::<[u32; 4]>::new();
        for address in fee_accounts.iter().take(transfer.rewards.len()) {
            paid.push(self.place(*address)?);
        }
        Ok(self.tables.transfer(sender, recipient, transfer, &paid))
    }

    /// Where `address` is kept.
    #[inline]
    fn place(&mut self, address: Address) -> Result<u32, B::Error> {
        self.tables.find_or(address, || self.base.account(address))
    }
}

impl<B> Drop for Flat<B> {
    fn drop(&mut self) {
        let mut tables = std::mem::take(&mut self.tables);
        if tables.is_worth_keeping() {
            tables.clear();
            *self.spare.0.lock() = Some(tables);
        }
    }
}

impl<B: Base> Database for Flat<B> {
    type Error = B::Error;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, B::Error> {
        let place = self.place(address)?;
        Ok(self.tables.info(place))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, B::Error> {
        if let Some(code) = self.tables.codes.get(&hash) {
            return Ok(code.clone());
        }
        let code = self.base.code(hash)?;
        self.tables.codes.insert(hash, code.clone());
        Ok(code)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, B::Error> {
        let place = match self.tables.last {
            Some((last, place)) if last == address => place,
            _ => {
                let place = self.place(address)?;
                self.tables.last = Some((address, place));
                place
            }
        };
        self.tables.slot_or(place, slot, || self.base.slot(address, slot))
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, B::Error> {
        if let Some(hash) = self.tables.hashes.get(&number) {
            return Ok(*hash);
        }
        let hash = self.base.block_hash(number)?;
        self.tables.hashes.insert(number, hash);
        Ok(hash)
    }
}
