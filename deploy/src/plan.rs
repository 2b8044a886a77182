//! What an operator writes in `deploy/chains/*.toml`.

use std::{fs, io, path::Path};

use alloy::primitives::{Address, B256};
use lockstep_primitives::{ChainConfig, ConfigError};
use serde::{Deserialize, Serialize};

/// A chain file: the chain's rules, and a `[deploy]` table with the accounts that run it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployPlan {
    /// The chain's rules.
    pub chain: ChainConfig,
    /// The accounts that run it.
    pub roles: Roles,
}

/// The `[deploy]` table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// Owns the contracts at the end. Without a timelock, an account; with one, who may schedule.
    pub owner: Address,
    /// May pause withdrawals and reject proposals.
    pub guardian: Address,
    /// Posts batches.
    pub batcher: Address,
    /// Proposes output roots.
    pub proposer: Address,
    /// Receives L2 fees on L1.
    pub fee_recipient: Address,
    /// Seconds that the owner's calls wait in a timelock; none: no timelock.
    #[serde(default)]
    pub timelock_delay: Option<u64>,
    /// Mixed into every address: another salt gives another deployment of the same chain.
    #[serde(default)]
    pub salt: B256,
}

/// Why a chain file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: String,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// It is not TOML, or lacks something.
    #[error("{path}: {reason}")]
    Parse {
        /// The file.
        path: String,
        /// What and where.
        reason: String,
    },
    /// Its values contradict each other.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The timelock would be shorter than the challenge window.
    #[error("timelock_delay {delay} must be longer than challenge_window {window}")]
    Timelock {
        /// Seconds configured.
        delay: u64,
        /// The challenge window.
        window: u64,
    },
    /// A role without an account.
    #[error("[deploy] {0} is the zero address")]
    ZeroRole(&'static str),
}

impl DeployPlan {
    /// Reads and checks a chain file.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn read(path: &Path) -> Result<Self, PlanError> {
        let name = path.display().to_string();
        let text =
            fs::read_to_string(path).map_err(|source| PlanError::Read { path: name.clone(), source })?;
        Self::parse(&text).map_err(|error| match error {
            PlanError::Parse { reason, .. } => PlanError::Parse { path: name, reason },
            other => other,
        })
    }

    /// Parses and checks the text of a chain file.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        let parse = |error: toml::de::Error| PlanError::Parse {
            path: "chain file".to_owned(),
            reason: error.to_string(),
        };
        let mut table: toml::Table = text.parse().map_err(parse)?;
        let roles = table.remove("deploy").unwrap_or_else(|| toml::Table::new().into());
        let plan = Self {
            roles: roles.try_into().map_err(parse)?,
            chain: toml::Value::from(table).try_into().map_err(parse)?,
        };
        plan.check()?;
        Ok(plan)
    }

    fn check(&self) -> Result<(), PlanError> {
        self.chain.validate()?;
        let roles = &self.roles;
        let named = [
            ("owner", roles.owner),
            ("guardian", roles.guardian),
            ("batcher", roles.batcher),
            ("proposer", roles.proposer),
            ("fee_recipient", roles.fee_recipient),
        ];
        if let Some((name, _)) = named.iter().find(|(_, account)| account.is_zero()) {
            return Err(PlanError::ZeroRole(name));
        }
        let window = self.chain.challenge_window;
        match roles.timelock_delay {
            Some(delay) if delay <= window => Err(PlanError::Timelock { delay, window }),
            _ => Ok(()),
        }
    }

    /// Every account with a role.
    #[must_use]
    pub const fn accounts(&self) -> [Address; 5] {
        let roles = &self.roles;
        [roles.owner, roles.guardian, roles.batcher, roles.proposer, roles.fee_recipient]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn dev() -> String {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("chains/dev.toml")).unwrap()
    }

    #[test]
    fn every_chain_file_in_the_repository_is_usable() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("chains");
        let mut files = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            DeployPlan::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            files += 1;
        }
        assert!(files >= 2);
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = DeployPlan::parse(&format!("gas_limt = 1\n{}", dev())).unwrap_err();
        assert!(error.to_string().contains("gas_limt"), "{error}");
    }

    #[test]
    fn a_chain_without_roles_is_refused() {
        let text = dev();
        let (rules, _) = text.split_once("[deploy]").unwrap();
        assert!(DeployPlan::parse(rules).unwrap_err().to_string().contains("owner"));
    }

    #[test]
    fn a_timelock_within_the_challenge_window_is_refused() {
        let text = format!("{}\n", dev()).replace("[deploy]", "[deploy]\ntimelock_delay = 12");
        assert!(matches!(DeployPlan::parse(&text), Err(PlanError::Timelock { .. })));
    }

    #[test]
    fn a_role_without_an_account_is_refused() {
        let mut plan = DeployPlan::parse(&dev()).unwrap();
        plan.roles.guardian = Address::ZERO;
        assert!(matches!(plan.check(), Err(PlanError::ZeroRole("guardian"))));
    }
}
