//! The rules of derivation, one test each.

use alloc::{vec, vec::Vec};

use alloy_primitives::{B256, Bytes};
use lockstep_codec::{BatchBlock, FrameError};
use lockstep_primitives::{BlockNumber, ChainConfig, L1BlockNumber};

use proptest::prelude::*;

use crate::{
    BlockError, ConfigUpdate, DropReason, L1Attributes, L1Block, PushError,
    testing::{
        ANCHOR, Chain, L1_TIME, START, SYSTEM, batch, config, frames, hash_of, l1, l1_header, user_tx,
    },
};

fn dropped_block(chain: &Chain) -> BlockError {
    match chain.dropped.as_slice() {
        [dropped] => match dropped.reason {
            DropReason::Block { error, .. } => error,
            other => panic!("{other}"),
        },
        other => panic!("{other:?}"),
    }
}

fn deposits(chain: &Chain, index: usize) -> usize {
    let transactions = &chain.derived[index].inputs.transactions;
    transactions.iter().filter(|tx| tx[0] == 0x7e).count() - 1
}

#[test]
fn a_channel_becomes_its_blocks_in_order() {
    let mut chain = Chain::start();
    let mut blocks = vec![batch(START + 1, ANCHOR), batch(START + 2, ANCHOR)];
    blocks[1].transactions = vec![user_tx(0), user_tx(1)];
    let channel = chain.channel(blocks);
    chain.push(l1(ANCHOR + 1).post(&channel));

    let [first, second] = chain.derived.as_slice() else { panic!() };
    assert_eq!((first.inputs.number, second.inputs.number), (BlockNumber(1), BlockNumber(2)));
    assert_eq!((first.inputs.sequence_number, second.inputs.sequence_number), (1, 2));
    assert_eq!(second.inputs.parent_hash, hash_of(&first.inputs));
    assert_eq!(second.inputs.transactions[1..], [user_tx(0), user_tx(1)]);
    assert_eq!(first.l1_inclusion, l1_header(ANCHOR + 1, 0).id());
    assert!(!first.forced);
}

#[test]
fn only_the_last_block_of_a_channel_carries_the_claimed_hash() {
    let mut chain = Chain::start();
    let channel = chain.channel(vec![batch(START + 1, ANCHOR), batch(START + 2, ANCHOR)]);
    chain.push(l1(ANCHOR + 1).post(&channel));
    assert_eq!(chain.derived[0].claimed_hash, None);
    assert_eq!(chain.derived[1].claimed_hash, Some(channel.tip_hash));
}

#[test]
fn the_first_transaction_carries_the_attributes_of_the_origin() {
    let mut chain = Chain::start();
    chain.push(l1(ANCHOR + 1));
    let channel = chain.channel(vec![batch(START + L1_TIME, ANCHOR + 1)]);
    chain.push(l1(ANCHOR + 2).post(&channel));
    let inputs = &chain.derived[0].inputs;
    let origin = l1_header(ANCHOR + 1, 0);
    let expected = crate::attributes_deposit(&SYSTEM, &origin, 0);
    assert_eq!(
        inputs.transactions,
        [Bytes::from(alloy_eips::eip2718::Encodable2718::encoded_2718(&expected))]
    );
    assert_eq!(inputs.prev_randao, origin.mix_hash);
    assert_eq!(inputs.gas_limit, SYSTEM.gas_limit);
    let attributes = L1Attributes::from_calldata(&expected.input).expect("just encoded");
    assert_eq!((attributes.number, attributes.timestamp), (origin.number, origin.timestamp));
}

#[test]
fn every_l1_block_leads_to_a_checkpoint() {
    let mut chain = Chain::start();
    chain.push_empty_to(ANCHOR + 3);
    assert_eq!(chain.checkpoints.len(), 3);
    assert_eq!(chain.last_l1(), l1_header(ANCHOR + 3, 0).id());
}

#[test]
fn several_channels_in_one_l1_block_follow_each_other() {
    let mut chain = Chain::start();
    let first = chain.channel(vec![batch(START + 1, ANCHOR)]);
    let mut ahead = chain.clone();
    ahead.push(l1(ANCHOR + 1).post(&first));
    let second = ahead.channel(vec![batch(START + 2, ANCHOR)]);
    chain.push(l1(ANCHOR + 1).post(&first).post(&second));
    assert_eq!(chain.derived.len(), 2);
    assert!(chain.dropped.is_empty());
}

#[test]
fn a_channel_posted_twice_counts_once() {
    let mut chain = Chain::start();
    let channel = chain.channel(vec![batch(START + 1, ANCHOR)]);
    chain.push(l1(ANCHOR + 1).post(&channel));
    chain.push(l1(ANCHOR + 2).post(&channel));
    assert_eq!(chain.derived.len(), 1);
    assert!(matches!(chain.dropped[0].reason, DropReason::Parent { .. }));
}

#[test]
fn garbage_is_dropped_and_the_next_channel_counts() {
    let mut chain = Chain::start();
    let channel = chain.channel(vec![batch(START + 1, ANCHOR)]);
    chain.push(l1(ANCHOR + 1).post_bytes(vec![9; 50]).post_bytes(vec![]).post(&channel));
    assert_eq!(chain.derived.len(), 1);
    let places: Vec<_> = chain.dropped.iter().map(|dropped| dropped.submission).collect();
    assert_eq!(places, [0, 1]);
    assert!(matches!(chain.dropped[0].reason, DropReason::Decode(_)));
}

#[test]
fn a_channel_on_another_parent_is_dropped_whole() {
    let mut chain = Chain::start();
    let mut channel = chain.channel(vec![batch(START + 1, ANCHOR)]);
    channel.parent_hash = B256::repeat_byte(1);
    chain.push(l1(ANCHOR + 1).post(&channel));
    assert!(chain.derived.is_empty());
    assert!(matches!(chain.dropped[0].reason, DropReason::Parent { .. }));
}

#[test]
fn a_channel_with_a_gap_in_numbers_is_dropped_whole() {
    let mut chain = Chain::start();
    let mut channel = chain.channel(vec![batch(START + 1, ANCHOR)]);
    channel.first_number = BlockNumber(2);
    chain.push(l1(ANCHOR + 1).post(&channel));
    let reason = DropReason::Number { expected: BlockNumber(1), found: BlockNumber(2) };
    assert_eq!(chain.dropped[0].reason, reason);
}

#[test]
fn a_channel_from_another_l1_fork_is_dropped_whole() {
    let mut chain = Chain::start();
    let mut channel = chain.channel(vec![batch(START + 1, ANCHOR)]);
    channel.last_origin_hash = l1_header(ANCHOR, 1).hash;
    chain.push(l1(ANCHOR + 1).post(&channel));
    assert!(chain.derived.is_empty());
    assert!(matches!(chain.dropped[0].reason, DropReason::Origin(_)));
}

#[test]
fn an_origin_must_be_below_the_including_l1_block() {
    let mut chain = Chain::start();
    chain.push(l1(ANCHOR + 1));
    for origin in [ANCHOR + 2, ANCHOR + 3] {
        let mut chain = chain.clone();
        let channel = chain.channel(vec![batch(START + 40, origin)]);
        chain.push(l1(ANCHOR + 2).post(&channel));
        assert!(chain.derived.is_empty());
        assert!(matches!(chain.dropped[0].reason, DropReason::Origin(_)));
    }
}

#[test]
fn time_must_pass_from_block_to_block() {
    let mut chain = Chain::start();
    let channel = chain.channel(vec![batch(START + 1, ANCHOR), batch(START + 1, ANCHOR)]);
    chain.push(l1(ANCHOR + 1).post(&channel));
    assert_eq!(chain.derived.len(), 1);
    let expected = BlockError::NotAfterParent { timestamp: START + 1, parent: START + 1 };
    assert_eq!(dropped_block(&chain), expected);
    assert_eq!(chain.dropped[0].derived, 1);
}

#[test]
fn a_block_is_not_older_than_its_origin() {
    let mut chain = Chain::start();
    chain.push(l1(ANCHOR + 1));
    let channel = chain.channel(vec![batch(START + L1_TIME - 1, ANCHOR + 1)]);
    chain.push(l1(ANCHOR + 2).post(&channel));
    assert!(matches!(dropped_block(&chain), BlockError::BeforeOrigin { .. }));
}

#[test]
fn drift_is_allowed_up_to_its_bound() {
    let latest = START + config().chain.max_sequencer_drift;
    for (timestamp, derived) in [(latest, 1), (latest + 1, 0)] {
        let mut chain = Chain::start();
        let channel = chain.channel(vec![batch(timestamp, ANCHOR)]);
        chain.push(l1(ANCHOR + 1).post(&channel));
        assert_eq!(chain.derived.len(), derived);
        if derived == 0 {
            assert_eq!(dropped_block(&chain), BlockError::Drift { timestamp, latest });
        }
    }
}

#[test]
fn origins_never_go_back() {
    let mut chain = Chain::start();
    chain.push_empty_to(ANCHOR + 2);
    let channel = chain.channel(vec![batch(START + 50, ANCHOR + 2)]);
    chain.push(l1(ANCHOR + 3).post(&channel));
    let mut back = chain.channel(vec![batch(START + 51, ANCHOR + 1)]);
    back.last_origin_hash = l1_header(ANCHOR + 1, 0).hash;
    chain.push(l1(ANCHOR + 4).post(&back));
    // Below the safe head's origin nothing is known any more, so the whole channel goes.
    assert_eq!(chain.derived.len(), 1);
    assert!(matches!(chain.dropped[0].reason, DropReason::Origin(_)));
}

#[test]
fn a_bad_block_drops_the_rest_of_its_channel_only() {
    let mut chain = Chain::start();
    let mut blocks: Vec<_> = (1..=4).map(|second| batch(START + second, ANCHOR)).collect();
    blocks[2].transactions = vec![user_tx(0), Bytes::from_static(&[0x7e, 0xc0])];
    let channel = chain.channel(blocks);
    chain.push(l1(ANCHOR + 1).post(&channel));
    assert_eq!(chain.derived.len(), 2);
    assert_eq!(dropped_block(&chain), BlockError::Transaction(1));
    assert!(chain.derived.iter().all(|derived| derived.claimed_hash.is_none()));

    let next = chain.channel(vec![batch(START + 3, ANCHOR)]);
    chain.push(l1(ANCHOR + 2).post(&next));
    assert_eq!(chain.derived.len(), 3);
}

#[test]
fn only_whole_user_transactions_are_accepted() {
    let mut longer = user_tx(0).to_vec();
    longer.push(0);
    for bytes in [vec![], vec![0x03, 0xc0], vec![0x7e, 0xc0], vec![0x05], vec![0xff; 9], longer] {
        let mut chain = Chain::start();
        let mut block = batch(START + 1, ANCHOR);
        block.transactions = vec![bytes.into()];
        let channel = chain.channel(vec![block]);
        chain.push(l1(ANCHOR + 1).post(&channel));
        assert_eq!(dropped_block(&chain), BlockError::Transaction(0));
    }
}

#[test]
fn a_block_takes_the_deposits_of_every_origin_it_passes() {
    let mut chain = Chain::start();
    chain.push(l1(ANCHOR + 1).deposit(100_000).deposit(100_000));
    chain.push(l1(ANCHOR + 2));
    chain.push(l1(ANCHOR + 3).deposit(100_000));
    let blocks = vec![batch(START + 36, ANCHOR + 3), batch(START + 37, ANCHOR + 3)];
    let channel = chain.channel(blocks);
    chain.push(l1(ANCHOR + 4).post(&channel));
    assert_eq!((deposits(&chain, 0), deposits(&chain, 1)), (3, 0));
    assert_eq!(chain.derived[0].inputs.sequence_number, 0);
}

#[test]
fn deposits_of_skipped_origins_must_fit_the_block() {
    let available = SYSTEM.gas_limit - ChainConfig::ATTRIBUTES_GAS;
    for (gas, derived) in [(available / 2, 1), (available / 2 + 1, 0)] {
        let mut chain = Chain::start();
        chain.push(l1(ANCHOR + 1).deposit(gas));
        chain.push(l1(ANCHOR + 2).deposit(gas));
        let channel = chain.channel(vec![batch(START + 24, ANCHOR + 2)]);
        chain.push(l1(ANCHOR + 3).post(&channel));
        assert_eq!(chain.derived.len(), derived);
        if derived == 0 {
            let expected = BlockError::DepositGas { gas: 2 * gas, available };
            assert_eq!(dropped_block(&chain), expected);
        }
    }
}

#[test]
fn deposits_of_the_next_origin_alone_always_fit() {
    let mut chain = Chain::start();
    chain.push(l1(ANCHOR + 1).deposit(u64::MAX).deposit(u64::MAX));
    let channel = chain.channel(vec![batch(START + 12, ANCHOR + 1)]);
    chain.push(l1(ANCHOR + 2).post(&channel));
    assert_eq!(deposits(&chain, 0), 2);
}

#[test]
fn a_configuration_update_applies_from_the_block_that_adopts_its_origin() {
    let mut chain = Chain::start();
    chain.push(l1(ANCHOR + 1).update(ConfigUpdate::GasLimit(7_000_000)));
    chain.push(l1(ANCHOR + 2).update(ConfigUpdate::MinBaseFee(1)));
    let blocks =
        vec![batch(START + 12, ANCHOR), batch(START + 13, ANCHOR + 1), batch(START + 24, ANCHOR + 2)];
    let channel = chain.channel(blocks);
    chain.push(l1(ANCHOR + 3).post(&channel));
    let seen: Vec<_> = chain
        .derived
        .iter()
        .map(|derived| (derived.inputs.gas_limit, derived.inputs.eip1559.min_base_fee))
        .collect();
    assert_eq!(seen, [(10_000_000, 100_000), (7_000_000, 100_000), (7_000_000, 1)]);
}

#[test]
fn an_overdue_deposit_forces_a_block() {
    let mut chain = Chain::start();
    chain.push(l1(ANCHOR + 1).deposit(100_000));
    let delay = config().chain.force_delay;
    chain.push_empty_to(ANCHOR + delay);
    assert!(chain.derived.is_empty());
    chain.push(l1(ANCHOR + 1 + delay));

    let [forced] = chain.derived.as_slice() else { panic!() };
    assert!(forced.forced);
    assert_eq!(deposits(&chain, 0), 1);
    assert_eq!(forced.inputs.transactions.len(), 2);
    assert_eq!(forced.inputs.l1_origin, l1_header(ANCHOR + 1, 0).id());
    assert_eq!(forced.inputs.timestamp, START + L1_TIME);
    assert_eq!(forced.claimed_hash, None);
}

#[test]
fn nothing_is_forced_without_deposits() {
    let mut chain = Chain::start();
    chain.push_empty_to(ANCHOR + 50);
    assert!(chain.derived.is_empty());
}

#[test]
fn nothing_is_forced_while_the_sequencer_takes_deposits_in_time() {
    let mut chain = Chain::start();
    chain.push(l1(ANCHOR + 1).deposit(100_000));
    let channel = chain.channel(vec![batch(START + 12, ANCHOR + 1)]);
    chain.push_empty_to(ANCHOR + config().chain.force_delay);
    // The last moment: the L1 block that would force the deposit brings the channel first.
    chain.push(l1(ANCHOR + config().chain.force_delay + 1).post(&channel));
    assert_eq!(chain.derived.len(), 1);
    assert!(!chain.derived[0].forced);
}

#[test]
fn a_forced_block_goes_as_far_as_the_delay_allows() {
    let mut chain = Chain::start();
    chain.push(l1(ANCHOR + 1));
    chain.push(l1(ANCHOR + 2).deposit(100_000));
    chain.push_empty_to(ANCHOR + 2 + config().chain.force_delay);
    assert_eq!(chain.origins(), [ANCHOR + 2]);
}

#[test]
fn deposits_of_neighbouring_l1_blocks_are_forced_one_block_at_a_time() {
    let mut chain = Chain::start();
    for number in 1..=3 {
        chain.push(l1(ANCHOR + number).deposit(5_000_000));
    }
    chain.push_empty_to(ANCHOR + 3 + config().chain.force_delay);
    assert_eq!(chain.origins(), [ANCHOR + 1, ANCHOR + 2, ANCHOR + 3]);
    assert!(chain.derived.iter().all(|derived| derived.forced));
}

#[test]
fn a_forced_block_is_later_than_its_parent() {
    let mut chain = Chain::start();
    let late = START + config().chain.max_sequencer_drift;
    let channel = chain.channel(vec![batch(late, ANCHOR)]);
    chain.push(l1(ANCHOR + 1).deposit(100_000).post(&channel));
    chain.push_empty_to(ANCHOR + 1 + config().chain.force_delay);
    assert_eq!(chain.derived[1].inputs.timestamp, late + 1);
}

#[test]
fn a_channel_that_missed_a_forced_block_is_dropped() {
    let mut chain = Chain::start();
    let stale = chain.channel(vec![batch(START + 1, ANCHOR)]);
    chain.push(l1(ANCHOR + 1).deposit(100_000));
    chain.push_empty_to(ANCHOR + 1 + config().chain.force_delay);
    chain.push(l1(ANCHOR + 2 + config().chain.force_delay).post(&stale));
    assert_eq!(chain.derived.len(), 1);
    assert!(matches!(chain.dropped[0].reason, DropReason::Parent { .. }));
    let next = chain.channel(vec![batch(START + 30, ANCHOR + 2)]);
    chain.push(l1(ANCHOR + 3 + config().chain.force_delay).post(&next));
    assert_eq!(chain.origins(), [ANCHOR + 1, ANCHOR + 2]);
}

/// A block of some hundred bytes, in four frames.
fn in_frames(chain: &Chain) -> Vec<Vec<u8>> {
    let mut block = batch(chain.safe.timestamp + 1, chain.safe.l1_origin.number);
    block.transactions = (0..6).map(user_tx).collect();
    let frames = frames(&chain.channel(vec![block]), 180);
    assert_eq!(frames.len(), 4);
    frames
}

#[test]
fn a_channel_in_frames_counts_with_the_last_one_wherever_they_are() {
    let mut chain = Chain::start();
    let frames = in_frames(&chain);
    chain.push(l1(ANCHOR + 1).post_all(&frames[..2]));
    chain.push(l1(ANCHOR + 2));
    chain.push(l1(ANCHOR + 3).post_all(&frames[2..3]));
    assert!(chain.derived.is_empty());
    chain.push(l1(ANCHOR + 4).post_all(&frames[3..]));
    assert_eq!(chain.derived[0].inputs.transactions.len(), 1 + 6);
    assert_eq!(chain.derived[0].l1_inclusion.number, ANCHOR + 4);
    assert!(chain.dropped.is_empty());
    let since: Vec<_> = chain.checkpoints.iter().map(|checkpoint| checkpoint.frames_since).collect();
    let first = Some(L1BlockNumber(ANCHOR + 1));
    assert_eq!(since, [first, first, first, None]);
}

#[test]
fn frames_that_do_not_continue_the_open_channel_are_dropped_and_it_stays_open() {
    let mut chain = Chain::start();
    let frames = in_frames(&chain);
    let mut elsewhere = chain.clone();
    elsewhere.safe.hash = B256::ZERO;
    let strange = in_frames(&elsewhere);
    let posted = [&frames[1], &frames[0], &frames[2], &strange[0], &strange[1], &frames[1], &frames[1]];
    chain.push(l1(ANCHOR + 1).post_all(posted).post_bytes(vec![9; 50]).post_all(&frames[2..]));
    assert_eq!(chain.derived.len(), 1);
    let places: Vec<_> = chain.dropped.iter().map(|dropped| dropped.submission).collect();
    assert_eq!(places, [0, 2, 3, 4, 6, 7]);
    assert!(matches!(chain.dropped[0].reason, DropReason::Frame(FrameError::NotNext { .. })));
    assert!(matches!(chain.dropped[2].reason, DropReason::Parent { .. }));
}

#[test]
fn a_channel_begun_anew_is_that_of_its_last_beginning() {
    let mut chain = Chain::start();
    let frames = in_frames(&chain);
    chain.push(l1(ANCHOR + 1).post_all(&frames[..3]));
    chain.push(l1(ANCHOR + 2).post_all(&frames));
    assert_eq!(chain.derived.len(), 1);
    assert!(chain.dropped.is_empty());
}

#[test]
fn an_open_channel_is_void_once_the_safe_head_moves() {
    let mut chain = Chain::start();
    let frames = in_frames(&chain);
    let whole = chain.channel(vec![batch(START + 2, ANCHOR)]);
    chain.push(l1(ANCHOR + 1).post_all(&frames[..3]).post(&whole).post_all(&frames[3..]));
    assert_eq!(chain.derived.len(), 1);
    assert_eq!(chain.derived[0].inputs.timestamp, START + 2);
    assert_eq!(chain.dropped.len(), 1);
    assert_eq!(chain.checkpoints[0].frames_since, None);
}

#[test]
fn l1_blocks_must_follow_each_other() {
    let mut chain = Chain::start();
    let number = PushError::Number { expected: L1BlockNumber(101), found: L1BlockNumber(102) };
    assert_eq!(chain.derivation.push(l1(ANCHOR + 2)), Err(number));
    let mut other = l1(ANCHOR + 1);
    other.header = l1_header(ANCHOR + 1, 1);
    assert!(matches!(chain.derivation.push(other), Err(PushError::Reorg { .. })));
    assert_eq!(chain.derivation.push(l1(ANCHOR + 1)), Ok(()));
}

#[test]
fn resuming_on_another_l1_fork_is_noticed() {
    let mut chain = Chain::start();
    chain.push_empty_to(ANCHOR + 3);
    let checkpoint = chain.checkpoints[2];
    let mut resumed = Chain::resume(&checkpoint);
    for number in ANCHOR..ANCHOR + 3 {
        resumed.push(l1(number));
    }
    let mut other = l1(ANCHOR + 3);
    other.header.hash = B256::repeat_byte(5);
    assert!(matches!(resumed.derivation.push(other), Err(PushError::Reorg { .. })));
}

/// What a random L1 block holds.
#[derive(Clone, Debug)]
struct Plan {
    deposits: usize,
    gas_limit: Option<u64>,
    channel: Option<Vec<(u64, u64)>>, // seconds and origins to advance, per block
    garbage: bool,
    /// Whether the channel goes in frames.
    split: bool,
    /// Frames of earlier channels that follow.
    frames: usize,
}

fn plan() -> impl Strategy<Value = Plan> {
    let channel = proptest::option::of(proptest::collection::vec((0..30u64, 0..4u64), 1..6));
    let gas_limit = proptest::option::weighted(0.1, 5_000_000..20_000_000u64);
    let frames = (proptest::bool::weighted(0.5), 0..4usize);
    (0..3usize, gas_limit, channel, proptest::bool::weighted(0.1), frames).prop_map(
        |(deposits, gas_limit, channel, garbage, (split, frames))| Plan {
            deposits,
            gas_limit,
            channel,
            garbage,
            split,
            frames,
        },
    )
}

/// The L1 block that a sequencer with this plan would cause on top of `chain`; `waiting` are frames still to be posted.
fn planned(chain: &Chain, plan: &Plan, waiting: &mut Vec<Vec<u8>>) -> L1Block {
    let mut block = l1(chain.derivation.next_l1().0);
    for _ in 0..plan.deposits {
        block = block.deposit(2_000_000);
    }
    if let Some(gas_limit) = plan.gas_limit {
        block = block.update(ConfigUpdate::GasLimit(gas_limit));
    }
    if plan.garbage {
        block = block.post_bytes(vec![7; 20]);
    }
    block = block.post_all(&waiting.drain(..plan.frames.min(waiting.len())).collect::<Vec<_>>());
    let Some(steps) = &plan.channel else { return block };
    let (mut timestamp, mut origin) = (chain.safe.timestamp, chain.safe.l1_origin.number);
    let blocks = steps.iter().map(|(seconds, origins)| {
        timestamp += seconds;
        origin += origins;
        BatchBlock { transactions: vec![user_tx(timestamp); 2], ..batch(timestamp, origin) }
    });
    let channel = chain.channel(blocks.collect());
    if !plan.split {
        return block.post(&channel);
    }
    let mut frames = frames(&channel, 160);
    waiting.extend(frames.drain(1..));
    block.post_all(&frames)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn resuming_anywhere_gives_the_same_chain(plans in proptest::collection::vec(plan(), 1..30), stop: usize) {
        let mut chain = Chain::start();
        let (mut blocks, mut waiting) = (vec![l1(ANCHOR)], Vec::new());
        for plan in &plans {
            blocks.push(planned(&chain, plan, &mut waiting));
            chain.push(blocks.last().expect("just pushed").clone());
        }
        let index = stop % chain.checkpoints.len();
        let checkpoint = chain.checkpoints[index];
        let mut resumed = Chain::resume(&checkpoint);
        for block in &blocks[usize::try_from(checkpoint.first_l1().0 - ANCHOR).expect("small")..] {
            resumed.push(block.clone());
        }
        prop_assert_eq!(resumed.safe, chain.safe);
        prop_assert_eq!(&resumed.checkpoints[..], &chain.checkpoints[index + 1..]);
        let skipped = chain.derived.len() - resumed.derived.len();
        prop_assert_eq!(&resumed.derived[..], &chain.derived[skipped..]);
    }

    #[test]
    fn the_derived_chain_keeps_its_promises(plans in proptest::collection::vec(plan(), 1..40)) {
        let mut chain = Chain::start();
        let (mut posted, mut waiting) = (0, Vec::new());
        for plan in &plans {
            let block = planned(&chain, plan, &mut waiting);
            posted += block.deposits.len();
            chain.push(block);
        }
        let quiet = chain.derivation.next_l1().0 + config().chain.force_delay;
        chain.push_empty_to(quiet);

        let included: usize = (0..chain.derived.len()).map(|index| deposits(&chain, index)).sum();
        prop_assert_eq!(included, posted, "every deposit is in, once");
        for pair in chain.derived.windows(2) {
            let (parent, child) = (&pair[0].inputs, &pair[1].inputs);
            prop_assert!(parent.timestamp < child.timestamp);
            prop_assert!(parent.l1_origin.number <= child.l1_origin.number);
            prop_assert_eq!(parent.number.next(), child.number);
            prop_assert!(child.l1_origin.number < pair[1].l1_inclusion.number);
        }
    }
}
