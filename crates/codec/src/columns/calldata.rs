//! Calldata: a selector and words, with calls inside of calls; or bytes of no known structure.

use alloc::{collections::BTreeMap, vec::Vec};

use alloy_primitives::{B256, FixedBytes, U256};

use super::{
    Arguments, Scribe,
    parties::Recipient,
    words::{Place, Slot},
};
use crate::{
    dictionary::{Dictionary, MAX_ENTRIES, touch},
    model::{Site, context},
    range::{Coder, Fault},
};

const SELECTOR_BYTES: usize = 4;
const WORD_BYTES: usize = 32;
/// Calls inside of calls that are looked into.
const MAX_DEPTH: u32 = 6;
/// Arguments with a slot of their own; those of long arrays share four.
const OWN_SLOTS: usize = 96;
/// Most slots of all calls; later ones share one.
const MAX_SLOTS: usize = MAX_ENTRIES;
/// Selectors remembered for each contract.
const RECENT_SELECTORS: usize = 6;

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Method {
    /// Nothing: a plain transfer.
    None,
    /// Bytes without structure, or the code of a new contract.
    Bytes,
    /// A method, with its selector's entry in the dictionary if that has room for it.
    Selector(Option<u32>),
    /// Not calldata: the storage keys of an access list.
    StorageKeys,
}

impl Method {
    const fn number(self) -> u32 {
        match self {
            Self::None => u32::MAX,
            Self::Bytes => u32::MAX - 1,
            Self::StorageKeys => u32::MAX - 2,
            Self::Selector(None) => u32::MAX - 3,
            Self::Selector(Some(id)) => id,
        }
    }
}

/// A method of a contract; no contract for a call inside of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) contract: Option<Recipient>,
    pub(super) method: Method,
}

/// What is known of calls of a method.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Contexts: the method of the contract, and the method of any contract.
    special: u32,
    general: u32,
    slots: Vec<Slot>,
    /// Of the last call, without the selector.
    length: usize,
    /// Gas limits and values used last.
    pub(super) gas_limits: Vec<u64>,
    pub(super) values: Vec<U256>,
}

impl Call {
    /// For contexts: the method of the contract.
    pub(super) const fn context(&self) -> u32 {
        self.special
    }
}

/// Names a [`Call`].
#[derive(Clone, Copy, Debug)]
pub(super) struct CallId(usize);

/// All calls so far.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    selectors: Dictionary<FixedBytes<SELECTOR_BYTES>>,
    /// The selectors used last, by what is around them.
    recent: BTreeMap<u32, Vec<u32>>,
    calls: Vec<Call>,
    ids: BTreeMap<Key, CallId>,
    slots: usize,
    shared: Slot,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            selectors: Dictionary::new("selector", 16),
            recent: BTreeMap::new(),
            calls: Vec::new(),
            ids: BTreeMap::new(),
            slots: 0,
            shared: Slot::default(),
        }
    }
}

impl Calls {
    /// The calls of a method, from the first one on.
    pub(super) fn id(&mut self, key: Key) -> CallId {
        *self.ids.entry(key).or_insert_with(|| {
            let contract = key.contract.map_or(u32::MAX - 2, Recipient::number);
            let general = key.method.number();
            self.calls.push(Call {
                special: context(context(contract, general), 0x99),
                general,
                slots: Vec::new(),
                length: 0,
                gas_limits: Vec::new(),
                values: Vec::new(),
            });
            CallId(self.calls.len() - 1)
        })
    }

    pub(super) fn get(&mut self, id: CallId) -> &mut Call {
        &mut self.calls[id.0]
    }

    /// The slot of the argument at `position`.
    pub(super) fn slot(&mut self, id: CallId, position: usize) -> (&mut Slot, Place) {
        let index = if position < OWN_SLOTS { position } else { OWN_SLOTS + position % 4 };
        let call = &mut self.calls[id.0];
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        let place = Place {
            special: context(call.special, number),
            general: context(context(call.general, 0x33), number),
        };
        let missing = (index + 1).saturating_sub(call.slots.len());
        if self.slots + missing > MAX_SLOTS {
            return (&mut self.shared, place);
        }
        if missing > 0 {
            self.slots += missing;
            call.slots.resize_with(index + 1, Slot::default);
        }
        (&mut call.slots[index], place)
    }

    fn selector<C: Coder>(
        &mut self,
        scribe: &mut Scribe<'_, C>,
        special: u32,
        around: u32,
        selector: &mut FixedBytes<SELECTOR_BYTES>,
    ) -> Result<Method, Fault> {
        const KNOWN: u32 = 6;
        const FRESH: u32 = 7;
        let id = self.selectors.find::<C>(selector);
        let recent = self.recent.entry(around).or_default();
        let place = id.and_then(|id| recent.iter().position(|recent| *recent == id));
        let choice = match (place, id) {
            (Some(place), _) => u32::try_from(place).unwrap_or(KNOWN),
            (None, Some(_)) => KNOWN,
            (None, None) => FRESH,
        };
        let id = match scribe.symbol(Site::Selector, [special, around, 0], 3, choice) {
            KNOWN => {
                let (id, known) = self.selectors.code(scribe.coder, id)?;
                *selector = known;
                Some(id)
            }
            FRESH => {
                scribe.coder.raw(selector.as_mut_slice())?;
                self.selectors.push::<C>(*selector)
            }
            place => {
                let id = recent.get(place as usize).copied().ok_or(Fault::Dangling("recent selector"))?;
                *selector = self.selectors.get(id);
                Some(id)
            }
        };
        if let Some(id) = id {
            touch(recent, id, RECENT_SELECTORS);
        }
        Ok(Method::Selector(id))
    }
}

/// Bytes with their length.
pub(super) fn bytes<C: Coder>(scribe: &mut Scribe<'_, C>, data: &mut Vec<u8>) -> Result<(), Fault> {
    let length = scribe.length(Site::Length, [0; 3], data.len())?;
    scribe.coder.spend(length)?;
    data.resize(length, 0);
    scribe.coder.text(data)
}

impl<C: Coder> Arguments<'_, '_, C> {
    /// All of the calldata of a transaction from `who` to `contract`.
    pub(super) fn calldata(
        &mut self,
        who: u32,
        contract: Recipient,
        data: &mut Vec<u8>,
    ) -> Result<Method, Fault> {
        let to = context(contract.number(), 0x70);
        let contexts = [context(who, to), to, 0];
        if self.scribe.flag(Site::NoCalldata, contexts, data.is_empty()) {
            return Ok(Method::None);
        }
        let creation = contract == Recipient::Creation;
        let unstructured = creation || data.len() < SELECTOR_BYTES;
        if self.scribe.flag(Site::Unstructured, [to, u32::from(creation), 0], unstructured) {
            bytes(self.scribe, data)?;
            return Ok(Method::Bytes);
        }
        let arguments = data.len().saturating_sub(SELECTOR_BYTES);
        let mut walk = Walk { arguments: self, data, done: 0 };
        let method = walk.selector(contexts[0], to)?;
        let call = walk.arguments.calls.id(Key { contract: Some(contract), method });
        let length = walk.length(call, arguments)?;
        walk.arguments.scribe.coder.spend(length)?;
        walk.arguments.words.begin();
        walk.frame(call, length, 0)?;
        Ok(method)
    }
}

/// Walks over the calldata of one transaction.
struct Walk<'w, 'a, 'b, C> {
    arguments: &'w mut Arguments<'a, 'b, C>,
    /// The calldata; a reader's grows.
    data: &'w mut Vec<u8>,
    /// Bytes that are done.
    done: usize,
}

impl<C: Coder> Walk<'_, '_, '_, C> {
    fn selector(&mut self, special: u32, around: u32) -> Result<Method, Fault> {
        let mut selector = FixedBytes::default();
        selector.copy_from_slice(self.next(SELECTOR_BYTES));
        let method = self.arguments.calls.selector(self.arguments.scribe, special, around, &mut selector)?;
        self.put(selector.as_slice());
        Ok(method)
    }

    /// Length of the arguments.
    fn length(&mut self, call: CallId, length: usize) -> Result<usize, Fault> {
        let Arguments { scribe, calls, .. } = &mut *self.arguments;
        let call = calls.get(call);
        let (special, general) = (call.special, call.general);
        if scribe.flag(Site::SameLength, [special, general, 0], length == call.length) {
            return Ok(call.length);
        }
        let whole = scribe.flag(Site::WholeWords, [special, general, 0], length.is_multiple_of(WORD_BYTES));
        let unit = if whole { WORD_BYTES } else { 1 };
        let units = scribe.length(Site::Length, [special, general, u32::from(whole)], length / unit)?;
        call.length = units.checked_mul(unit).ok_or(Fault::TooLong)?;
        Ok(call.length)
    }

    /// `length` bytes of arguments.
    fn frame(&mut self, call: CallId, length: usize, depth: u32) -> Result<(), Fault> {
        let end = self.done + length;
        let mut position = 0;
        while end - self.done >= WORD_BYTES {
            let mut word = B256::default();
            word.copy_from_slice(self.next(WORD_BYTES));
            let place = self.arguments.word(call, position, &mut word)?;
            self.put(word.as_slice());
            position += 1;
            self.payload(&word, place, call, end, depth)?;
        }
        self.text(end - self.done)
    }

    /// What follows a word that is the length of bytes: a call inside of this one, or bytes without structure. Whole
    /// words go on as such.
    fn payload(
        &mut self,
        word: &B256,
        place: Place,
        call: CallId,
        end: usize,
        depth: u32,
    ) -> Result<(), Fault> {
        let left = end - self.done;
        let length = U256::from_be_bytes(word.0);
        let Some(length) = usize::try_from(length).ok().filter(|length| *length <= left) else {
            return Ok(());
        };
        if length < SELECTOR_BYTES || length.is_multiple_of(WORD_BYTES) {
            return Ok(());
        }
        let padding = (length.next_multiple_of(WORD_BYTES) - length).min(left - length);
        let is_payload = C::READS || self.next(left)[length..][..padding].iter().all(|byte| *byte == 0);
        let may_be_call = length % WORD_BYTES == SELECTOR_BYTES && depth < MAX_DEPTH;
        let method = self.arguments.calls.get(call).general;
        let contexts = [context(place.special, 1), context(method, 2), u32::from(may_be_call)];
        if !self.arguments.scribe.flag(Site::Nested, contexts, is_payload) {
            return Ok(());
        }
        if may_be_call {
            let method = self.selector(context(place.special, 5), context(method, 0x5e1))?;
            let inner = self.arguments.calls.id(Key { contract: None, method });
            self.frame(inner, length - SELECTOR_BYTES, depth + 1)?;
        } else {
            self.text(length)?;
        }
        self.padding(padding)
    }

    fn padding(&mut self, length: usize) -> Result<(), Fault> {
        let zero = self.next(length).iter().all(|byte| *byte == 0);
        if !self.arguments.scribe.flag(Site::Padding, [0; 3], zero) {
            return self.text(length);
        }
        self.skip(length);
        Ok(())
    }

    fn text(&mut self, length: usize) -> Result<(), Fault> {
        let start = self.done;
        self.skip(length);
        self.arguments.scribe.coder.text(&mut self.data[start..start + length])
    }

    /// The next `length` bytes; a reader has only zeros there.
    fn next(&mut self, length: usize) -> &[u8] {
        let end = self.done + length;
        if self.data.len() < end {
            self.data.resize(end, 0);
        }
        &self.data[self.done..end]
    }

    fn skip(&mut self, length: usize) {
        self.next(length);
        self.done += length;
    }

    fn put(&mut self, bytes: &[u8]) {
        self.next(bytes.len());
        self.data[self.done..self.done + bytes.len()].copy_from_slice(bytes);
        self.done += bytes.len();
    }
}
