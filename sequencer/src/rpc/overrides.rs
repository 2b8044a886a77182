//! A caller's changes to the block and the state that its call runs on.

use std::collections::BTreeSet;

use alloy::primitives::{Address, B256, U256, map::B256HashMap};
use alloy::rpc::types::{
    BlockOverrides,
    state::{AccountOverride, StateOverride},
};
use alloy_evm::precompiles::PrecompilesMap;
use revm::{
    Database, DatabaseCommit,
    bytecode::Bytecode,
    context::BlockEnv,
    context_interface::block::BlobExcessGasAndPrice,
    state::{Account, AccountInfo, AccountStatus, EvmStorageSlot},
};

use super::{
    error::RpcError,
    refusal::{Refusal, code},
};

/// Changes all of a block's environment that an override names, but for hashes of earlier blocks.
pub(super) fn apply_to_block(block: &mut BlockEnv, overrides: &BlockOverrides) {
    block.number = overrides.number.unwrap_or(block.number);
    block.difficulty = overrides.difficulty.unwrap_or(block.difficulty);
    block.timestamp = overrides.time.map_or(block.timestamp, U256::from);
    block.gas_limit = overrides.gas_limit.unwrap_or(block.gas_limit);
    block.beneficiary = overrides.coinbase.unwrap_or(block.beneficiary);
    block.prevrandao = overrides.random.or(block.prevrandao);
    block.basefee = overrides.base_fee.map_or(block.basefee, |fee| fee.saturating_to());
    if let Some(fee) = overrides.blob_base_fee {
        let excess_blob_gas = block.blob_excess_gas_and_price.map_or(0, |blob| blob.excess_blob_gas);
        block.blob_excess_gas_and_price =
            Some(BlobExcessGasAndPrice { excess_blob_gas, blob_gasprice: fee.saturating_to() });
    }
}

/// Changes accounts and moves precompiles, in order of address, by geth's rules: an overridden precompile is one no
/// more, moved or not; where a precompile was moved to, nothing else is overridden.
///
/// # Errors
/// The first override that cannot be.
pub(super) fn apply_to_state<DB>(
    db: &mut DB,
    precompiles: &mut PrecompilesMap,
    overrides: StateOverride,
) -> Result<(), RpcError>
where
    DB: Database<Error: Into<RpcError>> + DatabaseCommit,
{
    let overridden: BTreeSet<Address> = overrides.keys().copied().collect();
    let mut accounts: Vec<_> = overrides.into_iter().collect();
    accounts.sort_unstable_by_key(|(address, _)| *address);
    for (address, account) in accounts {
        let is_precompile = precompiles.get(&address).is_some();
        if let Some(target) = account.move_precompile_to {
            if !is_precompile {
                return Err(RpcError::Call(format!("account {address} is not a precompile")));
            }
            if overridden.contains(&target) {
                let code = (target == address).then_some(code::MOVED_TO_ITSELF);
                let text = format!("account {target} is already overridden");
                return Err(RpcError::Unincludable(Refusal { code, text }));
            }
            precompiles.move_precompiles([(address, target)]).map_err(RpcError::internal)?;
        } else if is_precompile {
            precompiles.apply_precompile(&address, |_| None);
        }
        change(db, address, account)?;
    }
    Ok(())
}

fn change<DB>(db: &mut DB, address: Address, account: AccountOverride) -> Result<(), RpcError>
where
    DB: Database<Error: Into<RpcError>> + DatabaseCommit,
{
    let (slots, replaced) = match (account.state, account.state_diff) {
        (Some(_), Some(_)) => {
            return Err(RpcError::Call(format!("account {address} has both 'state' and 'stateDiff'")));
        }
        (Some(state), None) => (state, true),
        (None, diff) => (diff.unwrap_or_default(), false),
    };
    let mut info = db.basic(address).map_err(Into::into)?.unwrap_or_default();
    info.balance = account.balance.unwrap_or(info.balance);
    info.nonce = account.nonce.unwrap_or(info.nonce);
    if let Some(code) = account.code {
        let code = Bytecode::new_raw_checked(code)
            .map_err(|error| RpcError::Call(format!("code of account {address}: {error}")))?;
        info.set_code(code);
    }
    if replaced {
        let status = AccountStatus::Touched | AccountStatus::SelfDestructed;
        db.commit([(address, Account { status, ..Account::default() })].into_iter().collect());
    }
    db.commit([(address, changed(info, slots, replaced))].into_iter().collect());
    Ok(())
}

/// The account as if a transaction had left it so.
fn changed(info: AccountInfo, slots: B256HashMap<B256>, replaced: bool) -> Account {
    // Slots of an account that is empty otherwise would be dropped with it (EIP-161); a created one keeps them.
    let created = replaced || (info.is_empty() && !slots.is_empty());
    let slot = |(slot, value): (B256, B256)| {
        let original_value = U256::from_be_bytes((!value).0); // different, so that it counts as written
        (slot.into(), EvmStorageSlot::new_changed(original_value, value.into(), 0))
    };
    let mut account = Account::from(info).with_storage(slots.into_iter().map(slot));
    account.mark_touch();
    if created {
        account.mark_created();
    }
    account
}
