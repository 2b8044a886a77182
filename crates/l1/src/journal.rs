//! What a transaction manager must remember across a crash.

use std::future::Future;

use alloy::{
    consensus::{EthereumTxEnvelope, Transaction, TxEip4844WithSidecar},
    eips::{eip2718::Decodable2718, eip7594::BlobTransactionSidecarVariant},
    primitives::{B256, Bytes},
};

use crate::{Cause, Fees, L1Error};

/// A signed transaction as pools take it, with either kind of sidecar if it has blobs.
pub type PooledTx = EthereumTxEnvelope<TxEip4844WithSidecar<BlobTransactionSidecarVariant>>;

/// A signed transaction, before or after it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedTx {
    /// Nonce of the sender.
    pub nonce: u64,
    /// Transaction hash.
    pub hash: B256,
    /// EIP-2718 bytes as a pool takes them: with the sidecar if there are blobs.
    pub raw: Bytes,
}

impl PreparedTx {
    /// Reads the transaction back.
    ///
    /// # Errors
    /// [`L1Error::Journaled`] if the bytes are not the transaction that `hash` names.
    pub fn decode(&self) -> Result<PooledTx, L1Error> {
        let unreadable = |reason: String| L1Error::Journaled { hash: self.hash, reason };
        let tx =
            PooledTx::decode_2718(&mut self.raw.as_ref()).map_err(|error| unreadable(error.to_string()))?;
        if *tx.tx_hash() == self.hash { Ok(tx) } else { Err(unreadable("other hash".to_owned())) }
    }

    /// The fees that it offers.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn fees(&self) -> Result<Fees, L1Error> {
        let tx = self.decode()?;
        Ok(Fees {
            tip: tx.max_priority_fee_per_gas().unwrap_or_default(),
            max_fee: tx.max_fee_per_gas(),
            max_blob_fee: tx.max_fee_per_blob_gas().unwrap_or_default(),
        })
    }
}

/// Keeps intents. A transaction is sent only after the journal holds it, so that a restart finds every
/// transaction that may be in a pool or a block.
pub trait Journal: Send + Sync {
    /// Stores `tx` durably. It has the nonce of the earlier attempts for the same request, if any.
    fn prepared(&self, tx: &PreparedTx) -> impl Future<Output = Result<(), Cause>> + Send;
}

/// Remembers nothing: for one-off tools that find on chain what they have done.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoJournal;

impl Journal for NoJournal {
    async fn prepared(&self, _tx: &PreparedTx) -> Result<(), Cause> {
        Ok(())
    }
}
