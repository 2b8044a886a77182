//! Touches outside tickets.

use alloc::{collections::VecDeque, vec::Vec};

use crate::{LockId, Mode, TxIndex, waits::Waits};

/// The escapes of all locks; few locks have one.
#[derive(Debug, Default)]
pub(crate) struct Escapes {
    lists: Vec<EscapeList>,
    used: usize,
}

impl Escapes {
    /// The list at `link`, if it is that of `lock`: a link from before [`clear`](Self::clear) leads elsewhere.
    #[inline]
    pub(crate) fn list(&mut self, link: u32, lock: LockId) -> Option<&mut EscapeList> {
        self.lists[..self.used].get_mut(link as usize).filter(|list| list.lock == lock)
    }

    pub(crate) fn list_or_new(&mut self, link: &mut u32, lock: LockId) -> &mut EscapeList {
        if self.list(*link, lock).is_none() {
            *link = u32::try_from(self.used).expect("there are no more lists than locks");
            if self.used == self.lists.len() {
                self.lists.push(EscapeList::default());
            }
            self.lists[self.used].reset(lock);
            self.used += 1;
        }
        &mut self.lists[*link as usize]
    }

    pub(crate) const fn clear(&mut self) {
        self.used = 0;
    }
}

/// One transaction that touched a lock which its ticket does not name, or not in this mode.
#[derive(Clone, Copy, Debug)]
struct Escape {
    tx: TxIndex,
    mode: Mode,
    /// The oldest exclusive transaction that waits for it.
    cover: TxIndex,
}

/// The unfinished escapes of one lock.
#[derive(Debug, Default)]
pub(crate) struct EscapeList {
    lock: LockId,
    /// Those that no exclusive transaction waits for.
    open: Vec<Escape>,
    /// The others, ordered by the one that waits.
    covered: VecDeque<Escape>,
}

impl EscapeList {
    fn reset(&mut self, lock: LockId) {
        self.lock = lock;
        self.open.clear();
        self.covered.clear();
    }

    /// The mode in which `tx` is here.
    pub(crate) fn mode(&self, tx: TxIndex) -> Option<Mode> {
        let covered = self.covered.range(self.covered_by_younger(tx)..);
        self.open.iter().chain(covered).find(|escape| escape.tx == tx).map(|escape| escape.mode)
    }

    /// From here on, `covered` has those for which nobody older than `tx` waits; `tx` itself is among them if covered.
    fn covered_by_younger(&self, tx: TxIndex) -> usize {
        self.covered.partition_point(|escape| escape.cover < tx)
    }

    /// A ticket meets the escapes: it is younger than all, so those that are covered do not matter.
    pub(crate) fn meet(&mut self, mode: Mode, waits: &mut Waits<'_>) {
        self.open.retain_mut(|escape| {
            if escape.tx >= waits.done && escape.tx < waits.tx && !mode.is_compatible(escape.mode) {
                waits.add(escape.tx);
                if mode == Mode::Exclusive {
                    self.covered.push_back(Escape { cover: waits.tx, ..*escape });
                    return false;
                }
            }
            escape.tx >= waits.done
        });
    }

    /// An escape meets the others.
    pub(crate) fn pass(&mut self, mode: Mode, waits: &mut Waits<'_>) {
        while self.covered.front().is_some_and(|escape| escape.cover < waits.done) {
            self.covered.pop_front();
        }
        let younger = self.covered_by_younger(waits.tx);
        for escape in self.covered.range_mut(younger..) {
            if escape.tx < waits.tx && !mode.is_compatible(escape.mode) {
                waits.add(escape.tx);
                if mode == Mode::Exclusive {
                    escape.cover = waits.tx;
                }
            }
        }
        self.meet(mode, waits);
        self.covered.make_contiguous()[younger..].sort_unstable_by_key(|escape| escape.cover);
    }

    /// An escape meets the others and joins them.
    pub(crate) fn enter(&mut self, mode: Mode, waits: &mut Waits<'_>) {
        self.pass(mode, waits);
        let younger = self.covered_by_younger(waits.tx);
        match self
            .open
            .iter_mut()
            .chain(self.covered.range_mut(younger..))
            .find(|escape| escape.tx == waits.tx)
        {
            Some(own) => own.mode = mode,
            None => self.open.push(Escape { tx: waits.tx, mode, cover: TxIndex(u32::MAX) }),
        }
    }
}
