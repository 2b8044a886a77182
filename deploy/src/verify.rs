//! Checks on chain what was planned: code, proxies, wiring, roles, parameters.

use std::fmt::Display;

use alloy::{
    primitives::{Address, B256, U256, b256, keccak256},
    providers::{Provider, RootProvider},
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};
use lockstep_contracts::l1::{
    AccessControl, Assertions, Inbox, Portal, StandardBridge, SystemConfig, TimelockController,
};
use lockstep_l1::L1Error;

use crate::{DeployError, DeployPlan, layout::Layout, start::TIMELOCK_ROLES};

/// EIP-1967: where a proxy keeps its implementation.
const IMPLEMENTATION_SLOT: B256 = b256!("360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc");

/// Asks a contract.
pub(crate) async fn call<C: SolCall>(
    provider: &RootProvider,
    to: Address,
    call: C,
) -> Result<C::Return, DeployError> {
    let request = TransactionRequest::default().to(to).input(call.abi_encode().into());
    let answer =
        provider.call(request).await.map_err(|source| L1Error::Rpc { what: C::SIGNATURE, source })?;
    C::abi_decode_returns(&answer)
        .map_err(|error| L1Error::Malformed(format!("an answer to {}: {error}", C::SIGNATURE)).into())
}

#[allow(clippy::needless_pass_by_value)] // every caller has values at hand
fn expect<T: PartialEq + Display>(what: impl Into<String>, expected: T, found: T) -> Result<(), DeployError> {
    if expected == found {
        return Ok(());
    }
    Err(DeployError::Mismatch { what: what.into(), expected: expected.to_string(), found: found.to_string() })
}

/// Compares everything that `plan` decides with what stands on L1.
pub(crate) async fn verify(
    plan: &DeployPlan,
    layout: &Layout,
    output_root: B256,
    provider: &RootProvider,
) -> Result<(), DeployError> {
    code(layout, provider).await?;
    let chain = Chain { plan, layout, provider };
    chain.wiring().await?;
    chain.roles().await?;
    chain.parameters(output_root).await?;
    chain.system_config().await
}

/// CREATE2 commits to the creation code, so code at the address is the right one; proxies can be upgraded.
async fn code(layout: &Layout, provider: &RootProvider) -> Result<(), DeployError> {
    for creation in &layout.creations {
        let code = provider.get_code_at(creation.address).await;
        let code = code.map_err(|source| L1Error::Rpc { what: "eth_getCode", source })?;
        expect(format!("code of {}", creation.name), true, !code.is_empty())?;
        if let Some(implementation) = creation.implementation {
            let slot = provider.get_storage_at(creation.address, IMPLEMENTATION_SLOT.into()).await;
            let slot = slot.map_err(|source| L1Error::Rpc { what: "eth_getStorageAt", source })?;
            let found = Address::from_word(slot.into());
            expect(format!("implementation of {}", creation.name), implementation, found)?;
        }
    }
    Ok(())
}

struct Chain<'a> {
    plan: &'a DeployPlan,
    layout: &'a Layout,
    provider: &'a RootProvider,
}

impl Chain<'_> {
    async fn ask<C: SolCall>(&self, to: Address, question: C) -> Result<C::Return, DeployError> {
        call(self.provider, to, question).await
    }

    async fn wiring(&self) -> Result<(), DeployError> {
        let c = &self.layout.contracts;
        expect("Portal.inbox", c.inbox, self.ask(c.portal, Portal::inboxCall {}).await?)?;
        expect(
            "Portal.systemConfig",
            c.system_config,
            self.ask(c.portal, Portal::systemConfigCall {}).await?,
        )?;
        let factory = self.ask(c.portal, Portal::disputeGameFactoryCall {}).await?;
        expect("Portal.disputeGameFactory", c.assertions, factory)?;
        expect("Inbox.portal", c.portal, self.ask(c.inbox, Inbox::portalCall {}).await?)?;
        expect("Inbox.systemConfig", c.system_config, self.ask(c.inbox, Inbox::systemConfigCall {}).await?)?;
        let portal = self.ask(c.standard_bridge, StandardBridge::portalCall {}).await?;
        expect("StandardBridge.portal", c.portal, portal)?;
        let config = self.ask(c.standard_bridge, StandardBridge::systemConfigCall {}).await?;
        expect("StandardBridge.systemConfig", c.system_config, config)
    }

    async fn roles(&self) -> Result<(), DeployError> {
        let (c, roles) = (&self.layout.contracts, &self.plan.roles);
        expect("Inbox.batcher", roles.batcher, self.ask(c.inbox, Inbox::batcherCall {}).await?)?;
        expect(
            "SystemConfig.owner",
            c.timelock,
            self.ask(c.system_config, SystemConfig::ownerCall {}).await?,
        )?;
        let guardian = keccak256("GUARDIAN_ROLE");
        let held = [
            ("owner of Portal", c.portal, B256::ZERO, c.timelock),
            ("owner of Assertions", c.assertions, B256::ZERO, c.timelock),
            ("guardian of Portal", c.portal, guardian, roles.guardian),
            ("guardian of Assertions", c.assertions, guardian, roles.guardian),
            ("proposer of Assertions", c.assertions, keccak256("PROPOSER_ROLE"), roles.proposer),
        ];
        for (what, contract, role, account) in held {
            let has = self.ask(contract, AccessControl::hasRoleCall { role, account }).await?;
            expect(format!("{account} as {what}"), true, has)?;
        }
        let Some(delay) = roles.timelock_delay else { return Ok(()) };
        let found = self.ask(c.timelock, TimelockController::getMinDelayCall {}).await?;
        expect("delay of the timelock", U256::from(delay), found)?;
        for name in TIMELOCK_ROLES {
            let question = AccessControl::hasRoleCall { role: keccak256(name), account: roles.owner };
            expect(format!("owner's {name} of the timelock"), true, self.ask(c.timelock, question).await?)?;
        }
        Ok(())
    }

    async fn parameters(&self, output_root: B256) -> Result<(), DeployError> {
        let (c, chain) = (&self.layout.contracts, &self.plan.chain);
        let root = self.ask(c.assertions, Assertions::genesisOutputRootCall {}).await?;
        expect("Assertions.genesisOutputRoot", output_root, root)?;
        let window = self.ask(c.assertions, Assertions::challengeWindowCall {}).await?;
        expect("Assertions.challengeWindow", chain.challenge_window, window)?;
        let bond = self.ask(c.assertions, Assertions::proposalBondCall {}).await?;
        expect("Assertions.proposalBond", chain.proposal_bond, U256::from(bond))?;
        let delay = self.ask(c.portal, Portal::proofMaturityDelaySecondsCall {}).await?;
        expect("Portal.proofMaturityDelaySeconds", U256::from(chain.challenge_window), delay)
    }

    async fn system_config(&self) -> Result<(), DeployError> {
        let at = self.layout.contracts.system_config;
        let (chain, system) = (&self.plan.chain, &self.plan.chain.system);
        let numbers: [(&str, u64, u64); 10] = [
            ("gasLimit", system.gas_limit, self.ask(at, SystemConfig::gasLimitCall {}).await?),
            ("maxDepositGas", chain.max_deposit_gas, self.ask(at, SystemConfig::maxDepositGasCall {}).await?),
            (
                "basefeeScalar",
                system.base_fee_scalar.into(),
                self.ask(at, SystemConfig::basefeeScalarCall {}).await?.into(),
            ),
            (
                "blobbasefeeScalar",
                system.blob_base_fee_scalar.into(),
                self.ask(at, SystemConfig::blobbasefeeScalarCall {}).await?.into(),
            ),
            (
                "operatorFeeScalar",
                system.operator_fee_scalar.into(),
                self.ask(at, SystemConfig::operatorFeeScalarCall {}).await?.into(),
            ),
            (
                "operatorFeeConstant",
                system.operator_fee_constant,
                self.ask(at, SystemConfig::operatorFeeConstantCall {}).await?,
            ),
            (
                "daFootprintGasScalar",
                system.da_footprint_gas_scalar.into(),
                self.ask(at, SystemConfig::daFootprintGasScalarCall {}).await?.into(),
            ),
            (
                "eip1559Denominator",
                system.eip1559_denominator.into(),
                self.ask(at, SystemConfig::eip1559DenominatorCall {}).await?.into(),
            ),
            (
                "eip1559Elasticity",
                system.eip1559_elasticity.into(),
                self.ask(at, SystemConfig::eip1559ElasticityCall {}).await?.into(),
            ),
            ("minBaseFee", system.min_base_fee, self.ask(at, SystemConfig::minBaseFeeCall {}).await?),
        ];
        for (name, expected, found) in numbers {
            expect(format!("SystemConfig.{name}"), expected, found)?;
        }
        let receiver = self.ask(at, SystemConfig::feeRecipientCall {}).await?;
        expect("SystemConfig.feeRecipient", self.plan.roles.fee_recipient, receiver)
    }
}
