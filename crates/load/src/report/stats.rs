//! Percentiles and rates.

use serde::Serialize;

use crate::run::Micros;

/// Latencies, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// Half took no longer.
    pub p50: f64,
    /// Of ten, nine took no longer.
    pub p90: f64,
    /// Of a hundred, ninety-nine took no longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Latency {
    /// `None` of nothing.
    pub(crate) fn of(mut times: Vec<Micros>) -> Option<Self> {
        times.sort_unstable();
        let max = times.last()?.millis();
        let at = |percent| percentile(&times, percent).millis();
        Some(Self { p50: at(50), p90: at(90), p99: at(99), max })
    }
}

/// The smallest of `sorted` that `percent` of a hundred are not above (nearest rank). There is at least one.
fn percentile(sorted: &[Micros], percent: usize) -> Micros {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted[rank - 1]
}

/// The middle one, or the mean of the two in the middle; `None` of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => Some(f64::midpoint(*values.get(middle.checked_sub(1)?)?, values[middle])),
        _ => Some(values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(count: u64) -> Vec<Micros> {
        (1..=count).rev().map(|milli| Micros(milli * 1000)).collect()
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let expected = Latency { p50: 50.0, p90: 90.0, p99: 99.0, max: 100.0 };
        assert_eq!(Latency::of(millis(100)), Some(expected));
        assert_eq!(Latency::of(millis(1)), Some(Latency { p50: 1.0, p90: 1.0, p99: 1.0, max: 1.0 }));
        assert_eq!(Latency::of(millis(3)), Some(Latency { p50: 2.0, p90: 3.0, p99: 3.0, max: 3.0 }));
        assert_eq!(Latency::of(Vec::new()), None);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }
}
