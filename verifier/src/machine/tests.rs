//! L1 blocks through derivation, execution and both stores.

use std::path::Path;

use alloy::{
    consensus::TxEip1559,
    eips::eip2718::Encodable2718,
    network::TxSignerSync,
    primitives::{Address, Bytes, TxKind, U256, keccak256},
};
use lockstep_codec::{BatchBlock, Channel, Options as CodecOptions, encode};
use lockstep_derive::{L1Block, Submission};
use lockstep_executor::Options;
use lockstep_l1::dev_key;
use lockstep_primitives::{
    ChainConfig, GenesisAnchor, GenesisBalance, L1BlockNumber, L1BlockRef, SystemConfig, TxDeposit,
};
use tempfile::TempDir;

use super::*;

const ANCHOR: u64 = 50;
const START: u64 = 1_700_000_000;
const ETHER: u128 = 1_000_000_000_000_000_000;
const RECEIVER: Address = Address::repeat_byte(0x99);

fn l1(number: u64, fork: u8) -> L1Block {
    let hash = |number: u64| keccak256([&number.to_be_bytes()[..], &[fork]].concat());
    let header = L1BlockRef {
        number: L1BlockNumber(number),
        hash: hash(number),
        // Forks part after the second block.
        parent_hash: if number == ANCHOR + 3 {
            keccak256([&(number - 1).to_be_bytes()[..], &[0]].concat())
        } else {
            hash(number - 1)
        },
        timestamp: START + (number - ANCHOR) * 12,
        base_fee: 7,
        blob_base_fee: 1,
        ..L1BlockRef::default()
    };
    L1Block { header, ..L1Block::default() }
}

fn config() -> RollupConfig {
    let funded = GenesisBalance { address: dev_key(0).address(), balance: U256::from(ETHER) };
    let chain = ChainConfig {
        max_sequencer_drift: 600,
        force_delay: 3,
        challenge_window: 1,
        max_deposit_gas: 5_000_000,
        system: SystemConfig { gas_limit: 30_000_000, ..lockstep_testkit::SYSTEM },
        accounts: vec![funded],
        ..lockstep_testkit::chain()
    };
    RollupConfig {
        genesis: GenesisAnchor { l1: l1(ANCHOR, 0).header.id(), l2_timestamp: START },
        ..lockstep_testkit::rollup(chain)
    }
}

fn open(folder: &Path) -> Machine {
    let config = config();
    let genesis = Arc::new(Genesis::new(&config));
    let start = Checkpoint::genesis(&config, &genesis);
    let store = Arc::new(Store::open(&folder.join("derived.redb"), &start).unwrap());
    let state_options = StateOptions { cache_bytes: 8 << 20, history_blocks: 100 };
    // Small blocks gain nothing by threads, and are to go through the parallel machinery all the same.
    let options = Options { threads: 2, adaptive: false, ..Options::default() };
    let executor = Arc::new(Executor::new(options).unwrap());
    let state_dir = folder.join("state");
    Machine::open(Setup { config, genesis, state_dir, state_options, executor }, store).unwrap()
}

/// Opens and resumes at the newest checkpoint; `chain` are L1's blocks from the anchor on.
fn resumed(folder: &Path, chain: &[L1Block]) -> Machine {
    let mut machine = open(folder);
    let checkpoint = machine.store.checkpoint(u64::MAX).unwrap().unwrap();
    assert!(machine.can_resume(&checkpoint).unwrap());
    machine.resume(&checkpoint).unwrap();
    let first = usize::try_from(checkpoint.first_l1().0 - ANCHOR).unwrap();
    let last = usize::try_from(checkpoint.l1.number - ANCHOR).unwrap();
    for block in &chain[first..=last] {
        assert!(machine.process(block.clone(), true).unwrap().is_none());
    }
    machine
}

fn started(folder: &TempDir) -> Machine {
    resumed(folder.path(), &[l1(ANCHOR, 0)])
}

fn transfer(nonce: u64) -> Bytes {
    let mut tx = TxEip1559 {
        chain_id: 901_337,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 1_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(RECEIVER),
        value: U256::from(5),
        ..TxEip1559::default()
    };
    let signature = dev_key(0).sign_transaction_sync(&mut tx).unwrap();
    OpTxEnvelope::Eip1559(alloy::consensus::SignableTransaction::into_signed(tx, signature))
        .encoded_2718()
        .into()
}

/// A channel, and what it refers to.
#[derive(Clone, Debug)]
struct Posted {
    channel: Channel,
    history: History,
}

/// A channel with one block on top of `machine`'s safe head.
fn channel(machine: &Machine, transactions: Vec<Bytes>, tip_hash: B256) -> Posted {
    let origin = machine.safe.l1_origin;
    let block = BatchBlock {
        timestamp: machine.safe.timestamp + 1,
        l1_origin_number: L1BlockNumber(origin.number),
        transactions,
    };
    let channel = Channel {
        first_number: machine.safe.number.next(),
        parent_hash: machine.safe.hash,
        tip_hash,
        last_origin_hash: origin.hash,
        blocks: vec![block],
    };
    Posted { channel, history: machine.history.clone() }
}

fn with(mut block: L1Block, posted: &Posted) -> L1Block {
    let senders = vec![dev_key(0).address(); posted.channel.blocks[0].transactions.len()];
    let data = encode(&posted.channel, &senders, &posted.history, CodecOptions::default()).unwrap().into();
    block.submissions.push(Submission { poster: Address::ZERO, data });
    block
}

fn with_deposit(mut block: L1Block) -> L1Block {
    block.deposits.push(TxDeposit {
        source_hash: block.header.hash,
        from: RECEIVER,
        to: TxKind::Call(RECEIVER),
        mint: 77,
        value: U256::from(77),
        gas_limit: 100_000,
        ..TxDeposit::default()
    });
    block
}

fn balance(machine: &Machine, address: Address) -> U256 {
    let view = machine.state().unwrap().latest().unwrap();
    view.account(address).unwrap().map_or(U256::ZERO, |account| account.balance)
}

fn process(machine: &mut Machine, block: L1Block) -> Report {
    machine.process(block, true).unwrap().unwrap()
}

#[test]
fn a_channel_is_executed_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut machine = started(&folder);
    let posted = channel(&machine, vec![transfer(0), transfer(1)], B256::ZERO);
    let report = process(&mut machine, with(l1(ANCHOR + 1, 0), &posted));
    assert_eq!((report.derived, report.dropped_transactions, report.dropped_channels), (1, 0, 0));
    assert_eq!(balance(&machine, RECEIVER), U256::from(10));

    let kept = machine.store.block(BlockNumber(1)).unwrap().unwrap();
    assert_eq!(kept.block, machine.safe);
    assert_eq!(kept.header.hash_slow(), kept.block.hash);
    assert_eq!(kept.header.parent_hash, machine.setup.genesis.hash);
    assert_eq!(kept.inputs.transactions.len(), 3);
    let view = machine.state().unwrap().latest().unwrap();
    assert_eq!(kept.header.state_root, view.state_root());
}

#[test]
fn a_false_claim_is_a_mismatch_and_a_true_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut machine = started(&folder);
    let posted = channel(&machine, vec![transfer(0)], B256::repeat_byte(9));
    let report = process(&mut machine, with(l1(ANCHOR + 1, 0), &posted));
    assert_eq!(report.mismatches, 1);
    let (found, count) = machine.store.mismatches(10).unwrap();
    let derived = machine.safe.hash;
    assert_eq!(count, 1);
    assert_eq!((found[0].claimed, found[0].derived), (B256::repeat_byte(9), Some(derived)));

    let folder = tempfile::tempdir().unwrap();
    let mut machine = started(&folder);
    let posted = Posted { channel: Channel { tip_hash: derived, ..posted.channel }, ..posted };
    assert_eq!(process(&mut machine, with(l1(ANCHOR + 1, 0), &posted)).mismatches, 0);
    assert_eq!(machine.safe.hash, derived);
}

#[test]
fn invalid_transactions_are_left_out_and_the_block_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut machine = started(&folder);
    let posted = channel(&machine, vec![transfer(5), transfer(0)], B256::ZERO);
    let report = process(&mut machine, with(l1(ANCHOR + 1, 0), &posted));
    assert_eq!((report.derived, report.dropped_transactions), (1, 1));
    assert_eq!(balance(&machine, RECEIVER), U256::from(5));
    let history = machine.history_up_to(machine.safe.number).unwrap();
    assert_eq!(history, machine.history);
    assert!(history.iter().map(|(_, tx)| tx).eq([&transfer(0)]));
}

#[test]
fn an_overdue_deposit_is_minted_without_the_sequencer() {
    let folder = tempfile::tempdir().unwrap();
    let mut machine = started(&folder);
    process(&mut machine, with_deposit(l1(ANCHOR + 1, 0)));
    for number in 2..4 {
        assert_eq!(process(&mut machine, l1(ANCHOR + number, 0)).derived, 0);
    }
    let report = process(&mut machine, l1(ANCHOR + 4, 0));
    assert_eq!((report.derived, report.forced), (1, 1));
    assert_eq!(balance(&machine, RECEIVER), U256::from(77));
}

#[test]
fn a_restart_continues_the_same_chain() {
    let folder = tempfile::tempdir().unwrap();
    let mut chain = vec![l1(ANCHOR, 0), with_deposit(l1(ANCHOR + 1, 0))];
    let mut machine = started(&folder);
    process(&mut machine, chain[1].clone());
    for number in 2..8 {
        let posted = channel(&machine, vec![transfer(number - 2)], B256::ZERO);
        chain.push(with(l1(ANCHOR + number, 0), &posted));
        process(&mut machine, chain[chain.len() - 1].clone());
        let (safe, history) = (machine.safe, machine.history.clone());
        drop(machine);
        machine = resumed(folder.path(), &chain);
        assert_eq!((machine.safe, &machine.history), (safe, &history));
    }
    let straight = tempfile::tempdir().unwrap();
    let mut other = started(&straight);
    for block in &chain[1..] {
        process(&mut other, block.clone());
    }
    assert_eq!(other.safe, machine.safe);
}

#[test]
fn an_l1_reorg_takes_blocks_back_and_derives_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut machine = started(&folder);
    let first = channel(&machine, vec![transfer(0)], B256::ZERO);
    process(&mut machine, with(l1(ANCHOR + 1, 0), &first));
    process(&mut machine, l1(ANCHOR + 2, 0));
    let second = channel(&machine, vec![transfer(1)], B256::ZERO);
    process(&mut machine, with(l1(ANCHOR + 3, 0), &second));
    assert_eq!(balance(&machine, RECEIVER), U256::from(10));
    let pushed = machine.process(l1(ANCHOR + 4, 1), true);
    assert!(matches!(pushed, Err(MachineError::Push(PushError::Reorg { .. }))));

    let checkpoint = machine.store.checkpoint(ANCHOR + 2).unwrap().unwrap();
    assert!(machine.can_resume(&checkpoint).unwrap());
    machine.resume(&checkpoint).unwrap();
    for number in 0..=2 {
        assert!(machine.process(l1(ANCHOR + number, 0), true).unwrap().is_none());
    }
    assert_eq!(balance(&machine, RECEIVER), U256::from(5));
    assert_eq!(machine.store.block(BlockNumber(2)).unwrap(), None);
    process(&mut machine, l1(ANCHOR + 3, 1));
    let again = channel(&machine, vec![], B256::ZERO);
    process(&mut machine, with(l1(ANCHOR + 4, 1), &again));
    assert_eq!(machine.safe.number, BlockNumber(2));
    assert_eq!(balance(&machine, RECEIVER), U256::from(5));
}

#[test]
fn state_that_fell_behind_the_checkpoints_is_noticed_and_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let mut machine = started(&folder);
    let posted = channel(&machine, vec![transfer(0)], B256::ZERO);
    let block = with(l1(ANCHOR + 1, 0), &posted);
    process(&mut machine, block.clone());
    let safe = machine.safe;
    drop(machine);
    fs::remove_dir_all(folder.path().join("state")).unwrap();

    let mut machine = open(folder.path());
    let newest = machine.store.checkpoint(u64::MAX).unwrap().unwrap();
    assert!(!machine.can_resume(&newest).unwrap());
    let start = machine.restart().unwrap();
    assert_eq!(start.l1.number, ANCHOR);
    assert_eq!(machine.store.checkpoint(u64::MAX).unwrap(), Some(start));
    machine.process(l1(ANCHOR, 0), true).unwrap();
    process(&mut machine, block);
    assert_eq!(machine.safe, safe);
}
