//! Block hashes for the BLOCKHASH opcode, out of the state itself.

use alloy_consensus::Header;
use alloy_eips::eip2935::{HISTORY_SERVE_WINDOW, HISTORY_STORAGE_ADDRESS};
use alloy_evm::Database;
use alloy_primitives::{Address, B256, U256};
use op_revm::OpSpecId;
use revm::{bytecode::Bytecode, state::AccountInfo};

use crate::Rules;

/// A state that knows the hashes of earlier blocks, as the history contract keeps them (EIP-2935).
///
/// With this a block depends on its parent's header and state alone: not on how many headers a node keeps. Before
/// Isthmus there is no such contract, and the database is asked.
#[derive(Debug)]
pub(crate) struct WithHashes<DB> {
    db: DB,
    in_state: bool,
    parent_number: u64,
    parent_hash: B256,
}

impl<DB> WithHashes<DB> {
    /// For the block of `header`, on the state before it.
    pub(crate) const fn new(db: DB, rules: &Rules, header: &Header) -> Self {
        Self {
            db,
            in_state: rules.spec().is_enabled_in(OpSpecId::ISTHMUS),
            parent_number: header.number.saturating_sub(1),
            parent_hash: header.parent_hash,
        }
    }
}

impl<DB: Database> revm::Database for WithHashes<DB> {
    type Error = DB::Error;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        self.db.basic(address)
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Self::Error> {
        self.db.code_by_hash(hash)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        self.db.storage(address, slot)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Self::Error> {
        if !self.in_state {
            return self.db.block_hash(number);
        }
        // The contract learns the parent's hash in this very block, after the state that `db` shows.
        if number == self.parent_number {
            return Ok(self.parent_hash);
        }
        let slot = U256::from(number) % U256::from(HISTORY_SERVE_WINDOW);
        self.db.storage(HISTORY_STORAGE_ADDRESS, slot).map(B256::from)
    }
}
