//! `debug_getRaw*`: consensus bytes (execution-apis, `debug`).

use alloy::consensus::BlockBody;
use alloy::eips::Encodable2718;
use alloy::primitives::Bytes;
use lockstep_index::block;
use lockstep_primitives::SealedBlock;

use crate::rpc::{api::Api, args::Args, error::RpcError, hex::Block};

/// The header in RLP.
pub(in crate::rpc) async fn header(api: &Api, mut args: Args) -> Result<Bytes, RpcError> {
    let Block(id) = args.required("block")?;
    args.end()?;
    Ok(alloy::rlp::encode(api.header(id).await?.header).into())
}

/// The block in RLP: `[header, transactions, ommers = [], withdrawals = []]`.
pub(in crate::rpc) async fn block(api: &Api, mut args: Args) -> Result<Bytes, RpcError> {
    let SealedBlock { header, transactions, .. } = sealed(api, &mut args).await?;
    args.end()?;
    let body = BlockBody { transactions, ommers: Vec::new(), withdrawals: Some(Default::default()) };
    Ok(alloy::rlp::encode(alloy::consensus::Block::new(header, body)).into())
}

/// The EIP-2718 bytes of a block's receipts, as in the receipts trie.
pub(in crate::rpc) async fn receipts(api: &Api, mut args: Args) -> Result<Vec<Bytes>, RpcError> {
    let sealed = sealed(api, &mut args).await?;
    args.end()?;
    Ok(sealed.receipts.iter().map(|receipt| receipt.encoded_2718().into()).collect())
}

/// Blocks that were refused: none, since this node makes them.
pub(in crate::rpc) async fn bad_blocks(_api: &Api, args: Args) -> Result<Vec<()>, RpcError> {
    args.end()?;
    Ok(Vec::new())
}

async fn sealed(api: &Api, args: &mut Args) -> Result<SealedBlock, RpcError> {
    let Block(id) = args.required("block")?;
    let header = api.header(id).await?;
    let sealed = block::by_hash(api.context.index.pool(), header.hash).await?;
    sealed.ok_or(RpcError::UnknownBlock)
}
