//! What a transaction says itself.

use alloy_primitives::{Address, TxKind};
use lockstep_locks::{AccessSet, Key, Mode};
use revm::context::{
    Transaction, TransactionType,
    transaction::{AccessListItemTr, AuthorizationTr},
};

/// Type of OP deposits: their nonce is not in the transaction.
const DEPOSIT: u8 = 0x7e;

/// Sender, recipient or created account, and accounts that delegate (EIP-7702).
pub(super) fn ends<T: Transaction>(tx: &T, set: &mut AccessSet) {
    let caller = tx.caller();
    set.add(Key::Balance(caller), Mode::Delta);
    set.add(Key::Nonce(caller), Mode::Exclusive);
    set.add(Key::Code(caller), Mode::Shared);
    let pays = !tx.value().is_zero();
    match tx.kind() {
        TxKind::Call(to) => {
            if pays {
                set.add(Key::Balance(to), Mode::Delta);
            }
            set.add(Key::Code(to), Mode::Shared);
        }
        TxKind::Create => {
            if let Some(created) = created(tx) {
                set.add(Key::Balance(created), if pays { Mode::Delta } else { Mode::Shared });
                set.add(Key::Nonce(created), Mode::Exclusive);
                set.add(Key::Code(created), Mode::Exclusive);
            }
        }
    }
    if tx.tx_type() == TransactionType::Eip7702 as u8 {
        for authority in tx.authorization_list().filter_map(|authorization| authorization.authority()) {
            set.add(Key::Nonce(authority), Mode::Exclusive);
            set.add(Key::Code(authority), Mode::Exclusive);
        }
    }
}

/// The account that `tx` creates, if it does and its nonce says which.
pub(super) fn created<T: Transaction>(tx: &T) -> Option<Address> {
    let known = tx.kind() == TxKind::Create && tx.tx_type() != DEPOSIT;
    known.then(|| tx.caller().create(tx.nonce()))
}

/// Access list (EIP-2930). It does not say what is only read: slots are exclusive unless `set` knows better.
pub(super) fn listed<T: Transaction>(tx: &T, set: &mut AccessSet) {
    if tx.tx_type() == TransactionType::Legacy as u8 {
        return;
    }
    for item in tx.access_list().into_iter().flatten() {
        let address = *item.address();
        add_new(set, Key::Code(address), Mode::Shared);
        for slot in item.storage_slots() {
            add_new(set, Key::Slot(address, (*slot).into()), Mode::Exclusive);
        }
    }
}

fn add_new(set: &mut AccessSet, key: Key, mode: Mode) {
    if set.mode(&key).is_none() {
        set.add(key, mode);
    }
}
