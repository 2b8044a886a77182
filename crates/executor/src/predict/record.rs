//! Whether predictions of a function are worth their while, and when to look at it again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::template::Lesson;

/// Uses between lessons from executions that went as predicted.
const SAMPLE: u64 = 64;
/// Lessons from which a template starts.
const FIRST_LESSONS: u32 = 3;
/// Lessons that are taken after a miss.
const AFTER_MISS: u32 = 2;
/// Executions under way when a template had enough of them: their lessons are let go.
const UNDER_WAY: u64 = 16;
/// Lessons in a row that found something missing, before they are taken less and less often.
const PATIENCE: u32 = 8;
/// Lessons are taken at least once in two to the power of this many uses.
const MAX_PAUSE_BITS: u32 = 6;
/// A wasted run weighs as much as this many good ones.
const WASTE_WEIGHT: u64 = 2;
/// Weight of wasted runs at which hope is given up.
const MAX_WASTE: u64 = 16;
/// Uses for which hope is given up at first; doubled whenever trying again was in vain.
const FIRST_REST: u64 = 64;
/// Uses for which hope is given up at most.
const MAX_REST: u64 = 4096;

/// What predictions look at and change.
#[derive(Debug, Default)]
pub(super) struct Usage {
    uses: AtomicU64,
    last_used: AtomicU64,
    hopeless_until: AtomicU64,
    paused_until: AtomicU64,
    is_lesson_wanted: AtomicBool,
    /// A prediction needed a slot's value that nobody remembered.
    is_incomplete: AtomicBool,
}

/// What one use of a template should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) is_hopeless: bool,
    pub(super) learn: bool,
}

impl Usage {
    /// Counts a prediction at `now`.
    pub(super) fn begin(&self, now: u64) -> Use {
        let uses = self.uses.fetch_add(1, Relaxed);
        self.last_used.store(now, Relaxed);
        let is_wanted = self.is_lesson_wanted.load(Relaxed) && uses >= self.paused_until.load(Relaxed);
        Use {
            is_hopeless: uses < self.hopeless_until.load(Relaxed),
            learn: is_wanted || uses % SAMPLE == SAMPLE - 1,
        }
    }

    /// Notes that a prediction needed a value that nobody remembered.
    pub(super) fn lacks_value(&self) {
        self.is_incomplete.store(true, Relaxed);
    }

    pub(super) fn last_used(&self) -> u64 {
        self.last_used.load(Relaxed)
    }

    pub(super) fn touch(&self, now: u64) {
        self.last_used.store(now, Relaxed);
    }

    fn uses(&self) -> u64 {
        self.uses.load(Relaxed)
    }
}

/// How a template did, and what follows for its use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// Wasted runs weighed against uses: a bucket that leaks.
    waste: u64,
    /// Uses when that was last looked at.
    seen_uses: u64,
    rest: u64,
    lessons: u32,
    last_lesson: u64,
    wanted: u32,
    /// Lessons in a row that found something missing.
    streak: u32,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            waste: 0,
            seen_uses: 0,
            rest: FIRST_REST,
            lessons: 0,
            last_lesson: 0,
            wanted: FIRST_LESSONS,
            streak: 0,
        }
    }
}

impl Record {
    /// Whether another lesson would tell nothing new; `recorded` says that it was wanted when it began.
    pub(super) fn is_sated(&self, usage: &Usage, recorded: bool) -> bool {
        let uses = usage.uses();
        uses < usage.paused_until.load(Relaxed)
            || recorded
                && self.wanted == 0
                && uses - self.last_lesson < UNDER_WAY
                && !usage.is_incomplete.load(Relaxed)
    }

    /// A run that was not compared with its prediction.
    pub(super) fn passed(&mut self, usage: &Usage, wasted: bool) {
        if wasted && self.streak > 0 { self.wasted(usage) } else { self.ran(usage) }
    }

    /// A run was right, or wrong and harmless.
    fn ran(&mut self, usage: &Usage) {
        let uses = usage.uses();
        self.waste = self.waste.saturating_sub(uses - self.seen_uses);
        self.seen_uses = uses;
    }

    /// A run was thrown away since its prediction was wrong.
    fn wasted(&mut self, usage: &Usage) {
        self.ran(usage);
        let until = usage.hopeless_until.load(Relaxed);
        if self.seen_uses < until {
            return; // a straggler from before
        }
        self.waste += WASTE_WEIGHT;
        if self.waste >= MAX_WASTE {
            let is_relapse = until > 0 && self.seen_uses - until < self.rest;
            self.rest = if is_relapse { (self.rest * 2).min(MAX_REST) } else { FIRST_REST };
            self.waste = 0;
            usage.hopeless_until.store(self.seen_uses + self.rest, Relaxed);
        }
    }

    /// An execution was compared with its prediction.
    pub(super) fn compared(&mut self, usage: &Usage, lesson: Lesson, wasted: bool) {
        if wasted && lesson.missed > 0 {
            self.wasted(usage)
        } else {
            self.ran(usage)
        }
        if lesson.is_taken {
            self.lessons = self.lessons.saturating_add(1);
            self.wanted = self.wanted.saturating_sub(1);
            self.last_lesson = self.seen_uses;
            usage.is_incomplete.store(false, Relaxed);
        }
        if lesson.missed > 0 && self.lessons > 1 {
            self.wanted = self.wanted.max(AFTER_MISS);
            self.streak = self.streak.saturating_add(1);
        } else {
            self.streak = 0;
        }
        let pause = match self.streak.saturating_sub(PATIENCE) {
            0 => 0,
            impatience => 1 << impatience.min(MAX_PAUSE_BITS),
        };
        usage.paused_until.store(self.seen_uses + pause, Relaxed);
        usage.is_lesson_wanted.store(self.wanted > 0, Relaxed);
    }
}
