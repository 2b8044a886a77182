//! Which transactions only move value, and what that costs: what revm would find out without state.

use alloy_primitives::{Address, TxKind, U256};
use revm::{
    context::{BlockEnv, Cfg, CfgEnv, Transaction, TxEnv},
    interpreter::gas::calculate_initial_tx_gas_for_tx,
    precompile::Precompiles,
    primitives::hardfork::SpecId,
};

/// The rules of one block about plain transfers.
#[derive(Clone, Debug)]
pub(crate) struct TransferRules {
    spec: SpecId,
    chain_id: u64,
    /// The most gas that a transaction may ask for (EIP-7825, block gas limit).
    gas_cap: u64,
    base_fee: u128,
    gas: u64,
    precompiles: &'static Precompiles,
}

/// A plain transfer, priced as on Ethereum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain {
    pub(crate) to: Address,
    pub(crate) gas: u64,
    /// Effective price of gas, in wei.
    pub(crate) price: u128,
    /// What the beneficiary has of it, in wei.
    pub(crate) tip: u128,
    /// What the sender must have, in wei.
    pub(crate) max_cost: U256,
}

impl Plain {
    /// What the gas costs, in wei. It does not overflow: the gas limit times the highest price does not.
    pub(crate) fn fee(&self) -> U256 {
        U256::from(self.price) * U256::from(self.gas)
    }

    /// What the beneficiary receives, in wei.
    pub(crate) fn reward(&self) -> U256 {
        U256::from(self.tip) * U256::from(self.gas)
    }
}

impl TransferRules {
    /// `None` if revm has to look at every transaction: before EIP-161, from Amsterdam on (transfers log), without a
    /// field of the header that the fork needs, or with any check switched off.
    pub(crate) fn new<S: Into<SpecId> + Clone>(
        cfg: &CfgEnv<S>,
        block: &BlockEnv,
        precompiles: &'static Precompiles,
    ) -> Option<Self> {
        let spec = cfg.spec.clone().into();
        let is_known = spec.is_enabled_in(SpecId::SPURIOUS_DRAGON) && !spec.is_enabled_in(SpecId::AMSTERDAM);
        let is_complete = (!spec.is_enabled_in(SpecId::MERGE) || block.prevrandao.is_some())
            && (!spec.is_enabled_in(SpecId::CANCUN) || block.blob_excess_gas_and_price.is_some());
        if !is_known || !is_complete || is_lenient(cfg) {
            return None;
        }
        let template = TxEnv { kind: TxKind::Call(Address::ZERO), ..TxEnv::default() };
        let gas = calculate_initial_tx_gas_for_tx(&template, spec);
        Some(Self {
            spec,
            chain_id: cfg.chain_id,
            gas_cap: cfg.tx_gas_limit_cap().min(block.gas_limit),
            base_fee: block.basefee.into(),
            gas: gas.initial_total_gas.max(gas.floor_gas),
            precompiles,
        })
    }

    /// Gas that a transfer uses.
    pub(crate) const fn gas(&self) -> u64 {
        self.gas
    }

    /// `tx` as a plain transfer, if it is one and nothing but the state can make it invalid.
    #[inline]
    pub(crate) fn plain(&self, tx: &TxEnv) -> Option<Plain> {
        let TxKind::Call(to) = tx.kind else { return None };
        if !tx.data.is_empty()
            || !self.is_valid_kind(tx)
            || !(self.gas..=self.gas_cap).contains(&tx.gas_limit)
            || tx.nonce == u64::MAX
            || self.precompiles.contains(&to)
        {
            return None;
        }
        let price = tx.effective_gas_price(self.base_fee);
        let tip = price.checked_sub(self.base_fee)?;
        let tip = if self.spec.is_enabled_in(SpecId::LONDON) { tip } else { price };
        let max_cost = tx.max_balance_spending().ok()?;
        Some(Plain { to, gas: self.gas, price, tip, max_cost })
    }

    /// Whether type, fees and chain id are in order, and nothing is there that such a transaction does not have.
    #[inline]
    fn is_valid_kind(&self, tx: &TxEnv) -> bool {
        let is_bare =
            tx.access_list.is_empty() && tx.authorization_list.is_empty() && tx.blob_hashes.is_empty();
        let is_typed = match tx.tx_type {
            0 => tx.gas_priority_fee.is_none(),
            1 => tx.gas_priority_fee.is_none() && self.spec.is_enabled_in(SpecId::BERLIN),
            2 => {
                tx.gas_priority_fee.is_some_and(|tip| tip <= tx.gas_price)
                    && self.spec.is_enabled_in(SpecId::LONDON)
            }
            _ => false,
        };
        let is_here = tx.chain_id.map_or(tx.tx_type == 0, |id| id == self.chain_id);
        is_bare && is_typed && is_here
    }
}

/// Whether a check of consensus is switched off, or one is on that no fork here knows.
fn is_lenient<S: Into<SpecId> + Clone>(cfg: &CfgEnv<S>) -> bool {
    cfg.is_eip3607_disabled()
        || cfg.is_eip7623_disabled()
        || cfg.is_balance_check_disabled()
        || cfg.is_block_gas_limit_disabled()
        || cfg.is_nonce_check_disabled()
        || cfg.is_base_fee_check_disabled()
        || cfg.is_priority_fee_check_disabled()
        || cfg.is_fee_charge_disabled()
        || cfg.is_amsterdam_eip8037_enabled()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_possible_truncation)]
mod tests;
