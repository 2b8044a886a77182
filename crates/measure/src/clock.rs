//! Time that one thread computes.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use nix::time::{ClockId, clock_gettime};

/// Shortest time that is measured; what takes less is repeated.
const SHORTEST: Duration = Duration::from_millis(200);

/// Processor time for one call of `work` on this thread: other programs on the machine do not count.
pub(crate) fn time<T>(mut work: impl FnMut() -> T) -> Duration {
    let begin = Stamp::now();
    let mut calls = 0;
    loop {
        black_box(work());
        calls += 1;
        let spent = begin.elapsed();
        if spent >= SHORTEST {
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
