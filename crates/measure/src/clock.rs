//! Time that one thread computes.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use nix::time::{ClockId, clock_gettime};

/// How carefully time is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Times that everything is measured; the median counts.
    pub rounds: usize,
    /// Shortest time that is measured; what takes less is repeated.
    pub shortest: Duration,
}

impl Timing {
    /// Enough for figures.
    pub const FULL: Self = Self { rounds: 3, shortest: Duration::from_millis(200) };
    /// Everything once: where figures do not matter.
    pub const ONCE: Self = Self { rounds: 1, shortest: Duration::ZERO };
}

/// Processor time for one call of `work` on this thread: other programs on the machine do not count.
pub(crate) fn time<T>(shortest: Duration, mut work: impl FnMut() -> T) -> Duration {
    let begin = Stamp::now();
    let mut calls = 0;
    loop {
        black_box(work());
        calls += 1;
        let spent = begin.elapsed();
        if spent >= shortest {
            return spent / calls;
        }
    }
}

/// The clock of this thread, or that on the wall where the system has none for threads.
enum Stamp {
    Thread(Duration),
    Wall(Instant),
}

impl Stamp {
    fn now() -> Self {
        thread_time().map_or_else(|| Self::Wall(Instant::now()), Self::Thread)
    }

    fn elapsed(&self) -> Duration {
        match self {
            Self::Thread(begin) => thread_time().unwrap_or_default().saturating_sub(*begin),
            Self::Wall(begin) => begin.elapsed(),
        }
    }
}

fn thread_time() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(Duration::from)
}
