//! Receipts, with what a client needs beside them.

use alloy_consensus::TxReceipt;
use alloy_eips::Decodable2718;
use alloy_primitives::{Address, B256};
use futures::{Stream, StreamExt};
use lockstep_primitives::{BlockNumber, Header, OpReceiptEnvelope, OpTxEnvelope, TxIndex};
use op_alloy_consensus::{DEPOSIT_TX_TYPE_ID, OpReceipt};
use sqlx::{FromRow, PgExecutor};

use crate::{
    IndexError,
    convert::{to_address, to_hash, to_u32, to_u64},
    transaction::decode_transaction,
};

/// A receipt and its surroundings.
#[derive(Clone, Debug)]
pub struct StoredReceipt {
    /// The receipt, exactly as in the receipts trie.
    pub receipt: OpReceiptEnvelope,
    /// Its transaction.
    pub transaction: OpTxEnvelope,
    /// Sender of the transaction.
    pub sender: Address,
    /// Position in the block.
    pub index: TxIndex,
    /// Gas that this transaction used.
    pub gas_used: u64,
    /// Position of its first log in the block.
    pub first_log_index: u64,
    /// Hash of the block.
    pub block_hash: B256,
    /// Header of the block.
    pub header: Header,
    /// The block's first transaction, which carries the L1 attributes.
    pub attributes: OpTxEnvelope,
}

#[derive(FromRow)]
struct ReceiptRow {
    tx_index: i32,
    raw: Vec<u8>,
    sender: Vec<u8>,
    body: Vec<u8>,
    gas_used: i64,
    first_log_index: i64,
    block_hash: Vec<u8>,
    header: Vec<u8>,
    attributes: Vec<u8>,
}

impl TryFrom<ReceiptRow> for StoredReceipt {
    type Error = IndexError;

    fn try_from(row: ReceiptRow) -> Result<Self, IndexError> {
        Ok(Self {
            receipt: decode_receipt(&row.body)?,
            transaction: decode_transaction(&row.raw)?,
            sender: to_address(&row.sender, "l2_tx.sender")?,
            index: TxIndex(to_u32(row.tx_index, "l2_receipt.tx_index")?),
            gas_used: to_u64(row.gas_used, "l2_receipt.gas_used")?,
            first_log_index: to_u64(row.first_log_index, "l2_receipt.first_log_index")?,
            block_hash: to_hash(&row.block_hash, "l2_block.hash")?,
            header: crate::block::decode_header(&row.header)?,
            attributes: decode_transaction(&row.attributes)?,
        })
    }
}

macro_rules! receipt_query {
    ($tail:literal) => {
        concat!(
            "select r.tx_index, t.raw, t.sender, r.body, r.gas_used, r.first_log_index, ",
            "b.hash as block_hash, b.header, a.raw as attributes from l2_tx t ",
            "join l2_receipt r on r.block_number = t.block_number and r.tx_index = t.tx_index ",
            "join l2_block b on b.number = t.block_number ",
            "join l2_tx a on a.block_number = t.block_number and a.tx_index = 0 ",
            $tail
        )
    };
}

/// The receipt of the transaction with `hash`.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if the row does not decode.
pub async fn by_hash(db: impl PgExecutor<'_>, hash: B256) -> Result<Option<StoredReceipt>, IndexError> {
    let row: Option<ReceiptRow> =
        sqlx::query_as(receipt_query!("where t.hash = $1")).bind(hash.as_slice()).fetch_optional(db).await?;
    row.map(StoredReceipt::try_from).transpose()
}

/// The receipts of the transactions with `hashes` that blocks hold, newest first.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn by_hashes(db: impl PgExecutor<'_>, hashes: &[B256]) -> Result<Vec<StoredReceipt>, IndexError> {
    let hashes: Vec<&[u8]> = hashes.iter().map(|hash| hash.as_slice()).collect();
    let rows: Vec<ReceiptRow> = sqlx::query_as(receipt_query!(
        "where t.hash = any($1) order by t.block_number desc, t.tx_index desc"
    ))
    .bind(hashes)
    .fetch_all(db)
    .await?;
    rows.into_iter().map(StoredReceipt::try_from).collect()
}

/// The users' transactions of the blocks with `hashes` in order, each with its block's number and the gas that it used:
/// one by one, since a range may hold more than memory should.
pub fn gas_of_users<'a>(
    db: impl PgExecutor<'a> + 'a,
    hashes: &[B256],
) -> impl Stream<Item = Result<(BlockNumber, OpTxEnvelope, u64), IndexError>> + 'a {
    let hashes: Vec<Vec<u8>> = hashes.iter().map(|hash| hash.to_vec()).collect();
    sqlx::query_as(
        "select t.block_number, t.raw, r.gas_used from l2_tx t \
         join l2_receipt r on r.block_number = t.block_number and r.tx_index = t.tx_index \
         join l2_block b on b.number = t.block_number \
         where b.hash = any($1) and t.tx_type <> $2 order by t.block_number, t.tx_index",
    )
    .bind(hashes)
    .bind(i16::from(DEPOSIT_TX_TYPE_ID))
    .fetch(db)
    .map(|row| {
        let (number, raw, gas): (i64, Vec<u8>, i64) = row?;
        let number = BlockNumber(to_u64(number, "l2_tx.block_number")?);
        Ok((number, decode_transaction(&raw)?, to_u64(gas, "l2_receipt.gas_used")?))
    })
}

/// A receipt as it is stored: RLP of its type and fields, without the 256 bytes of bloom that its logs tell.
pub(crate) fn encode_receipt(receipt: &OpReceiptEnvelope) -> Vec<u8> {
    alloy_rlp::encode(OpReceipt::from(receipt.clone()))
}

/// Reads a stored receipt. Before blooms were left out it was stored as EIP-2718 bytes, which never begin an RLP list of
/// that shape.
pub(crate) fn decode_receipt(body: &[u8]) -> Result<OpReceiptEnvelope, IndexError> {
    if let Ok(receipt) = alloy_rlp::decode_exact::<OpReceipt>(body) {
        return Ok(receipt.into_with_bloom().into());
    }
    OpReceiptEnvelope::decode_2718_exact(body).map_err(|_| IndexError::Corrupt("l2_receipt.body"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy_consensus::Receipt;
    use alloy_eips::Encodable2718;
    use alloy_primitives::{Bytes, Log};
    use op_alloy_consensus::OpDepositReceipt;

    use super::*;

    fn receipts() -> Vec<OpReceiptEnvelope> {
        let logs =
            vec![Log::new_unchecked(Address::repeat_byte(1), vec![B256::ZERO], Bytes::from_static(b"data"))];
        let mut receipts = Vec::new();
        for (status, cumulative_gas_used, logs) in
            [(true, 21_000, vec![]), (false, 1, vec![]), (true, 9 << 40, logs)]
        {
            let inner = Receipt { status: status.into(), cumulative_gas_used, logs };
            receipts.extend([
                OpReceiptEnvelope::Legacy(inner.clone().with_bloom()),
                OpReceiptEnvelope::Eip2930(inner.clone().with_bloom()),
                OpReceiptEnvelope::Eip1559(inner.clone().with_bloom()),
                OpReceiptEnvelope::Eip7702(inner.clone().with_bloom()),
            ]);
            for (deposit_nonce, deposit_receipt_version) in
                [(None, None), (Some(7), None), (Some(0), Some(1))]
            {
                let deposit =
                    OpDepositReceipt { inner: inner.clone(), deposit_nonce, deposit_receipt_version };
                receipts.push(OpReceiptEnvelope::Deposit(deposit.with_bloom()));
            }
        }
        receipts
    }

    #[test]
    fn a_receipt_is_stored_without_its_bloom_and_read_with_it() {
        for receipt in receipts() {
            let stored = encode_receipt(&receipt);
            assert!(stored.len() + 250 < receipt.encoded_2718().len());
            assert_eq!(decode_receipt(&stored).unwrap(), receipt);
            assert_eq!(decode_receipt(&stored).unwrap().bloom(), receipt.bloom());
        }
    }

    #[test]
    fn receipts_of_before_are_read_as_they_were_stored() {
        for receipt in receipts() {
            assert_eq!(decode_receipt(&receipt.encoded_2718()).unwrap(), receipt);
        }
    }

    #[test]
    fn bytes_that_are_no_receipt_are_an_error() {
        for body in [&[][..], &[0xc0], &[0x7e], &encode_receipt(&receipts()[0])[1..]] {
            assert!(matches!(decode_receipt(body), Err(IndexError::Corrupt("l2_receipt.body"))));
        }
    }
}
