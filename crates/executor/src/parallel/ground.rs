//! Reading: cells first, the database below them.

use alloy_primitives::{Address, U256};
use revm::{DatabaseRef, state::AccountInfo};

use super::cells::{AccountCell, Cells, Seq};
use crate::flat::has_no_code;

/// The state of a block: cells above a database.
#[derive(Debug)]
pub(crate) struct Ground<'a, D> {
    pub(crate) cells: &'a Cells,
    pub(crate) base: &'a D,
}

impl<D> Clone for Ground<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for Ground<'_, D> {}

impl<D: DatabaseRef> Ground<'_, D> {
    /// The account of `cell` before the block, with its code.
    pub(crate) fn before<'c>(&self, cell: &'c AccountCell) -> Result<&'c Option<AccountInfo>, D::Error> {
        cell.base(|| load(self.base, cell.address))
    }

    /// The account of `cell` as `seq` sees it, with its code.
    pub(crate) fn account(&self, cell: u32, seq: Seq) -> Result<Option<AccountInfo>, D::Error> {
        let cell = self.cells.account(cell);
        let mut account = cell.at(seq, self.before(cell)?);
        add_code(self.base, &mut account)?;
        Ok(account)
    }

    /// The account of `cell` as `seq` sees it, without its code.
    pub(crate) fn bare_account(&self, cell: u32, seq: Seq) -> Result<Option<AccountInfo>, D::Error> {
        let cell = self.cells.account(cell);
        Ok(cell.bare_at(seq, self.before(cell)?))
    }

    /// The account of `address` as `seq` sees it, with its code.
    pub(crate) fn account_of(&self, address: &Address, seq: Seq) -> Result<Option<AccountInfo>, D::Error> {
        match self.cells.find_account(address) {
            Some(cell) => self.account(cell, seq),
            None => load(self.base, *address),
        }
    }

    /// The slot of `cell` as `seq` sees it.
    pub(crate) fn slot(&self, cell: u32, seq: Seq) -> Result<U256, D::Error> {
        let cell = self.cells.slot(cell);
        let account = self.cells.account(cell.account);
        cell.at(seq, account, || self.base.storage_ref(account.address, cell.slot))
    }

    /// A slot of `address` as `seq` sees it.
    pub(crate) fn slot_of(&self, address: &Address, slot: U256, seq: Seq) -> Result<U256, D::Error> {
        let Some(account) = self.cells.find_account(address) else {
            return self.base.storage_ref(*address, slot);
        };
        match self.cells.find_slot(account, slot) {
            Some(cell) => self.slot(cell, seq),
            None if self.cells.account(account).wiped_before(seq).is_some() => Ok(U256::ZERO),
            None => self.base.storage_ref(*address, slot),
        }
    }
}

/// An account of a database, its code always with it.
fn load<D: DatabaseRef>(base: &D, address: Address) -> Result<Option<AccountInfo>, D::Error> {
    let mut account = base.basic_ref(address)?;
    add_code(base, &mut account)?;
    Ok(account.map(|info| AccountInfo { account_id: None, ..info }))
}

fn add_code<D: DatabaseRef>(base: &D, account: &mut Option<AccountInfo>) -> Result<(), D::Error> {
    if let Some(info) = account
        && info.code.is_none()
        && !has_no_code(info)
    {
        info.code = Some(base.code_by_hash_ref(info.code_hash)?);
    }
    Ok(())
}
