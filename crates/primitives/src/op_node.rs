//! The configuration of a chain in the JSON that op-node speaks.

use alloy_primitives::{Address, B64, B256};
use serde::Serialize;

use crate::{BlockId, RollupConfig, SystemConfig};

/// What `optimism_rollupConfig` answers. What op-node has no word for is under `lockstep`.
#[derive(Clone, Debug, Serialize)]
pub struct OpRollupConfig<'a> {
    genesis: OpGenesis,
    block_time: u64,
    max_sequencer_drift: u64,
    seq_window_size: u64,
    channel_timeout: u64,
    l1_chain_id: u64,
    l2_chain_id: u64,
    regolith_time: u64,
    canyon_time: u64,
    delta_time: u64,
    ecotone_time: u64,
    fjord_time: u64,
    granite_time: u64,
    holocene_time: u64,
    isthmus_time: u64,
    jovian_time: u64,
    karst_time: u64,
    batch_inbox_address: Address,
    deposit_contract_address: Address,
    l1_system_config_address: Address,
    protocol_versions_address: Address,
    chain_op_config: OpChainConfig,
    lockstep: &'a RollupConfig,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct OpGenesis {
    l1: BlockId,
    l2: BlockId,
    l2_time: u64,
    system_config: OpSystemConfig,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OpSystemConfig {
    batcher_addr: Address,
    overhead: B256,
    scalar: B256,
    gas_limit: u64,
    eip1559_params: B64,
    operator_fee_params: B256,
    min_base_fee: u64,
    da_footprint_gas_scalar: u16,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OpChainConfig {
    eip1559_elasticity: u32,
    eip1559_denominator: u32,
    eip1559_denominator_canyon: u32,
}

impl<'a> OpRollupConfig<'a> {
    /// `config` in op-node's words; `genesis` is the hash of L2 block 0.
    #[must_use]
    pub fn new(config: &'a RollupConfig, genesis: B256) -> Self {
        let RollupConfig { chain, contracts, genesis: anchor } = config;
        let system = &chain.system;
        Self {
            genesis: OpGenesis {
                l1: anchor.l1,
                l2: BlockId { number: 0, hash: genesis },
                l2_time: anchor.l2_timestamp,
                system_config: OpSystemConfig::from(system),
            },
            // Timestamps are whole seconds and grow: the shortest time there is.
            block_time: 1,
            max_sequencer_drift: chain.max_sequencer_drift,
            seq_window_size: chain.force_delay,
            // A channel is one batch in one L1 transaction: it cannot be late.
            channel_timeout: 0,
            l1_chain_id: chain.l1_chain_id,
            l2_chain_id: chain.l2_chain_id,
            regolith_time: 0,
            canyon_time: 0,
            delta_time: 0,
            ecotone_time: 0,
            fjord_time: 0,
            granite_time: 0,
            holocene_time: 0,
            isthmus_time: 0,
            jovian_time: 0,
            karst_time: 0,
            batch_inbox_address: contracts.inbox,
            deposit_contract_address: contracts.portal,
            l1_system_config_address: contracts.system_config,
            protocol_versions_address: Address::ZERO,
            chain_op_config: OpChainConfig {
                eip1559_elasticity: system.eip1559_elasticity,
                eip1559_denominator: system.eip1559_denominator,
                eip1559_denominator_canyon: system.eip1559_denominator,
            },
            lockstep: config,
        }
    }
}

impl From<&SystemConfig> for OpSystemConfig {
    fn from(system: &SystemConfig) -> Self {
        let eip1559 = (u64::from(system.eip1559_denominator) << 32) | u64::from(system.eip1559_elasticity);
        Self {
            // The inbox knows who may post.
            batcher_addr: Address::ZERO,
            overhead: B256::ZERO,
            scalar: scalar(system),
            gas_limit: system.gas_limit,
            eip1559_params: B64::from(eip1559),
            operator_fee_params: operator_fee_params(system),
            min_base_fee: system.min_base_fee,
            da_footprint_gas_scalar: system.da_footprint_gas_scalar,
        }
    }
}

/// `version 1 [u8] ++ 0 [23] ++ blob_base_fee_scalar [u32 BE] ++ base_fee_scalar [u32 BE]` (OP specification, Ecotone).
fn scalar(system: &SystemConfig) -> B256 {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    bytes[24..28].copy_from_slice(&system.blob_base_fee_scalar.to_be_bytes());
    bytes[28..].copy_from_slice(&system.base_fee_scalar.to_be_bytes());
    B256::new(bytes)
}

/// `0 [20] ++ operator_fee_scalar [u32 BE] ++ operator_fee_constant [u64 BE]` (OP specification, Isthmus).
fn operator_fee_params(system: &SystemConfig) -> B256 {
    let mut bytes = [0; 32];
    bytes[20..24].copy_from_slice(&system.operator_fee_scalar.to_be_bytes());
    bytes[24..].copy_from_slice(&system.operator_fee_constant.to_be_bytes());
    B256::new(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_parameters_are_those_of_the_specification() {
        let system = SystemConfig {
            gas_limit: 60_000_000,
            base_fee_scalar: 1,
            blob_base_fee_scalar: 2,
            operator_fee_scalar: 3,
            operator_fee_constant: 4,
            da_footprint_gas_scalar: 400,
            eip1559_denominator: 250,
            eip1559_elasticity: 6,
            min_base_fee: 0,
        };
        let packed = OpSystemConfig::from(&system);
        assert_eq!((packed.scalar[0], packed.scalar[27], packed.scalar[31]), (1, 2, 1));
        assert_eq!((packed.operator_fee_params[23], packed.operator_fee_params[31]), (3, 4));
        assert_eq!(packed.eip1559_params, B64::new([0, 0, 0, 250, 0, 0, 0, 6]));
    }
}
