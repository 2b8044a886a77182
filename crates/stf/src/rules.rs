//! Which rules a chain runs on.

use alloy_consensus::Header;
use alloy_evm::EvmEnv;
use alloy_hardforks::EthereumHardfork;
use alloy_op_evm::evm_env_for_op_block;
use alloy_op_hardforks::{EthereumHardforks, ForkCondition, OpHardfork, OpHardforks};
use op_revm::OpSpecId;

/// The chain id and the fork, active from genesis on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    chain_id: u64,
    spec: OpSpecId,
}

impl Rules {
    /// Lockstep's rules: every OP fork up to and including Karst.
    #[must_use]
    pub const fn new(l2_chain_id: u64) -> Self {
        Self::at(l2_chain_id, OpSpecId::KARST)
    }

    /// The rules of another OP fork, to execute blocks of other chains.
    #[must_use]
    pub const fn at(l2_chain_id: u64, spec: OpSpecId) -> Self {
        Self { chain_id: l2_chain_id, spec }
    }

    /// Chain id of L2.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The newest active fork.
    #[must_use]
    pub const fn spec(&self) -> OpSpecId {
        self.spec
    }

    fn since_genesis(&self, fork: OpSpecId) -> ForkCondition {
        if self.spec.is_enabled_in(fork) { ForkCondition::ZERO_TIMESTAMP } else { ForkCondition::Never }
    }
}

/// The environment in which `header`'s transactions run; for `eth_call` on top of `header`'s state as well.
#[must_use]
pub fn evm_env(rules: &Rules, header: &Header) -> EvmEnv<OpSpecId> {
    evm_env_for_op_block(header, rules, rules.chain_id)
}

impl EthereumHardforks for Rules {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        match fork {
            EthereumHardfork::Shanghai => self.since_genesis(OpSpecId::CANYON),
            EthereumHardfork::Cancun => self.since_genesis(OpSpecId::ECOTONE),
            EthereumHardfork::Prague => self.since_genesis(OpSpecId::ISTHMUS),
            EthereumHardfork::Osaka => self.since_genesis(OpSpecId::KARST),
            past if past <= EthereumHardfork::Paris && past != EthereumHardfork::Dao => {
                ForkCondition::ZERO_BLOCK
            }
            _ => ForkCondition::Never,
        }
    }
}

impl OpHardforks for Rules {
    fn op_fork_activation(&self, fork: OpHardfork) -> ForkCondition {
        match fork {
            OpHardfork::Bedrock => ForkCondition::ZERO_BLOCK,
            OpHardfork::Regolith => self.since_genesis(OpSpecId::REGOLITH),
            OpHardfork::Canyon => self.since_genesis(OpSpecId::CANYON),
            OpHardfork::Ecotone => self.since_genesis(OpSpecId::ECOTONE),
            OpHardfork::Fjord => self.since_genesis(OpSpecId::FJORD),
            OpHardfork::Granite => self.since_genesis(OpSpecId::GRANITE),
            OpHardfork::Holocene => self.since_genesis(OpSpecId::HOLOCENE),
            OpHardfork::Isthmus => self.since_genesis(OpSpecId::ISTHMUS),
            OpHardfork::Jovian => self.since_genesis(OpSpecId::JOVIAN),
            OpHardfork::Karst => self.since_genesis(OpSpecId::KARST),
            _ => ForkCondition::Never,
        }
    }
}
