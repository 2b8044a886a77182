//! When a channel is closed, and how much goes into it. Pure.
//!
//! What waits is posted for the first of these reasons that holds:
//!
//! 1. [`Reason::Window`]: derivation will soon pass it. At L1 block `L` a deposit in an L1 block up to
//!    `L - force_delay` that the safe chain lacks forces a block, and what is not posted by then is void
//!    (`docs/format.md`, forced inclusion). Whether such a deposit waits is not asked: the next one may.
//! 2. [`Reason::Age`]: a block with users' transactions has waited as long as any may.
//! 3. [`Reason::Idle`]: blocks without any have. They are worth little to anybody, and cost a transaction.
//! 4. [`Reason::Full`]: it fills the blobs that it should. A better moment is waited for while prices are far above
//!    the usual ones and fall, or while blobs cost more than calldata, so that little can become dearer: until half
//!    of the longest age, or half a channel more. Prices that rise are paid at once, since they may go on to.
//!
//! A stop of the batcher is no reason: what waits is in Postgres, where the next batcher finds it.

use std::time::Duration;

use lockstep_l1::Market;

use crate::{
    channel::MAX_CALLDATA_BYTES,
    config::DataAvailability,
    price::{L1Now, blob_capacity, blobs_wei, calldata_wei, full_blobs},
};

/// A channel this full is not worth waiting for more.
const TARGET_PERCENT: usize = 95;
/// Prices this far above the usual ones are worth waiting for lower ones, percent.
const DEAR_PERCENT: u128 = 110;
/// Cutting a channel to whole blobs must bring the cost to this, percent: its size is only expected.
const WORTH_CUTTING_PERCENT: u128 = 95;
/// Most L1 blocks between closing a channel for the window's sake and the window's end: an hour to get into a block.
const MAX_WINDOW_MARGIN: u64 = 300;
/// Time that one channel may take until the next one is closed: two L1 blocks.
const CHANNEL_TIME: Duration = Duration::from_secs(24);

/// When channels are closed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// Longest time that a block with users' transactions waits.
    pub(crate) max_age: Duration,
    /// Longest time that a block without any waits.
    pub(crate) max_idle_age: Duration,
    /// Where channels may go.
    pub(crate) places: DataAvailability,
    /// Encoded size that is never exceeded.
    pub(crate) max_bytes: usize,
    /// L1 blocks after which a deposit is forced (`docs/format.md`).
    pub(crate) force_delay: u64,
}

/// Sealed blocks that no channel holds, as far as the policy cares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting {
    /// In order.
    pub(crate) blocks: Vec<WaitingBlock>,
    /// No more can wait.
    pub(crate) is_full: bool,
    /// L1 origin of the block before the first one.
    pub(crate) parent_origin: u64,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitingBlock {
    /// Its share of the encoded channel, if it compresses like earlier ones.
    pub(crate) expected_bytes: f64,
    /// Time since it was sealed.
    pub(crate) age: Duration,
    /// Without transactions of users.
    pub(crate) is_idle: bool,
}

/// Why a channel is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Window,
    Age,
    Idle,
    Full,
}

impl Reason {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Age => "age",
            Self::Idle => "idle",
            Self::Full => "full",
        }
    }
}

/// A channel to close now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closing {
    pub(crate) reason: Reason,
    /// Encoded size that it should come close to, and must not exceed.
    pub(crate) max_bytes: usize,
}

impl Waiting {
    fn expected_bytes(&self) -> usize {
        to_bytes(self.blocks.iter().map(|block| block.expected_bytes).sum())
    }

    /// Age of the oldest block with transactions.
    fn age(&self) -> Option<Duration> {
        self.blocks.iter().find(|block| !block.is_idle).map(|block| block.age)
    }

    fn idle_age(&self) -> Duration {
        self.blocks.first().map_or(Duration::ZERO, |block| block.age)
    }

    /// What is left if a channel takes blocks of `bytes`.
    fn after(&self, bytes: usize) -> &[WaitingBlock] {
        let mut sum = 0.0;
        let fits = |block: &&WaitingBlock| {
            sum += block.expected_bytes;
            to_bytes(sum) <= bytes
        };
        &self.blocks[self.blocks.iter().take_while(fits).count()..]
    }
}

/// Expected sizes are positive and far below 2^53.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
const fn to_bytes(expected: f64) -> usize {
    expected.ceil() as usize
}

impl Policy {
    /// Posts blobs, `blobs` at once at most; empty blocks wait no longer than others, and nothing is ever forced.
    pub(crate) const fn blobs(max_age: Duration, blobs: usize) -> Self {
        Self {
            max_age,
            max_idle_age: max_age,
            places: DataAvailability::Blobs,
            max_bytes: blob_capacity(blobs),
            force_delay: u64::MAX,
        }
    }

    /// The same with calldata.
    pub(crate) const fn calldata(max_age: Duration) -> Self {
        let places = DataAvailability::Calldata;
        Self { places, max_bytes: MAX_CALLDATA_BYTES, ..Self::blobs(max_age, 1) }
    }

    /// Whether a channel is due, and how large it should be.
    pub(crate) fn decide(&self, waiting: &Waiting, l1: &L1Now) -> Option<Closing> {
        let reason = self.reason(waiting, l1)?;
        Some(Closing { reason, max_bytes: self.cut(reason, waiting, &l1.market) })
    }

    fn reason(&self, waiting: &Waiting, l1: &L1Now) -> Option<Reason> {
        if waiting.blocks.is_empty() {
            None
        } else if self.window_closes(waiting, l1) {
            Some(Reason::Window)
        } else if waiting.age().is_some_and(|age| age >= self.max_age) {
            Some(Reason::Age)
        } else if waiting.idle_age() >= self.max_idle_age.max(self.max_age) {
            Some(Reason::Idle)
        } else {
            (self.fills(waiting, &l1.market) && !self.sits_out(waiting, l1)).then_some(Reason::Full)
        }
    }

    /// The last L1 block that may hold what follows a block of origin `P` is `P + 1 + force_delay`.
    fn window_closes(&self, waiting: &Waiting, l1: &L1Now) -> bool {
        let margin = (self.force_delay / 2).min(MAX_WINDOW_MARGIN);
        let last = waiting.parent_origin.saturating_add(1).saturating_add(self.force_delay);
        l1.head.saturating_add(margin) >= last
    }

    fn fills(&self, waiting: &Waiting, market: &Market) -> bool {
        waiting.is_full || waiting.expected_bytes() >= self.room(waiting, market) / 100 * TARGET_PERCENT
    }

    /// Whether it is worth hoping for a lower price, and early enough to.
    fn sits_out(&self, waiting: &Waiting, l1: &L1Now) -> bool {
        let room = self.room(waiting, &l1.market);
        let now = self.wei(room, &l1.market);
        let dear = now.saturating_mul(100) > self.wei(room, &l1.usual).saturating_mul(DEAR_PERCENT);
        let falls = now < self.wei(room, &l1.recent);
        let at_worst = self.places == DataAvailability::Auto && room <= MAX_CALLDATA_BYTES;
        let early = waiting.age().is_none_or(|age| age < self.max_age / 2);
        let few = !waiting.is_full && waiting.expected_bytes() < self.max_bytes / 2 * 3;
        early && few && (dear && falls || at_worst && self.calldata_in_time(waiting, CHANNEL_TIME))
    }

    /// Bytes that the next channel may have: where they cost least each.
    fn room(&self, waiting: &Waiting, market: &Market) -> usize {
        if self.places != DataAvailability::Auto || !self.calldata_in_time(waiting, Duration::ZERO) {
            return self.max_bytes;
        }
        let expected = waiting.expected_bytes().max(1);
        let (few, many) = (expected.min(MAX_CALLDATA_BYTES), expected.min(self.max_bytes));
        let cheaper = calldata_wei(few, market).saturating_mul(many as u128)
            < blobs_wei(many, market).saturating_mul(few as u128);
        if cheaper { self.max_bytes.min(MAX_CALLDATA_BYTES) } else { self.max_bytes }
    }

    /// Whether calldata could carry all that waits before it is too old, one channel after the other, the first of them
    /// after `delay`.
    fn calldata_in_time(&self, waiting: &Waiting, delay: Duration) -> bool {
        let mut sum = 0.0;
        waiting.blocks.iter().filter(|block| !block.is_idle).all(|block| {
            let before = to_bytes(sum) / MAX_CALLDATA_BYTES;
            sum += block.expected_bytes;
            let wait = delay + CHANNEL_TIME.saturating_mul(u32::try_from(before).unwrap_or(u32::MAX));
            before == 0 && delay.is_zero() || block.age + wait <= self.max_age
        })
    }

    /// Wei for one channel where it costs less.
    fn wei(&self, bytes: usize, market: &Market) -> u128 {
        match self.places {
            DataAvailability::Blobs => blobs_wei(bytes, market),
            DataAvailability::Calldata => calldata_wei(bytes, market),
            DataAvailability::Auto if bytes > MAX_CALLDATA_BYTES => blobs_wei(bytes, market),
            DataAvailability::Auto => blobs_wei(bytes, market).min(calldata_wei(bytes, market)),
        }
    }

    /// How large a channel that is due should be: all that waits, or only what fills whole blobs.
    ///
    /// The rest is then the oldest of the next channel, which is due earlier for it. Whole blobs are cheaper if they
    /// cost less over the time that is left to the rest than everything does over the whole time between channels.
    fn cut(&self, reason: Reason, waiting: &Waiting, market: &Market) -> usize {
        let expected = waiting.expected_bytes();
        let room = self.room(waiting, market);
        let whole = blob_capacity(full_blobs(expected));
        let in_blobs = self.places != DataAvailability::Calldata && room > MAX_CALLDATA_BYTES;
        if reason != Reason::Age || !in_blobs || whole == 0 || expected >= room {
            return room;
        }
        let rest = waiting.after(whole).iter().find(|block| !block.is_idle);
        let left = rest.map_or(self.max_age, |oldest| self.max_age.saturating_sub(oldest.age));
        let cut = blobs_wei(whole, market).saturating_mul(self.max_age.as_millis());
        let all = blobs_wei(expected, market).saturating_mul(left.as_millis());
        if cut.saturating_mul(100) < all.saturating_mul(WORTH_CUTTING_PERCENT) { whole } else { room }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const GWEI: u128 = 1_000_000_000;
    const AGE: Duration = Duration::from_secs(600);
    const FLOOR: Market = Market { base_fee: 16 * GWEI, tip: 0, blob_base_fee: GWEI };
    /// Far more than calldata.
    const SPIKE: Market = Market { blob_base_fee: 2_000 * GWEI, ..FLOOR };
    const BLOB: usize = blob_capacity(1);

    fn auto() -> Policy {
        Policy {
            max_idle_age: 6 * AGE,
            places: DataAvailability::Auto,
            force_delay: 3_600,
            ..Policy::blobs(AGE, 6)
        }
    }

    fn at(market: Market) -> L1Now {
        L1Now { head: 1_000, market, usual: FLOOR, recent: market }
    }

    /// `bytes` in blocks of one second that came evenly, the oldest `age` seconds ago.
    fn steady(bytes: usize, age: u64) -> Waiting {
        let blocks = (1..=age).rev().map(|secs| WaitingBlock {
            expected_bytes: bytes as f64 / age as f64,
            age: Duration::from_secs(secs),
            is_idle: bytes == 0,
        });
        Waiting { blocks: blocks.collect(), is_full: false, parent_origin: 1_000 }
    }

    fn reason(waiting: &Waiting, l1: &L1Now) -> Option<Reason> {
        auto().decide(waiting, l1).map(|closing| closing.reason)
    }

    #[test]
    fn nothing_is_closed_without_a_reason() {
        assert_eq!(reason(&Waiting::default(), &at(FLOOR)), None);
        assert_eq!(reason(&steady(3 * BLOB, 599), &at(FLOOR)), None);
    }

    #[test]
    fn transactions_wait_no_longer_than_the_longest_age_whatever_the_price() {
        for market in [FLOOR, SPIKE] {
            assert_eq!(reason(&steady(10_000, 600), &at(market)), Some(Reason::Age));
            assert_eq!(reason(&steady(6 * BLOB, 600), &at(market)), Some(Reason::Age));
        }
    }

    #[test]
    fn six_full_blobs_are_posted_at_once() {
        let closing = auto().decide(&steady(blob_capacity(6) / 100 * 96, 60), &at(FLOOR)).unwrap();
        assert_eq!(closing, Closing { reason: Reason::Full, max_bytes: blob_capacity(6) });
    }

    #[test]
    fn empty_blocks_wait_until_somebody_transacts_or_their_own_age() {
        assert_eq!(reason(&steady(0, 3_599), &at(FLOOR)), None);
        assert_eq!(reason(&steady(0, 3_600), &at(FLOOR)), Some(Reason::Idle));
        let mut woken = steady(0, 3_000);
        woken.blocks.push(WaitingBlock { expected_bytes: 100.0, age: Duration::ZERO, is_idle: false });
        assert_eq!(reason(&woken, &at(FLOOR)), None);
        woken.blocks[3_000].age = AGE;
        assert_eq!(reason(&woken, &at(FLOOR)), Some(Reason::Age));
    }

    #[test]
    fn empty_blocks_never_wait_less_than_others() {
        let hasty = Policy { max_idle_age: Duration::ZERO, ..auto() };
        assert_eq!(hasty.decide(&steady(0, 599), &at(FLOOR)), None);
        assert_eq!(hasty.decide(&steady(0, 600), &at(FLOOR)).unwrap().reason, Reason::Idle);
    }

    #[test]
    fn the_window_is_kept_with_a_margin_even_by_an_idle_chain() {
        let open = L1Now { head: 1_000 + 1 + 3_600 - MAX_WINDOW_MARGIN - 1, ..at(SPIKE) };
        assert_eq!(reason(&steady(0, 1), &open), None);
        let closing = L1Now { head: open.head + 1, ..open };
        assert_eq!(reason(&steady(0, 1), &closing), Some(Reason::Window));
        let short = Policy { force_delay: 30, ..auto() };
        assert_eq!(short.decide(&steady(0, 1), &L1Now { head: 1_015, ..open }), None);
        assert_eq!(
            short.decide(&steady(0, 1), &L1Now { head: 1_016, ..open }).unwrap().reason,
            Reason::Window
        );
    }

    #[test]
    fn dear_prices_that_fall_are_sat_out_for_half_the_longest_age_and_half_a_channel() {
        let dear = Market { blob_base_fee: 2 * GWEI, ..FLOOR };
        let dear = L1Now { recent: Market { blob_base_fee: 3 * GWEI, ..FLOOR }, ..at(dear) };
        let full = blob_capacity(6);
        assert_eq!(reason(&steady(full, 299), &dear), None);
        assert_eq!(reason(&steady(full, 300), &dear), Some(Reason::Full));
        assert_eq!(reason(&steady(full / 2 * 3, 299), &dear), Some(Reason::Full));
        let all = Waiting { is_full: true, ..steady(full, 299) };
        assert_eq!(reason(&all, &dear), Some(Reason::Full));
    }

    #[test]
    fn prices_that_rise_or_are_not_far_from_usual_are_paid() {
        let high = Market { blob_base_fee: 2 * GWEI, ..FLOOR };
        let rising = L1Now { recent: FLOOR, ..at(high) };
        let steady_high = at(high);
        let usual = L1Now { recent: high, ..at(Market { base_fee: 17 * GWEI, ..FLOOR }) };
        for l1 in [rising, steady_high, usual] {
            assert_eq!(reason(&steady(blob_capacity(6), 299), &l1), Some(Reason::Full));
        }
    }

    #[test]
    fn while_calldata_is_cheaper_blobs_are_hoped_for_and_then_channels_made_for_it() {
        assert_eq!(reason(&steady(200_000, 299), &at(SPIKE)), None);
        let closing = auto().decide(&steady(200_000, 300), &at(SPIKE)).unwrap();
        assert_eq!(closing, Closing { reason: Reason::Full, max_bytes: MAX_CALLDATA_BYTES });
        assert_eq!(reason(&steady(100_000, 300), &at(SPIKE)), None);
        // With little time nothing can be hoped for.
        let short = Policy { max_age: Duration::from_secs(36), ..auto() };
        let closing = short.decide(&steady(119_000, 13), &at(SPIKE)).unwrap();
        assert_eq!(closing, Closing { reason: Reason::Full, max_bytes: MAX_CALLDATA_BYTES });
    }

    #[test]
    fn more_than_calldata_can_carry_in_time_goes_to_blobs() {
        // Due now, but what comes behind the first channel is young.
        let closing = auto().decide(&steady(500_000, 600), &at(SPIKE)).unwrap();
        assert_eq!(closing.max_bytes, MAX_CALLDATA_BYTES);
        let mut old = steady(500_000, 600);
        old.blocks.iter_mut().for_each(|block| block.age = AGE);
        assert_eq!(auto().decide(&old, &at(SPIKE)).unwrap().max_bytes, blob_capacity(6));
    }

    #[test]
    fn a_channel_due_by_age_leaves_a_little_more_than_whole_blobs_for_the_next() {
        // Two blobs and a tenth: the tenth would cost a blob.
        let closing = auto().decide(&steady(BLOB * 21 / 10, 600), &at(FLOOR)).unwrap();
        assert_eq!(closing, Closing { reason: Reason::Age, max_bytes: blob_capacity(2) });
        // Two blobs and a half: the transaction costs more than what half a blob wastes.
        let closing = auto().decide(&steady(BLOB * 25 / 10, 600), &at(FLOOR)).unwrap();
        assert_eq!(closing.max_bytes, blob_capacity(6));
    }

    #[test]
    fn nothing_is_left_behind_that_would_be_due_at_once() {
        let mut burst = steady(BLOB * 21 / 10, 600);
        burst.blocks.iter_mut().for_each(|block| block.age = AGE);
        assert_eq!(auto().decide(&burst, &at(FLOOR)).unwrap().max_bytes, blob_capacity(6));
    }

    #[test]
    fn an_operator_s_place_bounds_the_channel() {
        let calldata = Policy::calldata(AGE).decide(&steady(119_000, 60), &at(FLOOR)).unwrap();
        assert_eq!(calldata, Closing { reason: Reason::Full, max_bytes: MAX_CALLDATA_BYTES });
        let one = Policy::blobs(AGE, 1).decide(&steady(BLOB, 60), &at(FLOOR)).unwrap();
        assert_eq!(one.max_bytes, BLOB);
    }
}
