//! The chain file of a `dev` chain, and the accounts that run it.

use std::path::Path;

use alloy::primitives::Address;
use eyre::WrapErr;
use lockstep_deploy::DeployPlan;
use lockstep_l1::{KeySource, dev_key};
use lockstep_primitives::RollupConfig;

use super::summary::Account;

/// The chain file of `lockstep dev`.
const CHAIN: &str = include_str!("../../../deploy/chains/dev.toml");

/// Accounts of the public mnemonic that no role uses, so that they are free for users.
const USERS: u32 = 6;

/// The chain file at `path`, or the built-in one.
///
/// # Errors
/// One sentence that names file and fault.
pub(super) fn chain(path: Option<&Path>) -> eyre::Result<DeployPlan> {
    match path {
        None => Ok(DeployPlan::parse(CHAIN)?),
        Some(path) => DeployPlan::read(path)
            .wrap_err_with(|| format!("--chain-config {} is no usable chain file", path.display())),
    }
}

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

    /// The chain of `plan` above the L1 with `l1_chain_id`, run by these keys.
    pub(super) fn run(&self, mut plan: DeployPlan, l1_chain_id: u64) -> eyre::Result<DeployPlan> {
        let address = |key: &KeySource| -> eyre::Result<Address> { Ok(key.load()?.address()) };
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

/// Accounts for users that L2's genesis funds, as anvil does on L1: all of them, unless a chain file says otherwise.
pub(super) fn funded(rollup: &RollupConfig) -> Vec<Account> {
    let is_funded = |user: &Account| rollup.chain.accounts.iter().any(|rich| rich.address == user.address);
    users().into_iter().filter(is_funded).collect()
}

/// Accounts for users.
fn users() -> Vec<Account> {
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
        let file = chain(None).unwrap();
        let plan = Keys::from_env().run(file.clone(), 31_337).unwrap();
        assert_eq!(plan, file, "deploy/chains/dev.toml names the accounts 9, 8, 7, 6 of the mnemonic");
    }

    #[test]
    fn every_user_is_funded_at_genesis() {
        let plan = chain(None).unwrap();
        for user in users() {
            assert!(plan.chain.accounts.iter().any(|funded| funded.address == user.address));
        }
    }

    #[test]
    fn a_chain_file_keeps_its_rules_and_gets_this_l1_and_these_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chain.toml");
        let text = CHAIN.replace("l2_chain_id = 901337", "l2_chain_id = 424242");
        let text = text
            .replace("l1_chain_id = 31337", "l1_chain_id = 1")
            .replace("0x23618e81E3f5", "0x000000000000");
        std::fs::write(&path, text).unwrap();
        let plan = Keys::from_env().run(chain(Some(&path)).unwrap(), 31_337).unwrap();
        let dev = chain(None).unwrap();
        assert_eq!((plan.chain.l1_chain_id, plan.chain.l2_chain_id), (31_337, 424_242));
        assert_eq!(plan.roles, dev.roles);
    }

    #[test]
    fn a_bad_chain_file_is_named_with_its_fault() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chain.toml");
        let fault = |text: Option<String>| {
            if let Some(text) = text {
                std::fs::write(&path, text).unwrap();
            }
            let error = format!("{:#}", chain(Some(&path)).unwrap_err());
            assert!(error.contains("--chain-config") && error.contains("chain.toml"), "{error}");
            error
        };
        assert!(fault(None).contains("cannot read"));
        assert!(fault(Some(CHAIN.replace("gas_limit = ", "gas_limt = "))).contains("gas_limt"));
        assert!(
            fault(Some(CHAIN.replace("eip1559_denominator = 250", "eip1559_denominator = 0")))
                .contains("denominator")
        );
    }
}
