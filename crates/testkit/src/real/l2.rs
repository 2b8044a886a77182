//! Blocks of an OP Stack chain under Jovian: one of 1.5 Ggas without any parallelism, one small.

use std::{collections::BTreeMap, path::PathBuf};

use alloy_consensus::{Header, proofs::calculate_receipt_root, transaction::Recovered};
use alloy_eips::{Encodable2718, Typed2718};
use alloy_evm::{EvmEnv, FromTxWithEncoded};
use alloy_op_evm::OpTx;
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256, map::B256Map};
use lockstep_primitives::BlockId;
use lockstep_stf::{Draft, OpSpecId, Rules};
use op_alloy_consensus::{DEPOSIT_TX_TYPE_ID, OpReceiptEnvelope, OpTxEnvelope};
use op_revm::{
    DefaultOp, L1BlockInfo, OpBuilder, OpContext, OpHaltReason, OpTransaction, api::builder::DefaultOpEvm,
};
use revm::{
    Database, DatabaseCommit, DatabaseRef, ExecuteCommitEvm,
    bytecode::Bytecode,
    context::{TxEnv, result::ExecutionResult},
    database::{BundleState, InMemoryDB, State, states::bundle_state::BundleRetention},
};

use super::{data, files, receipts};

/// Chain id of the chain that the blocks are from.
const CHAIN_ID: u64 = 4153;

/// The L2 blocks in the data folder.
#[derive(Debug)]
pub struct L2 {
    root: PathBuf,
    numbers: Vec<u64>,
    codes: B256Map<Bytecode>,
}

/// A block of an OP Stack chain, ready for execution.
///
/// Its system calls (EIP-4788, EIP-2935) find no contract in `state`: its transactions alone give its gas, receipts
/// root and logs bloom.
#[derive(Clone, Debug)]
pub struct RealL2Block {
    /// Chain id and fork.
    pub rules: Rules,
    /// The header, complete.
    pub header: Header,
    /// The environment of its transactions.
    pub env: EvmEnv<OpSpecId>,
    /// The transactions with their senders; the first one is the L1 attributes deposit.
    pub transactions: Vec<Recovered<OpTxEnvelope>>,
    /// The same for op-revm.
    pub txs: Vec<OpTransaction<TxEnv>>,
    /// What the block touches, as it was before it.
    pub state: InMemoryDB,
}

impl L2 {
    /// Reads what all blocks share; `None` if `LOCKSTEP_DATA` is not set.
    ///
    /// # Panics
    /// If the files are missing or broken.
    #[must_use]
    pub fn open() -> Option<Self> {
        let root = data()?.join("l2-blocks");
        let codes = codes(&files::unzip(&root.join("bytecodes.bincode.gz")));
        Some(Self { numbers: files::numbers(&root), root, codes })
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
    pub fn block(&self, number: u64) -> RealL2Block {
        let folder = self.root.join(number.to_string());
        RealL2Block::new(files::block(&folder), files::state(&folder, &self.codes))
    }

    /// Every block, ascending.
    pub fn blocks(&self) -> impl Iterator<Item = RealL2Block> {
        self.numbers.iter().map(|number| self.block(*number))
    }
}

impl RealL2Block {
    fn new(block: files::Block<OpTxEnvelope>, state: InMemoryDB) -> Self {
        let files::Block { header, transactions, .. } = block;
        let rules = Rules::at(CHAIN_ID, OpSpecId::JOVIAN);
        let transactions: Vec<_> =
            transactions.into_iter().map(|tx| Recovered::new_unchecked(tx.tx, tx.from)).collect();
        let txs = transactions.iter().map(op_tx).collect();
        Self { rules, env: lockstep_stf::evm_env(&rules, &header), header, transactions, txs, state }
    }

    /// Number of the block.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.header.number
    }

    /// The block before execution.
    #[must_use]
    pub fn draft(&self) -> Draft {
        let header = Header {
            state_root: B256::ZERO,
            transactions_root: B256::ZERO,
            receipts_root: B256::ZERO,
            withdrawals_root: None,
            logs_bloom: Bloom::ZERO,
            nonce: B64::ZERO,
            gas_used: 0,
            blob_gas_used: None,
            ..self.header.clone()
        };
        Draft { header, l1_origin: BlockId::default(), sequence_number: 0 }
    }

    /// How many deposits lead the block; they go before and apart from the transactions of users.
    #[must_use]
    pub fn deposits(&self) -> usize {
        self.transactions.iter().take_while(|tx| tx.ty() == DEPOSIT_TX_TYPE_ID).count()
    }

    /// Runs the deposits, and gives the state after them and the fee parameters of L1 that they set.
    ///
    /// # Panics
    /// If a deposit is invalid.
    #[must_use]
    pub fn after_deposits(&self) -> (InMemoryDB, L1BlockInfo) {
        let mut evm = self.evm(self.state.clone());
        self.run(&mut evm, &self.txs[..self.deposits()]);
        let mut state = evm.0.ctx.journaled_state.database;
        let Ok(l1) = L1BlockInfo::try_fetch(&mut state, U256::from(self.number()), self.rules.spec());
        (state, l1)
    }

    /// The results of all transactions by plain op-revm, one after the other, and the state's changes.
    ///
    /// # Panics
    /// If a transaction is invalid.
    #[must_use]
    pub fn sequential(&self) -> (Vec<ExecutionResult<OpHaltReason>>, BundleState) {
        let db = State::builder().with_database_ref(&self.state).with_bundle_update().build();
        let mut evm = self.evm(db);
        let results = self.run(&mut evm, &self.txs);
        let mut state = evm.0.ctx.journaled_state.database;
        state.merge_transitions(BundleRetention::PlainState);
        (results, state.take_bundle())
    }

    fn evm<DB: Database>(&self, db: DB) -> DefaultOpEvm<OpContext<DB>> {
        let EvmEnv { cfg_env, block_env } = self.env.clone();
        OpContext::op().with_db(db).with_cfg(cfg_env).with_block(block_env).build_op()
    }

    fn run<DB: Database + DatabaseCommit>(
        &self,
        evm: &mut DefaultOpEvm<OpContext<DB>>,
        txs: &[OpTransaction<TxEnv>],
    ) -> Vec<ExecutionResult<OpHaltReason>> {
        let results = txs.iter().enumerate().map(|(index, tx)| {
            evm.transact_commit(tx.clone())
                .unwrap_or_else(|error| panic!("block {}, transaction {index}: {error}", self.number()))
        });
        results.collect()
    }

    /// Compares what the results of all transactions, in order, add up to with the header: gas used, logs bloom,
    /// receipts root.
    ///
    /// # Errors
    /// What is different.
    pub fn check<'a, H: 'a>(
        &self,
        results: impl IntoIterator<Item = &'a ExecutionResult<H>>,
    ) -> Result<(), String> {
        let mut nonces: BTreeMap<Address, u64> = BTreeMap::new(); // transactions of each sender so far
        let receipts: Vec<OpReceiptEnvelope> = receipts::sums(results)
            .zip(&self.transactions)
            .map(|(sum, tx)| {
                let earlier = nonces.entry(tx.signer()).or_default();
                let nonce = self.nonce_before(tx.signer()) + *earlier;
                *earlier += 1;
                let is_deposit = tx.ty() == DEPOSIT_TX_TYPE_ID;
                OpReceiptEnvelope::from_parts(
                    sum.success,
                    sum.cumulative_gas,
                    sum.logs,
                    tx.tx_type(),
                    is_deposit.then_some(nonce),
                    is_deposit.then_some(1), // since Canyon
                )
            })
            .collect();
        receipts::check(&self.header, &receipts, Some(calculate_receipt_root(&receipts)))
    }

    fn nonce_before(&self, address: Address) -> u64 {
        let Ok(account) = self.state.basic_ref(address);
        account.map_or(0, |account| account.nonce)
    }
}

/// A transaction as op-revm takes it.
fn op_tx(tx: &Recovered<OpTxEnvelope>) -> OpTransaction<TxEnv> {
    OpTx::from_encoded_tx(tx.inner(), tx.signer(), tx.encoded_2718().into()).0
}

/// Codes in bincode 2, as revm writes them: `hash ++ kind ++ padded code ++ length ++ jump table` each.
fn codes(mut bytes: &[u8]) -> B256Map<Bytecode> {
    let input = &mut bytes;
    let count = files::bincode_integer(input);
    let codes = (0..count).map(|_| {
        let hash = B256::from_slice(sized(input));
        assert_eq!(files::bincode_integer(input), 0, "kind of the code {hash}: legacy, analysed");
        let padded = sized(input);
        let length = usize::try_from(files::bincode_integer(input)).expect("the length of a code is small");
        let code = Bytes::copy_from_slice(&padded[..length]);
        skip_jump_table(input);
        (hash, Bytecode::new_raw(code))
    });
    codes.collect()
}

/// `bitvec`'s own format: the order's name, width of an element and first bit, number of bits, elements.
fn skip_jump_table(input: &mut &[u8]) {
    let order = sized(input);
    assert_eq!(order, b"bitvec::order::Lsb0");
    files::bincode_bytes(input, 2);
    files::bincode_integer(input);
    sized(input);
}

/// Bytes after their number.
fn sized<'a>(input: &mut &'a [u8]) -> &'a [u8] {
    let length = usize::try_from(files::bincode_integer(input)).expect("the file fits in memory");
    files::bincode_bytes(input, length)
}
