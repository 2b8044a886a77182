//! The lock table of a batch, shared: tickets are taken by one worker at a time.

use lockstep_locks::{LockId, LockTable, Mode, TxIndex};

use super::{cells::Seq, reads::Grants};

/// A lock by the cell that it guards.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lock {
    Balance(u32),
    Nonce(u32),
    Code(u32),
    Slot(u32),
}

/// Whoever knows which transactions hold what.
pub(crate) trait Holders: Sync {
    /// `seq` touches `lock`, which it did not predict: appends the older transactions that hold it to `waits`, and
    /// gives whether the lock is taken; false if nobody could be asked.
    fn escape(&self, seq: Seq, lock: Lock, waits: &mut Vec<TxIndex>) -> bool;
}

/// Ordered queues for everything that a batch has predicted.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    accounts: LockTable,
    slots: LockTable,
    account_locks: Vec<(LockId, Mode)>,
    slot_locks: Vec<(LockId, Mode)>,
}

const PARTS: u32 = 3;

impl Tables {
    /// Queues `tx` for everything in `grants` and appends whom it must wait for.
    pub(crate) fn ticket(&mut self, tx: TxIndex, grants: &Grants, done: TxIndex, waits: &mut Vec<TxIndex>) {
        self.account_locks.clear();
        self.slot_locks.clear();
        let mut ids = 0;
        for grant in &grants.accounts {
            ids = ids.max((grant.cell + 1) * PARTS);
            for (part, mode) in [(0, grant.balance), (1, grant.nonce), (2, grant.code)] {
                if let Some(mode) = mode {
                    self.account_locks.push((LockId(grant.cell * PARTS + part), mode));
                }
            }
        }
        self.accounts.grow(ids);
        self.accounts.ticket(tx, &self.account_locks, done, waits);
        if grants.slots.is_empty() {
            return;
        }
        self.slot_locks.extend(grants.slots.iter().map(|grant| (LockId(grant.cell), grant.mode)));
        self.slots.grow(grants.slots.iter().map(|grant| grant.cell + 1).max().unwrap_or_default());
        self.slots.ticket(tx, &self.slot_locks, done, waits);
    }

    /// Forgets every transaction, keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.accounts.clear();
        self.slots.clear();
    }

    /// [`Holders::escape`] on the tables.
    pub(crate) fn escape(&mut self, tx: TxIndex, lock: Lock, done: TxIndex, waits: &mut Vec<TxIndex>) {
        let (table, id, mode) = match lock {
            Lock::Balance(cell) => (&mut self.accounts, cell * PARTS, Mode::Shared),
            Lock::Nonce(cell) => (&mut self.accounts, cell * PARTS + 1, Mode::Shared),
            Lock::Code(cell) => (&mut self.accounts, cell * PARTS + 2, Mode::Shared),
            // What is read unexpectedly is often written too.
            Lock::Slot(cell) => (&mut self.slots, cell, Mode::Exclusive),
        };
        table.grow(id + 1);
        table.escape(tx, LockId(id), mode, done, waits);
    }
}
