//! Time since a run began.

use std::ops::{Add, Sub};
use std::time::{Duration, Instant};

/// Microseconds: since the start of a run, or between two moments of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Micros(pub(crate) u64);

impl Micros {
    pub(crate) fn of(seconds: f64) -> Self {
        Self::from(Duration::from_secs_f64(seconds.max(0.0)))
    }

    pub(crate) fn seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }

    pub(crate) fn millis(self) -> f64 {
        self.0 as f64 / 1e3
    }
}

impl From<Duration> for Micros {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }
}

impl Add for Micros {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// 0 where the second is later.
impl Sub for Micros {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// The clock of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) const fn starting_at(start: Instant) -> Self {
        Self(start)
    }

    pub(crate) fn now(self) -> Micros {
        self.0.elapsed().into()
    }

    pub(crate) fn instant(self, at: Micros) -> Instant {
        self.0 + Duration::from_micros(at.0)
    }
}
