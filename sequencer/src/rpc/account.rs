//! Accounts: balance, nonce, code, storage, proofs.

use alloy::consensus::constants::{EMPTY_ROOT_HASH, KECCAK_EMPTY};
use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, Bytes, U64, U256};
use alloy::rpc::types::{EIP1186AccountProofResponse, EIP1186StorageProof};
use alloy::serde::JsonStorageKey;
use lockstep_state::AccountProof;

use super::{api::Api, args::Args, error::RpcError};

pub(super) async fn balance(api: &Api, mut args: Args) -> Result<U256, RpcError> {
    let (address, block) = address_and_block(&mut args)?;
    args.end()?;
    api.with_state(block, move |state| Ok(state.account(address)?.map_or(U256::ZERO, |a| a.balance))).await
}

pub(super) async fn code(api: &Api, mut args: Args) -> Result<Bytes, RpcError> {
    let (address, block) = address_and_block(&mut args)?;
    args.end()?;
    api.with_state(block, move |state| match state.account(address)? {
        Some(account) if account.code_hash != KECCAK_EMPTY => Ok(state.code(account.code_hash)?),
        _ => Ok(Bytes::new()),
    })
    .await
}

/// The next nonce; with `pending`, the one after the sender's transactions in the pool.
pub(super) async fn transaction_count(api: &Api, mut args: Args) -> Result<U64, RpcError> {
    let (address, block) = address_and_block(&mut args)?;
    args.end()?;
    let pooled = block.is_pending().then(|| api.context.pool.pending_nonce(address)).flatten();
    let nonce =
        api.with_state(block, move |state| Ok(state.account(address)?.map_or(0, |a| a.nonce))).await?;
    Ok(U64::from(nonce.max(pooled.unwrap_or(0))))
}

pub(super) async fn storage_at(api: &Api, mut args: Args) -> Result<B256, RpcError> {
    let address: Address = args.required("address")?;
    let slot: JsonStorageKey = args.required("slot")?;
    let block = args.optional("block")?.unwrap_or_default();
    args.end()?;
    let slot = U256::from_be_bytes(slot.as_b256().0);
    api.with_state(block, move |state| Ok(state.storage(address, slot)?.into())).await
}

pub(super) async fn proof(api: &Api, mut args: Args) -> Result<EIP1186AccountProofResponse, RpcError> {
    let address: Address = args.required("address")?;
    let keys: Vec<JsonStorageKey> = args.required("storage keys")?;
    let block = args.optional("block")?.unwrap_or_default();
    args.end()?;
    let limit = api.context.limits.max_proof_keys;
    if keys.len() > limit {
        return Err(RpcError::Limit(format!("too many storage keys: {}, limit {limit}", keys.len())));
    }
    api.with_state(block, move |state| {
        let slots: Vec<B256> = keys.iter().map(JsonStorageKey::as_b256).collect();
        Ok(proof_view(state.view().proof(address, &slots)?, &keys))
    })
    .await
}

fn address_and_block(args: &mut Args) -> Result<(Address, BlockId), RpcError> {
    Ok((args.required("address")?, args.optional("block")?.unwrap_or_default()))
}

/// Keys are answered in the form in which they were asked.
fn proof_view(proof: AccountProof, keys: &[JsonStorageKey]) -> EIP1186AccountProofResponse {
    let account = proof.account;
    let slots = proof.storage_proof.into_iter().zip(keys);
    EIP1186AccountProofResponse {
        address: proof.address,
        balance: account.map_or(U256::ZERO, |account| account.balance),
        code_hash: account.map_or(KECCAK_EMPTY, |account| account.code_hash),
        nonce: account.map_or(0, |account| account.nonce),
        storage_hash: account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root),
        account_proof: proof.account_proof,
        storage_proof: slots
            .map(|(slot, key)| EIP1186StorageProof::new(*key, slot.value, slot.proof))
            .collect(),
    }
}
