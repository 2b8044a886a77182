//! What to expect of a bit: adaptive probabilities under three contexts each, mixed.
//!
//! Integer arithmetic only: writer and reader must agree on every machine.

use alloc::{boxed::Box, vec};

use crate::range::Coder;

/// The decisions of the format. Each weighs its contexts in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Site {
    BlockGap,
    OriginGap,
    BlockSize,
    SameSender,
    NewSender,
    Kind,
    SameChain,
    ChainId,
    Recipient,
    NoCalldata,
    Unstructured,
    Selector,
    SameLength,
    WholeWords,
    Length,
    Word,
    Recent,
    Number,
    Exponent,
    Mantissa,
    DeltaSign,
    Delta,
    Nested,
    Padding,
    Value,
    ValueNumber,
    ValueExponent,
    ValueMantissa,
    Gas,
    GasNumber,
    Fees,
    FeesEqual,
    KnownTip,
    Tip,
    KnownMargin,
    Margin,
    NextNonce,
    Nonce,
    NonceStep,
    NoAccessList,
    AccessListLength,
    KnownAddress,
    Authorizations,
}

/// Number of [`Site`]s.
const SITES: usize = Site::Authorizations as usize + 1;

/// From the most special to the most general: what is known where a decision is made, as [`context`] hashes it.
pub(crate) type Contexts = [u32; 3];

/// Hashes two parts of a context. Collisions cost bytes, never correctness.
pub(crate) const fn context(a: u32, b: u32) -> u32 {
    let mut hash = a.wrapping_mul(0x9e37_79b1) ^ b.wrapping_add(0x7f4a_7c15).wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 15;
    hash = hash.wrapping_mul(0x2c1b_3c6d);
    hash ^ hash >> 13
}

/// Logarithm of the number of probabilities: 2^18 of four bytes fit a core's own cache.
const TABLE_BITS: u32 = 18;
/// From so many bits seen on, a probability moves by a fixed share.
const MOST_SEEN: u16 = 60;
/// Bits of a share of one.
const SHARE_BITS: u32 = 15;
/// How far a probability moves, by the bits it has seen: `10 / (10 seen + 16)`, which makes it the mean of them at first.
const SHARES: [i32; MOST_SEEN as usize + 1] = {
    let mut shares = [0; MOST_SEEN as usize + 1];
    let (mut seen, mut divisor) = (0, 16);
    while seen < shares.len() {
        shares[seen] = (10 << SHARE_BITS) / divisor;
        (seen, divisor) = (seen + 1, divisor + 10);
    }
    shares
};
/// Upper bits of a number that are modelled; those below are as good as random.
const MODELLED_BITS: u32 = 8;
/// How fast weights follow.
const LEARNING_RATE: i32 = 12;
/// A third each, of 65,536, and a little more: three contexts that agree are surer than one.
const FIRST_WEIGHT: i32 = 20_000;
/// Weights differ by how often the two most special contexts were seen.
const EXPERIENCES: usize = 5;
const WEIGHT_SETS: usize = SITES * EXPERIENCES * EXPERIENCES;

/// The probability of a one, of 65,536, and how many bits it has seen.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    one: u16,
    seen: u16,
}

impl Estimate {
    const UNKNOWN: Self = Self { one: 1 << 15, seen: 0 };

    /// A share of the way to `bit`, see [`SHARES`].
    fn update(&mut self, bit: bool) {
        let one = i32::from(self.one);
        let target = if bit { i32::from(u16::MAX) } else { 0 };
        let step = (target - one) * SHARES[usize::from(self.seen)];
        let moved = one + (step >> SHARE_BITS);
        // Between the old value and the target, which both fit.
        self.one = u16::try_from(moved).unwrap_or(self.one);
        if self.seen < MOST_SEEN {
            self.seen += 1;
        }
    }

    const fn experience(self) -> usize {
        match self.seen {
            0 => 0,
            1 => 1,
            2..=4 => 2,
            5..=15 => 3,
            _ => 4,
        }
    }
}

/// Logistic function: 4096 / (1 + e^(-x/256)), from a table of 33 points.
fn squash(x: i32) -> i32 {
    const POINTS: [i32; 33] = [
        1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047, 2549, 2994, 3348, 3607,
        3785, 3901, 3975, 4022, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094,
    ];
    let x = x.clamp(-2047, 2047) + 2048;
    let (point, between) = (usize::try_from(x >> 7).unwrap_or(0), x & 127);
    (POINTS[point] * (128 - between) + POINTS[point + 1] * between + 64) >> 7
}

/// Its inverse, for each probability of 12 bits.
fn stretches() -> Box<[i16; 4096]> {
    let mut table = Box::new([2047; 4096]);
    let mut next = 0;
    for x in -2047..=2047i16 {
        let end = usize::try_from(squash(x.into())).unwrap_or(0);
        if next <= end {
            table[next..=end].fill(x);
            next = end + 1;
        }
    }
    table
}

/// Everything that was learned about bits.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    estimates: Box<[Estimate; 1 << TABLE_BITS]>,
    weights: Box<[[i32; 3]; WEIGHT_SETS]>,
    stretch: Box<[i16; 4096]>,
}

impl Default for Model {
    fn default() -> Self {
        Self { estimates: boxed(Estimate::UNKNOWN), weights: boxed([FIRST_WEIGHT; 3]), stretch: stretches() }
    }
}

/// `N` times `value`, never on the stack.
fn boxed<T: Clone, const N: usize>(value: T) -> Box<[T; N]> {
    let values: Result<Box<[T; N]>, _> = vec![value; N].into_boxed_slice().try_into();
    values.ok().expect("N values, just made")
}

impl Model {
    /// One bit under contexts that are hashed with their site already.
    fn bit<C: Coder>(&mut self, coder: &mut C, site: Site, contexts: Contexts, bit: bool) -> bool {
        let places = contexts.map(|context| (context >> (32 - TABLE_BITS)) as usize);
        let estimates = places.map(|place| self.estimates[place]);
        let inputs = estimates.map(|estimate| i32::from(self.stretch[usize::from(estimate.one >> 4)]));
        let set = (site as usize * EXPERIENCES + estimates[0].experience()) * EXPERIENCES
            + estimates[1].experience();
        let weights = &mut self.weights[set];
        let sum: i64 = inputs.iter().zip(&*weights).map(|(x, w)| i64::from(*x) * i64::from(*w)).sum();
        // Beyond the range that `squash` looks at anyway.
        let mixed = i32::try_from((sum >> 16).clamp(-4096, 4096)).unwrap_or(0);
        let one = squash(mixed).clamp(1, 4095);

        let bit = coder.bit(one.unsigned_abs(), bit);
        let error = ((i32::from(bit) << 12) - one) * LEARNING_RATE;
        for (weight, input) in weights.iter_mut().zip(inputs) {
            *weight = weight.saturating_add((input * error + 0x2000) >> 14);
        }
        for place in places {
            self.estimates[place].update(bit);
        }
        bit
    }

    /// A yes or no.
    pub(crate) fn flag<C: Coder>(
        &mut self,
        coder: &mut C,
        site: Site,
        contexts: Contexts,
        yes: bool,
    ) -> bool {
        self.bit(coder, site, of_site(site, contexts), yes)
    }

    /// One of `2^bits` symbols, highest bit first, each bit under those before it.
    pub(crate) fn symbol<C: Coder>(
        &mut self,
        coder: &mut C,
        site: Site,
        contexts: Contexts,
        bits: u32,
        symbol: u32,
    ) -> u32 {
        let contexts = of_site(site, contexts);
        let mut node = 1;
        for level in (0..bits).rev() {
            // The contexts are hashes already.
            let here = contexts.map(|of| (of ^ node).wrapping_mul(0x9e37_79b1));
            node = node << 1 | u32::from(self.bit(coder, site, here, symbol >> level & 1 == 1));
        }
        node & ((1 << bits) - 1)
    }

    /// A number: its length in bits, its upper bits by model, the others as they are.
    pub(crate) fn number<C: Coder>(
        &mut self,
        coder: &mut C,
        site: Site,
        contexts: Contexts,
        number: u128,
    ) -> u128 {
        let length = self.symbol(coder, site, contexts, 8, 128 - number.leading_zeros()).min(128);
        if length <= 1 {
            return u128::from(length);
        }
        let below_first = length - 1;
        let upper_bits = below_first.min(MODELLED_BITS);
        let rest = below_first - upper_bits;
        let [special, middle, _] = contexts.map(|of| context(of, 0x100 + length));
        let upper =
            self.symbol(coder, site, [special, middle, 0x100 + length], upper_bits, low_bits(number >> rest));
        let high_bits = rest.saturating_sub(64);
        let high = coder.bits(high_bits, low_64(number >> 64));
        let low = coder.bits(rest - high_bits, low_64(number));
        let low = if rest - high_bits == 64 { low } else { low & ((1 << (rest - high_bits)) - 1) };
        let high = u128::from(high & ((1u64 << high_bits) - 1)) << 64;
        1 << below_first | u128::from(upper) << rest | high | u128::from(low)
    }
}

fn of_site(site: Site, contexts: Contexts) -> Contexts {
    contexts.map(|of| context(of, site as u32))
}

/// The lowest 32 bits; [`Model::symbol`] uses fewer.
fn low_bits(number: u128) -> u32 {
    (number & u128::from(u32::MAX)).try_into().unwrap_or(0)
}

fn low_64(number: u128) -> u64 {
    (number & u128::from(u64::MAX)).try_into().unwrap_or(0)
}

#[cfg(all(test, feature = "encode"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::range::{Reader, Streams, Writer};
    use proptest::{collection::vec, prelude::*};

    #[test]
    fn stretching_undoes_squashing() {
        let table = stretches();
        for x in (-2000..2000).step_by(50) {
            let there = usize::try_from(squash(x)).unwrap();
            assert!((squash(table[there].into()) - squash(x)).abs() <= 1, "{x}");
        }
        assert!(table.is_sorted());
    }

    #[test]
    fn an_estimate_is_at_first_the_mean_of_what_was_seen() {
        let mut estimate = Estimate::UNKNOWN;
        for _ in 0..7 {
            estimate.update(true);
        }
        estimate.update(false);
        let mean = f64::from(estimate.one) / 65_536.0;
        assert!((0.75..0.9).contains(&mean), "{mean}");
    }

    #[test]
    fn what_repeats_costs_next_to_nothing() {
        let (mut model, mut writer) = (Model::default(), Writer::new(0));
        for _ in 0..4_000 {
            model.symbol(&mut writer, Site::Kind, [1, 2, 3], 3, 5);
        }
        assert!(writer.finish().coded.len() < 20);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn numbers_come_back(numbers in vec((0..=128u32, any::<u128>()), 1..40)) {
            let numbers: alloc::vec::Vec<u128> =
                numbers.into_iter().map(|(bits, n)| n & u128::MAX.checked_shr(128 - bits).unwrap_or(0)).collect();
            let (mut model, mut writer) = (Model::default(), Writer::new(0));
            for number in &numbers {
                prop_assert_eq!(model.number(&mut writer, Site::Number, [1, 2, 3], *number), *number);
            }
            let Streams { coded, .. } = writer.finish();
            let (mut model, mut reader) = (Model::default(), Reader::new(&coded, &[], &[], 0));
            for number in numbers {
                prop_assert_eq!(model.number(&mut reader, Site::Number, [1, 2, 3], 0), number);
            }
        }
    }
}
