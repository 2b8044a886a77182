#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

use std::collections::{BTreeSet, HashSet};

use alloy_primitives::{Address, U256};
use lockstep_locks::{AccessSet, Key, Mode, TxIndex};
use proptest::prelude::*;

use super::*;
use crate::{Run, RunKind, Schedule};

/// A small generator: the same seed gives the same block.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// What a block of `transactions` looks like whose transactions touch `keys` keys, on `threads` workers.
fn sample(transactions: usize, threads: usize, keys: u64, seed: u64) -> (Schedule, Vec<AccessSet>) {
    let mut dice = Dice(seed);
    let mut access = Vec::new();
    for tx in 0..transactions as u64 {
        let own = Key::Nonce(Address::with_last_byte(u8::try_from(tx % 251).unwrap()));
        let mut set = AccessSet::from_iter([(own, Mode::Exclusive)]);
        if dice.below(3) > 0 {
            let slot = U256::from(dice.below(keys) * dice.below(keys) / keys.max(1));
            set.add(Key::Slot(Address::repeat_byte(0xc0), slot), Mode::Exclusive);
        }
        access.push(set);
    }
    let mut schedule = Schedule { threads, ..Schedule::default() };
    let mut free = vec![0_u64; threads];
    let mut ends = Vec::new();
    for (tx, set) in access.iter().enumerate() {
        let older: Vec<usize> =
            (0..tx).filter(|older| set.iter().any(|(key, _)| access[*older].mode(&key).is_some())).collect();
        schedule.conflicts.extend(older.iter().map(|older| (TxIndex(*older as u32), TxIndex(tx as u32))));
        let ready = older.iter().map(|older| ends[*older]).max().unwrap_or(0);
        let worker = (0..threads).min_by_key(|worker| (free[*worker].max(ready), *worker)).unwrap();
        let mut start = free[worker].max(ready) + 50;
        let mut run = |kind, start, time| {
            let (tx, worker) = (TxIndex(tx as u32), worker as u32);
            schedule.runs.push(Run { tx, worker, start_ns: start, end_ns: start + time, kind });
            start + time
        };
        match dice.below(40) {
            0 if tx > 0 => start = run(RunKind::Escaped(TxIndex(tx as u32 - 1)), start, 900) + 50,
            1 => start = run(RunKind::Stale, start, 2_500) + 50,
            _ => {}
        }
        let (kind, time) = match (set.len(), dice.below(30)) {
            (_, 0) => (RunKind::Head, 3_000),
            (1, _) => (RunKind::Transfer, 300),
            (_, 1) => (RunKind::Executed, 40_000),
            _ => (RunKind::Executed, 2_000 + dice.below(6_000)),
        };
        free[worker] = run(kind, start, time);
        ends.push(free[worker]);
    }
    schedule.runs.sort_by_key(|run| (run.start_ns, run.worker));
    schedule.total_ns = ends.iter().max().copied().unwrap_or(0) + 500;
    (schedule, access)
}

fn trace<'a>(schedule: &'a Schedule, access: &'a [AccessSet]) -> Trace<'a> {
    let transactions = access.len();
    Trace { title: "Block 7 <&\"'>", transactions, gas: 1_234_567, serial_ns: None, schedule, access }
}

/// The transactions of every `data-tx` in `part`.
fn drawn(part: &str) -> BTreeSet<u32> {
    let mut all = BTreeSet::new();
    for ranges in part.split("data-tx=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        for range in ranges.split(' ') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            all.extend(first.parse::<u32>().unwrap()..=last.parse::<u32>().unwrap());
        }
    }
    all
}

/// Fails unless the elements of `svg` are nested properly, with quoted attributes and escaped text.
fn assert_well_formed(svg: &str) {
    let mut open = Vec::new();
    let mut rest = svg;
    while let Some(start) = rest.find('<') {
        let text = &rest[..start];
        assert!(!text.contains('>'), "stray > in {text:?}");
        for entity in text.split('&').skip(1) {
            let known = ["amp;", "lt;", "gt;", "quot;"].iter().any(|name| entity.starts_with(name));
            assert!(known, "bare & in {text:?}");
        }
        let end = start + rest[start..].find('>').expect("tag is closed");
        let tag = &rest[start + 1..end];
        assert!(!tag.contains('<') && tag.matches('"').count().is_multiple_of(2), "{tag}");
        let mut names = HashSet::new();
        for attribute in tag.split('"').step_by(2).filter_map(|before| before.trim().strip_suffix('=')) {
            let name = attribute.rsplit(' ').next().unwrap();
            assert!(names.insert(name.to_owned()), "{name} twice in {tag}");
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name.to_owned()));
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().unwrap().to_owned());
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?} not closed");
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
}

fn assert_whole(schedule: &Schedule, access: &[AccessSet]) -> String {
    let svg = trace(schedule, access).svg();
    assert_well_formed(&svg);
    let (workers, conflicts) = svg.split_once(">Conflicts<").unwrap();
    let all: BTreeSet<u32> = (0..access.len() as u32).collect();
    assert_eq!(drawn(workers), all, "on the lanes");
    assert_eq!(drawn(conflicts), all, "in the graph");
    svg
}

#[test]
fn every_transaction_is_on_a_lane_and_in_the_graph() {
    for (transactions, threads, keys) in [
        (1, 1, 1),
        (5, 2, 3),
        (40, 4, 6),
        (300, 8, 30),
        (300, 2, 1),
        (2_000, 16, 400),
        (2_000, 64, 2),
        (7_000, 3, 9_000),
    ] {
        let (schedule, access) = sample(transactions, threads, keys, 7);
        assert_whole(&schedule, &access);
    }
}

#[test]
fn an_empty_block_is_drawn_too() {
    let svg = assert_whole(&Schedule::default(), &[]);
    assert!(svg.contains(">0<"));
}

#[test]
fn a_long_block_stays_small_enough_to_look_at() {
    let (schedule, access) = sample(2_000, 8, 300, 3);
    let svg = assert_whole(&schedule, &access);
    assert!(svg.len() < 1_500_000, "{} bytes", svg.len());
    let height: f64 = svg.split("height=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    assert!(height < 2_600.0, "{height} pixels");
}

#[test]
fn a_title_cannot_break_out_of_its_element() {
    let (schedule, access) = sample(3, 1, 1, 1);
    let svg = assert_whole(&schedule, &access);
    assert!(svg.contains("Block 7 &lt;&amp;&quot;'&gt;"));
}

#[test]
fn runs_and_conflicts_of_unknown_transactions_are_ignored() {
    let (mut schedule, access) = sample(4, 2, 2, 1);
    schedule.conflicts.push((TxIndex(0), TxIndex(1)));
    schedule.conflicts.push((TxIndex(9), TxIndex(2)));
    schedule.conflicts.push((TxIndex(1), TxIndex(9)));
    schedule.conflicts.push((TxIndex(3), TxIndex(3)));
    assert_whole(&schedule, &access);
    let trace = Trace { access: &[], ..trace(&schedule, &access) };
    assert_well_formed(&trace.svg());
    assert!(trace.digest().waits_for.iter().flatten().all(|older| *older < 4));
}

#[test]
fn without_access_sets_who_waited_conflicts() {
    let (schedule, access) = sample(50, 2, 4, 1);
    let told = trace(&schedule, &access);
    let untold = Trace { access: &[], ..told };
    assert_eq!(untold.digest().depth, told.digest().depth);
    assert!(!untold.svg().contains("Hottest keys") && told.svg().contains("Hottest keys"));
}

#[test]
fn the_critical_path_is_the_chain_that_takes_longest() {
    let run =
        |tx, start_ns, end_ns| Run { tx: TxIndex(tx), worker: 0, start_ns, end_ns, kind: RunKind::Executed };
    let schedule = Schedule {
        threads: 1,
        runs: vec![run(0, 0, 100), run(1, 100, 110), run(2, 110, 120), run(3, 120, 320), run(4, 320, 330)],
        conflicts: vec![
            (TxIndex(1), TxIndex(2)),
            (TxIndex(2), TxIndex(4)),
            (TxIndex(0), TxIndex(3)),
            (TxIndex(3), TxIndex(4)),
        ],
        total_ns: 330,
    };
    let digest = Digest::new(&schedule, schedule.conflicts.clone(), 5);
    assert_eq!(digest.critical, [TxIndex(0), TxIndex(3), TxIndex(4)]);
    assert_eq!((digest.critical_ns, digest.work_ns), (310, 330));
    assert_eq!(digest.waves, [2, 2, 1]);
}

#[test]
fn time_of_runs_that_did_not_stand_is_lost() {
    let run = |kind, start_ns, end_ns| Run { tx: TxIndex(0), worker: 0, start_ns, end_ns, kind };
    let schedule = Schedule {
        threads: 1,
        runs: vec![
            run(RunKind::Escaped(TxIndex(0)), 0, 5),
            run(RunKind::Stale, 5, 12),
            run(RunKind::Head, 12, 20),
        ],
        ..Schedule::default()
    };
    let digest = Digest::new(&schedule, [], 1);
    assert_eq!((digest.lost_ns, digest.work_ns), (12, 8));
    assert_eq!((digest.escaped, digest.stale, digest.at_head), (1, 1, 1));
}

fn slot(number: u64) -> Key {
    Key::Slot(Address::repeat_byte(1), U256::from(number))
}

fn touches(keys: &[(Key, Mode)]) -> AccessSet {
    keys.iter().copied().collect()
}

#[test]
fn a_key_that_all_write_makes_them_take_turns() {
    let access = vec![touches(&[(slot(1), Mode::Exclusive)]); 4];
    let hot = hot_keys(&access, &[10, 20, 30, 40]);
    let waited_ns = 10 + (10 + 20) + (10 + 20 + 30);
    assert_eq!(hot, [HotKey { key: slot(1), transactions: 4, in_turn_ns: 100, waited_ns }]);
}

#[test]
fn nobody_waits_for_a_key_that_all_read_or_all_add_to() {
    for mode in [Mode::Shared, Mode::Delta] {
        assert_eq!(hot_keys(&vec![touches(&[(slot(1), mode)]); 4], &[10; 4]), []);
    }
}

#[test]
fn readers_between_two_writers_take_one_turn_together() {
    let modes = [Mode::Exclusive, Mode::Shared, Mode::Shared, Mode::Exclusive];
    let access: Vec<AccessSet> = modes.iter().map(|mode| touches(&[(slot(1), *mode)])).collect();
    let hot = hot_keys(&access, &[10, 20, 30, 40]);
    assert_eq!(hot[0].in_turn_ns, 10 + 30 + 40);
    assert_eq!(hot[0].waited_ns, 10 + 10 + (10 + 30));
}

#[test]
fn each_link_of_a_chain_counts_for_the_key_that_makes_it() {
    let access = [
        touches(&[(slot(1), Mode::Exclusive)]),
        touches(&[(slot(1), Mode::Exclusive), (slot(2), Mode::Exclusive)]),
        touches(&[(slot(2), Mode::Exclusive)]),
    ];
    let hot = hot_keys(&access, &[10, 20, 30]);
    assert_eq!(hot[1], HotKey { key: slot(1), transactions: 2, in_turn_ns: 30, waited_ns: 10 + 10 });
    assert_eq!(hot[0], HotKey { key: slot(2), transactions: 2, in_turn_ns: 50, waited_ns: 20 });
}

#[test]
fn the_text_names_the_hottest_key_whole() {
    let (schedule, access) = sample(60, 2, 3, 5);
    let text = trace(&schedule, &access).text();
    let hottest = trace(&schedule, &access).hot_keys()[0].key;
    let Key::Slot(of, _) = hottest else { panic!("{hottest:?}") };
    assert!(text.contains("60 transactions, 1,234,567 gas"), "{text}");
    assert!(text.contains(&of.to_string()), "{text}");
}

#[test]
fn numbers_read_well() {
    assert_eq!([0, 999, 1_000, 1_234_567].map(units::grouped), ["0", "999", "1,000", "1,234,567"]);
    assert_eq!(
        [0, 999, 1_000, 9_996, 12_340, 99_960, 999_999_999, 61_000_000_000].map(units::time),
        ["0 ns", "999 ns", "1.00 µs", "10.0 µs", "12.3 µs", "100 µs", "1000 ms", "61.0 s"]
    );
    assert_eq!(units::ranges(&[1, 2, 3, 7, 9, 10]), "1-3 7 9-10");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_schedule_is_drawn_whole_and_always_the_same(
        transactions in 0_usize..120, threads in 1_usize..40, keys in 1_u64..40, seed: u64,
    ) {
        let (schedule, access) = sample(transactions, threads, keys, seed);
        let svg = assert_whole(&schedule, &access);
        prop_assert_eq!(svg, trace(&schedule, &access).svg());
    }

    /// With endless workers, a key's holders cannot end before their turns have passed.
    #[test]
    fn no_key_takes_longer_than_the_critical_path(transactions in 1_usize..80, keys in 1_u64..20, seed: u64) {
        let (schedule, access) = sample(transactions, 2, keys, seed);
        let trace = trace(&schedule, &access);
        for hot in trace.hot_keys() {
            prop_assert!(hot.in_turn_ns <= trace.digest().critical_ns);
        }
    }
}
