//! Ethereum's rules: revm's mainnet EVM.

use alloy_primitives::{Address, U256};
use revm::{
    Context, Database, ExecuteEvm, Journal, MainBuilder, MainContext,
    context::{
        BlockEnv, CfgEnv, Transaction, TxEnv,
        result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction},
    },
    handler::{EthPrecompiles, MainnetEvm},
    primitives::hardfork::SpecId,
    state::EvmState,
};
use smallvec::smallvec;

use crate::{
    observe::watch,
    transfer::TransferRules,
    vm::{Lane, Transfer, Vm, Watch, recycle},
};

/// Ethereum's rules and one block's environment.
#[derive(Clone, Debug)]
pub struct Ethereum {
    cfg: CfgEnv<SpecId>,
    block: BlockEnv,
    transfers: Option<TransferRules>,
}

impl Ethereum {
    /// The rules in `cfg`, which hold all checks of consensus enabled, in the block `block`.
    #[must_use]
    pub fn new(cfg: CfgEnv<SpecId>, block: BlockEnv) -> Self {
        let transfers = TransferRules::new(&cfg, &block, EthPrecompiles::new(cfg.spec).precompiles);
        Self { cfg, block, transfers }
    }
}

impl Vm for Ethereum {
    type Tx = TxEnv;
    type Halt = HaltReason;
    type Invalid = InvalidTransaction;
    type Lane<D: Database> = EthereumLane<D>;

    fn spec(&self) -> SpecId {
        self.cfg.spec
    }

    fn fee_accounts(&self) -> &[Address] {
        std::slice::from_ref(&self.block.beneficiary)
    }

    fn lane<D: Database>(&self, db: D) -> Self::Lane<D> {
        let context =
            Context::mainnet().with_db(db).with_block(self.block.clone()).with_cfg(self.cfg.clone());
        EthereumLane { evm: context.build_mainnet() }
    }

    fn watched_lane<D: Watch>(&self, db: D) -> Self::Lane<D> {
        let mut lane = self.lane(db);
        watch(&mut lane.evm.instruction);
        lane
    }

    fn max_cost(&self, tx: &TxEnv) -> Option<U256> {
        tx.max_balance_spending().ok()
    }

    fn footprint(&self, _tx: &TxEnv) -> u64 {
        0
    }

    fn transfer(&self, tx: &TxEnv) -> Option<Transfer> {
        let plain = self.transfers.as_ref()?.plain(tx)?;
        Some(Transfer {
            to: plain.to,
            value: tx.value,
            nonce: tx.nonce,
            max_cost: plain.max_cost,
            fee: plain.fee(),
            gas: plain.gas,
            rewards: smallvec![plain.reward()],
        })
    }
}

type EthereumContext<D> = Context<BlockEnv, TxEnv, CfgEnv<SpecId>, D, Journal<D>, ()>;

/// revm's mainnet EVM, kept from one transaction to the next.
#[allow(missing_debug_implementations, reason = "no database has to have it")]
pub struct EthereumLane<D: Database> {
    pub(crate) evm: MainnetEvm<EthereumContext<D>>,
}

impl<D: Database> Lane<D> for EthereumLane<D> {
    type Tx = TxEnv;
    type Halt = HaltReason;
    type Invalid = InvalidTransaction;

    fn db(&mut self) -> &mut D {
        &mut self.evm.ctx.journaled_state.database
    }

    fn execute(
        &mut self,
        tx: Self::Tx,
    ) -> Result<ExecutionResult<HaltReason>, EVMError<D::Error, InvalidTransaction>> {
        recycle(&mut self.evm.ctx.journaled_state.state);
        let result = self.evm.transact_one(tx);
        // Whatever a transaction or its error left in the journal is forgotten here, all but the accounts.
        let state = self.evm.finalize();
        self.evm.ctx.journaled_state.state = state;
        self.evm.ctx.error = Ok(());
        result
    }

    fn parts(&mut self) -> (&mut D, &mut EvmState) {
        let journal = &mut self.evm.ctx.journaled_state;
        (&mut journal.database, &mut journal.inner.state)
    }
}
