//! Words of 32 bytes: arguments of calls, storage keys.

use alloc::vec::Vec;

use alloy_primitives::{Address, B256};

use super::{Addresses, Scribe};
use crate::{
    dictionary::{Dictionary, touch},
    model::{Site, context},
    range::{Coder, Fault},
};

/// Values that a slot remembers.
const RECENT: usize = 9;
/// Bits of an index into them that is not 0: one less than [`RECENT`] fits.
const RECENT_BITS: u32 = 3;

/// How a word is coded.
mod kind {
    pub(super) const LATEST: u32 = 0;
    pub(super) const RECENT: u32 = 1;
    pub(super) const ZERO: u32 = 2;
    pub(super) const KNOWN_ADDRESS: u32 = 3;
    pub(super) const FRESH_ADDRESS: u32 = 4;
    pub(super) const KNOWN_WORD: u32 = 5;
    pub(super) const NUMBER: u32 = 6;
    pub(super) const DECIMAL: u32 = 7;
    pub(super) const RAW: u32 = 8;
    pub(super) const TEXT: u32 = 9;
    pub(super) const DELTA: u32 = 10;
    pub(super) const OWN_ADDRESS: u32 = 11;
    /// Before the first word.
    pub(super) const NONE: u32 = 15;
    pub(super) const BITS: u32 = 4;
}

/// A value that was in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Address(u32),
    Word(u32),
    /// Of whoever sends.
    OwnAddress,
}

/// A place where words of the same meaning stand: an argument of a method of a contract.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    recent: Vec<Value>,
    last_kind: u32,
    last_number: u128,
}

/// Contexts of a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// This slot.
    pub(super) special: u32,
    /// The same argument of the same method, whatever the contract.
    pub(super) general: u32,
}

/// The sender's address, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    /// A writer knows it from the start.
    pub(super) address: Option<Address>,
    /// Whether a reader knows it too.
    pub(super) told: bool,
}

impl Own {
    /// The address, of which a reader is told the first time.
    fn tell<C: Coder>(&mut self, scribe: &mut Scribe<'_, C>) -> Result<Address, Fault> {
        let mut address = self.address.unwrap_or_default();
        if !self.told {
            scribe.coder.raw(address.as_mut_slice())?;
            *self = Self { address: Some(address), told: true };
        }
        Ok(address)
    }
}

/// All words so far.
#[derive(Clone, Debug)]
pub(super) struct Words {
    dictionary: Dictionary<B256>,
    /// Kinds of the last three words.
    before: [u32; 3],
}

impl Default for Words {
    fn default() -> Self {
        Self { dictionary: Dictionary::new("word", 24), before: [kind::NONE; 3] }
    }
}

impl Words {
    /// A new call begins.
    pub(super) const fn begin(&mut self) {
        self.before = [kind::NONE; 3];
    }

    /// Codes `word`.
    pub(super) fn code<C: Coder>(
        &mut self,
        scribe: &mut Scribe<'_, C>,
        addresses: &mut Addresses,
        own: &mut Own,
        (slot, place): (&mut Slot, Place),
        word: &mut B256,
    ) -> Result<(), Fault> {
        let value = if C::READS { None } else { self.value::<C>(addresses, own, word) };
        let wanted = if C::READS { kind::ZERO } else { kind_of(word, value, slot) };
        let [first, second, third] = self.before;
        let around = context(first | second << 4 | third << 8, slot.last_kind);
        let contexts = [place.special, context(place.general, slot.last_kind), around];
        let kind = scribe.symbol(Site::Word, contexts, kind::BITS, wanted);
        let value = match kind {
            kind::LATEST | kind::RECENT => {
                let value = recent(scribe, kind, slot, place, value)?;
                *word = match value {
                    Value::OwnAddress => own.tell(scribe)?.into_word(),
                    Value::Address(id) => addresses.reuse(id).into_word(),
                    Value::Word(id) => self.dictionary.reuse(id),
                };
                Some(value)
            }
            kind::ZERO => {
                *word = B256::ZERO;
                None
            }
            kind::OWN_ADDRESS => {
                *word = own.tell(scribe)?.into_word();
                Some(Value::OwnAddress)
            }
            kind::KNOWN_ADDRESS => {
                let wanted = if let Some(Value::Address(id)) = value { Some(id) } else { None };
                let (id, address) = addresses.known(scribe, wanted)?;
                *word = address.into_word();
                Some(Value::Address(id))
            }
            kind::FRESH_ADDRESS => {
                let mut address = Address::from_word(*word);
                let id = addresses.fresh(scribe, &mut address)?;
                *word = address.into_word();
                id.map(Value::Address)
            }
            kind::KNOWN_WORD => {
                let wanted = if let Some(Value::Word(id)) = value { Some(id) } else { None };
                let (id, known) = self.dictionary.code(scribe.coder, wanted)?;
                *word = known;
                Some(Value::Word(id))
            }
            _ => {
                fresh_word(scribe, kind, slot, place, word)?;
                self.dictionary.push::<C>(*word).map(Value::Word)
            }
        };
        if let Some(value) = value {
            touch(&mut slot.recent, value, RECENT);
        }
        slot.last_number = number(word).unwrap_or(slot.last_number);
        slot.last_kind = kind;
        self.before = [kind, first, second];
        Ok(())
    }

    /// What dictionaries know of `word`.
    fn value<C: Coder>(&self, addresses: &Addresses, own: &Own, word: &B256) -> Option<Value> {
        if word.is_zero() {
            return None;
        }
        let address = word.starts_with(&[0; 12]).then(|| Address::from_word(*word));
        if address.is_some() && address == own.address {
            return Some(Value::OwnAddress);
        }
        let known = address.and_then(|address| addresses.find::<C>(&address)).map(Value::Address);
        known.or_else(|| self.dictionary.find::<C>(word).map(Value::Word))
    }
}

/// The shortest way to say `word`. A writer's choice: a reader takes whatever comes.
fn kind_of(word: &B256, value: Option<Value>, slot: &Slot) -> u32 {
    let zeros = word.iter().take_while(|byte| **byte == 0).count();
    match value {
        _ if word.is_zero() => kind::ZERO,
        Some(value) => match slot.recent.iter().position(|recent| *recent == value) {
            Some(0) => kind::LATEST,
            Some(_) => kind::RECENT,
            None => match value {
                Value::OwnAddress => kind::OWN_ADDRESS,
                Value::Address(_) => kind::KNOWN_ADDRESS,
                Value::Word(_) => kind::KNOWN_WORD,
            },
        },
        None if (12..16).contains(&zeros) => kind::FRESH_ADDRESS,
        None => match number(word) {
            Some(number) => kind_of_number(number, slot.last_number),
            None if is_noise(word) => kind::RAW,
            None => kind::TEXT,
        },
    }
}

fn kind_of_number(number: u128, last: u128) -> u32 {
    /// Bits that a difference must save.
    const WORTH: u32 = 12;
    if last > 0 && number.leading_zeros() + WORTH < number.abs_diff(last).leading_zeros() {
        kind::DELTA
    } else if number.is_multiple_of(1_000) {
        kind::DECIMAL
    } else {
        kind::NUMBER
    }
}

/// Whether the bytes are so different from each other that no compressor will find anything in them. Of 32
/// random bytes, 26 or fewer are different in one of 170 cases.
fn is_noise(word: &B256) -> bool {
    let mut seen = [0u64; 4];
    word.iter().for_each(|byte| seen[usize::from(byte >> 6)] |= 1 << (byte & 63));
    seen.iter().map(|bits| bits.count_ones()).sum::<u32>() > 26
}

/// The number that a word is, if it fits 128 bits.
fn number(word: &B256) -> Option<u128> {
    let (high, low) = word.split_at(16);
    (high == [0; 16]).then(|| low.iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte)))
}

fn recent<C: Coder>(
    scribe: &mut Scribe<'_, C>,
    kind: u32,
    slot: &Slot,
    place: Place,
    value: Option<Value>,
) -> Result<Value, Fault> {
    let index = if kind == kind::LATEST {
        0
    } else {
        let wanted = slot.recent.iter().position(|recent| Some(*recent) == value).unwrap_or(1);
        let wanted = u32::try_from(wanted.saturating_sub(1)).unwrap_or(0);
        1 + scribe.symbol(Site::Recent, [place.special, place.general, 0], RECENT_BITS, wanted)
    };
    slot.recent.get(index as usize).copied().ok_or(Fault::Dangling("recent word"))
}

/// A word that no dictionary has.
fn fresh_word<C: Coder>(
    scribe: &mut Scribe<'_, C>,
    kind: u32,
    slot: &Slot,
    Place { special, general }: Place,
    word: &mut B256,
) -> Result<(), Fault> {
    let (wanted, last) = (number(word).unwrap_or(0), slot.last_number);
    let number = match kind {
        kind::RAW => return scribe.coder.raw(word.as_mut_slice()),
        kind::TEXT => return scribe.coder.text(word.as_mut_slice()),
        kind::NUMBER => scribe.number(Site::Number, [special, general, 0], wanted),
        kind::DECIMAL => {
            let sites = [Site::Exponent, Site::Mantissa];
            decimal(scribe, sites, [special, general], wanted)?
        }
        kind::DELTA => {
            let up = scribe.flag(Site::DeltaSign, [special, general, 0], wanted >= last);
            let step = scribe.number(Site::Delta, [special, general, 0], wanted.abs_diff(last));
            if up { last.wrapping_add(step) } else { last.wrapping_sub(step) }
        }
        _ => return Err(Fault::Dangling("kind of word")),
    };
    *word = B256::left_padding_from(&number.to_be_bytes());
    Ok(())
}

/// A number with zeros at its decimal end: exponent and mantissa.
pub(super) fn decimal<C: Coder>(
    scribe: &mut Scribe<'_, C>,
    [exponent_site, mantissa_site]: [Site; 2],
    [special, general]: [u32; 2],
    number: u128,
) -> Result<u128, Fault> {
    /// 10^38 fits 128 bits.
    const EXPONENT_BITS: u32 = 6;
    let (mut mantissa, mut exponent) = (number, 0);
    while mantissa > 0 && mantissa.is_multiple_of(10) {
        (mantissa, exponent) = (mantissa / 10, exponent + 1);
    }
    let exponent = scribe.symbol(exponent_site, [special, general, 0], EXPONENT_BITS, exponent);
    let mantissa = scribe.number(mantissa_site, [special, context(general, exponent), exponent], mantissa);
    let power = 10u128.checked_pow(exponent);
    power.and_then(|power| power.checked_mul(mantissa)).ok_or(Fault::Overflow("decimal number"))
}
