//! Work that every core takes a share of.

use std::num::NonZero;
use std::thread;

/// `make` of every number below `count`, in their order, made on all cores.
pub(crate) fn parallel<T: Send>(count: usize, make: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = count.div_ceil(threads).max(1);
    let make = &make;
    thread::scope(|scope| {
        let starts = (0..count).step_by(share);
        let running: Vec<_> = starts
            .map(|start| {
                let end = count.min(start + share);
                scope.spawn(move || (start..end).map(make).collect::<Vec<T>>())
            })
            .collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        running.into_iter().flat_map(join).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::parallel;

    #[test]
    fn results_are_in_order_whatever_their_number() {
        for count in [0, 1, 2, 3, 100] {
            assert_eq!(
                parallel(count, |index| 2 * index),
                (0..count).map(|index| 2 * index).collect::<Vec<_>>()
            );
        }
    }
}
