//! Which transactions may enter the pool: every rule that can be judged without the pool itself.

use alloy::{
    consensus::{Transaction, transaction::SignerRecoverable},
    eips::Decodable2718,
    primitives::{Address, Bytes, KECCAK256_EMPTY, TxKind, U256},
};
use lockstep_primitives::{Header, OpTxEnvelope};
use lockstep_state::{StateError, StateView};
use lockstep_stf::{L1BlockInfo, Rules, StfError, next_base_fee};
use op_alloy_consensus::OpPooledTransaction;
use revm::{
    context_interface::cfg::gas::calculate_initial_tx_gas, database_interface::WrapDatabaseRef,
    primitives::hardfork::SpecId,
};

use crate::{
    pool::{AccountView, PoolTx},
    rpc::SubmitError,
};

/// Most bytes of a transaction, as in geth's pool.
pub(crate) const MAX_TX_BYTES: usize = 128 * 1024;
/// Most bytes of creation code (EIP-3860).
const MAX_INIT_CODE_BYTES: usize = 2 * 24_576;
/// Most gas of one transaction (EIP-7825).
const MAX_TX_GAS: u64 = 1 << 24;
/// First bytes of the code of an account that delegates (EIP-7702).
const DELEGATION: [u8; 3] = [0xef, 0x01, 0x00];

/// What admission knows of the chain: its unsafe head.
#[derive(Clone, Debug)]
pub(crate) struct HeadView {
    pub(crate) header: Header,
    pub(crate) state: StateView,
    rules: Rules,
    next_base_fee: u64,
    l1_info: L1BlockInfo,
}

/// Why a head cannot be judged against.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeadViewError {
    #[error("cannot read the state of the head")]
    State(#[from] StateError),
    #[error("cannot tell the next base fee")]
    BaseFee(#[from] StfError),
}

impl HeadView {
    pub(crate) fn new(rules: Rules, header: Header, state: StateView) -> Result<Self, HeadViewError> {
        let number = U256::from(header.number);
        let l1_info = L1BlockInfo::try_fetch(&mut WrapDatabaseRef(&state), number, rules.spec())?;
        Ok(Self { next_base_fee: next_base_fee(&header)?, header, state, rules, l1_info })
    }

    pub(crate) fn account(&self, address: Address) -> Result<AccountView, StateError> {
        let account = self.state.account(address)?.unwrap_or_default();
        Ok(AccountView { nonce: account.nonce, balance: account.balance })
    }

    /// Most wei that `tx` can take from its sender: value, gas, L1 fee and operator fee.
    fn cost(&self, tx: &OpPooledTransaction, raw: &[u8]) -> U256 {
        let gas = U256::from(tx.max_fee_per_gas()).saturating_mul(U256::from(tx.gas_limit()));
        let l1 = self.l1_info.clone().tx_cost(raw, U256::from(tx.gas_limit()), self.rules.spec());
        tx.value().saturating_add(gas).saturating_add(l1)
    }
}

/// Judges the bytes of a transaction against `head`; `balance` is the sender's where that is known better. Takes tens of
/// microseconds: it recovers the sender.
///
/// # Errors
/// The first rule that does not hold, or [`SubmitError::Internal`] if the state cannot be read.
pub(crate) fn admit(
    raw: &Bytes,
    head: &HeadView,
    balance: Option<U256>,
) -> Result<(PoolTx, AccountView), SubmitError> {
    let tx = decode(raw)?;
    check_chain(&tx, head.rules.chain_id())?;
    check_shape(&tx)?;
    check_fees(&tx, head)?;
    check_gas(&tx, head)?;
    let sender = tx.recover_signer().map_err(|_| SubmitError::InvalidSender)?;
    let stored = check_sender(sender, head)?;
    let account = AccountView { balance: balance.unwrap_or(stored.balance), ..stored };
    if tx.nonce() < account.nonce {
        return Err(SubmitError::NonceTooLow { next: account.nonce, tx: tx.nonce() });
    }
    let cost = head.cost(&tx, raw);
    if cost > account.balance {
        return Err(SubmitError::InsufficientFunds { sender, balance: account.balance, cost });
    }
    Ok((pool_tx(tx, raw, sender, cost), account))
}

/// A transaction that was admitted before: from the pool's table, or from a block that was taken back.
///
/// # Errors
/// If the bytes are no transaction of a user, or no sender can be recovered.
pub(crate) fn readmit(raw: &Bytes, head: &HeadView) -> Result<PoolTx, SubmitError> {
    let tx = decode(raw)?;
    let sender = tx.recover_signer().map_err(|_| SubmitError::InvalidSender)?;
    let cost = head.cost(&tx, raw);
    Ok(pool_tx(tx, raw, sender, cost))
}

fn pool_tx(tx: OpPooledTransaction, raw: &Bytes, sender: Address, cost: U256) -> PoolTx {
    PoolTx {
        raw: raw.clone(),
        sender,
        hash: *tx.hash(),
        nonce: tx.nonce(),
        max_fee_per_gas: tx.max_fee_per_gas(),
        max_priority_fee_per_gas: tip(&tx),
        cost,
        condition: None,
        transaction: OpTxEnvelope::from(tx),
    }
}

fn tip(tx: &OpPooledTransaction) -> u128 {
    tx.max_priority_fee_per_gas().unwrap_or_else(|| tx.max_fee_per_gas())
}

fn decode(raw: &Bytes) -> Result<OpPooledTransaction, SubmitError> {
    if raw.len() > MAX_TX_BYTES {
        return Err(SubmitError::Oversized { size: raw.len(), limit: MAX_TX_BYTES });
    }
    // Legacy transactions are RLP lists and begin at 0xc0; below 0x80 the first byte is a type.
    if raw.first().is_some_and(|ty| *ty < 0x80 && !matches!(ty, 1 | 2 | 4)) {
        return Err(SubmitError::UnsupportedType);
    }
    OpPooledTransaction::decode_2718_exact(raw).map_err(|error| SubmitError::Decode(error.to_string()))
}

/// A transaction without chain id could be replayed from any other chain, so it is refused as geth does.
fn check_chain(tx: &OpPooledTransaction, want: u64) -> Result<(), SubmitError> {
    let have = tx.chain_id().ok_or(SubmitError::Unprotected)?;
    if have == want { Ok(()) } else { Err(SubmitError::ChainId { have, want }) }
}

fn check_shape(tx: &OpPooledTransaction) -> Result<(), SubmitError> {
    let creates = tx.kind() == TxKind::Create;
    if creates && tx.input().len() > MAX_INIT_CODE_BYTES {
        return Err(SubmitError::InitCodeSize { size: tx.input().len(), limit: MAX_INIT_CODE_BYTES });
    }
    if tx.authorization_list().is_some_and(<[_]>::is_empty) {
        return Err(SubmitError::MalformedSetCode);
    }
    Ok(())
}

fn check_fees(tx: &OpPooledTransaction, head: &HeadView) -> Result<(), SubmitError> {
    let fee_cap = tx.max_fee_per_gas();
    if tx.max_priority_fee_per_gas().is_some_and(|tip| tip > fee_cap) {
        return Err(SubmitError::TipAboveFeeCap);
    }
    // Below the next base fee nothing can be included now; whoever is admitted keeps its place when it rises.
    let needed = u128::from(head.next_base_fee);
    if fee_cap < needed {
        return Err(SubmitError::Underpriced { fee_cap, needed });
    }
    Ok(())
}

fn check_gas(tx: &OpPooledTransaction, head: &HeadView) -> Result<(), SubmitError> {
    let gas = tx.gas_limit();
    if gas > head.header.gas_limit {
        return Err(SubmitError::ExceedsBlockGasLimit);
    }
    if gas > MAX_TX_GAS {
        return Err(SubmitError::GasLimitTooHigh { cap: MAX_TX_GAS, gas });
    }
    let (accounts, slots) = tx.access_list().map_or((0, 0), |list| {
        (list.len() as u64, list.iter().map(|item| item.storage_keys.len() as u64).sum())
    });
    let authorizations = tx.authorization_list().map_or(0, |list| list.len() as u64);
    let creates = tx.kind() == TxKind::Create;
    let initial =
        calculate_initial_tx_gas(SpecId::OSAKA, tx.input(), creates, accounts, slots, authorizations);
    if gas < initial.initial_total_gas {
        return Err(SubmitError::IntrinsicGas { gas, needed: initial.initial_total_gas });
    }
    if gas < initial.floor_gas {
        return Err(SubmitError::FloorDataGas { gas, needed: initial.floor_gas });
    }
    Ok(())
}

/// EIP-3607: an account with code sends nothing, unless the code is a delegation.
fn check_sender(sender: Address, head: &HeadView) -> Result<AccountView, SubmitError> {
    let read = || -> Result<_, StateError> {
        let account = head.state.account(sender)?.unwrap_or_default();
        let is_contract = account.code_hash != KECCAK256_EMPTY
            && !head.state.code(account.code_hash)?.starts_with(&DELEGATION);
        Ok((AccountView { nonce: account.nonce, balance: account.balance }, is_contract))
    };
    match read() {
        Ok((_, true)) => Err(SubmitError::SenderNotEoa(sender)),
        Ok((account, false)) => Ok(account),
        Err(error) => {
            tracing::error!(%error, "state unreadable");
            Err(SubmitError::Internal)
        }
    }
}
