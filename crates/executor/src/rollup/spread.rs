//! Work on many things at once, for what is cheap to split: decoding, senders, blooms.

use parking_lot::Mutex;

use crate::Executor;

/// Things that a thread takes at a time.
const CHUNK: usize = 32;

/// `work(index, item)` for every item, on the executor's threads, the caller's included.
pub(super) fn spread<T: Sync, R: Send>(
    executor: &Executor,
    items: &[T],
    work: impl Fn(usize, &T) -> R + Sync,
) -> Vec<R> {
    let Some(pool) = executor.pool().filter(|_| items.len() > CHUNK) else {
        return items.iter().enumerate().map(|(index, item)| work(index, item)).collect();
    };
    let mut results: Vec<Option<R>> = items.iter().map(|_| None).collect();
    let chunks = Mutex::new(items.chunks(CHUNK).zip(results.chunks_mut(CHUNK)).enumerate());
    let help = || {
        loop {
            let Some((chunk, (items, results))) = chunks.lock().next() else { break };
            for (place, (item, result)) in items.iter().zip(results).enumerate() {
                *result = Some(work(chunk * CHUNK + place, item));
            }
        }
    };
    pool.in_place_scope(|scope| {
        for _ in 0..pool.current_num_threads().min(items.len() / CHUNK) {
            scope.spawn(|_| help());
        }
        help();
    });
    results.into_iter().map(|result| result.expect("every chunk was taken")).collect()
}
