//! Who waits for whom.
//!
//! A queue is a list of *groups*: neighbours in one compatible mode, readers or adders, or one transaction alone. A ticket
//! joins the last group or opens one behind it.
//!
//! # Why the group before is enough
//!
//! Claim: a transaction `t` that takes a place waits, directly or through others, for every unfinished older transaction
//! `x` that took its place before, in a conflicting mode. (Who takes a place *after* `t` and is older, an escape, is not
//! waited for by `t`: its caller compares values.)
//!
//! Tickets alone: neighbouring groups conflict, and the first of a group waits for all members of the group before, its
//! first included. So the first of a group waits for everything in all groups before. If `x` is in the group before that
//! of `t`, `t` waits for it directly; if further back, `t` waits for the first of the group before, which waits for `x`.
//!
//! Escapes stand beside the groups, in a list of their own, so that groups stay as they were. A ticket waits for those of
//! the list that it conflicts with; an escape for those that are older too, and for the older members of the nearest older
//! group that it conflicts with, whose first waits for all before. So `x` is waited for directly, unless it is *covered*.
//!
//! Covers keep this from being quadratic: an exclusive `z` that waits for `x` because it escaped, or because `x` did, is
//! noted as the cover of `x`, and `t` leaves `x` out if `z` is older than `t`. This is sound, as `z` conflicts with
//! everything: `t` waits for `z` by the claim for the pair `z`, `t`, which is nearer, and `z` waits for `x`. Within a group
//! an escape walks from young to old, so what is older than a covered member is covered too, and the walk ends there.
//!
//! All this holds as long as a transaction that escapes is unfinished, so that those who wait for it see its new waits.
//!
//! # What it costs
//!
//! A ticket names, per lock, the open escapes that it conflicts with, and then, if it joins a group, at most [`MAX_FAN`]
//! older ones; if it opens one, the members of the group before, each of which is named so once. An escape visits the
//! younger groups of its queue and the older members of one. Nothing visits finished transactions.

use alloc::vec::Vec;

use crate::{
    Mode, TxIndex,
    escapes::Escapes,
    places::{Place, PlaceId, Places},
    waits::{Marks, Waits},
};

/// A lock of one block. Ids are dense: the first key seen is 0, the next 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LockId(pub u32);

/// If more unfinished transactions than this were in the group before when a group was opened, others of the group wait
/// for its first, which waits for them all, and so for somebody whom they do not conflict with.
///
/// Without a limit, readers of a balance followed by those who add to it would make as many waits as there are pairs. One
/// transaction more in a path that is longer than a group of this size costs little.
pub const MAX_FAN: usize = 16;

/// Ordered lock queues: tells each transaction which older ones it must wait for. No threads: others wait.
#[derive(Debug)]
pub struct LockTable {
    fan: usize,
    queues: Vec<Queue>,
    places: Places,
    escapes: Escapes,
    marks: Marks,
}

/// Both are links that may lead to something forgotten, see [`Places::get`] and [`Escapes::list`].
#[derive(Clone, Copy, Debug, Default)]
struct Queue {
    last: PlaceId,
    escapes: u32,
}

impl Default for LockTable {
    fn default() -> Self {
        Self::with_fan(MAX_FAN)
    }
}

impl LockTable {
    pub(crate) fn with_fan(fan: usize) -> Self {
        Self {
            fan,
            queues: Vec::new(),
            places: Places::default(),
            escapes: Escapes::default(),
            marks: Marks::default(),
        }
    }

    /// Makes room for the locks below `ids`.
    pub fn grow(&mut self, ids: u32) {
        if self.queues.len() < ids as usize {
            self.queues.resize(ids as usize, Queue::default());
        }
    }

    /// Queues `tx` behind everything older. Appends to `wait_for`, each once, the older transactions that it must wait
    /// for; those below `done` have finished and are left out.
    ///
    /// Tickets are taken in block order. Each lock occurs once in `locks`.
    ///
    /// # Panics
    /// If a lock is not below the `ids` of [`grow`](Self::grow).
    #[inline]
    pub fn ticket(
        &mut self,
        tx: TxIndex,
        locks: &[(LockId, Mode)],
        done: TxIndex,
        wait_for: &mut Vec<TxIndex>,
    ) {
        self.places.retire(done);
        self.marks.start(tx);
        for &(lock, mode) in locks {
            let queue = &mut self.queues[lock.0 as usize];
            let id = self.places.next();
            let mut place =
                Place { tx, mode, wide: false, before: queue.last, first: id, cover: TxIndex(u32::MAX) };
            let mut waits = Waits { tx, done, marks: &mut self.marks, wait_for };
            match self.places.get(queue.last) {
                Some(last) if last.mode.is_compatible(mode) => {
                    place.first = last.first;
                    if let Some(&first) = self.places.get(last.first) {
                        if first.wide {
                            waits.add(first.tx);
                        } else {
                            waits.add_group(&self.places, first.before);
                        }
                    }
                }
                Some(_) => place.wide = waits.add_group(&self.places, queue.last) > self.fan,
                None => {}
            }
            queue.last = id;
            if let Some(list) = self.escapes.list(queue.escapes, lock) {
                list.meet(mode, &mut waits);
            }
            self.places.push(place);
        }
    }

    /// Says whom among the older a transaction must wait for that has its ticket and now touches `lock` too, or more than
    /// its ticket says. It takes a place, so that later tickets and escapes wait for it; younger transactions that are
    /// in the queue already do not.
    ///
    /// # Panics
    /// If the lock is not below the `ids` of [`grow`](Self::grow).
    pub fn escape(
        &mut self,
        tx: TxIndex,
        lock: LockId,
        mode: Mode,
        done: TxIndex,
        wait_for: &mut Vec<TxIndex>,
    ) {
        self.places.retire(done);
        self.marks.start(tx);
        let queue = &mut self.queues[lock.0 as usize];
        let mut at = youngest_up_to(&self.places, queue.last, tx);
        let list = self.escapes.list_or_new(&mut queue.escapes, lock);
        let held = self.places.get(at).filter(|place| place.tx == tx).map(|place| place.mode);
        let mode = [held, list.mode(tx)].into_iter().flatten().fold(mode, Mode::join);
        let mut waits = Waits { tx, done, marks: &mut self.marks, wait_for };
        // The nearest group that conflicts and has an older member: its first waits for all before.
        while let Some(&place) = self.places.get(at) {
            let first = self.places.get(place.first);
            let has_older = first.is_none_or(|first| first.tx < tx);
            if has_older && !mode.is_compatible(place.mode) {
                cover_group(&mut self.places, at, mode, &mut waits);
                break;
            }
            at = first.map_or(PlaceId::default(), |first| first.before);
        }
        if held.is_none_or(|held| held != mode) {
            list.enter(mode, &mut waits);
        } else {
            list.pass(mode, &mut waits);
        }
    }

    /// Forgets every transaction, keeps memory and locks. Costs nothing per lock.
    pub fn clear(&mut self) {
        if !self.places.clear() {
            self.queues.fill(Queue::default());
        }
        self.escapes.clear();
    }
}

/// The youngest place of a queue whose transaction is `tx` or older.
fn youngest_up_to(places: &Places, last: PlaceId, tx: TxIndex) -> PlaceId {
    let mut at = last;
    while let Some(place) = places.get(at).filter(|place| place.tx > tx) {
        at = match places.get(place.first) {
            Some(first) if first.tx > tx => first.before,
            _ => place.before,
        };
    }
    at
}

/// Waits for the members of a group from `at` on back, up to one that an older exclusive escape waits for: that one
/// waits for the rest, too.
fn cover_group(places: &mut Places, mut at: PlaceId, mode: Mode, waits: &mut Waits<'_>) {
    let first = places.get(at).map(|place| place.first);
    while let Some(place) = places.get_mut(at) {
        if Some(place.first) != first || place.cover < waits.tx {
            return;
        }
        if place.tx < waits.tx {
            waits.add(place.tx);
            if mode == Mode::Exclusive {
                place.cover = waits.tx;
            }
        }
        at = place.before;
    }
}
