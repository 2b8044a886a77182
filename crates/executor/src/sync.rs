//! The primitives that hand work from thread to thread. `tests/model` puts those of a model checker in their place.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

pub(crate) use parking_lot::{Condvar, Mutex};
