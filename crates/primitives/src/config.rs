//! Chain configuration: what an operator chooses, and what deployment adds to it.

use alloc::{string::String, vec::Vec};

use alloy_primitives::{Address, U256};
use serde::{Deserialize, Serialize};

use crate::{BlockId, Eip1559Params, L1BlockNumber};

/// What an operator chooses for a chain; the content of `deploy/chains/*.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainConfig {
    /// Human-readable name.
    pub name: String,
    /// Chain id of L1.
    pub l1_chain_id: u64,
    /// Chain id of L2; differs from L1's.
    pub l2_chain_id: u64,
    /// Seconds that a sequencer may run ahead of its L1 origin's timestamp.
    pub max_sequencer_drift: u64,
    /// L1 blocks after which a deposit is included by derivation, with or without the sequencer.
    pub force_delay: u64,
    /// Seconds between the proof of a withdrawal or a proposal and its finality.
    pub challenge_window: u64,
    /// Wei that a proposer locks with each assertion.
    pub proposal_bond: U256,
    /// Most gas that deposits of one L1 block may buy (enforced by the portal).
    pub max_deposit_gas: u64,
    /// Fee rules and gas limit at genesis; L1's `SystemConfig` changes them afterwards.
    pub system: SystemConfig,
    /// Accounts with a balance at genesis.
    #[serde(default)]
    pub accounts: Vec<GenesisBalance>,
}

/// An L2 balance at genesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisBalance {
    /// Owner.
    pub address: Address,
    /// Wei.
    pub balance: U256,
}

/// The values that L1's `SystemConfig` contract governs (OP specification, "System Config", Jovian).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemConfig {
    /// Gas limit of an L2 block.
    pub gas_limit: u64,
    /// Scalar of the L1 base fee in the L1 data fee, 6 decimals.
    pub base_fee_scalar: u32,
    /// Scalar of the L1 blob base fee in the L1 data fee, 6 decimals.
    pub blob_base_fee_scalar: u32,
    /// Operator fee scalar, 6 decimals.
    pub operator_fee_scalar: u32,
    /// Operator fee constant, wei.
    pub operator_fee_constant: u64,
    /// Gas that a byte of estimated data takes of the block's data-availability footprint.
    pub da_footprint_gas_scalar: u16,
    /// EIP-1559 denominator.
    pub eip1559_denominator: u32,
    /// EIP-1559 elasticity.
    pub eip1559_elasticity: u32,
    /// Lowest L2 base fee, wei per gas.
    pub min_base_fee: u64,
}

impl SystemConfig {
    /// The fee parameters that a header carries.
    #[must_use]
    pub const fn eip1559(&self) -> Eip1559Params {
        Eip1559Params {
            denominator: self.eip1559_denominator,
            elasticity: self.eip1559_elasticity,
            min_base_fee: self.min_base_fee,
        }
    }
}

/// Addresses of the L1 contracts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct L1Contracts {
    /// Takes batches.
    pub inbox: Address,
    /// Takes deposits, pays withdrawals.
    pub portal: Address,
    /// Holds bridged ETH accounting and tokens.
    pub standard_bridge: Address,
    /// Governs [`SystemConfig`].
    pub system_config: Address,
    /// Takes output proposals.
    pub assertions: Address,
    /// Owns the contracts.
    pub timelock: Address,
}

/// Where the L2 chain begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenesisAnchor {
    /// The L1 block that genesis follows: the first deposits and batches are in its children.
    pub l1: BlockId,
    /// Timestamp of the L2 genesis block: the L1 anchor's own.
    pub l2_timestamp: u64,
}

/// A deployed chain: the one file that every role reads, written by `lockstep deploy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollupConfig {
    /// The operator's choices.
    pub chain: ChainConfig,
    /// L1 contracts.
    pub contracts: L1Contracts,
    /// Start of the chain.
    pub genesis: GenesisAnchor,
}

impl RollupConfig {
    /// First L1 block that can hold batches and deposits.
    #[must_use]
    pub const fn first_l1_block(&self) -> L1BlockNumber {
        L1BlockNumber(self.genesis.l1.number + 1)
    }
}

/// Why a configuration cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Replay protection needs distinct ids.
    #[error("l2_chain_id equals l1_chain_id ({0}); choose a chain id of your own for L2")]
    SameChainId(u64),
    /// Zero where a positive number is needed.
    #[error("{0} must be greater than zero")]
    Zero(&'static str),
    /// More than L1's `SystemConfig` takes.
    #[error("{field} is above {limit}, the most that L1's SystemConfig accepts")]
    TooHigh {
        /// The field.
        field: &'static str,
        /// Its largest value.
        limit: u64,
    },
    /// Deposits of one L1 block must fit one L2 block beside the L1 attributes transaction.
    #[error(
        "max_deposit_gas {deposit_gas} does not leave 1000000 of gas_limit {gas_limit} for the L1 attributes"
    )]
    DepositGas {
        /// Configured deposit gas.
        deposit_gas: u64,
        /// Configured block gas limit.
        gas_limit: u64,
    },
}

impl ChainConfig {
    /// Gas that no deposit may take: the L1 attributes transaction's.
    pub const ATTRIBUTES_GAS: u64 = 1_000_000;

    /// Checks what types cannot.
    ///
    /// # Errors
    /// The first rule that does not hold, see [`ConfigError`].
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.l1_chain_id == self.l2_chain_id {
            return Err(ConfigError::SameChainId(self.l1_chain_id));
        }
        let positive = [
            ("l1_chain_id", self.l1_chain_id),
            ("l2_chain_id", self.l2_chain_id),
            ("force_delay", self.force_delay),
            ("max_sequencer_drift", self.max_sequencer_drift),
            ("challenge_window", self.challenge_window),
            ("eip1559_denominator", self.system.eip1559_denominator.into()),
            ("eip1559_elasticity", self.system.eip1559_elasticity.into()),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(ConfigError::Zero(name));
        }
        let bounded = [
            ("gas_limit", self.system.gas_limit, 500_000_000),
            ("eip1559_elasticity", self.system.eip1559_elasticity.into(), 1_000),
            ("min_base_fee", self.system.min_base_fee, 1_000_000_000_000),
        ];
        if let Some(&(field, _, limit)) = bounded.iter().find(|(_, value, limit)| value > limit) {
            return Err(ConfigError::TooHigh { field, limit });
        }
        if self.max_deposit_gas.saturating_add(Self::ATTRIBUTES_GAS) > self.system.gas_limit {
            return Err(ConfigError::DepositGas {
                deposit_gas: self.max_deposit_gas,
                gas_limit: self.system.gas_limit,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ChainConfig {
        ChainConfig {
            name: "test".into(),
            l1_chain_id: 1,
            l2_chain_id: 2,
            max_sequencer_drift: 1_800,
            force_delay: 30,
            challenge_window: 12,
            proposal_bond: U256::ZERO,
            max_deposit_gas: 20_000_000,
            system: SystemConfig {
                gas_limit: 60_000_000,
                base_fee_scalar: 0,
                blob_base_fee_scalar: 0,
                operator_fee_scalar: 0,
                operator_fee_constant: 0,
                da_footprint_gas_scalar: 400,
                eip1559_denominator: 250,
                eip1559_elasticity: 6,
                min_base_fee: 0,
            },
            accounts: Vec::new(),
        }
    }

    #[test]
    fn a_usable_configuration_passes() {
        assert_eq!(config().validate(), Ok(()));
    }

    #[test]
    fn one_chain_id_for_both_layers_is_refused() {
        let same = ChainConfig { l2_chain_id: 1, ..config() };
        assert_eq!(same.validate(), Err(ConfigError::SameChainId(1)));
    }

    #[test]
    fn a_zero_delay_names_its_field() {
        let zero = ChainConfig { force_delay: 0, ..config() };
        assert_eq!(zero.validate(), Err(ConfigError::Zero("force_delay")));
    }

    #[test]
    fn what_the_contract_would_refuse_is_refused_before_deployment() {
        let mut greedy = config();
        greedy.system.min_base_fee = 1_000_000_000_001;
        let limit = 1_000_000_000_000;
        assert_eq!(greedy.validate(), Err(ConfigError::TooHigh { field: "min_base_fee", limit }));
        greedy.system.min_base_fee = limit;
        assert_eq!(greedy.validate(), Ok(()));
    }

    #[test]
    fn deposits_must_leave_room_for_the_attributes() {
        let greedy = ChainConfig { max_deposit_gas: 59_000_001, ..config() };
        assert!(matches!(greedy.validate(), Err(ConfigError::DepositGas { .. })));
        assert_eq!(ChainConfig { max_deposit_gas: 59_000_000, ..config() }.validate(), Ok(()));
    }
}
