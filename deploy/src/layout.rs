//! Which contracts a chain has on L1, and where. Pure: known before the first transaction.

use alloy::{
    primitives::{Address, B256, Bytes, U256, address, keccak256},
    sol_types::{SolCall, SolValue},
};
use lockstep_contracts::{
    creation_code,
    l1::{Assertions, Portal, ProxyArgs, StandardBridge, SystemConfig, TimelockArgs},
};
use lockstep_primitives::L1Contracts;

use crate::{DeployError, DeployPlan};

/// The CREATE2 factory that has this address on every chain ("deterministic deployment proxy").
pub(crate) const FACTORY: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");

/// A contract to create through [`FACTORY`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Creation {
    /// What it is, for logs and errors.
    pub(crate) name: String,
    /// Where it will stand.
    pub(crate) address: Address,
    /// The factory's calldata: salt and creation code with arguments.
    pub(crate) call: Bytes,
    /// Gas that creating it takes at most.
    pub(crate) gas_limit: u64,
    /// The implementation, if this is a proxy.
    pub(crate) implementation: Option<Address>,
}

/// All contracts of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// What to create, in order.
    pub(crate) creations: Vec<Creation>,
    /// Where roles find them.
    pub(crate) contracts: L1Contracts,
}

impl Layout {
    /// The contracts of `plan`, as `deployer` creates them.
    pub(crate) fn new(plan: &DeployPlan, deployer: Address) -> Result<Self, DeployError> {
        let mut maker = Maker { plan, creations: Vec::new() };
        let (roles, chain) = (&plan.roles, &plan.chain);
        let owner = match roles.timelock_delay {
            Some(_) => maker.timelock(deployer)?,
            None => roles.owner,
        };
        let proposal_bond =
            chain.proposal_bond.try_into().map_err(|_| DeployError::TooLarge("proposal_bond"))?;
        let assertions = maker.proxied(
            "Assertions",
            Assertions::initializeCall {
                owner,
                guardian: roles.guardian,
                proposer: roles.proposer,
                challengeWindow: chain.challenge_window,
                proposalBond: proposal_bond,
            }
            .abi_encode(),
        )?;
        let system_config = maker.proxied(
            "SystemConfig",
            SystemConfig::initializeCall { init: system_config_init(plan, owner) }.abi_encode(),
        )?;
        let portal = maker.proxied(
            "Portal",
            Portal::initializeCall {
                owner,
                guardian: roles.guardian,
                batcher: roles.batcher,
                systemConfig: system_config,
                assertions,
                proofMaturityDelaySeconds: chain.challenge_window,
            }
            .abi_encode(),
        )?;
        let standard_bridge = maker.proxied(
            "StandardBridge",
            StandardBridge::initializeCall { owner, portal, systemConfig: system_config }.abi_encode(),
        )?;
        let contracts = L1Contracts {
            // The first contract that the portal's proxy creates.
            inbox: portal.create(1),
            portal,
            standard_bridge,
            system_config,
            assertions,
            timelock: owner,
        };
        Ok(Self { creations: maker.creations, contracts })
    }
}

/// What `SystemConfig` is initialized with.
pub(crate) fn system_config_init(plan: &DeployPlan, owner: Address) -> SystemConfig::Init {
    let (chain, system) = (&plan.chain, &plan.chain.system);
    SystemConfig::Init {
        owner,
        feeRecipient: plan.roles.fee_recipient,
        gasLimit: system.gas_limit,
        maxDepositGas: chain.max_deposit_gas,
        baseFeeScalar: system.base_fee_scalar,
        blobBaseFeeScalar: system.blob_base_fee_scalar,
        operatorFeeScalar: system.operator_fee_scalar,
        operatorFeeConstant: system.operator_fee_constant,
        daFootprintGasScalar: system.da_footprint_gas_scalar,
        eip1559Denominator: system.eip1559_denominator,
        eip1559Elasticity: system.eip1559_elasticity,
        minBaseFee: system.min_base_fee,
    }
}

struct Maker<'a> {
    plan: &'a DeployPlan,
    creations: Vec<Creation>,
}

impl Maker<'_> {
    /// An implementation and a proxy that is initialized as it is created.
    fn proxied(&mut self, name: &str, initialize: Vec<u8>) -> Result<Address, DeployError> {
        let implementation = self.create(name, name, &[], None)?;
        let arguments = ProxyArgs { implementation, data: initialize.into() }.abi_encode_params();
        self.create(&format!("{name} proxy"), "ERC1967Proxy", &arguments, Some(implementation))
    }

    /// A timelock without delay that the deployer may use until the chain has started.
    fn timelock(&mut self, deployer: Address) -> Result<Address, DeployError> {
        let owner = self.plan.roles.owner;
        let mut members = vec![owner];
        if owner != deployer {
            members.push(deployer);
        }
        let arguments = TimelockArgs {
            minDelay: U256::ZERO,
            proposers: members.clone(),
            executors: members,
            admin: deployer,
        }
        .abi_encode_params();
        self.create("TimelockController", "TimelockController", &arguments, None)
    }

    fn create(
        &mut self,
        name: &str,
        code: &str,
        arguments: &[u8],
        implementation: Option<Address>,
    ) -> Result<Address, DeployError> {
        let code = creation_code(code).ok_or_else(|| DeployError::NoCode(code.to_owned()))?;
        let creation = [&code, arguments].concat();
        let salt = self.salt(name);
        let address = FACTORY.create2_from_code(salt, &creation);
        self.creations.push(Creation {
            name: name.to_owned(),
            address,
            gas_limit: gas_limit(creation.len(), implementation.is_some()),
            call: [salt.as_slice(), &creation].concat().into(),
            implementation,
        });
        Ok(address)
    }

    /// Two chains on one L1 never share a contract.
    fn salt(&self, name: &str) -> B256 {
        let (salt, id) = (self.plan.roles.salt, self.plan.chain.l2_chain_id);
        keccak256([salt.as_slice(), &id.to_be_bytes(), name.as_bytes()].concat())
    }
}

/// 200 gas per byte of code (EIP-170), 40 per byte of calldata (EIP-7623), and the constructor, which creates
/// another contract if it is a proxy's.
const fn gas_limit(creation_bytes: usize, proxy: bool) -> u64 {
    const PER_BYTE: u64 = 200 + 40 + 2;
    let constructor = if proxy { 5_000_000 } else { 400_000 };
    constructor + creation_bytes as u64 * PER_BYTE
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn plan() -> DeployPlan {
        DeployPlan::parse(include_str!("../chains/dev.toml")).unwrap()
    }

    #[test]
    fn every_contract_has_an_address_of_its_own() {
        let layout = Layout::new(&plan(), Address::ZERO).unwrap();
        let addresses: BTreeSet<_> = layout.creations.iter().map(|creation| creation.address).collect();
        assert_eq!(addresses.len(), layout.creations.len());
        assert_eq!(layout.creations.len(), 8);
    }

    #[test]
    fn another_salt_or_chain_id_gives_other_addresses() {
        let base = Layout::new(&plan(), Address::ZERO).unwrap().contracts.portal;
        let mut salted = plan();
        salted.roles.salt = B256::repeat_byte(1);
        let mut renumbered = plan();
        renumbered.chain.l2_chain_id += 1;
        for other in [salted, renumbered] {
            assert_ne!(Layout::new(&other, Address::ZERO).unwrap().contracts.portal, base);
        }
    }

    #[test]
    fn a_timelock_owns_the_contracts_where_one_is_wanted() {
        let mut plan = plan();
        plan.roles.timelock_delay = Some(100);
        let layout = Layout::new(&plan, Address::repeat_byte(1)).unwrap();
        assert_eq!(layout.creations[0].name, "TimelockController");
        assert_eq!(layout.contracts.timelock, layout.creations[0].address);
    }

    #[test]
    fn no_creation_exceeds_the_gas_limit_of_a_transaction() {
        const EIP_7825: u64 = 1 << 24;
        let layout = Layout::new(&plan(), Address::ZERO).unwrap();
        assert!(layout.creations.iter().all(|creation| creation.gas_limit <= EIP_7825));
    }
}
