//! The L2 genesis block: a pure function of the rollup configuration.

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header, constants::EMPTY_WITHDRAWALS};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{B64, B256, Bytes, U256};
use alloy_trie::{
    EMPTY_ROOT_HASH, TrieAccount,
    root::{state_root_unhashed, storage_root_unhashed},
};
use lockstep_contracts::{GenesisAccount, GenesisAlloc, GenesisParams, genesis_alloc};

use crate::{BlockNumber, L2BlockRef, RollupConfig, output_root, predeploys};

/// The L2 genesis: accounts, header and hash.
#[derive(Clone, Debug)]
pub struct Genesis {
    /// Accounts that exist at block 0.
    pub alloc: GenesisAlloc,
    /// Header of block 0.
    pub header: Header,
    /// Hash of `header`.
    pub hash: B256,
}

impl Genesis {
    /// Builds the genesis of `config`.
    #[must_use]
    pub fn new(config: &RollupConfig) -> Self {
        let mut alloc =
            genesis_alloc(&GenesisParams { l1_standard_bridge: config.contracts.standard_bridge });
        for funded in &config.chain.accounts {
            alloc.entry(funded.address).or_default().balance += funded.balance;
        }
        let header = header(config, &alloc);
        let hash = header.hash_slow();
        Self { alloc, header, hash }
    }

    /// Block 0's place above L1.
    #[must_use]
    pub const fn block_ref(&self, config: &RollupConfig) -> L2BlockRef {
        L2BlockRef {
            number: BlockNumber(0),
            hash: self.hash,
            parent_hash: B256::ZERO,
            timestamp: self.header.timestamp,
            l1_origin: config.genesis.l1,
            sequence_number: 0,
        }
    }

    /// Version-0 output root of block 0.
    #[must_use]
    pub fn output_root(&self) -> B256 {
        output_root(self.header.state_root, self.header.withdrawals_root.unwrap_or_default(), self.hash)
    }
}

fn header(config: &RollupConfig, alloc: &GenesisAlloc) -> Header {
    let message_passer = alloc.get(&predeploys::L2_TO_L1_MESSAGE_PASSER);
    Header {
        parent_hash: B256::ZERO,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: predeploys::SEQUENCER_FEE_VAULT,
        state_root: state_root_unhashed(
            alloc.iter().map(|(address, account)| (*address, trie_account(account))),
        ),
        transactions_root: EMPTY_ROOT_HASH,
        receipts_root: EMPTY_ROOT_HASH,
        withdrawals_root: Some(message_passer.map_or(EMPTY_WITHDRAWALS, storage_root)),
        logs_bloom: alloy_primitives::Bloom::ZERO,
        difficulty: U256::ZERO,
        number: 0,
        gas_limit: config.chain.system.gas_limit,
        gas_used: 0,
        timestamp: config.genesis.l2_timestamp,
        mix_hash: B256::ZERO,
        nonce: B64::ZERO,
        base_fee_per_gas: Some(config.chain.system.min_base_fee.max(1)),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        extra_data: config.chain.system.eip1559().extra_data(),
        ..Header::default()
    }
}

fn storage_root(account: &GenesisAccount) -> B256 {
    let slots = account.storage.iter().filter(|(_, value)| !value.is_zero());
    storage_root_unhashed(slots.map(|(slot, value)| (*slot, U256::from_be_bytes(value.0))))
}

fn trie_account(account: &GenesisAccount) -> TrieAccount {
    let code: &Bytes = &account.code;
    TrieAccount {
        nonce: account.nonce,
        balance: account.balance,
        storage_root: storage_root(account),
        code_hash: if code.is_empty() {
            alloy_primitives::KECCAK256_EMPTY
        } else {
            alloy_primitives::keccak256(code)
        },
    }
}
