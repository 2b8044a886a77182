//! `seal/transfers=1000`: the time from a list of transactions to a sealed block, on the real state store.
//!
//! `cargo bench -p lockstep-stf`. Building (execution and receipts), staging (state root), sealing (the other
//! roots and the hash) and committing are timed apart. Senders are known, as they are after admission. The
//! result is checked first: every transfer is in the block, and the balances say so.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::{Duration, Instant};

use alloy_consensus::{Header, Signed, TxEip1559, transaction::Recovered};
use alloy_primitives::{Address, Signature, TxKind, U256, keccak256};
use lockstep_contracts::{GenesisParams, genesis_alloc};
use lockstep_derive::block_inputs;
use lockstep_primitives::{
    BlockInputs, BlockNumber, L1BlockRef, L2BlockRef, OpTxEnvelope, SealedBlock, predeploys,
};
use lockstep_state::{StateOptions, StateStore};
use lockstep_stf::{BlockBuilder, Rules};
use lockstep_testkit::SYSTEM;
use revm::database_interface::WrapDatabaseRef;

const TRANSFERS: u64 = 1_000;
const ACCOUNTS: u64 = 20_000;
const BLOCKS: u64 = 20;
const RULES: Rules = Rules::new(901_337);
const ETHER: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

#[derive(Default)]
struct Times {
    build: Vec<Duration>,
    stage: Vec<Duration>,
    seal: Vec<Duration>,
    commit: Vec<Duration>,
}

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let store = StateStore::open(directory.path(), StateOptions::default()).unwrap();
    let mut parent = genesis(&store);
    let mut times = Times::default();
    for number in 1..=BLOCKS {
        let block = one_block(&store, &parent, number, &mut times);
        assert_eq!(block.transactions.len() as u64, TRANSFERS + 1);
        let receiver = store.latest().unwrap().account(address(ACCOUNTS + number)).unwrap().unwrap();
        assert_eq!(receiver.balance, U256::from(TRANSFERS), "block {number}");
        parent = block.header;
    }
    print(times);
}

/// Transfers of 1 wei from [`TRANSFERS`] senders; all blocks use other senders and one receiver each.
fn one_block(store: &StateStore, parent: &Header, number: u64, times: &mut Times) -> SealedBlock {
    let txs: Vec<_> = (0..TRANSFERS)
        .map(|i| transfer((number - 1) * TRANSFERS % ACCOUNTS + i, address(ACCOUNTS + number)))
        .collect();
    let inputs = inputs(parent);
    let view = store.latest().unwrap();

    let start = Instant::now();
    let mut builder = BlockBuilder::new(WrapDatabaseRef(view), &RULES, parent, &inputs).unwrap();
    for tx in txs {
        builder.push(tx).unwrap();
    }
    let executed = builder.finish().unwrap();
    times.build.push(start.elapsed());

    let start = Instant::now();
    let staged = store.stage(&executed.bundle).unwrap();
    let roots = (staged.state_root(), staged.storage_root(predeploys::L2_TO_L1_MESSAGE_PASSER).unwrap());
    times.stage.push(start.elapsed());

    let start = Instant::now();
    let block = executed.seal(roots.0, roots.1);
    times.seal.push(start.elapsed());

    let start = Instant::now();
    store.commit(staged, BlockNumber(number), block.hash).unwrap();
    times.commit.push(start.elapsed());
    block
}

fn genesis(store: &StateStore) -> Header {
    let mut alloc = genesis_alloc(&GenesisParams { l1_standard_bridge: Address::ZERO });
    for index in 0..ACCOUNTS {
        alloc.entry(address(index)).or_default().balance = ETHER;
    }
    let header = Header {
        timestamp: 1_000,
        gas_limit: 60_000_000,
        base_fee_per_gas: Some(1_000_000),
        blob_gas_used: Some(0),
        extra_data: SYSTEM.eip1559().extra_data(),
        ..Header::default()
    };
    store.init_genesis(&alloc, header.hash_slow()).unwrap();
    header
}

fn inputs(parent: &Header) -> BlockInputs {
    let origin = L1BlockRef { base_fee: 1_000_000_000, blob_base_fee: 1, ..L1BlockRef::default() };
    let parent = L2BlockRef {
        number: BlockNumber(parent.number),
        hash: parent.hash_slow(),
        parent_hash: parent.parent_hash,
        timestamp: parent.timestamp,
        l1_origin: origin.id(),
        sequence_number: parent.number,
    };
    block_inputs(&SYSTEM, &parent, parent.timestamp + 1, &origin, [], [])
}

fn transfer(from: u64, to: Address) -> Recovered<OpTxEnvelope> {
    let tx = TxEip1559 {
        chain_id: RULES.chain_id(),
        gas_limit: 21_000,
        max_fee_per_gas: 1_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(to),
        value: U256::ONE,
        ..TxEip1559::default()
    };
    let signed = Signed::new_unhashed(tx, Signature::new(U256::from(from), U256::ONE, false));
    Recovered::new_unchecked(OpTxEnvelope::Eip1559(signed), address(from))
}

fn address(index: u64) -> Address {
    Address::from_word(keccak256(index.to_be_bytes()))
}

fn print(times: Times) {
    let total: Vec<Duration> =
        (0..times.build.len()).map(|i| times.build[i] + times.stage[i] + times.seal[i]).collect();
    println!("seal/transfers={TRANSFERS}, {ACCOUNTS} accounts, {BLOCKS} blocks, {}", machine());
    for (name, values) in [
        ("build", times.build),
        ("stage", times.stage),
        ("seal", times.seal),
        ("build + stage + seal", total),
        ("commit", times.commit),
    ] {
        println!("  {name:<22}{}", spread(values));
    }
}

fn spread(mut values: Vec<Duration>) -> String {
    values.sort();
    let ms = |value: Duration| value.as_secs_f64() * 1_000.0;
    let (low, mid, high) = (values[0], values[values.len() / 2], values[values.len() - 1]);
    format!("median {:7.2} ms, {:.2} to {:.2} ms", ms(mid), ms(low), ms(high))
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let profile = if cfg!(debug_assertions) { "dev profile" } else { "release profile" };
    format!("{cores} cores, {}, {profile}", std::env::consts::ARCH)
}
