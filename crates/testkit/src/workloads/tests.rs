//! What holds for every kind of block.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, U256};
use revm::database::{DbAccount, InMemoryDB};
use sha2::{Digest, Sha256};

use super::{Claim, KINDS, Workload, by_name};
use crate::baseline::{Results, plain};

const SEED: u64 = 0x10c5_7e97;

fn tally(results: &Results) -> Claim {
    let mut claim = Claim::default();
    for result in results {
        match result {
            Ok(result) if result.is_success() => claim.succeeded += 1,
            Ok(_) => claim.failed += 1,
            Err(_) => claim.invalid += 1,
        }
    }
    claim
}

type Account = (U256, u64, Vec<u8>, Vec<(U256, U256)>);

fn accounts(state: &InMemoryDB) -> BTreeMap<Address, Account> {
    let cache = &state.cache;
    let account = |address, account: &DbAccount| {
        let info = &account.info;
        let mut storage: Vec<_> = account.storage.iter().map(|(slot, value)| (*slot, *value)).collect();
        storage.sort_unstable();
        let code = cache.contracts[&info.code_hash].original_byte_slice().to_vec();
        (address, (info.balance, info.nonce, code, storage))
    };
    cache.accounts.iter().map(|(address, found)| account(*address, found)).collect()
}

#[test]
fn names_are_unique() {
    let names: BTreeSet<_> = KINDS.iter().map(|kind| kind.name).collect();
    assert_eq!(names.len(), KINDS.len());
}

#[test]
fn every_block_ends_as_it_claims() {
    for kind in KINDS {
        for size in [1, 7, 120] {
            let block = (kind.build)(size, SEED);
            assert_eq!(block.name, kind.name);
            let (results, _) = plain(&block);
            assert_eq!(tally(&results), block.claim, "{} of {size}", kind.name);
            assert_eq!(results.len(), block.txs.len(), "{} of {size}", kind.name);
            assert!(
                (size..=size + 40).contains(&block.txs.len()),
                "{}: {} for {size}",
                kind.name,
                block.txs.len()
            );
        }
    }
}

#[test]
fn equal_seeds_give_equal_blocks() {
    for kind in KINDS {
        let [a, b]: [Workload; 2] = [(kind.build)(30, SEED), (kind.build)(30, SEED)];
        assert_eq!(a.txs, b.txs, "{}", kind.name);
        assert_eq!((a.cfg, a.block), (b.cfg, b.block), "{}", kind.name);
        assert_eq!(accounts(&a.state), accounts(&b.state), "{}", kind.name);
    }
}

#[test]
fn other_seeds_give_other_people() {
    for kind in KINDS {
        assert_ne!((kind.build)(30, 1).txs, (kind.build)(30, 2).txs, "{}", kind.name);
    }
}

#[test]
fn fees_are_real_and_reach_the_beneficiary() {
    for kind in KINDS {
        let mut block = (kind.build)(30, SEED);
        assert!(block.block.basefee > 0 && block.txs.iter().all(|tx| tx.gas_price > 0), "{}", kind.name);
        // Somebody new, since beneficiaries spend too.
        block.block.beneficiary = Address::repeat_byte(0xfe);
        let (_, after) = plain(&block);
        assert!(after.cache.accounts[&block.block.beneficiary].info.balance > U256::ZERO, "{}", kind.name);
    }
}

#[test]
fn independent_transactions_have_no_person_in_common() {
    let transfers = by_name("transfers-independent", 50, SEED).expect("exists");
    let people = transfers.txs.iter().flat_map(|tx| [Some(tx.caller), tx.kind.to().copied()]);
    assert_eq!(people.collect::<BTreeSet<_>>().len(), 100);

    let tokens = by_name("erc20-independent", 50, SEED).expect("exists");
    let people = tokens.txs.iter().flat_map(|tx| [tx.caller, Address::from_slice(&tx.data[16..36])]);
    assert_eq!(people.collect::<BTreeSet<_>>().len(), 100);
}

#[test]
fn hot_recipients_receive_everything() {
    let transfers = by_name("transfers-hot-recipient", 50, SEED).expect("exists");
    assert_eq!(transfers.txs.iter().map(|tx| tx.kind.to()).collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(transfers.txs.iter().map(|tx| tx.caller).collect::<BTreeSet<_>>().len(), 50);

    let tokens = by_name("erc20-hot-recipient", 50, SEED).expect("exists");
    assert_eq!(tokens.txs.iter().map(|tx| &tx.data[16..36]).collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(tokens.txs.iter().map(|tx| tx.caller).collect::<BTreeSet<_>>().len(), 50);
}

#[test]
fn nobody_in_a_transfer_chain_can_pay_before_being_paid() {
    let mut block = by_name("transfer-chain", 20, SEED).expect("exists");
    block.txs.remove(0);
    let (results, _) = plain(&block);
    assert!(results.iter().all(Result::is_err));
}

#[test]
fn artifacts_were_built_from_these_sources() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts");
    let mut sources: Vec<_> = std::fs::read_dir(folder.join("sol"))
        .expect("sol/ is committed")
        .map(|entry| format!("sol/{}", entry.expect("readable").file_name().to_string_lossy()))
        .collect();
    sources.sort();
    let mut hash = Sha256::new();
    for name in ["build".to_owned(), "package-lock.json".to_owned()].into_iter().chain(sources) {
        let content = std::fs::read(folder.join(&name)).expect("committed");
        hash.update(format!("{name}\n{}\n", content.len()));
        hash.update(content);
    }
    let committed = std::fs::read_to_string(folder.join("artifacts/source.sha256")).expect("committed");
    assert_eq!(hex::encode(hash.finalize()), committed.trim(), "run crates/testkit/contracts/build");
}
