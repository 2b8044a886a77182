//! Time.

use std::{hint::black_box, time::Instant};

use nix::time::{ClockId, clock_gettime};

/// What a piece of work took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Took {
    /// On the wall.
    pub(crate) wall_ns: u64,
    /// Of all threads of the process together, waiting in a loop included.
    pub(crate) cpu_ns: u64,
}

impl std::ops::AddAssign for Took {
    fn add_assign(&mut self, other: Self) {
        self.wall_ns += other.wall_ns;
        self.cpu_ns += other.cpu_ns;
    }
}

/// Runs `work`; what it gives is dropped by the caller, outside of the time.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (Took, T) {
    let (start, cpu) = (Instant::now(), cpu_ns());
    let done = black_box(work());
    let cpu_ns = cpu_ns() - cpu;
    (Took { wall_ns: u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX), cpu_ns }, done)
}

fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("POSIX has the clock");
    let (seconds, ns) = (time.tv_sec(), time.tv_nsec());
    u64::try_from(seconds * 1_000_000_000 + ns).expect("CPU time is positive")
}

/// The middle of `values`: of an even number, the mean of both in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quantile(values, 0.5)
}

/// The distance of the quartiles, divided by the median.
pub(crate) fn spread(values: &[f64]) -> f64 {
    let at = |share| quantile(values.iter().copied(), share);
    (at(0.75) - at(0.25)) / at(0.5)
}

fn quantile(values: impl IntoIterator<Item = f64>, share: f64) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else { return f64::NAN };
    #[allow(clippy::cast_precision_loss, reason = "a few dozen rounds")]
    let place = share * last as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and `last`")]
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    values[low] + (values[high] - values[low]) * place.fract()
}
