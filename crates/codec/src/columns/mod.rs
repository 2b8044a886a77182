//! The columns of a channel: what each field of a transaction is expected to be, and how it is coded.
//!
//! One method per field codes it in both directions, see [`Coder`]. What was coded before is the
//! expectation of what follows: the same contract is called with the same selector, by the same senders, at the
//! same fees. `docs/format.md` is the text of this module.

mod amounts;
mod calldata;
mod fees;
mod lists;
mod parties;
mod words;

use alloy_primitives::{Address, B256};

use crate::{
    model::{Contexts, Model, Site, context},
    range::{Coder, Column, Fault, Learner},
    transaction::{Kind, Transaction},
};
use amounts::Amounts;
use calldata::{CallId, Calls, Key, Method};
use fees::FeePairs;
use parties::{Addresses, Last, Senders};
use words::{Own, Place, Words};

/// Content that each transaction takes at least, see [`Coder::spend`].
const TRANSACTION_BYTES: usize = 80;

/// A coder with the model that drives it.
pub(crate) struct Scribe<'a, C> {
    pub(crate) coder: &'a mut C,
    model: &'a mut Model,
}

impl<C: Coder> Scribe<'_, C> {
    fn flag(&mut self, site: Site, contexts: Contexts, yes: bool) -> bool {
        self.model.flag(self.coder, site, contexts, yes)
    }

    fn symbol(&mut self, site: Site, contexts: Contexts, bits: u32, symbol: u32) -> u32 {
        self.model.symbol(self.coder, site, contexts, bits, symbol)
    }

    fn number(&mut self, site: Site, contexts: Contexts, number: u128) -> u128 {
        self.model.number(self.coder, site, contexts, number)
    }

    /// A number of at most 64 bits.
    fn number_64(&mut self, site: Site, contexts: Contexts, number: u64) -> Result<u64, Fault> {
        u64::try_from(self.number(site, contexts, number.into())).map_err(|_| Fault::Overflow("number"))
    }

    /// How many of something there are.
    fn length(&mut self, site: Site, contexts: Contexts, length: usize) -> Result<usize, Fault> {
        usize::try_from(self.number(site, contexts, length as u128)).map_err(|_| Fault::TooLong)
    }
}

/// What words are coded with, in calldata and in lists.
struct Arguments<'a, 'b, C> {
    scribe: &'a mut Scribe<'b, C>,
    calls: &'a mut Calls,
    words: &'a mut Words,
    addresses: &'a mut Addresses,
    own: &'a mut Own,
}

impl<C: Coder> Arguments<'_, '_, C> {
    /// The word at `position` of a call's arguments.
    fn word(&mut self, call: CallId, position: usize, word: &mut B256) -> Result<Place, Fault> {
        let (slot, place) = self.calls.slot(call, position);
        self.words.code(self.scribe, self.addresses, self.own, (slot, place), word)?;
        Ok(place)
    }
}

/// Everything that coding has learned so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    model: Model,
    senders: Senders,
    addresses: Addresses,
    calls: Calls,
    words: Words,
    amounts: Amounts,
    fees: FeePairs,
    chain_id: u64,
    last_gaps: (u32, u32),
}

impl Columns {
    /// What a block adds to its parent: seconds, L1 blocks, and the number of its transactions.
    pub(crate) fn block<C: Coder>(
        &mut self,
        coder: &mut C,
        (seconds, origins, size): (u64, u64, usize),
    ) -> Result<(u64, u64, usize), Fault> {
        coder.column(Column::Blocks);
        let (last_seconds, last_origins) = self.last_gaps;
        let mut scribe = Scribe { coder, model: &mut self.model };
        let seconds = scribe.number_64(Site::BlockGap, [last_seconds, 0, 0], seconds)?;
        let origins = scribe.number_64(Site::OriginGap, [last_origins, 0, 0], origins)?;
        let size = scribe.length(Site::BlockSize, [0; 3], size)?;
        let short = |gap: u64| u32::try_from(gap).unwrap_or(u32::MAX);
        self.last_gaps = (short(seconds), short(origins));
        Ok((seconds, origins, size))
    }

    /// A transaction. Its `sender` only helps to find what it has in common with earlier ones; a reader does not
    /// know it.
    pub(crate) fn transaction<C: Coder>(
        &mut self,
        coder: &mut C,
        tx: &mut Transaction,
        sender: Option<Address>,
    ) -> Result<(), Fault> {
        coder.spend(TRANSACTION_BYTES)?;
        let mut scribe = Scribe { coder, model: &mut self.model };
        let scribe = &mut scribe;
        scribe.coder.column(Column::Sender);
        let label = self.senders.code(scribe, sender)?;
        let mut known = self.senders.get(label);
        let last = known.last;
        let mut own = Own { address: known.address.or(sender), told: known.address.is_some() };
        let who = context(u32::try_from(label).unwrap_or(u32::MAX), 0xab);

        scribe.coder.column(Column::Kind);
        let kind = kind(scribe, who, last, tx)?;
        if tx.kind == Kind::Opaque {
            return calldata::bytes(scribe, &mut tx.data);
        }
        if tx.kind.has_chain_id() {
            chain_id(scribe, &mut self.chain_id, tx)?;
        }
        scribe.coder.column(Column::Recipient);
        let recipient = self.addresses.recipient(scribe, who, last, &mut tx.to)?;
        scribe.coder.column(Column::Calldata);
        let (calls, words, addresses) = (&mut self.calls, &mut self.words, &mut self.addresses);
        let mut arguments = Arguments { scribe, calls, words, addresses, own: &mut own };
        let method = arguments.calldata(who, recipient, &mut tx.data)?;

        let call = self.calls.id(Key { contract: Some(recipient), method });
        let call = self.calls.get(call);
        let this = call.context();
        let contexts = [context(who, this), this, u32::from(method == Method::None)];
        scribe.coder.column(Column::Value);
        self.amounts.value(scribe, call, contexts, &mut tx.value)?;
        scribe.coder.column(Column::GasLimit);
        self.amounts.gas_limit(scribe, call, contexts, &mut tx.gas_limit)?;
        scribe.coder.column(Column::Fees);
        let fees = self.fees.code(scribe, who, last, tx)?;
        scribe.coder.column(Column::Nonce);
        tx.nonce = nonce(scribe, who, last, this, tx.nonce)?;

        if tx.kind.has_access_list() {
            let (calls, words, addresses) = (&mut self.calls, &mut self.words, &mut self.addresses);
            let mut arguments = Arguments { scribe, calls, words, addresses, own: &mut own };
            arguments.scribe.coder.column(Column::AccessList);
            arguments.access_list(this, &mut tx.access_list)?;
            if tx.kind == Kind::SetCode {
                arguments.scribe.coder.column(Column::Authorizations);
                arguments.authorizations(&mut tx.authorizations)?;
            }
        }
        coder.column(Column::Signature);
        coder.raw(tx.signature.0.as_mut_slice())?;

        known.last = Some(Last { nonce: tx.nonce, kind, recipient, fees });
        known.address = own.address.filter(|_| own.told);
        self.senders.set(label, known);
        Ok(())
    }

    /// Takes a transaction of the chain, whose sender is known, as if it had been coded.
    pub(crate) fn learn(&mut self, sender: Address, tx: &mut Transaction) {
        // A learner has neither an end nor a limit.
        if self.transaction(&mut Learner, tx, Some(sender)).is_ok() {
            self.senders.tell(sender);
            self.addresses.learn::<Learner>(sender);
        }
    }
}

/// How the fields are wrapped; gives the index in [`Kind::ALL`].
fn kind<C: Coder>(
    scribe: &mut Scribe<'_, C>,
    who: u32,
    last: Option<Last>,
    tx: &mut Transaction,
) -> Result<u32, Fault> {
    let index =
        Kind::ALL.iter().position(|kind| *kind == tx.kind).and_then(|index| u32::try_from(index).ok());
    let before = last.map_or(u32::MAX, |last| last.kind);
    let index = scribe.symbol(Site::Kind, [who, context(before, 0), 0], 3, index.unwrap_or(0));
    tx.kind = *Kind::ALL.get(index as usize).ok_or(Fault::Dangling("transaction type"))?;
    Ok(index)
}

/// Nearly always that of the transaction before.
fn chain_id<C: Coder>(
    scribe: &mut Scribe<'_, C>,
    previous: &mut u64,
    tx: &mut Transaction,
) -> Result<(), Fault> {
    if !scribe.flag(Site::SameChain, [0; 3], tx.chain_id == *previous) {
        *previous = scribe.number_64(Site::ChainId, [0; 3], tx.chain_id)?;
    }
    tx.chain_id = *previous;
    Ok(())
}

/// One more than the sender's last, or how far from that; a sender's first as it is.
fn nonce<C: Coder>(
    scribe: &mut Scribe<'_, C>,
    who: u32,
    last: Option<Last>,
    method: u32,
    nonce: u64,
) -> Result<u64, Fault> {
    let Some(last) = last else { return scribe.number_64(Site::Nonce, [method, 0, 0], nonce) };
    let next = last.nonce.wrapping_add(1);
    if scribe.flag(Site::NextNonce, [who, 0, 0], nonce == next) {
        return Ok(next);
    }
    let step = nonce.wrapping_sub(next);
    // Zigzag: small steps in either direction are small numbers.
    let zigzag = step << 1 ^ (step >> 63).wrapping_neg();
    let zigzag = scribe.number_64(Site::NonceStep, [who, 0, 0], zigzag)?;
    Ok(next.wrapping_add(zigzag >> 1 ^ (zigzag & 1).wrapping_neg()))
}
