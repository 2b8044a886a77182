//! Block hashes for the BLOCKHASH opcode, out of the state itself.

use alloy_consensus::Header;
use alloy_eips::eip2935::{HISTORY_SERVE_WINDOW, HISTORY_STORAGE_ADDRESS};
use alloy_evm::Database;
use alloy_primitives::{Address, B256, U256};
use op_revm::OpSpecId;
use revm::{DatabaseRef, bytecode::Bytecode, state::AccountInfo};

use crate::Rules;

/// The state before a block, with the hashes of earlier blocks as the history contract keeps them (EIP-2935).
///
/// With this a block depends on its parent's header and state alone: not on how many headers a node keeps. Before
/// Isthmus there is no such contract, and the database is asked. What [`BlockBuilder`](crate::BlockBuilder) puts
/// around its database; public for executors that must give BLOCKHASH the same answers.
#[derive(Clone, Debug)]
pub struct WithHashes<DB> {
    db: DB,
    in_state: bool,
    parent_number: u64,
    parent_hash: B256,
}

impl<DB> WithHashes<DB> {
    /// For the block of `header`, of which number and parent hash matter, on the state before it.
    pub const fn new(db: DB, rules: &Rules, header: &Header) -> Self {
        Self {
            db,
            in_state: rules.spec().is_enabled_in(OpSpecId::ISTHMUS),
            parent_number: header.number.saturating_sub(1),
            parent_hash: header.parent_hash,
        }
    }

    const fn place(&self, number: u64) -> Place {
        if !self.in_state {
            return Place::Database;
        }
        // The contract learns the parent's hash in this very block, after the state that `db` shows.
        if number == self.parent_number {
            return Place::Known(self.parent_hash);
        }
        Place::Slot(number % HISTORY_SERVE_WINDOW as u64)
    }
}

/// Where a block's hash is.
enum Place {
    Known(B256),
    /// In the history contract.
    Slot(u64),
    Database,
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
        match self.place(number) {
            Place::Known(hash) => Ok(hash),
            Place::Slot(slot) => self.db.storage(HISTORY_STORAGE_ADDRESS, U256::from(slot)).map(B256::from),
            Place::Database => self.db.block_hash(number),
        }
    }
}

impl<DB: DatabaseRef> DatabaseRef for WithHashes<DB> {
    type Error = DB::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        self.db.basic_ref(address)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Self::Error> {
        self.db.code_by_hash_ref(hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        self.db.storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        match self.place(number) {
            Place::Known(hash) => Ok(hash),
            Place::Slot(slot) => {
                self.db.storage_ref(HISTORY_STORAGE_ADDRESS, U256::from(slot)).map(B256::from)
            }
            Place::Database => self.db.block_hash_ref(number),
        }
    }
}
