//! Serial revm.

use lockstep_executor::Vm;
use lockstep_testkit::baseline;
use op_revm::{
    DefaultOp, OpBuilder, OpContext, OpHaltReason, OpSpecId, OpTransaction, OpTransactionError,
    api::builder::DefaultOpEvm,
};
use revm::{
    ExecuteCommitEvm,
    context::{
        BlockEnv, CfgEnv, TxEnv,
        result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction},
    },
    database::InMemoryDB,
};

/// What became of each transaction.
pub(crate) type Results<V> = Vec<Result<ExecutionResult<<V as Vm>::Halt>, <V as Vm>::Invalid>>;

/// One EVM on a state in memory, without any parallel machinery.
pub(crate) trait Plain<V: Vm> {
    fn run(&mut self, txs: Vec<V::Tx>) -> Results<V>;

    fn into_state(self: Box<Self>) -> InMemoryDB;
}

impl Plain<lockstep_executor::Ethereum> for baseline::Plain {
    fn run(&mut self, txs: Vec<TxEnv>) -> Vec<Result<ExecutionResult<HaltReason>, InvalidTransaction>> {
        Self::run(self, txs)
    }

    fn into_state(self: Box<Self>) -> InMemoryDB {
        Self::into_state(*self)
    }
}

/// op-revm.
pub(crate) struct PlainOp(DefaultOpEvm<OpContext<InMemoryDB>>);

impl PlainOp {
    pub(crate) fn new(state: InMemoryDB, cfg: CfgEnv<OpSpecId>, block: BlockEnv) -> Self {
        Self(OpContext::op().with_db(state).with_cfg(cfg).with_block(block).build_op())
    }
}

impl Plain<lockstep_executor::Optimism> for PlainOp {
    fn run(
        &mut self,
        txs: Vec<OpTransaction<TxEnv>>,
    ) -> Vec<Result<ExecutionResult<OpHaltReason>, OpTransactionError>> {
        let mut results = Vec::with_capacity(txs.len());
        for tx in txs {
            results.push(match self.0.transact_commit(tx) {
                Ok(result) => Ok(result),
                Err(EVMError::Transaction(invalid)) => Err(invalid),
                Err(error) => panic!("plain op-revm failed: {error:?}"),
            });
        }
        results
    }

    fn into_state(self: Box<Self>) -> InMemoryDB {
        self.0.0.ctx.journaled_state.database
    }
}
