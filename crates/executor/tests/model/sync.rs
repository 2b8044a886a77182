//! What `src/sync.rs` names, by a model checker: every use may give way to another thread.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// A sleep that is longer than this ends only when it is called off, so that a wake-up that is lost shows as a deadlock.
const ENDLESS: Duration = Duration::from_millis(1);

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> Guard<'_, T> {
        Guard { mutex: self, held: self.0.lock().ok() }
    }

    pub(crate) fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.0.try_lock().ok().map(|guard| Guard { mutex: self, held: Some(guard) })
    }
}

/// Holds its mutex, but while its thread sleeps.
pub(crate) struct Guard<'m, T> {
    mutex: &'m Mutex<T>,
    held: Option<shuttle::sync::MutexGuard<'m, T>>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.held.as_ref().expect("the mutex is locked and not poisoned")
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_mut().expect("the mutex is locked and not poisoned")
    }
}

#[derive(Debug, Default)]
pub(crate) struct Condvar(shuttle::sync::Condvar);

impl Condvar {
    pub(crate) const fn new() -> Self {
        Self(shuttle::sync::Condvar::new())
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    /// A short sleep ends whenever others had a chance to run; nobody may count on being called.
    pub(crate) fn wait_for<T>(&self, guard: &mut Guard<'_, T>, at_most: Duration) {
        if at_most > ENDLESS {
            guard.held = guard.held.take().and_then(|held| self.0.wait(held).ok());
        } else {
            guard.held = None;
            shuttle::thread::yield_now();
            guard.held = guard.mutex.0.lock().ok();
        }
    }
}
