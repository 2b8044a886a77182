//! Accounts: balance, nonce, code, storage, proofs.

use std::collections::BTreeMap;

use alloy::consensus::constants::{EMPTY_ROOT_HASH, KECCAK_EMPTY};
use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, Bytes, U64, U256};
use alloy::rpc::types::{AccountInfo, EIP1186AccountProofResponse, EIP1186StorageProof};
use alloy::serde::JsonStorageKey;
use lockstep_state::AccountProof;
use serde::Serialize;
use serde_json::Value;

use super::{
    api::Api,
    args::Args,
    error::RpcError,
    hex::{self, Account, Block, storage_key},
};

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
    let Account(address) = args.required("address")?;
    let key: String = args.required("slot")?;
    let block = block(&mut args)?;
    args.end()?;
    let slot = slot(&storage_key(&key).map_err(RpcError::Params)?);
    api.with_state(block, move |state| Ok(state.storage(address, slot)?.into())).await
}

/// Values of many slots of many accounts, in the order of the keys.
pub(super) async fn storage_values(
    api: &Api,
    mut args: Args,
) -> Result<BTreeMap<Address, Vec<B256>>, RpcError> {
    let wanted: BTreeMap<String, Vec<String>> = args.required("requests")?;
    let block = block(&mut args)?;
    args.end()?;
    let wanted = wanted.iter().map(|(address, keys)| {
        let address = hex::address(&Value::String(address.clone())).map_err(RpcError::Params)?;
        Ok((address, storage_keys(keys)?))
    });
    let wanted = wanted.collect::<Result<BTreeMap<_, _>, RpcError>>()?;
    let count: usize = wanted.values().map(Vec::len).sum();
    if count == 0 {
        return Err(RpcError::Params("empty request".to_owned()));
    }
    check_keys(api, count)?;
    api.with_state(block, move |state| {
        let read = |(address, keys): (Address, Vec<JsonStorageKey>)| {
            let value = |key| Ok(state.storage(address, slot(key))?.into());
            Ok((address, keys.iter().map(value).collect::<Result<_, RpcError>>()?))
        };
        wanted.into_iter().map(read).collect()
    })
    .await
}

/// An account as the state trie holds it; null if there is none.
pub(super) async fn account(api: &Api, mut args: Args) -> Result<Option<TrieView>, RpcError> {
    let (address, block) = address_and_block(&mut args)?;
    args.end()?;
    api.with_state(block, move |state| {
        let Some(account) = state.account(address)? else { return Ok(None) };
        Ok(Some(TrieView {
            balance: account.balance,
            code_hash: account.code_hash,
            nonce: U64::from(account.nonce),
            storage_root: state.storage_root(address)?,
        }))
    })
    .await
}

/// `eth_getAccount`.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrieView {
    balance: U256,
    code_hash: B256,
    nonce: U64,
    storage_root: B256,
}

/// Balance, nonce and code in one answer.
pub(super) async fn account_info(api: &Api, mut args: Args) -> Result<AccountInfo, RpcError> {
    let (address, block) = address_and_block(&mut args)?;
    args.end()?;
    api.with_state(block, move |state| {
        let account = state.account(address)?.unwrap_or_default();
        let has_code = account.code_hash != KECCAK_EMPTY;
        let code = if has_code { state.code(account.code_hash)? } else { Bytes::new() };
        Ok(AccountInfo { balance: account.balance, nonce: account.nonce, code })
    })
    .await
}

pub(super) async fn proof(api: &Api, mut args: Args) -> Result<EIP1186AccountProofResponse, RpcError> {
    let Account(address) = args.required("address")?;
    let keys: Vec<String> = args.required("storage keys")?;
    let block = block(&mut args)?;
    args.end()?;
    check_keys(api, keys.len())?;
    let keys = storage_keys(&keys)?;
    // No header commits to the open block's state: `pending` is `latest` here.
    let block = if block.is_pending() { BlockId::latest() } else { block };
    api.with_state(block, move |state| {
        let slots: Vec<B256> = keys.iter().map(JsonStorageKey::as_b256).collect();
        Ok(proof_view(state.view().proof(address, &slots)?, &keys))
    })
    .await
}

fn address_and_block(args: &mut Args) -> Result<(Address, BlockId), RpcError> {
    let Account(address) = args.required("address")?;
    Ok((address, block(args)?))
}

fn block(args: &mut Args) -> Result<BlockId, RpcError> {
    Ok(args.optional("block")?.map_or_else(BlockId::default, |Block(block)| block))
}

fn storage_keys(keys: &[String]) -> Result<Vec<JsonStorageKey>, RpcError> {
    keys.iter().map(|key| storage_key(key)).collect::<Result<_, _>>().map_err(RpcError::Params)
}

fn slot(key: &JsonStorageKey) -> U256 {
    U256::from_be_bytes(key.as_b256().0)
}

fn check_keys(api: &Api, count: usize) -> Result<(), RpcError> {
    let limit = api.context.limits.max_proof_keys;
    if count > limit {
        return Err(RpcError::Limit(format!("too many storage keys: {count}, limit {limit}")));
    }
    Ok(())
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
