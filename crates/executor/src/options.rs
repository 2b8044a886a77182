//! How to execute.

use std::{fmt, str::FromStr, thread};

/// Which machinery executes a block. The result is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// One thread, one transaction after the other.
    Sequential,
    /// Several threads under predicted locks.
    #[default]
    Locks,
    /// Several threads and no predictions: everything is tried at once, and tried again where it was too early.
    Optimistic,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sequential => "sequential",
            Self::Locks => "locks",
            Self::Optimistic => "optimistic",
        })
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "sequential" => Ok(Self::Sequential),
            "locks" => Ok(Self::Locks),
            "optimistic" => Ok(Self::Optimistic),
            other => Err(format!("{other:?} is no mode: sequential, locks or optimistic")),
        }
    }
}

/// Where predictions may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sources {
    /// Sender and recipient of every transaction.
    pub transfers: bool,
    /// Access lists of transactions (EIP-2930).
    pub access_lists: bool,
    /// What earlier calls of the same function taught.
    pub templates: bool,
    /// Access sets that the caller gives with the transactions.
    pub recorded: bool,
}

impl Default for Sources {
    fn default() -> Self {
        Self { transfers: true, access_lists: true, templates: true, recorded: true }
    }
}

impl Sources {
    /// No prediction at all.
    pub const NONE: Self = Self { transfers: false, access_lists: false, templates: false, recorded: false };
}

/// How an executor works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Threads, the caller's included; at least 1.
    pub threads: usize,
    /// Which machinery.
    pub mode: Mode,
    /// Which predictions.
    pub sources: Sources,
    /// Whether plain value transfers run without an interpreter.
    pub native_transfers: bool,
    /// Whether to use threads, predictions and lessons only where they were seen to be worth their time. Off only in tests, and
    /// to measure the machinery itself.
    pub adaptive: bool,
    /// Whether to keep when each transaction ran and whom it waited for.
    pub record_schedule: bool,
    /// Whether to keep what each transaction touched.
    pub record_access: bool,
}

impl Options {
    /// Most threads that are taken where nobody says how many.
    pub const MAX_DEFAULT_THREADS: usize = 32;

    /// Transactions between prediction and retirement: enough to keep `threads` busy, and few enough for what is kept of
    /// them to stay in their caches.
    #[must_use]
    pub fn window(&self) -> usize {
        (self.threads * 64).clamp(256, 1024)
    }

    /// `mode` on `threads`, or on one for each core up to [`Self::MAX_DEFAULT_THREADS`].
    #[must_use]
    pub fn new(mode: Mode, threads: Option<usize>) -> Self {
        let default = Self::default();
        Self { mode, threads: threads.unwrap_or(default.threads), ..default }
    }
}

impl Default for Options {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            threads: cores.min(Self::MAX_DEFAULT_THREADS),
            mode: Mode::default(),
            sources: Sources::default(),
            native_transfers: true,
            adaptive: true,
            record_schedule: false,
            record_access: false,
        }
    }
}
