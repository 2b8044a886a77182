//! The plainest batch: an RLP list of blocks `[timestamp, l1_origin, [transaction, …]]`.

use alloy_primitives::Bytes;
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};
use lockstep_codec::BatchBlock;
use lockstep_primitives::L1BlockNumber;

#[derive(RlpEncodable, RlpDecodable)]
struct Block {
    timestamp: u64,
    l1_origin: u64,
    transactions: Vec<Bytes>,
}

pub(crate) fn encode(blocks: &[BatchBlock]) -> Vec<u8> {
    let blocks: Vec<Block> = blocks
        .iter()
        .map(|block| Block {
            timestamp: block.timestamp,
            l1_origin: block.l1_origin_number.0,
            transactions: block.transactions.clone(),
        })
        .collect();
    alloy_rlp::encode(blocks)
}

pub(crate) fn decode(mut bytes: &[u8]) -> alloy_rlp::Result<Vec<BatchBlock>> {
    let blocks = Vec::<Block>::decode(&mut bytes)?;
    let block = |block: Block| BatchBlock {
        timestamp: block.timestamp,
        l1_origin_number: L1BlockNumber(block.l1_origin),
        transactions: block.transactions,
    };
    Ok(blocks.into_iter().map(block).collect())
}
