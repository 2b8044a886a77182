//! Fee pairs: a wallet takes its tip from a list and its margin, fee cap less tip, from the base fee. So tips recur, and
//! so do margins for as long as the base fee stays.

use super::{Scribe, parties::Last};
use crate::{
    dictionary::Dictionary,
    model::{Site, context},
    range::{Coder, Fault},
    transaction::Transaction,
};

/// Tip and fee cap, wei per gas.
type Pair = (u128, u128);

/// All fees so far.
#[derive(Clone, Debug)]
pub(super) struct FeePairs {
    pairs: Dictionary<Pair>,
    tips: Dictionary<u128>,
    margins: Dictionary<u128>,
    previous: Option<u32>,
    previous_choice: u32,
}

impl Default for FeePairs {
    fn default() -> Self {
        Self {
            pairs: Dictionary::new("fees", 48),
            tips: Dictionary::new("tip", 16),
            margins: Dictionary::new("margin", 48),
            previous: None,
            previous_choice: 0,
        }
    }
}

impl FeePairs {
    /// The fees of a transaction from `who`; gives their entry.
    pub(super) fn code<C: Coder>(
        &mut self,
        scribe: &mut Scribe<'_, C>,
        who: u32,
        last: Option<Last>,
        tx: &mut Transaction,
    ) -> Result<Option<u32>, Fault> {
        const AS_LAST: u32 = 0;
        const AS_PREVIOUS: u32 = 1;
        const KNOWN: u32 = 2;
        const FRESH: u32 = 3;
        let last = last.and_then(|last| last.fees);
        let id = self.pairs.find::<C>(&(tx.tip, tx.max_fee));
        let choice = match id {
            None => FRESH,
            id if id == last => AS_LAST,
            id if id == self.previous => AS_PREVIOUS,
            Some(_) => KNOWN,
        };
        let situation = u32::from(tx.kind.has_tip()) | u32::from(last.is_some()) << 1;
        let contexts = [who, context(situation, self.previous_choice), situation];
        let choice = scribe.symbol(Site::Fees, contexts, 2, choice);
        self.previous_choice = choice;
        let (id, pair) = match choice {
            AS_LAST => self.again(last)?,
            AS_PREVIOUS => self.again(self.previous)?,
            KNOWN => {
                let (id, pair) = self.pairs.code(scribe.coder, id)?;
                (Some(id), pair)
            }
            _ => {
                let pair = self.fresh(scribe, who, tx)?;
                (self.pairs.push::<C>(pair), pair)
            }
        };
        (tx.tip, tx.max_fee) = pair;
        if !tx.kind.has_tip() {
            tx.tip = tx.max_fee;
        }
        self.previous = id;
        Ok(id)
    }

    fn again(&mut self, id: Option<u32>) -> Result<(Option<u32>, Pair), Fault> {
        let known = id.ok_or(Fault::Dangling("fees"))?;
        Ok((id, self.pairs.reuse(known)))
    }

    fn fresh<C: Coder>(
        &mut self,
        scribe: &mut Scribe<'_, C>,
        who: u32,
        tx: &Transaction,
    ) -> Result<Pair, Fault> {
        let equal = !tx.kind.has_tip() || scribe.flag(Site::FeesEqual, [who, 0, 0], tx.tip == tx.max_fee);
        if equal {
            let fee = scribe.number(Site::Tip, [who, 1, 0], tx.max_fee);
            return Ok((fee, fee));
        }
        let sites = [Site::KnownTip, Site::Tip];
        let tip = known_or_fresh(scribe, &mut self.tips, sites, who, tx.tip)?;
        // A cap below the tip is not valid, and has an encoding all the same.
        let margin = tx.max_fee.wrapping_sub(tx.tip);
        let sites = [Site::KnownMargin, Site::Margin];
        let margin = known_or_fresh(scribe, &mut self.margins, sites, who, margin)?;
        Ok((tip, tip.wrapping_add(margin)))
    }
}

fn known_or_fresh<C: Coder>(
    scribe: &mut Scribe<'_, C>,
    dictionary: &mut Dictionary<u128>,
    [known, number]: [Site; 2],
    who: u32,
    value: u128,
) -> Result<u128, Fault> {
    let id = dictionary.find::<C>(&value);
    if scribe.flag(known, [who, 0, 0], id.is_some()) {
        return Ok(dictionary.code(scribe.coder, id)?.1);
    }
    let value = scribe.number(number, [who, 0, 0], value);
    dictionary.push::<C>(value);
    Ok(value)
}
