//! The policy against simulated histories: prices as EIP-1559, EIP-4844 and EIP-7918 make them of invented demand,
//! and invented traffic. Nothing here was measured on a chain.
//!
//! `simulated_prices.csv` is one such history. `LOCKSTEP_PRICES=FILE` replays another one in its place, such as a real
//! one: lines of base fee and blob base fee in wei, one for each L1 block.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // invented numbers, all small

use std::{env, fs, time::Duration};

use alloy::eips::eip7840::BlobParams;
use lockstep_l1::Market;

use crate::{
    channel::MAX_CALLDATA_BYTES,
    config::DataAvailability,
    policy::{Closing, Policy, Waiting, WaitingBlock},
    price::{L1Now, USUAL_BLOCKS, blob_capacity, blobs_wei, calldata_wei},
};

const GWEI: u128 = 1_000_000_000;
/// Seconds of an L1 block.
const SLOT: usize = 12;
/// Seconds of a simulated L2 block.
const BLOCK: usize = 4;
/// What the policy may cost above the cheaper of always blobs and always calldata.
const TOLERANCE_PERCENT: u128 = 3;
const FORCE_DELAY: u64 = 3_600;
const IDLE_SECS: u64 = 600;
/// Histories of each kind.
const HISTORIES: u64 = 4;
/// Length of each: three hours.
const L1_BLOCKS: usize = 900;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.unit() * limit as f64) as usize
    }

    /// From 0 up to 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What people want of the simulated L1.
#[derive(Clone, Copy, Debug)]
enum Regime {
    /// One gwei, fewer blobs than the target: their price rests on the reserve.
    Calm,
    /// For 8 to 32 minutes everybody wants blobs at any price up to 4,000 gwei.
    BlobSpike,
    /// For 8 to 32 minutes gas is wanted at fifty gwei.
    BaseFeeSpike,
    /// Gas at forty gwei and no wish for blobs: the reserve of EIP-7918 alone makes their price.
    ReserveFloor,
}

const REGIMES: [Regime; 4] = [Regime::Calm, Regime::BlobSpike, Regime::BaseFeeSpike, Regime::ReserveFloor];

/// L1 blocks until the simulated prices have found their place.
const WARM_UP: usize = 1_500;

/// A price history of `blocks` L1 blocks; what is special about it has its time and length from `seed`.
fn simulated_prices(regime: Regime, blocks: usize, seed: u64) -> Vec<Market> {
    let params = BlobParams::bpo2();
    let mut random = Random(seed);
    let (mut base_fee, mut excess) = (1e9_f64, 0_u64);
    let mut history = Vec::with_capacity(WARM_UP + blocks);
    let start = WARM_UP + blocks / 8 + random.below(blocks / 4);
    let spike = start..start + 40 + random.below(120);
    for number in 0..WARM_UP + blocks {
        let blob_base_fee = params.calc_blob_fee(excess);
        history.push(Market { base_fee: base_fee as u128, tip: GWEI / 100, blob_base_fee });
        let (wanted_gwei, blobs, limit_gwei) = match regime {
            Regime::BlobSpike if spike.contains(&number) => (1.0, 30.0, 4_000),
            Regime::BaseFeeSpike if spike.contains(&number) => (50.0, 10.0, 100),
            Regime::ReserveFloor => (40.0, 3.0, 100),
            Regime::Calm | Regime::BlobSpike | Regime::BaseFeeSpike => (1.0, 10.0, 100),
        };
        // A block is half full where the price is what people want to pay, and fuller below.
        let fill = (0.5 * wanted_gwei * 1e9 / base_fee * (0.5 + random.unit())).min(1.0);
        let affordable = blob_base_fee <= limit_gwei * GWEI;
        let count = if affordable { (blobs * (0.5 + random.unit())) as u64 } else { 0 };
        excess = params.next_block_excess_blob_gas_osaka(
            excess,
            count.min(params.max_blob_count) * 131_072,
            base_fee as u64,
        );
        base_fee = (base_fee * (1.0 + (fill - 0.5) / 4.0)).max(7.0);
    }
    history.split_off(WARM_UP)
}

/// What people do on the simulated L2.
#[derive(Clone, Copy, Debug)]
enum Traffic {
    /// One small transaction every two minutes or so.
    Rare,
    /// Half a kilobyte each second.
    Steady,
    /// Nothing, or twelve seconds of 10 kB each.
    Bursts,
    /// 30 kB each second: half of what six blobs in each L1 block carry.
    Busy,
}

const TRAFFIC: [Traffic; 4] = [Traffic::Rare, Traffic::Steady, Traffic::Bursts, Traffic::Busy];

/// Encoded bytes of users' transactions in each L2 block.
fn simulated_traffic(traffic: Traffic, blocks: usize, seed: u64) -> Vec<usize> {
    let mut random = Random(seed);
    let mut burst = 0;
    let mut block = || match traffic {
        Traffic::Rare => usize::from(random.below(120) < BLOCK) * 110,
        Traffic::Steady => random.below(1_000 * BLOCK),
        Traffic::Busy => random.below(60_000 * BLOCK),
        Traffic::Bursts => {
            burst = if random.below(90) < BLOCK { 3 } else { usize::saturating_sub(burst, 1) };
            usize::from(burst > 0) * 10_000 * BLOCK
        }
    };
    (0..blocks).map(|_| block()).collect()
}

/// What a way of posting came to.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    wei: u128,
    channels: usize,
    /// Oldest age of a block with transactions when its channel was closed, seconds.
    oldest: u64,
    /// The same of any block.
    oldest_idle: u64,
    /// Closest that the window's end came, L1 blocks.
    spare: u64,
}

/// One way of posting: what to close, and where to put it.
type Way<'a> = &'a dyn Fn(&Waiting, &L1Now) -> Option<(usize, DataAvailability)>;

/// One channel at a time, in the L1 block after the one in which it was closed. What is left at the end is posted too,
/// so that nobody gains by waiting for it.
fn simulate(prices: &[Market], traffic: &[usize], way: Way<'_>) -> Outcome {
    let mut outcome = Outcome { spare: u64::MAX, ..Outcome::default() };
    let mut waiting: Vec<(usize, usize)> = Vec::new(); // second, bytes
    let (mut busy_until, mut parent_origin) = (0, 0);
    for (number, bytes) in traffic.iter().enumerate() {
        let second = number * BLOCK;
        waiting.push((second, *bytes));
        let head = second / SLOT;
        if head < busy_until || head + 1 >= prices.len() {
            continue;
        }
        let l1 = simulated_look(prices, head);
        let Some((max_bytes, place)) = way(&view(&waiting, second, parent_origin), &l1) else { continue };
        let taken = post(&mut outcome, &mut waiting, second, max_bytes, place, &l1.market);
        outcome.spare = outcome.spare.min((parent_origin + 1 + FORCE_DELAY).saturating_sub(head as u64 + 1));
        parent_origin = (taken / SLOT) as u64;
        busy_until = head + 1;
    }
    let market = *prices.last().unwrap();
    while !waiting.is_empty() {
        let (max_bytes, place) =
            way(&view(&waiting, usize::MAX / 2, 0), &simulated_look(prices, prices.len() - 1)).unwrap();
        let mut rest = Outcome::default();
        post(&mut rest, &mut waiting, 0, max_bytes, place, &market);
        outcome.wei += rest.wei;
        outcome.channels += rest.channels;
    }
    outcome
}

/// The price of the next block is known: its parent's header tells.
fn simulated_look(prices: &[Market], head: usize) -> L1Now {
    let next = (head + 1).min(prices.len() - 1);
    let seen = &prices[(next + 1).saturating_sub(USUAL_BLOCKS as usize)..=next];
    let base_fees: Vec<_> = seen.iter().map(|market| market.base_fee).collect();
    let blob_base_fees: Vec<_> = seen.iter().map(|market| market.blob_base_fee).collect();
    L1Now::of(head as u64, &base_fees, &blob_base_fees, prices[next].tip)
}

fn view(waiting: &[(usize, usize)], now: usize, parent_origin: u64) -> Waiting {
    let blocks = waiting.iter().map(|(second, bytes)| WaitingBlock {
        expected_bytes: *bytes as f64 + 3.0,
        age: Duration::from_secs(now.saturating_sub(*second) as u64),
        is_idle: *bytes == 0,
    });
    Waiting { blocks: blocks.collect(), is_full: false, parent_origin }
}

/// Takes what fits, pays for it, and gives the second of the last block.
fn post(
    outcome: &mut Outcome,
    waiting: &mut Vec<(usize, usize)>,
    now: usize,
    max_bytes: usize,
    place: DataAvailability,
    market: &Market,
) -> usize {
    const HEADER: usize = 101;
    let mut size = HEADER;
    let fits = |block: &&(usize, usize)| {
        size += block.1 + 3;
        size <= max_bytes
    };
    let count = waiting.iter().take_while(fits).count().max(1);
    let taken: Vec<_> = waiting.drain(..count).collect();
    let bytes = HEADER + taken.iter().map(|(_, bytes)| bytes + 3).sum::<usize>();
    let age = |block: &(usize, usize)| now.saturating_sub(block.0) as u64;
    outcome.oldest = outcome.oldest.max(taken.iter().find(|(_, bytes)| *bytes > 0).map_or(0, age));
    outcome.oldest_idle = outcome.oldest_idle.max(age(&taken[0]));
    let (blobs, calldata) = (blobs_wei(bytes, market), calldata_wei(bytes, market));
    outcome.wei += match place {
        DataAvailability::Blobs => blobs,
        DataAvailability::Calldata => calldata,
        DataAvailability::Auto if bytes > MAX_CALLDATA_BYTES => blobs,
        DataAvailability::Auto => blobs.min(calldata),
    };
    outcome.channels += 1;
    taken[count - 1].0
}

fn policy(max_age: u64) -> Policy {
    Policy {
        max_idle_age: Duration::from_secs(IDLE_SECS),
        places: DataAvailability::Auto,
        force_delay: FORCE_DELAY,
        ..Policy::blobs(Duration::from_secs(max_age), 6)
    }
}

/// When it is full, or old: without a thought for prices.
fn always(
    place: DataAvailability,
    max_bytes: usize,
    max_age: u64,
) -> impl Fn(&Waiting, &L1Now) -> Option<(usize, DataAvailability)> {
    move |waiting, _| {
        let bytes: f64 = waiting.blocks.iter().map(|block| block.expected_bytes).sum();
        let old = waiting.blocks.first().is_some_and(|block| block.age.as_secs() >= max_age);
        (old || bytes >= max_bytes as f64 * 0.95).then_some((max_bytes, place))
    }
}

/// The outcomes of the policy, of always blobs, of always calldata, and of posting at the longest age alone.
fn compare(prices: &[Market], traffic: &[usize], max_age: u64) -> [Outcome; 4] {
    let policy = policy(max_age);
    let ours = |waiting: &Waiting, l1: &L1Now| {
        policy.decide(waiting, l1).map(|Closing { max_bytes, .. }| (max_bytes, DataAvailability::Auto))
    };
    let blobs = always(DataAvailability::Blobs, blob_capacity(6), max_age);
    let calldata = always(DataAvailability::Calldata, MAX_CALLDATA_BYTES, max_age);
    let by_age = |waiting: &Waiting, _: &L1Now| {
        let old = waiting.blocks.first().is_some_and(|block| block.age.as_secs() >= max_age);
        old.then_some((blob_capacity(6), DataAvailability::Auto))
    };
    let ways: [Way<'_>; 4] = [&ours, &blobs, &calldata, &by_age];
    ways.map(|way| simulate(prices, traffic, way))
}

/// A channel that is due while another is on its way waits for that one.
const fn late(max_age: u64) -> u64 {
    max_age + SLOT as u64
}

/// Bounds that hold whatever the prices.
fn check_age(name: &str, max_age: u64, ours: &Outcome) {
    assert!(ours.oldest <= late(max_age), "{name}: {ours:?}");
    assert!(ours.oldest_idle <= late(max_age.max(IDLE_SECS)), "{name}: {ours:?}");
    assert!(ours.spare > 0, "{name}: {ours:?}");
}

fn print_costs(name: &str, max_age: u64, outcomes: &[Outcome; 4]) {
    let [ours, blobs, calldata, by_age] = outcomes.each_ref().map(|outcome| {
        let punctual = if outcome.oldest > late(max_age) { " (late)" } else { "" };
        format!("{} gwei in {}{punctual}", outcome.wei / GWEI, outcome.channels)
    });
    println!("{name}: policy {ours}; blobs {blobs}; calldata {calldata}; by age {by_age}");
}

/// A single history flatters whoever happens not to post in its worst minute. So sums of many are compared.
fn check_cost(name: &str, max_age: u64, sums: &[Outcome; 4]) {
    print_costs(name, max_age, sums);
    // Who is late does not compete.
    let rivals = sums[1..3].iter().filter(|rival| rival.oldest <= late(max_age));
    let best = rivals.map(|rival| rival.wei).min().unwrap();
    assert!(sums[0].wei * 100 <= best * (100 + TOLERANCE_PERCENT), "{name}: {sums:?}");
}

impl std::ops::AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.wei += other.wei;
        self.channels += other.channels;
        self.oldest = self.oldest.max(other.oldest);
    }
}

#[test]
fn simulated_posting_is_never_late_and_hardly_dearer_than_the_better_of_blobs_and_calldata() {
    for regime in REGIMES {
        for kind in TRAFFIC {
            for max_age in [36, 600, 3_600] {
                let mut sums = [Outcome::default(); 4];
                for seed in 1..=HISTORIES {
                    let prices = simulated_prices(regime, L1_BLOCKS, seed);
                    let traffic = simulated_traffic(kind, L1_BLOCKS * SLOT / BLOCK, seed);
                    let outcomes = compare(&prices, &traffic, max_age);
                    let name = format!("{regime:?} {kind:?} max_age={max_age} seed={seed}");
                    check_age(&name, max_age, &outcomes[0]);
                    sums.iter_mut().zip(outcomes).for_each(|(sum, outcome)| *sum += outcome);
                }
                check_cost(&format!("{regime:?} {kind:?} max_age={max_age}"), max_age, &sums);
            }
        }
    }
}

const CSV: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/simulated_prices.csv");

fn to_csv(prices: &[Market]) -> String {
    let head = "# Simulated by simulation.rs, not measured on any chain. One line for each L1 block of 12 s:\n\
                # wei per gas, wei per blob gas\n";
    let lines = prices.iter().map(|market| format!("{},{}\n", market.base_fee, market.blob_base_fee));
    head.to_owned() + &lines.collect::<String>()
}

fn from_csv(text: &str) -> Vec<Market> {
    let market = |line: &str| {
        let (base_fee, blob_base_fee) = line.split_once(',').unwrap();
        let wei = |text: &str| text.trim().parse().unwrap();
        Market { base_fee: wei(base_fee), tip: GWEI / 100, blob_base_fee: wei(blob_base_fee) }
    };
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(market).collect()
}

#[test]
fn the_simulated_price_file_is_what_the_simulation_makes() {
    let prices = simulated_prices(Regime::BlobSpike, 600, 1);
    if env::var_os("LOCKSTEP_BLESS").is_some() {
        fs::write(CSV, to_csv(&prices)).unwrap();
    }
    assert_eq!(from_csv(&fs::read_to_string(CSV).unwrap()), prices);
}

#[test]
fn posting_at_the_prices_of_a_file_is_never_late() {
    let path = env::var("LOCKSTEP_PRICES").unwrap_or_else(|_| CSV.to_owned());
    let prices = from_csv(&fs::read_to_string(&path).unwrap());
    for kind in TRAFFIC {
        let traffic = simulated_traffic(kind, prices.len() * SLOT / BLOCK, 1);
        for max_age in [36, 600, 3_600] {
            let name = format!("{path} {kind:?} max_age={max_age}");
            let outcomes = compare(&prices, &traffic, max_age);
            print_costs(&name, max_age, &outcomes);
            check_age(&name, max_age, &outcomes[0]);
        }
    }
}
