//! Panics, of a database or of an EVM: the first costs the work that it hits, the second the block.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Runs `body`; what it panics with is the error.
pub(crate) fn caught<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|panic| message(&*panic))
}

/// Runs `body`, and again if it panics, which adds to `panics`; what it panics with a second time is the error.
pub(crate) fn tried_twice<T>(panics: &mut u64, mut body: impl FnMut() -> T) -> Result<T, String> {
    caught(&mut body).or_else(|_| {
        *panics += 1;
        caught(body)
    })
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
