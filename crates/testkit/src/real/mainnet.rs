//! Blocks of Ethereum mainnet, from the first one with a transaction to Cancun.

use std::{collections::BTreeMap, path::PathBuf};

use alloy_consensus::{
    Header, Receipt, ReceiptEnvelope, ReceiptWithBloom, TxEnvelope,
    proofs::{calculate_receipt_root, calculate_transaction_root},
    transaction::Recovered,
};
use alloy_eips::eip7840::BlobParams;
use alloy_evm::{EvmEnv, ToTxEnv};
use alloy_hardforks::EthereumChainHardforks;
use alloy_primitives::{B256, Bytes, U256, map::B256Map};
use revm::{
    Context, ExecuteCommitEvm, MainBuilder, MainContext,
    bytecode::Bytecode,
    context::{BlockEnv, CfgEnv, TxEnv, result::ExecutionResult},
    database::{BundleState, InMemoryDB, State, states::bundle_state::BundleRetention},
    primitives::hardfork::SpecId,
};

use super::{data, files, receipts};

/// Chain id of Ethereum mainnet.
const CHAIN_ID: u64 = 1;

/// The mainnet blocks in the data folder.
#[derive(Debug)]
pub struct Mainnet {
    root: PathBuf,
    numbers: Vec<u64>,
    codes: B256Map<Bytecode>,
    hashes: BTreeMap<u64, B256>,
}

/// A mainnet block, ready for execution.
///
/// None of its transactions reaches a contract that the block's system calls write (EIP-4788), nor do rewards and
/// withdrawals matter to a receipt: its transactions alone give its gas, receipts root and logs bloom.
#[derive(Clone, Debug)]
pub struct RealBlock {
    /// The header, complete.
    pub header: Header,
    /// Chain and fork.
    pub cfg: CfgEnv,
    /// The environment of its transactions.
    pub block: BlockEnv,
    /// The transactions with their senders.
    pub transactions: Vec<Recovered<TxEnvelope>>,
    /// The same for revm.
    pub txs: Vec<TxEnv>,
    /// What the block touches, as it was before it, and the block hashes that it asks for.
    pub state: InMemoryDB,
}

impl Mainnet {
    /// Reads what all blocks share; `None` if `LOCKSTEP_DATA` is not set.
    ///
    /// # Panics
    /// If the files are missing or broken.
    #[must_use]
    pub fn open() -> Option<Self> {
        let root = data()?.join("mainnet-blocks");
        let codes: BTreeMap<B256, Bytes> = files::json(&root.join("bytecodes.json.gz"));
        let codes = codes.into_iter().map(|(hash, code)| (hash, Bytecode::new_raw(code))).collect();
        let hashes = hashes(&files::read(&root.join("block_hashes.bincode")));
        Some(Self { numbers: files::numbers(&root), root, codes, hashes })
    }

    /// The numbers of the blocks, ascending.
    #[must_use]
    pub fn numbers(&self) -> &[u64] {
        &self.numbers
    }

    /// Reads block `number`.
    ///
    /// # Panics
    /// If its files are missing or broken.
    #[must_use]
    pub fn block(&self, number: u64) -> RealBlock {
        let folder = self.root.join(number.to_string());
        let mut state = files::state(&folder, &self.codes);
        let hashes = self.hashes.range(number.saturating_sub(256)..number);
        state.cache.block_hashes.extend(hashes.map(|(number, hash)| (U256::from(*number), *hash)));
        RealBlock::new(files::block(&folder), state)
    }

    /// Every block, ascending.
    pub fn blocks(&self) -> impl Iterator<Item = RealBlock> {
        self.numbers.iter().map(|number| self.block(*number))
    }
}

impl RealBlock {
    fn new(block: files::Block<TxEnvelope>, state: InMemoryDB) -> Self {
        let files::Block { header, transactions, .. } = block;
        let blobs = header.excess_blob_gas.map(|_| BlobParams::cancun());
        let EvmEnv { cfg_env, block_env, .. } =
            EvmEnv::for_eth_block(&header, EthereumChainHardforks::mainnet(), CHAIN_ID, blobs);
        let transactions: Vec<_> =
            transactions.into_iter().map(|tx| Recovered::new_unchecked(tx.tx, tx.from)).collect();
        let root = calculate_transaction_root(&transactions.iter().map(|tx| tx.inner()).collect::<Vec<_>>());
        assert_eq!(root, header.transactions_root, "transactions of block {}", header.number);
        let txs = transactions.iter().map(|tx| tx.to_tx_env()).collect();
        Self { header, cfg: cfg_env, block: block_env, transactions, txs, state }
    }

    /// Number of the block.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.header.number
    }

    /// The fork that it was made under.
    #[must_use]
    pub const fn spec(&self) -> SpecId {
        self.cfg.spec
    }

    /// The results of the transactions by plain revm, one after the other, and the state's changes.
    ///
    /// # Panics
    /// If a transaction is invalid.
    #[must_use]
    pub fn sequential(&self) -> (Vec<ExecutionResult>, BundleState) {
        let db = State::builder().with_database_ref(&self.state).with_bundle_update().build();
        let context =
            Context::mainnet().with_db(db).with_block(self.block.clone()).with_cfg(self.cfg.clone());
        let mut evm = context.build_mainnet();
        let results = self.txs.iter().enumerate().map(|(index, tx)| {
            evm.transact_commit(tx.clone())
                .unwrap_or_else(|error| panic!("block {}, transaction {index}: {error}", self.number()))
        });
        let results = results.collect();
        let mut state = evm.ctx.journaled_state.database;
        state.merge_transitions(BundleRetention::PlainState);
        (results, state.take_bundle())
    }

    /// Compares what the results of all transactions, in order, add up to with the header: gas used, logs bloom,
    /// and from Byzantium on the receipts root (older receipts hold state roots, which a part of the state does not
    /// give).
    ///
    /// # Errors
    /// What is different.
    pub fn check<'a, H: 'a>(
        &self,
        results: impl IntoIterator<Item = &'a ExecutionResult<H>>,
    ) -> Result<(), String> {
        let receipts: Vec<ReceiptEnvelope> = receipts::sums(results)
            .zip(&self.transactions)
            .map(|(sum, tx)| {
                let receipt = Receipt {
                    status: sum.success.into(),
                    cumulative_gas_used: sum.cumulative_gas,
                    logs: sum.logs.to_vec(),
                };
                ReceiptEnvelope::from_typed(tx.tx_type(), ReceiptWithBloom::from(receipt))
            })
            .collect();
        let has_root = self.spec().is_enabled_in(SpecId::BYZANTIUM);
        receipts::check(&self.header, &receipts, has_root.then(|| calculate_receipt_root(&receipts)))
    }
}

/// A map from number to hash in bincode 2, standard configuration.
fn hashes(mut bytes: &[u8]) -> BTreeMap<u64, B256> {
    let input = &mut bytes;
    let count = files::bincode_integer(input);
    let hashes = (0..count).map(|_| {
        let number = files::bincode_integer(input);
        assert_eq!(files::bincode_integer(input), 32, "length of a hash");
        (number, B256::from_slice(files::bincode_bytes(input, 32)))
    });
    hashes.collect()
}
