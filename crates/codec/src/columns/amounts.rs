//! Values and gas limits: what calls of the same method had, what any transaction had, or a number.

use alloy_primitives::U256;

use super::{Scribe, calldata::Call, words::decimal};
use crate::{
    dictionary::{Dictionary, touch},
    model::{Contexts, Site},
    range::{Coder, Fault},
};

/// Values of a method that are remembered.
const RECENT_VALUES: usize = 3;
/// Gas limits of a method that are remembered.
const RECENT_GAS_LIMITS: usize = 5;
/// Wallets round gas limits to it.
const ROUND_GAS: u64 = 100;

/// All values and gas limits so far.
#[derive(Clone, Debug)]
pub(super) struct Amounts {
    values: Dictionary<U256>,
    gas_limits: Dictionary<u64>,
}

impl Default for Amounts {
    fn default() -> Self {
        Self { values: Dictionary::new("value", 16), gas_limits: Dictionary::new("gas limit", 16) }
    }
}

impl Amounts {
    /// Wei that go with a call; `contexts` end with whether it has no calldata.
    pub(super) fn value<C: Coder>(
        &mut self,
        scribe: &mut Scribe<'_, C>,
        call: &mut Call,
        contexts: Contexts,
        value: &mut U256,
    ) -> Result<(), Fault> {
        const ZERO: u32 = 0;
        const FIRST_RECENT: u32 = 1;
        const KNOWN: u32 = 4;
        const DECIMAL: u32 = 5;
        const NUMBER: u32 = 6;
        const RAW: u32 = 7;
        let [_, method, plain] = contexts;
        let id = self.values.find::<C>(value);
        let number = u128::try_from(*value).ok();
        let choice = match call.values.iter().position(|recent| *recent == *value) {
            _ if value.is_zero() => ZERO,
            Some(place) => FIRST_RECENT + u32::try_from(place).unwrap_or(0),
            None if id.is_some() => KNOWN,
            None => match number {
                Some(number) if number.is_multiple_of(1_000) => DECIMAL,
                Some(_) => NUMBER,
                None => RAW,
            },
        };
        let number = number.unwrap_or(0);
        match scribe.symbol(Site::Value, contexts, 3, choice) {
            ZERO => {
                *value = U256::ZERO;
                return Ok(());
            }
            KNOWN => *value = self.values.code(scribe.coder, id)?.1,
            DECIMAL => {
                let sites = [Site::ValueExponent, Site::ValueMantissa];
                *value = U256::from(decimal(scribe, sites, [method, plain], number)?);
                self.values.push::<C>(*value);
            }
            NUMBER => {
                *value = U256::from(scribe.number(Site::ValueNumber, [method, plain, 0], number));
                self.values.push::<C>(*value);
            }
            RAW => {
                let mut bytes = value.to_be_bytes::<32>();
                scribe.coder.raw(&mut bytes)?;
                *value = U256::from_be_bytes(bytes);
                self.values.push::<C>(*value);
            }
            place => {
                let recent = call.values.get((place - FIRST_RECENT) as usize);
                *value = *recent.ok_or(Fault::Dangling("recent value"))?;
            }
        }
        touch(&mut call.values, *value, RECENT_VALUES);
        Ok(())
    }

    /// A gas limit.
    pub(super) fn gas_limit<C: Coder>(
        &mut self,
        scribe: &mut Scribe<'_, C>,
        call: &mut Call,
        contexts: Contexts,
        gas_limit: &mut u64,
    ) -> Result<(), Fault> {
        const KNOWN: u32 = 5;
        const ROUND: u32 = 6;
        const NUMBER: u32 = 7;
        let id = self.gas_limits.find::<C>(gas_limit);
        let choice = match call.gas_limits.iter().position(|recent| recent == gas_limit) {
            Some(place) => u32::try_from(place).unwrap_or(0),
            None if id.is_some() => KNOWN,
            None if gas_limit.is_multiple_of(ROUND_GAS) => ROUND,
            None => NUMBER,
        };
        match scribe.symbol(Site::Gas, contexts, 3, choice) {
            KNOWN => *gas_limit = self.gas_limits.code(scribe.coder, id)?.1,
            kind @ (ROUND | NUMBER) => {
                let unit = if kind == ROUND { ROUND_GAS } else { 1 };
                let units = scribe.number_64(Site::GasNumber, [contexts[1], kind, 0], *gas_limit / unit)?;
                *gas_limit = units.checked_mul(unit).ok_or(Fault::Overflow("gas limit"))?;
                self.gas_limits.push::<C>(*gas_limit);
            }
            place => {
                let recent = call.gas_limits.get(place as usize);
                *gas_limit = *recent.ok_or(Fault::Dangling("recent gas limit"))?;
            }
        }
        touch(&mut call.gas_limits, *gas_limit, RECENT_GAS_LIMITS);
        Ok(())
    }
}
