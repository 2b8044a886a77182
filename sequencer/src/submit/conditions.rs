//! Conditions of pooled transactions in the pool's table: JSON, by hash, in the row of the transaction.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use alloy::primitives::{B256, keccak256};
use lockstep_index::{IndexError, pool_batch::PoolBatch};

use crate::{pool::PoolTx, rpc::Condition};

/// What must hold for stored transactions, by hash.
#[derive(Debug, Default)]
pub(super) struct Conditions(HashMap<B256, Arc<Condition>>);

impl Conditions {
    pub(super) fn put_on(&self, tx: PoolTx) -> Arc<PoolTx> {
        Arc::new(PoolTx { condition: self.0.get(&tx.hash).cloned(), ..tx })
    }
}

/// The conditions of `txs`, for their row; empty if none has any.
pub(super) fn write<'a>(txs: impl IntoIterator<Item = &'a Arc<PoolTx>>) -> Vec<u8> {
    let some = txs.into_iter().filter_map(|tx| Some((tx.hash, tx.condition.as_deref()?)));
    let conditions: BTreeMap<B256, &Condition> = some.collect();
    if conditions.is_empty() {
        return Vec::new();
    }
    serde_json::to_vec(&conditions).expect("keys are texts, and writing to memory does not fail")
}

/// The conditions in `batches`. What one of them holds without a condition was acknowledged without one.
///
/// # Errors
/// [`IndexError::Corrupt`] if they do not read.
pub(super) fn read(batches: &[PoolBatch]) -> Result<Conditions, IndexError> {
    let read = batches.iter().map(conditions_of).collect::<Result<Vec<_>, _>>()?;
    let mut all: HashMap<_, _> = read.iter().flatten().map(|(hash, condition)| (*hash, condition)).collect();
    if all.is_empty() {
        return Ok(Conditions::default());
    }
    for (batch, own) in batches.iter().zip(&read) {
        for free in batch.txs.iter().map(keccak256).filter(|hash| !own.contains_key(hash)) {
            all.remove(&free);
        }
    }
    Ok(Conditions(all.into_iter().map(|(hash, condition)| (hash, Arc::new(condition.clone()))).collect()))
}

fn conditions_of(batch: &PoolBatch) -> Result<HashMap<B256, Condition>, IndexError> {
    if batch.conditions.is_empty() {
        return Ok(HashMap::new());
    }
    serde_json::from_slice(&batch.conditions).map_err(|_| IndexError::Corrupt("pool_batch.conditions"))
}
