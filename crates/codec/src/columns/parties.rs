//! Who sends and who receives.
//!
//! A signature says who sent a transaction, but asking it costs more than everything else here. So senders are
//! labels: a reader learns that two transactions have the same sender, not who that is.

use alloc::{collections::BTreeMap, vec::Vec};

use alloy_primitives::Address;

use super::Scribe;
use crate::{
    dictionary::{Dictionary, Ranks},
    model::{Site, context},
    range::{Coder, Fault},
};

/// What is known about a sender.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sender {
    /// Where the chain's history or the sender's own calldata have named it.
    pub(super) address: Option<Address>,
    /// Of its last transaction; none before the first.
    pub(super) last: Option<Last>,
}

/// What a sender did last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    pub(super) nonce: u64,
    /// Index in `Kind::ALL`.
    pub(super) kind: u32,
    pub(super) recipient: Recipient,
    pub(super) fees: Option<u32>,
}

/// All senders so far.
#[derive(Clone, Debug)]
pub(super) struct Senders {
    ranks: Ranks,
    labels: Vec<Sender>,
    /// A reader never looks an address up.
    ids: BTreeMap<Address, usize>,
    previous: usize,
    /// Whether each of the last two transactions had the sender of the one before it.
    repeats: u32,
}

impl Default for Senders {
    fn default() -> Self {
        Self { ranks: Ranks::new(16), labels: Vec::new(), ids: BTreeMap::new(), previous: 0, repeats: 0 }
    }
}

impl Senders {
    /// Codes whose transaction it is, as a label.
    pub(super) fn code<C: Coder>(
        &mut self,
        scribe: &mut Scribe<'_, C>,
        address: Option<Address>,
    ) -> Result<usize, Fault> {
        let known = address.and_then(|address| self.ids.get(&address).copied());
        if self.labels.is_empty() {
            return Ok(self.add::<C>(address));
        }
        let same = scribe.flag(Site::SameSender, [self.repeats, 0, 0], known == Some(self.previous));
        self.repeats = (self.repeats << 1 | u32::from(same)) & 3;
        if !same {
            let new = scribe.flag(Site::NewSender, [0; 3], known.is_none());
            self.previous = if new {
                self.add::<C>(address)
            } else {
                self.ranks.code(scribe.coder, "sender", known.unwrap_or(0))?
            };
        }
        Ok(self.previous)
    }

    fn add<C: Coder>(&mut self, address: Option<Address>) -> usize {
        let label = self.labels.len();
        self.ranks.push();
        self.labels.push(Sender::default());
        if let Some(address) = address.filter(|_| !C::READS) {
            self.ids.insert(address, label);
        }
        label
    }

    pub(super) fn get(&self, label: usize) -> Sender {
        self.labels[label]
    }

    /// The chain's history names a sender that has sent.
    pub(super) fn tell(&mut self, address: Address) {
        if let Some(label) = self.ids.get(&address) {
            self.labels[*label].address = Some(address);
        }
    }

    pub(super) fn set(&mut self, label: usize, sender: Sender) {
        self.labels[label] = sender;
    }
}

/// Where a transaction goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Recipient {
    /// Creates a contract.
    Creation,
    /// An address, with its entry in the dictionary if that has room for it.
    Address(Option<u32>),
}

impl Recipient {
    /// For contexts: the same number for the same recipient.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Creation => u32::MAX,
            Self::Address(id) => id.unwrap_or(u32::MAX - 1),
        }
    }
}

/// Recipients, and addresses in calldata.
#[derive(Clone, Debug)]
pub(super) struct Addresses(Dictionary<Address>);

impl Default for Addresses {
    fn default() -> Self {
        Self(Dictionary::new("address", 24))
    }
}

impl Addresses {
    pub(super) fn find<C: Coder>(&self, address: &Address) -> Option<u32> {
        self.0.find::<C>(address)
    }

    pub(super) fn reuse(&mut self, id: u32) -> Address {
        self.0.reuse(id)
    }

    /// An address in the dictionary.
    pub(super) fn known<C: Coder>(
        &mut self,
        scribe: &mut Scribe<'_, C>,
        id: Option<u32>,
    ) -> Result<(u32, Address), Fault> {
        self.0.code(scribe.coder, id)
    }

    /// An address that is not: twenty bytes.
    pub(super) fn fresh<C: Coder>(
        &mut self,
        scribe: &mut Scribe<'_, C>,
        address: &mut Address,
    ) -> Result<Option<u32>, Fault> {
        scribe.coder.raw(address.as_mut_slice())?;
        Ok(self.0.push::<C>(*address))
    }

    /// Adds an address that has not been coded.
    pub(super) fn learn<C: Coder>(&mut self, address: Address) {
        if self.find::<C>(&address).is_none() {
            self.0.push::<C>(address);
        }
    }

    /// Any address.
    pub(super) fn code<C: Coder>(
        &mut self,
        scribe: &mut Scribe<'_, C>,
        place: u32,
        address: &mut Address,
    ) -> Result<Option<u32>, Fault> {
        let id = self.find::<C>(address);
        if scribe.flag(Site::KnownAddress, [place, 0, 0], id.is_some()) {
            let (id, known) = self.known(scribe, id)?;
            *address = known;
            Ok(Some(id))
        } else {
            self.fresh(scribe, address)
        }
    }

    /// The recipient of a transaction.
    pub(super) fn recipient<C: Coder>(
        &mut self,
        scribe: &mut Scribe<'_, C>,
        who: u32,
        last: Option<Last>,
        to: &mut Option<Address>,
    ) -> Result<Recipient, Fault> {
        const CREATION: u32 = 0;
        const AS_LAST: u32 = 1;
        const KNOWN: u32 = 2;
        const FRESH: u32 = 3;
        let id = to.and_then(|to| self.find::<C>(&to));
        let last_id = last.and_then(|last| match last.recipient {
            Recipient::Address(id) => id,
            Recipient::Creation => None,
        });
        let choice = match to {
            None => CREATION,
            Some(_) if id.is_some() && id == last_id => AS_LAST,
            Some(_) if id.is_some() => KNOWN,
            Some(_) => FRESH,
        };
        let kind = last.map_or(u32::MAX, |last| last.kind);
        let id = match scribe.symbol(Site::Recipient, [who, context(kind, 0), 0], 2, choice) {
            CREATION => {
                *to = None;
                return Ok(Recipient::Creation);
            }
            AS_LAST => {
                let id = last_id.ok_or(Fault::Dangling("recipient"))?;
                *to = Some(self.reuse(id));
                Some(id)
            }
            KNOWN => {
                let (id, known) = self.known(scribe, id)?;
                *to = Some(known);
                Some(id)
            }
            _ => self.fresh(scribe, to.get_or_insert_default())?,
        };
        Ok(Recipient::Address(id))
    }
}
