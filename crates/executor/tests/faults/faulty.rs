//! A database with a fault.

use std::{
    fmt,
    panic::{set_hook, take_hook},
    sync::{
        Once,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use alloy_primitives::{Address, B256, U256};
use revm::{
    DatabaseRef, bytecode::Bytecode, database::InMemoryDB, database_interface::DBErrorMarker,
    state::AccountInfo,
};

/// What its panics say.
pub(crate) const MESSAGE: &str = "injected by a test";

/// What happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Panic,
    Fail,
}

/// At which reads of accounts, slots and block hashes it happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    Nth(u64),
    From(u64),
    Slot(Address, U256),
}

#[derive(Debug, PartialEq)]
pub(crate) struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lost")
    }
}

impl std::error::Error for Lost {}
impl DBErrorMarker for Lost {}

/// A state in memory with a fault, which takes its time over block hashes.
#[derive(Debug)]
pub(crate) struct Faulty<'a> {
    db: &'a InMemoryDB,
    fault: Fault,
    when: When,
    reads: AtomicU64,
    struck: AtomicU64,
}

impl<'a> Faulty<'a> {
    pub(crate) fn new(db: &'a InMemoryDB, fault: Fault, when: When) -> Self {
        silence();
        Self { db, fault, when, reads: AtomicU64::new(0), struck: AtomicU64::new(0) }
    }

    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Relaxed)
    }

    /// How often the fault has struck.
    pub(crate) fn struck(&self) -> u64 {
        self.struck.load(Relaxed)
    }

    fn read(&self, slot: Option<(Address, U256)>) -> Result<(), Lost> {
        let read = self.reads.fetch_add(1, Relaxed);
        let strikes = match self.when {
            When::Nth(nth) => read == nth,
            When::From(first) => read >= first,
            When::Slot(address, trapped) => slot == Some((address, trapped)),
        };
        if !strikes {
            return Ok(());
        }
        self.struck.fetch_add(1, Relaxed);
        match self.fault {
            Fault::Panic => panic!("{MESSAGE}"),
            Fault::Fail => Err(Lost),
        }
    }
}

/// Keeps injected panics from the test's output.
fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            if panic.payload_as_str() != Some(MESSAGE) {
                usual(panic);
            }
        }));
    });
}

impl DatabaseRef for Faulty<'_> {
    type Error = Lost;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Lost> {
        self.read(None)?;
        self.db.basic_ref(address).map_err(|never| match never {})
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Lost> {
        self.db.code_by_hash_ref(hash).map_err(|never| match never {})
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Lost> {
        self.read(Some((address, slot)))?;
        self.db.storage_ref(address, slot).map_err(|never| match never {})
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Lost> {
        self.read(None)?;
        thread::sleep(Duration::from_millis(1));
        self.db.block_hash_ref(number).map_err(|never| match never {})
    }
}
