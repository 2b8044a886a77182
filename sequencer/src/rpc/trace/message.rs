//! A call that is in no block, watched.

use std::fmt::Debug;

use alloy_evm::{Evm, EvmEnv, EvmFactory};
use alloy_op_evm::{OpEvmContext, OpEvmFactory, OpTx, OpTxError};
use lockstep_state::StateError;
use op_revm::{OpHaltReason, OpSpecId};
use revm::{
    DatabaseRef,
    context::BlockEnv,
    context_interface::result::{EVMError, ResultAndState},
    database::CacheDB,
    inspector::Inspector,
};

use super::guard::Guard;
use crate::rpc::{call::Prepared, error::RpcError};

/// A transaction and the world that it runs in.
#[derive(Debug)]
pub(super) struct Message<S> {
    pub(super) db: CacheDB<S>,
    pub(super) env: EvmEnv<OpSpecId>,
    pub(super) tx: OpTx,
}

/// A message right after it ran: its changes are not in `db`.
#[derive(Debug)]
pub(super) struct Ran<S> {
    pub(super) tx: OpTx,
    pub(super) env: BlockEnv,
    pub(super) result: ResultAndState<OpHaltReason>,
    pub(super) db: CacheDB<S>,
}

impl<S: DatabaseRef<Error = StateError>> From<Prepared<S>> for Message<S> {
    fn from(prepared: Prepared<S>) -> Self {
        let tx = prepared.transaction();
        let Prepared { db, env, .. } = prepared;
        Self { db, env, tx }
    }
}

impl<S: DatabaseRef<Error = StateError> + Debug> Message<S> {
    /// # Errors
    /// No block could hold the message, or the `guard` saw a bound broken.
    pub(super) fn run<I: Inspector<OpEvmContext<CacheDB<S>>>>(
        self,
        inspector: &mut I,
        guard: &mut Guard,
    ) -> Result<Ran<S>, RpcError> {
        let Self { db, env, tx } = self;
        let block = env.block_env.clone();
        let mut evm =
            OpEvmFactory::<OpTx>::default().create_evm_with_inspector(db, env, (inspector, &mut *guard));
        let result = evm.transact_raw(tx.clone());
        let (db, _) = evm.finish();
        guard.check()?;
        Ok(Ran { tx, env: block, result: result.map_err(refusal)?, db })
    }
}

fn refusal(error: EVMError<StateError, OpTxError>) -> RpcError {
    match error {
        EVMError::Transaction(error) => RpcError::Call(format!("tracing failed: {error}")),
        EVMError::Database(error) => error.into(),
        error => RpcError::internal(error.to_string()),
    }
}
