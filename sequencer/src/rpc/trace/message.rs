//! A call that is in no block, watched.

use std::fmt::Debug;

use alloy_evm::{Evm, EvmEnv, EvmFactory, precompiles::PrecompilesMap};
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
use crate::rpc::{call::Prepared, error::RpcError, refusal::Refusal};

/// A transaction and the world that it runs in.
#[derive(Debug)]
pub(super) struct Message<S> {
    pub(super) db: CacheDB<S>,
    pub(super) env: EvmEnv<OpSpecId>,
    /// Where they are not the fork's: a request may move them.
    pub(super) precompiles: Option<PrecompilesMap>,
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
        let Prepared { db, env, precompiles, .. } = prepared;
        Self { db, env, precompiles: Some(precompiles), tx }
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
        let Self { db, env, precompiles, tx } = self;
        let block = env.block_env.clone();
        let mut evm =
            OpEvmFactory::<OpTx>::default().create_evm_with_inspector(db, env, (inspector, &mut *guard));
        if let Some(precompiles) = precompiles {
            *evm.precompiles_mut() = precompiles;
        }
        let result = evm.transact_raw(tx.clone());
        let (db, _) = evm.finish();
        guard.check()?;
        let result = result.map_err(|error| refusal(error, &tx, block.basefee))?;
        Ok(Ran { tx, env: block, result, db })
    }
}

fn refusal(error: EVMError<StateError, OpTxError>, tx: &OpTx, base_fee: u64) -> RpcError {
    match error {
        EVMError::Transaction(OpTxError(error)) => {
            let Refusal { code, text } = Refusal::new(&error, &tx.base, base_fee);
            RpcError::Unincludable(Refusal { code, text: format!("tracing failed: {text}") })
        }
        EVMError::Database(error) => error.into(),
        error => RpcError::internal(error.to_string()),
    }
}
