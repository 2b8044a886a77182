//! A batch by its L1 transaction, with what it cost: for people, not for derivation.

use alloy::{
    primitives::{Address, B256, Bytes},
    providers::Provider,
    rpc::types::{Log, TransactionReceipt},
    sol_types::SolEvent,
};
use lockstep_contracts::l1::Inbox;
use lockstep_primitives::{BlockId, L1BlockNumber};

use super::{Batches, DA_BLOBS, L1Reader};
use crate::{L1Error, error::rpc};

/// A batch that a transaction appended to the inbox.
#[derive(Clone, Debug)]
pub struct PostedBatch {
    /// The transaction.
    pub tx_hash: B256,
    /// Its block.
    pub block: BlockId,
    /// The inbox's number for the batch.
    pub index: u64,
    /// Who posted it.
    pub poster: Address,
    /// Whether its data is in blobs; else it is calldata.
    pub in_blobs: bool,
    /// Gas of the transaction, without its blobs.
    pub gas_used: u64,
    /// Wei for each gas.
    pub gas_price: u128,
    /// Gas of its blobs.
    pub blob_gas_used: u64,
    /// Wei for each blob gas.
    pub blob_gas_price: u128,
    log: Log,
    event: Inbox::BatchAppended,
}

impl PostedBatch {
    /// Wei that the poster paid, blobs included.
    #[must_use]
    pub fn cost(&self) -> u128 {
        let execution = u128::from(self.gas_used).saturating_mul(self.gas_price);
        execution.saturating_add(u128::from(self.blob_gas_used).saturating_mul(self.blob_gas_price))
    }
}

impl L1Reader {
    /// The batch that transaction `hash` appended; `None` if it is in no block or appended none.
    ///
    /// # Errors
    /// [`L1Error::Rpc`] if the node does not answer, [`L1Error::Malformed`] if its receipt lacks fields.
    pub async fn posted(&self, hash: B256) -> Result<Option<PostedBatch>, L1Error> {
        let receipt = self.inner.provider.get_transaction_receipt(hash).await;
        let Some(receipt) = receipt.map_err(rpc("eth_getTransactionReceipt"))? else { return Ok(None) };
        let ours = |log: &&Log| {
            log.address() == self.inner.contracts.inbox
                && log.topic0() == Some(&Inbox::BatchAppended::SIGNATURE_HASH)
        };
        receipt.inner.logs().iter().find(ours).map(|log| posted_batch(&receipt, log)).transpose()
    }

    /// The channel's bytes; none where blobs do not unpack.
    ///
    /// # Errors
    /// [`L1Error::Reorged`] if the block is no longer there, an error of the blob source, or else see [`L1Error`].
    pub async fn posted_data(&self, batch: &PostedBatch) -> Result<Bytes, L1Error> {
        let Batches::From(blobs) = &self.inner.batches else {
            return Err(L1Error::NoBlobSource("this reader leaves batches out".to_owned()));
        };
        let number = L1BlockNumber(batch.block.number);
        match self.header(number).await? {
            Some(header) if header.hash == batch.block.hash => {
                self.submission_data(&header, &batch.log, &batch.event, blobs).await
            }
            _ => Err(L1Error::Reorged(number)),
        }
    }
}

fn posted_batch(receipt: &TransactionReceipt, log: &Log) -> Result<PostedBatch, L1Error> {
    let malformed =
        || L1Error::Malformed(format!("a receipt of {} that lacks fields", receipt.transaction_hash));
    let (number, hash) = receipt.block_number.zip(receipt.block_hash).ok_or_else(malformed)?;
    let event = Inbox::BatchAppended::decode_log(&log.inner).map_err(|_| malformed())?.data;
    Ok(PostedBatch {
        tx_hash: receipt.transaction_hash,
        block: BlockId { number, hash },
        index: event.index.try_into().map_err(|_| malformed())?,
        poster: event.poster,
        in_blobs: event.daType == DA_BLOBS,
        gas_used: receipt.gas_used,
        gas_price: receipt.effective_gas_price,
        blob_gas_used: receipt.blob_gas_used.unwrap_or_default(),
        blob_gas_price: receipt.blob_gas_price.unwrap_or_default(),
        log: log.clone(),
        event,
    })
}
