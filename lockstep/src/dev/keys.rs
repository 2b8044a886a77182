//! The accounts that run a `dev` chain.

use alloy::primitives::Address;
use lockstep_deploy::DeployPlan;
use lockstep_l1::{KeySource, dev_key};

use super::summary::Account;

/// The chain file of `lockstep dev`.
const CHAIN: &str = include_str!("../../../deploy/chains/dev.toml");

/// Accounts of the public mnemonic that no role uses, so that they are free for users.
const USERS: u32 = 6;

/// Keys of the roles: from their environment variables, else from the public development mnemonic.
pub(super) struct Keys {
    pub(super) deployer: KeySource,
    pub(super) batcher: KeySource,
    pub(super) proposer: KeySource,
    pub(super) guardian: KeySource,
}

impl Keys {
    /// A variable that is set wins, as an L1 other than anvil needs it.
    pub(super) fn from_env() -> Self {
        let key = |name: &str, index| match std::env::var_os(name) {
            Some(_) => KeySource::Env(name.to_owned()),
            None => KeySource::Dev(index),
        };
        Self {
            deployer: key("LOCKSTEP_DEPLOYER_KEY", 9),
            batcher: key("LOCKSTEP_BATCHER_KEY", 8),
            proposer: key("LOCKSTEP_PROPOSER_KEY", 7),
            guardian: key("LOCKSTEP_GUARDIAN_KEY", 6),
        }
    }

    pub(super) const fn all(&self) -> [&KeySource; 4] {
        [&self.deployer, &self.batcher, &self.proposer, &self.guardian]
    }

    /// The development chain above the L1 with `l1_chain_id`, run by these keys.
    pub(super) fn plan(&self, l1_chain_id: u64) -> eyre::Result<DeployPlan> {
        let address = |key: &KeySource| -> eyre::Result<Address> { Ok(key.load()?.address()) };
        let mut plan = DeployPlan::parse(CHAIN)?;
        plan.chain.l1_chain_id = l1_chain_id;
        plan.roles.owner = address(&self.deployer)?;
        plan.roles.fee_recipient = plan.roles.owner;
        plan.roles.batcher = address(&self.batcher)?;
        plan.roles.proposer = address(&self.proposer)?;
        plan.roles.guardian = address(&self.guardian)?;
        plan.chain.validate()?;
        Ok(plan)
    }
}

/// Accounts for users: funded at L2 genesis and by anvil on L1.
pub(super) fn users() -> Vec<Account> {
    let account = |index| {
        let key = dev_key(index);
        Account { address: key.address(), key: key.to_bytes() }
    };
    (0..USERS).map(account).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_development_chain_is_run_by_its_own_keys() {
        let plan = Keys::from_env().plan(31_337).unwrap();
        let file = DeployPlan::parse(CHAIN).unwrap();
        assert_eq!(plan, file, "deploy/chains/dev.toml names the accounts 9, 8, 7, 6 of the mnemonic");
    }

    #[test]
    fn every_user_is_funded_at_genesis() {
        let plan = DeployPlan::parse(CHAIN).unwrap();
        for user in users() {
            assert!(plan.chain.accounts.iter().any(|funded| funded.address == user.address));
        }
    }
}
