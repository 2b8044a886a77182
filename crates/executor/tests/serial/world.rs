//! A small state in which everything that is delicate can happen, and transactions on it.

use alloy_eips::eip7702::{Authorization, RecoveredAuthority, RecoveredAuthorization};
use alloy_primitives::{Address, B256, Bytes, U256, address, keccak256};
use lockstep_executor::Ethereum;
use revm::{
    bytecode::Bytecode,
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::either::Either,
    database::InMemoryDB,
    primitives::{TxKind, hardfork::SpecId},
    state::AccountInfo,
};

/// Writes calldata's second word into the slot that the first names.
pub(crate) const STORE: Address = address!("0x00000000000000000000000000000000000000aa");
/// Destroys itself in favour of calldata's first word.
pub(crate) const DESTROY: Address = address!("0x00000000000000000000000000000000000000bb");
/// Sends calldata's second word in wei to the first.
pub(crate) const PAY: Address = address!("0x00000000000000000000000000000000000000cc");
/// Creates [`child`] number calldata's first word, and calls it without data if the second is not zero.
pub(crate) const FACTORY: Address = address!("0x00000000000000000000000000000000000000dd");
/// There from the start, and empty (EIP-161).
pub(crate) const EMPTY: Address = address!("0x00000000000000000000000000000000000000ee");
/// Not there at the start.
pub(crate) const NOBODY: Address = address!("0x00000000000000000000000000000000000000ff");

/// Of a child: without calldata it destroys itself, otherwise as [`STORE`].
const CHILD: [u8; 15] =
    [0x36, 0x60, 0x06, 0x57, 0x33, 0xff, 0x5b, 0x60, 0x20, 0x35, 0x60, 0x00, 0x35, 0x55, 0x00];
const STORE_CODE: [u8; 8] = [0x60, 0x20, 0x35, 0x60, 0x00, 0x35, 0x55, 0x00];
const DESTROY_CODE: [u8; 4] = [0x60, 0x00, 0x35, 0xff];
const PAY_CODE: [u8; 18] =
    [0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0x20, 0x35, 0x60, 0, 0x35, 0x5a, 0xf1, 0x50, 0x00];

/// Writes 7 into slot 7 and leaves [`CHILD`].
fn child_init() -> Vec<u8> {
    let mut code = vec![0x60, 7, 0x60, 7, 0x55];
    code.extend([0x60, 0x0f, 0x80, 0x60, 0x10, 0x60, 0, 0x39, 0x60, 0, 0xf3]);
    code.extend(CHILD);
    code
}

fn factory_code() -> Vec<u8> {
    let mut code = vec![0x7e];
    code.extend(child_init());
    code.extend([0x60, 0, 0x52]); // into memory, from byte 1 on
    code.extend([0x60, 0, 0x35, 0x60, 0x1f, 0x60, 1, 0x34, 0xf5]); // CREATE2
    code.extend([0x60, 0x20, 0x35, 0x60, 0x33, 0x57, 0x00, 0x5b]);
    code.extend([0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x85, 0x5a, 0xf1, 0x00]); // CALL
    code
}

/// The `salt`th child of [`FACTORY`].
pub(crate) fn child(salt: u64) -> Address {
    FACTORY.create2(B256::from(U256::from(salt)), keccak256(child_init()))
}

/// The `index`th sender; there are [`PEOPLE`].
pub(crate) fn person(index: usize) -> Address {
    Address::repeat_byte(0x10 + u8::try_from(index).expect("few people"))
}

pub(crate) const PEOPLE: usize = 4;
/// What everybody has at the start, in wei.
pub(crate) const FORTUNE: u64 = 1_000_000_000;

/// The state before the block.
pub(crate) fn state() -> InMemoryDB {
    let mut db = InMemoryDB::default();
    for index in 0..PEOPLE {
        db.insert_account_info(person(index), AccountInfo::from_balance(U256::from(FORTUNE)));
    }
    let factory = factory_code();
    let contracts: [(Address, &[u8]); 4] =
        [(STORE, &STORE_CODE), (DESTROY, &DESTROY_CODE), (PAY, &PAY_CODE), (FACTORY, &factory)];
    for (address, code) in contracts {
        let code = Bytecode::new_legacy(Bytes::copy_from_slice(code));
        let info = AccountInfo { nonce: 1, balance: U256::from(1_000), ..AccountInfo::default() };
        db.insert_account_info(address, info.with_code(code));
        for slot in 0..3 {
            let (slot, value) = (U256::from(slot), U256::from(100 + slot));
            db.insert_account_storage(address, slot, value).expect("it is in memory");
        }
    }
    db.insert_account_info(EMPTY, AccountInfo::default());
    db
}

/// The rules of `spec` in a block whose fees go to `beneficiary`.
pub(crate) fn rules(spec: SpecId, beneficiary: Address) -> Ethereum {
    let block = BlockEnv {
        number: U256::from(10),
        beneficiary,
        basefee: if spec.is_enabled_in(SpecId::LONDON) { 7 } else { 0 },
        gas_limit: u64::MAX,
        ..BlockEnv::default()
    };
    Ethereum::new(CfgEnv::new_with_spec(spec), block)
}

/// A transaction with gas for everything here.
pub(crate) fn call(from: usize, nonce: u64, to: Address, value: u64, words: &[U256]) -> TxEnv {
    TxEnv {
        caller: person(from),
        nonce,
        kind: TxKind::Call(to),
        value: U256::from(value),
        data: words.iter().flat_map(|word| word.to_be_bytes::<32>()).collect::<Vec<_>>().into(),
        gas_limit: if words.is_empty() && to != child(0) { 30_000 } else { 400_000 },
        gas_price: 10,
        chain_id: None,
        ..TxEnv::default()
    }
}

/// An address as a word of calldata.
pub(crate) fn word(address: Address) -> U256 {
    address.into_word().into()
}

/// `tx` with a delegation of `authority` to `target` (EIP-7702).
pub(crate) fn delegating(tx: TxEnv, authority: usize, nonce: u64, target: Address) -> TxEnv {
    let inner = Authorization { chain_id: U256::ZERO, address: target, nonce };
    let signed = RecoveredAuthorization::new_unchecked(inner, RecoveredAuthority::Valid(person(authority)));
    TxEnv {
        tx_type: 4,
        chain_id: Some(1),
        gas_priority_fee: Some(1),
        authorization_list: vec![Either::Right(signed)],
        ..tx
    }
}
