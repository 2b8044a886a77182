//! Blocks to execute: a state and transactions on it, made from a seed. Tests and benches of the executor share them.
//!
//! The contracts are real compiled ones (`crates/testkit/contracts`), deployed and filled by executing their
//! constructors and functions.
//!
//! ```
//! use lockstep_testkit::{baseline, workloads};
//!
//! let block = workloads::by_name("erc20-independent", 10, 7).unwrap();
//! let (results, _) = baseline::plain(&block);
//! assert!(results.iter().all(|result| result.as_ref().unwrap().is_success()));
//! ```

mod adversarial_balances;
mod adversarial_delegations;
mod adversarial_destruct;
mod adversarial_slots;
mod airdrop;
mod artifacts;
mod deployments;
mod erc20_clusters;
mod erc20_hot_recipient;
mod erc20_independent;
mod erc20_random;
mod game;
mod hot_recipient;
mod mainnet_mix;
mod nft_mint;
mod nonce_chain;
pub(crate) mod rng;
mod token;
mod transfer_chain;
mod transfers;
mod uniswap_v2;
mod uniswap_v3;
mod weth;
mod world;

#[cfg(test)]
mod tests;

use revm::{
    context::{BlockEnv, CfgEnv, TxEnv},
    database::InMemoryDB,
};

/// A block for the rules of Ethereum.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its name in reports.
    pub name: &'static str,
    /// Every account, code and slot before the first transaction.
    pub state: InMemoryDB,
    /// Chain and fork.
    pub cfg: CfgEnv,
    /// The block; its gas limit holds every transaction.
    pub block: BlockEnv,
    /// In the order of the block.
    pub txs: Vec<TxEnv>,
    /// How they end when executed in that order.
    pub claim: Claim,
}

/// How many transactions end in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Ran and kept their effects.
    pub succeeded: usize,
    /// Ran, paid, and reverted or halted.
    pub failed: usize,
    /// Refused without any effect.
    pub invalid: usize,
}

/// A kind of block.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name in reports.
    pub name: &'static str,
    /// Makes one of about so many transactions from a seed.
    pub build: fn(usize, u64) -> Workload,
}

/// Every kind of block.
pub const KINDS: &[Kind] = &[
    transfers::KIND,
    hot_recipient::KIND,
    nonce_chain::KIND,
    transfer_chain::KIND,
    erc20_independent::KIND,
    erc20_random::KIND,
    erc20_clusters::TEN_PEOPLE,
    erc20_clusters::MANY,
    erc20_hot_recipient::KIND,
    uniswap_v2::ONE_POOL,
    uniswap_v2::POOLS,
    uniswap_v3::ONE_POOL,
    uniswap_v3::POOLS,
    nft_mint::KIND,
    game::KIND,
    airdrop::KIND,
    deployments::KIND,
    mainnet_mix::KIND,
    adversarial_slots::KIND,
    adversarial_balances::KIND,
    adversarial_destruct::KIND,
    adversarial_delegations::KIND,
];

/// A block of every kind with `size` transactions or slightly more, the same for the same `seed`.
#[must_use]
pub fn all(size: usize, seed: u64) -> Vec<Workload> {
    KINDS.iter().map(|kind| (kind.build)(size, seed)).collect()
}

/// A block of the kind `name`; `None` if there is no such kind.
#[must_use]
pub fn by_name(name: &str, size: usize, seed: u64) -> Option<Workload> {
    KINDS.iter().find(|kind| kind.name == name).map(|kind| (kind.build)(size, seed))
}
