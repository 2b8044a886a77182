//! A block, one transaction at a time.

use alloc::vec::Vec;
use core::fmt;

use alloy_consensus::{Header, Sealable, Sealed, transaction::Recovered};
use alloy_eips::{Decodable2718, Typed2718};
use alloy_evm::{Database, Evm, EvmFactory, block::BlockExecutor, precompiles::PrecompilesMap};
use alloy_op_evm::{
    OpBlockExecutionCtx, OpBlockExecutor, OpEvm, OpEvmFactory, OpTx, block::OpAlloyReceiptBuilder,
};
use alloy_primitives::{Address, Bytes, TxKind, U256};
use lockstep_primitives::{BlockInputs, predeploys};
use op_alloy_consensus::{DEPOSIT_TX_TYPE_ID, OpReceiptEnvelope, OpTxEnvelope, TxDeposit};
use op_revm::L1BlockInfo;
use revm::{
    Database as _,
    database::{State, states::bundle_state::BundleRetention},
    inspector::NoOpInspector,
    state::AccountInfo,
};

use crate::{Draft, Executed, PushError, Rejected, Rules, StfError, evm_env, hashes::WithHashes};

type Executor<DB> = OpBlockExecutor<
    OpEvm<State<WithHashes<DB>>, NoOpInspector, PrecompilesMap, OpTx>,
    OpAlloyReceiptBuilder,
    Rules,
>;

/// Builds one block on top of its parent's state.
///
/// Each push either includes a transaction and gives its final receipt, or leaves the block as it was, so
/// that the receipts seen on the way are those of the sealed block.
pub struct BlockBuilder<DB: Database> {
    executor: Executor<DB>,
    draft: Draft,
    transactions: Vec<OpTxEnvelope>,
    senders: Vec<Address>,
}

impl<DB: Database> BlockBuilder<DB> {
    /// Starts the child of `parent`: system calls, then the L1 attributes and the deposits that lead
    /// `inputs.transactions`. Transactions of users in `inputs` are the caller's to push.
    ///
    /// # Errors
    /// [`StfError`] if the inputs do not fit the parent, a deposit does not fit the block, or the state fails.
    pub fn new(db: DB, rules: &Rules, parent: &Header, inputs: &BlockInputs) -> Result<Self, StfError> {
        Self::begin(db, rules, parent, inputs, false)
    }

    /// [`Self::new`], and keeps [`Executed::access_list`].
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_access_list(
        db: DB,
        rules: &Rules,
        parent: &Header,
        inputs: &BlockInputs,
    ) -> Result<Self, StfError> {
        Self::begin(db, rules, parent, inputs, true)
    }

    fn begin(
        db: DB,
        rules: &Rules,
        parent: &Header,
        inputs: &BlockInputs,
        list: bool,
    ) -> Result<Self, StfError> {
        let mut builder = Self::open(db, rules, Draft::new(parent, inputs)?, list)?;
        let forced = leading_deposits(&inputs.transactions)?;
        if !forced.first().is_some_and(is_attributes) {
            return Err(StfError::MissingAttributes);
        }
        for (index, deposit) in forced.into_iter().enumerate() {
            builder.force(deposit).map_err(|error| match error {
                PushError::Rejected(reason) => StfError::Forced { index, reason },
                PushError::Fatal(error) => error,
            })?;
        }
        Ok(builder)
    }

    /// Starts a block with a given header, and with the system calls alone.
    ///
    /// # Errors
    /// [`StfError::Execution`] if the state cannot be read.
    pub fn from_draft(db: DB, rules: &Rules, draft: Draft) -> Result<Self, StfError> {
        Self::open(db, rules, draft, false)
    }

    fn open(db: DB, rules: &Rules, draft: Draft, list: bool) -> Result<Self, StfError> {
        let db = WithHashes::new(db, rules, &draft.header);
        let state = State::builder().with_database(db).with_bundle_update().with_bal_builder_if(list).build();
        let evm = OpEvmFactory::<OpTx>::default().create_evm(state, evm_env(rules, &draft.header));
        let context = OpBlockExecutionCtx {
            parent_hash: draft.header.parent_hash,
            parent_beacon_block_root: draft.header.parent_beacon_block_root,
            extra_data: draft.header.extra_data.clone(),
        };
        let mut executor = OpBlockExecutor::new(evm, context, *rules, OpAlloyReceiptBuilder::default());
        executor.apply_pre_execution_changes()?;
        Ok(Self { executor, draft, transactions: Vec::new(), senders: Vec::new() })
    }

    /// Runs a user's transaction and includes it if it is valid here; `Recovered::new_unchecked(tx, sender)`
    /// for a sender recovered elsewhere. A transaction that reverts or halts is valid and included.
    ///
    /// # Errors
    /// [`PushError::Rejected`] leaves the block unchanged, [`PushError::Fatal`] ends it.
    pub fn push(&mut self, tx: Recovered<OpTxEnvelope>) -> Result<&OpReceiptEnvelope, PushError> {
        let ty = tx.ty();
        if !matches!(ty, 0 | 1 | 2 | 4) {
            return Err(Rejected::Type(ty).into());
        }
        self.include(tx)
    }

    /// Runs a deposit, or the L1 attributes, and includes it also if it fails. [`Self::new`] has done this for
    /// those in its inputs; it is for blocks that start with [`Self::from_draft`], before the first push.
    ///
    /// # Errors
    /// [`PushError::Rejected`] with [`Rejected::Gas`] if the block has too little gas left for it, which leaves
    /// the block unchanged; [`PushError::Fatal`] ends it.
    pub fn force(&mut self, deposit: Sealed<TxDeposit>) -> Result<&OpReceiptEnvelope, PushError> {
        let sender = deposit.from;
        self.include(Recovered::new_unchecked(OpTxEnvelope::Deposit(deposit), sender))
    }

    /// Gas that transactions may still use.
    #[must_use]
    pub const fn gas_left(&self) -> u64 {
        self.draft.header.gas_limit.saturating_sub(self.executor.gas_used)
    }

    /// Data-availability footprint that transactions may still take, in gas (Jovian).
    #[must_use]
    pub const fn da_footprint_left(&self) -> u64 {
        self.draft.header.gas_limit.saturating_sub(self.executor.da_footprint_used)
    }

    /// The header as far as it is known.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.draft.header
    }

    /// Transactions included so far.
    #[must_use]
    pub fn transactions(&self) -> &[OpTxEnvelope] {
        &self.transactions
    }

    /// Receipts of [`Self::transactions`].
    #[must_use]
    pub fn receipts(&self) -> &[OpReceiptEnvelope] {
        &self.executor.receipts
    }

    /// An account after the transactions included so far.
    ///
    /// # Errors
    /// [`StfError::Execution`] if the state cannot be read.
    pub fn account(&mut self, address: Address) -> Result<Option<AccountInfo>, StfError> {
        let account = self.executor.evm.db_mut().basic(address);
        account.map_err(StfError::execution)
    }

    /// What the next transaction of a user pays for L1, and the scalar of its data-availability footprint, as
    /// `op-revm` reads them from `L1Block`.
    ///
    /// # Errors
    /// [`StfError::Execution`] if the state cannot be read.
    pub fn l1_block_info(&mut self) -> Result<L1BlockInfo, StfError> {
        let number = U256::from(self.draft.header.number);
        let spec = self.executor.spec.spec();
        L1BlockInfo::try_fetch(self.executor.evm.db_mut(), number, spec).map_err(StfError::execution)
    }

    /// Ends the block.
    ///
    /// # Errors
    /// [`StfError::Execution`] if the state fails.
    pub fn finish(self) -> Result<Executed, StfError> {
        let Self { mut executor, mut draft, transactions, senders } = self;
        executor.evm.db_mut().bump_bal_index();
        let (evm, result) = executor.finish()?;
        draft.header.gas_used = result.gas_used;
        if draft.header.excess_blob_gas.is_some() {
            draft.header.blob_gas_used = Some(result.blob_gas_used);
        }
        let (mut state, _) = evm.finish();
        state.merge_transitions(BundleRetention::Reverts);
        let bundle = state.take_bundle();
        let (receipts, access_list) = (result.receipts, state.take_built_bal());
        Ok(Executed { bundle, draft, transactions, senders, receipts, dropped: Vec::new(), access_list })
    }

    fn include(&mut self, tx: Recovered<OpTxEnvelope>) -> Result<&OpReceiptEnvelope, PushError> {
        let index = self.transactions.len() as u64 + 1;
        self.executor.evm.db_mut().set_bal_index(index); // counts only where it is included
        self.executor.execute_transaction(&tx)?;
        let (tx, sender) = tx.into_parts();
        self.transactions.push(tx);
        self.senders.push(sender);
        Ok(self.executor.receipts.last().expect("an included transaction has a receipt"))
    }
}

impl<DB: Database> fmt::Debug for BlockBuilder<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockBuilder")
            .field("draft", &self.draft)
            .field("transactions", &self.transactions.len())
            .finish_non_exhaustive()
    }
}

fn leading_deposits(transactions: &[Bytes]) -> Result<Vec<Sealed<TxDeposit>>, StfError> {
    let forced = transactions.iter().take_while(|bytes| bytes.first() == Some(&DEPOSIT_TX_TYPE_ID));
    forced
        .enumerate()
        .map(|(index, bytes)| {
            TxDeposit::decode_2718_exact(bytes)
                .map(Sealable::seal_slow)
                .map_err(|_| StfError::Forced { index, reason: Rejected::Undecodable })
        })
        .collect()
}

fn is_attributes(deposit: &Sealed<TxDeposit>) -> bool {
    deposit.from == predeploys::L1_ATTRIBUTES_DEPOSITOR && deposit.to == TxKind::Call(predeploys::L1_BLOCK)
}
