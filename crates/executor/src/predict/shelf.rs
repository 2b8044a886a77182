//! All templates, found by what is called.

use std::{
    hash::{Hash, Hasher},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use alloy_primitives::{Address, B256, U256, keccak256, map::HashMap};
use lockstep_locks::{AccessSet, Key, Mode};
use parking_lot::RwLock;

use super::{
    Confidence, Prediction,
    facts::{Call, Facts},
    memo::Memo,
    memory::Memory,
    program::Program,
    record::{Record, Usage},
    seen::Seen,
    template::{Lesson, Template},
};

/// Templates at most.
pub(super) const MAX_TEMPLATES: usize = 8192;
/// Templates of one code at most: it may have a function for every selector.
pub(super) const MAX_TEMPLATES_PER_CODE: usize = 1024;
/// Explanations in all templates together, of about 100 bytes each.
pub(super) const MAX_TOTAL_WEIGHT: usize = 1 << 19;
/// Creation code by which contracts are told apart, in bytes.
const CREATION_PREFIX_BYTES: usize = 512;
/// Bits that say what was met once.
const MET_BITS: usize = 1 << 16;
/// Misses after which calls of a function are told apart further.
const MISSES_BEFORE_SPLIT: u32 = 8;

/// Calls that touch alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Class {
    code_hash: B256,
    selector: Option<[u8; 4]>,
    length: Option<usize>,
    callee: Option<Address>,
}

impl Hash for Class {
    /// Of what nearly always tells classes apart; templates are looked up for every call.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest());
    }
}

/// By what calls of a function are told apart further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Split {
    /// Length of calldata: it holds lists, or other calls.
    Length,
    /// The account: it is a proxy, and its code says little.
    Callee,
}

impl Class {
    pub(super) fn new(call: &Call<'_>, code_hash: B256) -> Self {
        if call.is_create {
            let prefix = &call.input[..call.input.len().min(CREATION_PREFIX_BYTES)];
            return Self {
                code_hash: keccak256(prefix),
                selector: None,
                length: Some(call.input.len()),
                callee: None,
            };
        }
        Self { code_hash, selector: call.input.first_chunk().copied(), length: None, callee: None }
    }

    /// A few bits of what nearly always tells classes apart.
    fn digest(&self) -> u64 {
        let code = u64::from_le_bytes(*self.code_hash.first_chunk().expect("8 of 32 bytes"));
        let selector = self.selector.map_or(1 << 32, |selector| u64::from(u32::from_le_bytes(selector)));
        let length = self.length.map_or(0, |length| length as u64);
        let callee =
            self.callee.map_or(0, |callee| u64::from_le_bytes(*callee.first_chunk().expect("8 of 20 bytes")));
        (code ^ callee ^ selector.rotate_left(17) ^ length.rotate_left(41))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn split(mut self, by: Split, call: &Call<'_>) -> Self {
        match by {
            Split::Length => self.length = Some(call.input.len()),
            Split::Callee => self.callee = Some(call.callee),
        }
        self
    }
}

/// What predictions need.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    entries: HashMap<Class, Entry>,
    memory: Memory,
    met: Met,
    now: u64,
}

/// Classes that were met once: what is called once only is not worth a lesson.
#[derive(Debug)]
struct Met {
    bits: Box<[AtomicU64]>,
    count: AtomicUsize,
}

impl Default for Met {
    fn default() -> Self {
        Self { bits: (0..MET_BITS / 64).map(|_| AtomicU64::new(0)).collect(), count: AtomicUsize::new(0) }
    }
}

impl Met {
    /// Whether `class` was met before, or one that looks like it. Forgets all when there are many.
    fn again(&self, class: &Class) -> bool {
        let at = usize::try_from(class.digest() >> (64 - MET_BITS.trailing_zeros())).expect("a few bits");
        let bit = 1 << (at % 64);
        if self.bits[at / 64].fetch_or(bit, Relaxed) & bit != 0 {
            return true;
        }
        if self.count.fetch_add(1, Relaxed) + 1 == MET_BITS / 4 {
            self.bits.iter().for_each(|bits| bits.store(0, Relaxed));
            self.count.store(0, Relaxed);
        }
        false
    }
}

#[derive(Debug, Default)]
struct Entry {
    program: Program,
    usage: Usage,
    split: Option<Split>,
}

impl Shelf {
    /// Adds the keys of `call` to `set`, as far as there is a template.
    pub(super) fn predict(
        &self,
        call: &Call<'_>,
        class: &Class,
        memo: &Memo,
        set: &mut AccessSet,
    ) -> Prediction {
        let Some(mut entry) = self.entries.get(class) else {
            return Prediction { confidence: Confidence::Guess, learn: self.met.again(class) };
        };
        let mut class = *class;
        let mut is_own = true;
        while let Some(split) = entry.split {
            entry.usage.touch(self.now);
            class = class.split(split, call);
            let Some(own) = self.entries.get(&class) else {
                is_own = false;
                break;
            };
            entry = own;
        }
        let usage = entry.usage.begin(self.now);
        let is_complete = entry.program.run(call, &self.memory, memo, set);
        if !is_complete {
            entry.usage.lacks_value();
        }
        let confidence = match (usage.is_hopeless, is_complete && is_own) {
            (true, _) => Confidence::Hopeless,
            (_, true) => Confidence::Known,
            (_, false) => Confidence::Guess,
        };
        Prediction { confidence, learn: usage.learn || !is_complete || !is_own }
    }
}

/// What lessons need.
#[derive(Debug, Default)]
pub(super) struct Lessons {
    /// Keys of the execution at hand.
    pub(super) touched: Vec<(Key, Mode)>,
    students: HashMap<Class, Student>,
    per_code: HashMap<B256, usize>,
    weight: usize,
}

#[derive(Clone, Debug, Default)]
struct Student {
    template: Template,
    record: Record,
    variety: Variety,
    weight: usize,
}

impl Lessons {
    /// Learns from an execution that touched `self.touched`.
    pub(super) fn learn(&mut self, call: &Call<'_>, class: Class, seen: &Seen, shelf: &RwLock<Shelf>) {
        let (class, parent) = self.find(call, class);
        if !self.students.contains_key(&class) {
            let is_opaque = |(key, _): &(Key, Mode)| matches!(key, Key::Slot(_, slot) if slot.bit_len() > 64);
            let is_recorded = !seen.preimages.is_empty() || !self.touched.iter().any(is_opaque);
            if !is_recorded || !self.make_room(&class, shelf) {
                return;
            }
            self.students.insert(class, self.heir(parent));
        }
        let touched = std::mem::take(&mut self.touched);
        self.teach(call, class, seen, &touched, shelf);
        self.touched = touched;
    }

    /// The class that `call` belongs to, and the one that was split for it.
    fn find(&self, call: &Call<'_>, mut class: Class) -> (Class, Option<Class>) {
        let mut parent = None;
        while let Some(split) = self.students.get(&class).and_then(|student| student.variety.split) {
            parent = Some(class);
            class = class.split(split, call);
        }
        (class, parent)
    }

    /// A student that starts with what the one before it knew.
    fn heir(&self, parent: Option<Class>) -> Student {
        let template =
            parent.and_then(|parent| self.students.get(&parent)).map(|parent| parent.template.heir());
        Student { template: template.unwrap_or_default(), ..Student::default() }
    }

    fn teach(
        &mut self,
        call: &Call<'_>,
        class: Class,
        seen: &Seen,
        touched: &[(Key, Mode)],
        shelf: &RwLock<Shelf>,
    ) {
        let Some(student) = self.students.get_mut(&class) else { return };
        let (lesson, loads) = {
            let shelf = shelf.read();
            let entry = shelf.entries.get(&class);
            let recorded = !seen.preimages.is_empty();
            if let Some(entry) = entry.filter(|entry| student.record.is_sated(&entry.usage, recorded)) {
                return student.record.passed(&entry.usage, seen.wasted);
            }
            let facts = Facts::new(*call, seen, &shelf.memory);
            let lesson = student.template.learn(&facts, touched);
            let loads = student.template.loads(&facts);
            (lesson, loads)
        };
        let split_before = student.variety.split;
        student.variety.count(call, &class, lesson);
        let is_changed = lesson.is_changed || student.variety.split != split_before;
        let program = is_changed.then(|| student.template.program());
        if is_changed {
            let weight = student.template.weight();
            self.weight = self.weight + weight - student.weight;
            student.weight = weight;
        }
        shelf.write().update(class, program, student, lesson, seen, &loads);
    }

    /// Makes room for one more template, at the cost of those that were not used for longest.
    fn make_room(&mut self, class: &Class, shelf: &RwLock<Shelf>) -> bool {
        if self.students.len() >= MAX_TEMPLATES || self.weight >= MAX_TOTAL_WEIGHT {
            let mut shelf = shelf.write();
            let mut order: Vec<_> =
                shelf.entries.iter().map(|(class, entry)| (entry.usage.last_used(), *class)).collect();
            order.sort_unstable();
            for (_, class) in &order[..order.len().div_ceil(4)] {
                shelf.entries.remove(class);
                if let Some(student) = self.students.remove(class) {
                    self.weight -= student.weight;
                    let left = self.per_code.entry(class.code_hash).or_default();
                    *left -= 1;
                    if *left == 0 {
                        self.per_code.remove(&class.code_hash);
                    }
                }
            }
        }
        let templates = self.per_code.entry(class.code_hash).or_default();
        let has_room = *templates < MAX_TEMPLATES_PER_CODE;
        *templates += usize::from(has_room);
        has_room
    }
}

impl Shelf {
    fn update(
        &mut self,
        class: Class,
        program: Option<Program>,
        student: &mut Student,
        lesson: Lesson,
        seen: &Seen,
        loads: &[(Address, U256, U256)],
    ) {
        self.now += 1;
        let now = self.now;
        let entry = self.entries.entry(class).or_default();
        entry.usage.touch(now);
        if let Some(program) = program {
            entry.program = program;
        }
        entry.split = student.variety.split;
        student.record.compared(&entry.usage, lesson, seen.wasted);
        for (address, slot, value) in loads {
            self.memory.put(*address, *slot, *value);
        }
    }
}

/// Whether misses go with the length of calldata, or with the called account.
#[derive(Clone, Copy, Debug, Default)]
struct Variety {
    split: Option<Split>,
    last: Option<(usize, Address)>,
    lessons: u32,
    misses: u32,
    other_length: u32,
    other_callee: u32,
}

impl Variety {
    fn count(&mut self, call: &Call<'_>, class: &Class, lesson: Lesson) {
        if !lesson.is_taken {
            return;
        }
        let now = (call.input.len(), call.callee);
        let Some(last) = self.last.replace(now) else { return };
        self.lessons += 1;
        if lesson.missed == 0 {
            return;
        }
        self.misses += 1;
        self.other_length += u32::from(last.0 != now.0);
        self.other_callee += u32::from(last.1 != now.1);
        if self.misses < MISSES_BEFORE_SPLIT || self.misses * 2 < self.lessons {
            return;
        }
        let is_often = |count: u32| count * 2 >= self.misses;
        if class.length.is_none() && is_often(self.other_length) {
            self.split = Some(Split::Length);
        } else if class.callee.is_none() && is_often(self.other_callee) {
            self.split = Some(Split::Callee);
        } else {
            *self = Self { last: self.last, ..Self::default() };
        }
    }
}

#[cfg(test)]
impl Lessons {
    pub(super) fn templates(&self) -> usize {
        self.students.len()
    }

    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn counted_weight(&self) -> usize {
        self.students.values().map(|student| student.template.weight()).sum()
    }
}

#[cfg(test)]
impl Shelf {
    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }
}
