//! What calls of one function touch.

use alloy_primitives::{Address, U256};
use lockstep_locks::{Key, Mode};

use super::{
    expr::{Atom, Expr, Loaded, Part, Place, address_value},
    facts::Facts,
    program::{Builder, Kind, Program, to_address},
};

/// Keys of one template.
pub(super) const MAX_KEYS: usize = 384;
/// Explanations of the keys of one template.
pub(super) const MAX_WEIGHT: usize = 8192;
/// Executions that touched a key or did not, counted before both counts are halved.
const MAX_TRIES: u16 = 64;
/// A key is predicted until it was tried this often, whatever came of it.
const TRIAL: u16 = 2;
/// Executions that a key is compared with in every part. What is left of its explanations then is kept, until the
/// likeliest is wrong.
const NARROWING: u16 = 8;
/// Keys that turned out to be touched once only, before new ones have to prove themselves.
const MUCH_JUNK: u16 = 16;

/// One key that calls touch, or some of them.
#[derive(Clone, Debug)]
struct Learned {
    kind: Kind,
    address: Expr,
    slot: Option<Expr>,
    /// Executions that touched it, by mode.
    modes: [u16; 3],
    /// Executions that were compared.
    tries: u16,
    on_probation: bool,
    /// Something changed in this lesson that the program depends on.
    is_new: bool,
}

/// What one execution was for a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lesson {
    /// Keys that it touched and the template did not say.
    pub(super) missed: usize,
    /// Whether everything that could be learned was.
    pub(super) is_taken: bool,
    /// The program is no longer that of the template.
    pub(super) is_changed: bool,
}

/// What calls of one function touch, beside what transactions say themselves.
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    keys: Vec<Learned>,
    weight: usize,
    junk: u16,
}

/// What was known of a touched key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Finding {
    /// Nothing.
    New,
    /// That it may be touched, but that was not predicted, or in another mode.
    Known,
    /// Everything.
    Predicted,
}

impl Template {
    /// Compares with an execution and learns from it.
    ///
    /// If its hashes were not recorded, keys that may be hashes are left out; the first execution is taken as it is.
    pub(super) fn learn(&mut self, facts: &Facts<'_>, touched: &[(Key, Mode)]) -> Lesson {
        let is_first = self.keys.is_empty();
        let before: Vec<_> = self.keys.iter().map(Learned::predicted).collect();
        let mut findings = vec![Finding::New; touched.len()];
        let idle = self.confirm(facts, touched, &mut findings);
        let missed = findings.iter().filter(|finding| **finding != Finding::Predicted).count();
        let is_opaque = |key: &Key| matches!(key, Key::Slot(_, slot) if !is_first && facts.is_opaque(*slot));
        let mut is_taken = true;
        for ((key, mode), _) in touched.iter().zip(findings).filter(|(_, finding)| *finding == Finding::New) {
            if is_opaque(key) {
                is_taken = false;
            } else if !self.reinterpret(facts, &idle, key, *mode) {
                self.add(facts, *key, *mode, is_first);
            }
        }
        let old = before.iter().zip(&mut self.keys);
        let mut is_changed = old.fold(false, |any, (before, key)| any | key.settle(*before));
        is_changed |= self.keys[before.len()..].iter().any(|key| key.predicted().is_some());
        is_changed |= is_first;
        self.prune();
        if is_changed {
            self.weight = self.keys.iter().map(Learned::weight).sum();
        }
        Lesson { missed, is_taken, is_changed }
    }

    /// Counts for every key whether it was touched; the keys that were not.
    fn confirm(
        &mut self,
        facts: &Facts<'_>,
        touched: &[(Key, Mode)],
        findings: &mut [Finding],
    ) -> Vec<usize> {
        let mut idle = Vec::new();
        for (index, learned) in self.keys.iter_mut().enumerate() {
            learned.tried();
            let key = learned.key(facts);
            let found = key.and_then(|key| touched.binary_search_by_key(&key, |(key, _)| *key).ok());
            let Some(found) = found else {
                idle.push(index);
                continue;
            };
            let (key, mode) = touched[found];
            let is_predicted = learned.predicted().is_some_and(|predicted| predicted.covers(mode));
            learned.touched(mode);
            if learned.hits() <= NARROWING {
                learned.narrow(facts, &key);
            }
            let finding = if is_predicted { Finding::Predicted } else { Finding::Known };
            findings[found] = findings[found].max(finding);
        }
        idle
    }

    /// Finds a key that was not touched as it was understood, and that may have been `key`.
    fn reinterpret(&mut self, facts: &Facts<'_>, idle: &[usize], key: &Key, mode: Mode) -> bool {
        for index in idle {
            let learned = &mut self.keys[*index];
            if learned.is_kind(key) && !learned.is_new && learned.narrow(facts, key) {
                learned.touched(mode);
                return true;
            }
        }
        false
    }

    fn add(&mut self, facts: &Facts<'_>, key: Key, mode: Mode, is_first: bool) {
        if self.keys.len() < MAX_KEYS && self.weight < MAX_WEIGHT {
            let mut learned = Learned::new(facts, key, mode);
            learned.on_probation = self.is_erratic() || !is_first && learned.is_unexplained();
            self.weight += learned.weight();
            self.keys.push(learned);
        }
    }

    /// Forgets what is hardly ever touched.
    fn prune(&mut self) {
        let junk = &mut self.junk;
        *junk = junk.saturating_sub(u16::from(self.keys.iter().all(|key| key.tries > 1)));
        self.keys.retain(|key| {
            if key.hits() > 1 && key.tries <= TRIAL {
                *junk = junk.saturating_sub(1);
            }
            if key.is_useless() && key.hits() <= 1 {
                *junk = junk.saturating_add(1).min(2 * MUCH_JUNK);
            }
            if key.is_useless() {
                self.weight = self.weight.saturating_sub(key.weight());
            }
            !key.is_useless()
        });
    }

    /// Whether executions touch other keys each time.
    pub(super) fn is_erratic(&self) -> bool {
        self.junk >= MUCH_JUNK
    }

    /// Explanations that it keeps.
    pub(super) const fn weight(&self) -> usize {
        self.weight
    }

    /// The same keys, as if never tried: those that calls of a narrower class touch have to show.
    pub(super) fn heir(&self) -> Self {
        let keys = self.keys.iter().map(|key| Learned {
            modes: [0; 3],
            tries: 0,
            on_probation: true,
            ..key.clone()
        });
        Self { keys: keys.collect(), weight: self.weight, junk: 0 }
    }

    /// What computes the predicted keys.
    pub(super) fn program(&self) -> Program {
        let mut program = Builder::default();
        for key in &self.keys {
            if let Some(mode) = key.predicted() {
                program.push(key.kind, &key.address, key.slot.as_ref(), mode);
            }
        }
        program.finish()
    }

    /// Slots that the template takes values from, with those values.
    pub(super) fn loads(&self, facts: &Facts<'_>) -> Vec<(Address, U256, U256)> {
        let mut found = Vec::new();
        for key in &self.keys {
            collect_loads(&key.address, facts, &mut found);
            if let Some(slot) = &key.slot {
                collect_loads(slot, facts, &mut found);
            }
        }
        found
    }
}

impl Learned {
    fn new(facts: &Facts<'_>, key: Key, mode: Mode) -> Self {
        let (kind, address, slot) = parts(&key);
        let mut learned = Self {
            kind,
            address: Expr::explain(facts, address_value(address), Place::Key),
            slot: slot.map(|slot| Expr::explain(facts, slot, Place::Variable)),
            modes: [0; 3],
            tries: 1,
            on_probation: false,
            is_new: false,
        };
        learned.touched(mode);
        learned
    }

    fn is_unexplained(&self) -> bool {
        self.address.is_unexplained() || self.slot.as_ref().is_some_and(Expr::is_unexplained)
    }

    fn weight(&self) -> usize {
        self.address.weight() + self.slot.as_ref().map_or(0, Expr::weight)
    }

    fn is_kind(&self, key: &Key) -> bool {
        parts(key).0 == self.kind
    }

    fn key(&self, facts: &Facts<'_>) -> Option<Key> {
        let address = to_address(self.address.value(facts)?);
        let slot = self.slot.as_ref().map_or(Some(U256::ZERO), |slot| slot.value(facts))?;
        Some(self.kind.key(address, slot))
    }

    /// Strikes out explanations that do not give `key`, if others are left.
    fn narrow(&mut self, facts: &Facts<'_>, key: &Key) -> bool {
        let (_, address, slot) = parts(key);
        let Some(address) = self.address.narrowed(facts, address_value(address)) else { return false };
        let slot = match (&self.slot, slot) {
            (Some(expr), Some(slot)) => match expr.narrowed(facts, slot) {
                None => return false,
                narrowed => narrowed,
            },
            _ => None,
        };
        self.is_new |= address != self.address || slot != self.slot;
        (self.address, self.slot) = (address, slot);
        true
    }

    /// Ends a lesson; whether the program has to change. It predicted the key as `before`.
    fn settle(&mut self, before: Option<Mode>) -> bool {
        let is_new = std::mem::take(&mut self.is_new);
        let is_useless = self.is_useless();
        let now = self.predicted().filter(|_| !is_useless);
        now != before || is_new && now.is_some()
    }

    fn is_useless(&self) -> bool {
        self.tries >= 8 && self.hits() * 8 < self.tries
    }

    fn tried(&mut self) {
        self.tries += 1;
        if self.tries >= MAX_TRIES {
            self.tries /= 2;
            self.modes.iter_mut().for_each(|count| *count /= 2);
        }
    }

    fn touched(&mut self, mode: Mode) {
        self.on_probation &= self.hits() == 0;
        self.modes[match mode {
            Mode::Shared => 0,
            Mode::Delta => 1,
            Mode::Exclusive => 2,
        }] += 1;
    }

    fn hits(&self) -> u16 {
        self.modes.iter().sum()
    }

    /// The mode to predict; `None` if it is not worth it.
    fn predicted(&self) -> Option<Mode> {
        let hits = self.hits();
        let is_worth_it = !self.on_probation && (self.tries <= TRIAL || hits * 4 >= self.tries);
        let [shared, delta, exclusive] = self.modes.map(|count| count * 8 > hits);
        is_worth_it.then_some(match (shared, delta, exclusive) {
            (true, false, false) => Mode::Shared,
            (false, true, false) => Mode::Delta,
            _ => Mode::Exclusive,
        })
    }
}

fn parts(key: &Key) -> (Kind, Address, Option<U256>) {
    match *key {
        Key::Balance(address) => (Kind::Balance, address, None),
        Key::Nonce(address) => (Kind::Nonce, address, None),
        Key::Code(address) => (Kind::Code, address, None),
        Key::Slot(address, slot) => (Kind::Slot, address, Some(slot)),
    }
}

fn collect_loads(expr: &Expr, facts: &Facts<'_>, found: &mut Vec<(Address, U256, U256)>) {
    match expr {
        Expr::Leaf(atoms) => {
            for atom in atoms {
                if let Atom::Loaded(loaded) = atom {
                    collect_load(loaded, facts, found);
                }
            }
        }
        Expr::Hash { parts, .. } => {
            for part in parts {
                if let Part::Word(inner) | Part::Address(inner) = part {
                    collect_loads(inner, facts, found);
                }
            }
        }
    }
}

fn collect_load(loaded: &Loaded, facts: &Facts<'_>, found: &mut Vec<(Address, U256, U256)>) {
    collect_loads(&loaded.address, facts, found);
    collect_loads(&loaded.slot, facts, found);
    let (Some(address), Some(slot)) = (loaded.address.value(facts), loaded.slot.value(facts)) else { return };
    let address = to_address(address);
    if let Some(value) = facts.load(address, slot) {
        found.push((address, slot, value));
    }
}
