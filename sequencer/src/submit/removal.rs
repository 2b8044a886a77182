//! Taking a transaction out of the pool because an operator says so.

use alloy::primitives::B256;
use lockstep_index::pool_batch;
use tracing::{error, info};

use super::Pool;
use crate::rpc::DropError;

impl Pool {
    /// [`PoolApi::drop_transaction`](crate::rpc::PoolApi::drop_transaction).
    pub(super) async fn drop_one(&self, hash: B256) -> Result<bool, DropError> {
        let dropped = {
            let mut pool = self.shared.pool.lock();
            if pool.get(&hash).is_some_and(|tx| pool.is_taken(tx)) {
                return Err(DropError::Taken(hash));
            }
            pool.remove(hash)
        };
        let Some(tx) = dropped else { return Ok(false) };
        // Other transactions may stand in its row: it is taken out first, then the row goes if nothing is left.
        let erased = pool_batch::erase(self.shared.index.pool(), &tx.raw).await;
        self.shared.forget(&[hash]).await;
        if let Err(error) = erased {
            error!(%error, %hash, "dropped transaction is still stored");
            return Err(DropError::Stored(hash));
        }
        info!(%hash, sender = %tx.sender, nonce = tx.nonce, "transaction dropped by the operator");
        metrics::counter!("lockstep_sequencer_pool_dropped_total").increment(1);
        Ok(true)
    }
}
