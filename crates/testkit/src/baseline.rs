//! The honest serial baseline: plain revm, one EVM reused, state in memory, nothing else.
//!
//! A bench builds the EVM and clones the transactions outside its measurement and times [`Plain::run`] alone.

use revm::{
    Context, ExecuteCommitEvm, MainBuilder, MainContext, MainnetEvm,
    context::{
        BlockEnv, CfgEnv, TxEnv,
        result::{EVMError, ExecutionResult, InvalidTransaction},
    },
    database::InMemoryDB,
    handler::MainnetContext,
};

use crate::workloads::Workload;

/// What happened to each transaction, in order; an invalid one changed nothing.
pub type Results = Vec<Result<ExecutionResult, InvalidTransaction>>;

/// One revm on a state in memory.
#[derive(Debug)]
pub struct Plain(MainnetEvm<MainnetContext<InMemoryDB>>);

impl Plain {
    /// An EVM for transactions of one block on `state`.
    #[must_use]
    pub fn new(state: InMemoryDB, cfg: CfgEnv, block: BlockEnv) -> Self {
        Self(Context::mainnet().with_db(state).with_cfg(cfg).with_block(block).build_mainnet())
    }

    /// An EVM on a copy of the state of `workload`.
    #[must_use]
    pub fn of(workload: &Workload) -> Self {
        Self::new(workload.state.clone(), workload.cfg.clone(), workload.block.clone())
    }

    /// Executes and commits one transaction after the other.
    ///
    /// # Panics
    /// If the EVM fails for another reason than an invalid transaction; a state in memory gives none.
    #[must_use]
    pub fn run(&mut self, txs: Vec<TxEnv>) -> Results {
        let mut results = Vec::with_capacity(txs.len());
        for tx in txs {
            results.push(match self.0.transact_commit(tx) {
                Ok(result) => Ok(result),
                Err(EVMError::Transaction(invalid)) => Err(invalid),
                Err(error) => panic!("plain revm failed: {error:?}"),
            });
        }
        results
    }

    /// The state after everything that ran.
    #[must_use]
    pub fn into_state(self) -> InMemoryDB {
        self.0.ctx.journaled_state.database
    }
}

/// Executes the transactions of `workload` in order: what happened to each, and the state after the last.
///
/// # Panics
/// As [`Plain::run`].
#[must_use]
pub fn plain(workload: &Workload) -> (Results, InMemoryDB) {
    let mut evm = Plain::of(workload);
    let results = evm.run(workload.txs.clone());
    (results, evm.into_state())
}
