//! The OP Stack's rules: op-revm's EVM.

use alloy_primitives::{Address, U256};
use op_revm::{
    DefaultOp, L1BlockInfo, OpBuilder, OpContext, OpHaltReason, OpSpecId, OpTransaction, OpTransactionError,
    api::builder::DefaultOpEvm,
    constants::{BASE_FEE_RECIPIENT, L1_FEE_RECIPIENT, OPERATOR_FEE_RECIPIENT},
    precompiles::OpPrecompiles,
    transaction::OpTxTr,
};
use revm::{
    Database, ExecuteEvm,
    context::{
        BlockEnv, CfgEnv, Transaction, TxEnv,
        result::{EVMError, ExecutionResult},
    },
    primitives::hardfork::SpecId,
    state::EvmState,
};
use smallvec::{SmallVec, smallvec};

use crate::{
    l1_cost::{L1Costs, size},
    observe::watch,
    transfer::TransferRules,
    vm::{Lane, Transfer, Vm, Watch, recycle},
};

/// The OP Stack's rules and one block's environment.
///
/// Deposits do not belong here: they pay no fee and cannot be rejected. They precede the other transactions of their
/// block and are executed before them.
#[derive(Clone, Debug)]
pub struct Optimism {
    cfg: CfgEnv<OpSpecId>,
    block: BlockEnv,
    l1: L1Costs,
    fee_accounts: SmallVec<[Address; 4]>,
    transfers: Option<Transfers>,
}

/// What plain transfers of a block have in common.
#[derive(Clone, Debug)]
struct Transfers {
    rules: TransferRules,
    /// What each pays to the base fee vault and the operator fee vault, in wei.
    base_fee: U256,
    operator_fee: U256,
    /// Where beneficiary, L1 fee vault, base fee vault and operator fee vault are among the fee accounts.
    places: [usize; 4],
}

impl Optimism {
    /// The rules in `cfg`, which hold all checks of consensus enabled, in the block `block` with the fee parameters
    /// `l1`.
    ///
    /// `l1` is what [`L1BlockInfo::try_fetch`] reads after the block's L1 attributes deposit; no lane reads it again,
    /// so transactions do not conflict about it. Parameters that the fork knows and `l1` lacks are zero, as they would
    /// be if they were read from empty slots.
    #[must_use]
    pub fn new(cfg: CfgEnv<OpSpecId>, block: BlockEnv, mut l1: L1BlockInfo) -> Self {
        l1.l2_block = Some(block.number);
        l1.tx_l1_cost = None;
        if cfg.spec.is_enabled_in(OpSpecId::ISTHMUS) {
            l1.operator_fee_scalar.get_or_insert_default();
            l1.operator_fee_constant.get_or_insert_default();
        }
        let mut fee_accounts = SmallVec::new();
        let places = [block.beneficiary, L1_FEE_RECIPIENT, BASE_FEE_RECIPIENT, OPERATOR_FEE_RECIPIENT].map(
            |account| {
                fee_accounts.iter().position(|other| *other == account).unwrap_or_else(|| {
                    fee_accounts.push(account);
                    fee_accounts.len() - 1
                })
            },
        );
        let l1 = L1Costs::new(cfg.spec, l1);
        let precompiles = OpPrecompiles::new_with_spec(cfg.spec).precompiles();
        let transfers = TransferRules::new(&cfg, &block, precompiles).map(|rules| Transfers {
            base_fee: U256::from(block.basefee) * U256::from(rules.gas()),
            operator_fee: l1.operator_fee(rules.gas()),
            rules,
            places,
        });
        Self { cfg, block, l1, fee_accounts, transfers }
    }
}

impl Vm for Optimism {
    type Tx = OpTransaction<TxEnv>;
    type Halt = OpHaltReason;
    type Invalid = OpTransactionError;
    type Lane<D: Database> = OptimismLane<D>;

    fn spec(&self) -> SpecId {
        self.cfg.spec.into_eth_spec()
    }

    fn fee_accounts(&self) -> &[Address] {
        &self.fee_accounts
    }

    fn lane<D: Database>(&self, db: D) -> Self::Lane<D> {
        let context = OpContext::op()
            .with_db(db)
            .with_block(self.block.clone())
            .with_cfg(self.cfg.clone())
            .with_chain(self.l1.info().clone());
        OptimismLane { evm: context.build_op(), l1: self.l1.clone() }
    }

    fn watched_lane<D: Watch>(&self, db: D) -> Self::Lane<D> {
        let mut lane = self.lane(db);
        watch(&mut lane.evm.0.instruction);
        lane
    }

    fn max_cost(&self, tx: &Self::Tx) -> Option<U256> {
        let mut l1 = self.l1.info().clone();
        l1.tx_l1_cost = self.l1.of(tx.enveloped_tx.as_ref()?);
        let additional = l1.tx_cost_with_tx(tx, self.cfg.spec)?;
        tx.max_balance_spending().ok()?.checked_add(additional)
    }

    fn footprint(&self, tx: &Self::Tx) -> u64 {
        if !self.cfg.spec.is_enabled_in(OpSpecId::JOVIAN) || tx.is_deposit() {
            return 0;
        }
        let size = tx.enveloped_tx.as_ref().map_or(0, |envelope| size(envelope)) / 1_000_000;
        size.saturating_mul(self.l1.info().da_footprint_gas_scalar.unwrap_or_default().into())
    }

    fn transfer(&self, tx: &Self::Tx) -> Option<Transfer> {
        let transfers = self.transfers.as_ref()?;
        let plain = transfers.rules.plain(&tx.base)?;
        if tx.is_deposit() {
            return None;
        }
        let l1_fee = self.l1.of(tx.enveloped_tx.as_ref()?)?;
        let advance = match tx.base.gas_limit {
            gas if gas == plain.gas => transfers.operator_fee,
            gas => self.l1.operator_fee(gas),
        };
        let mut rewards: SmallVec<[U256; 4]> = smallvec![U256::ZERO; self.fee_accounts.len()];
        let paid = [plain.reward(), l1_fee, transfers.base_fee, transfers.operator_fee];
        for (place, wei) in transfers.places.into_iter().zip(paid) {
            rewards[place] = rewards[place].checked_add(wei)?;
        }
        Some(Transfer {
            to: plain.to,
            value: tx.base.value,
            nonce: tx.base.nonce,
            max_cost: plain.max_cost.checked_add(l1_fee.checked_add(advance)?)?,
            fee: plain.fee().checked_add(l1_fee.checked_add(transfers.operator_fee)?)?,
            gas: plain.gas,
            rewards,
        })
    }
}

/// op-revm's EVM, kept from one transaction to the next.
#[allow(missing_debug_implementations, reason = "no database has to have it")]
pub struct OptimismLane<D: Database> {
    evm: DefaultOpEvm<OpContext<D>>,
    l1: L1Costs,
}

impl<D: Database> Lane<D> for OptimismLane<D> {
    type Tx = OpTransaction<TxEnv>;
    type Halt = OpHaltReason;
    type Invalid = OpTransactionError;

    fn db(&mut self) -> &mut D {
        &mut self.evm.0.ctx.journaled_state.database
    }

    fn execute(
        &mut self,
        tx: Self::Tx,
    ) -> Result<ExecutionResult<OpHaltReason>, EVMError<D::Error, OpTransactionError>> {
        recycle(&mut self.evm.0.ctx.journaled_state.state);
        if let Some(envelope) = tx.enveloped_tx.as_ref().filter(|_| !tx.is_deposit()) {
            // op-revm would compute it now, and forgets it after the transaction.
            self.evm.0.ctx.chain.tx_l1_cost = self.l1.of(envelope);
        }
        let result = self.evm.transact_one(tx);
        // Whatever a transaction or its error left in the journal is forgotten here, all but the accounts.
        let state = self.evm.finalize();
        self.evm.0.ctx.journaled_state.state = state;
        self.evm.0.ctx.error = Ok(());
        result
    }

    fn parts(&mut self) -> (&mut D, &mut EvmState) {
        let journal = &mut self.evm.0.ctx.journaled_state;
        (&mut journal.database, &mut journal.inner.state)
    }
}
