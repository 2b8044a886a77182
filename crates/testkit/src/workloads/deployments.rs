//! New contracts: created directly, and by factories with CREATE and CREATE2.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolValue, sol};

use super::{
    Kind, Workload, artifacts,
    world::{Tx, World, ether},
};

pub(super) const KIND: Kind = Kind { name: "deployments", build };

/// Factories, so that creations meet at some and not at others.
const FACTORIES: usize = 8;

sol! {
    function create() external payable returns (address);
    function create2(bytes32 salt) external payable returns (address);
    function clone() external payable returns (address);
    function clone2(bytes32 salt) external payable returns (address);
    function register(bytes32 salt) external payable returns (address);
    function deploy(bytes32 salt, bytes calldata creation) external payable returns (address);
}

fn build(size: usize, seed: u64) -> Workload {
    let mut world = World::new(seed);
    let factories: Vec<_> = (0..FACTORIES).map(|index| factory(&mut world, index)).collect();
    for index in 0..size {
        let maker = world.person("maker", index);
        let factory = world.rng.pick(&factories);
        let tx = make(&mut world, factory, maker, index);
        world.send(tx);
    }
    world.finish(KIND.name)
}

/// Factory number `index`.
pub(super) fn factory(world: &mut World, index: usize) -> Address {
    let deployer = world.person("factory deployer", index);
    world.deploy(deployer, artifacts::FACTORY, &[])
}

/// A transaction of `maker` that makes one contract; `index` is in its salt.
pub(super) fn make(world: &mut World, factory: Address, maker: Address, index: usize) -> Tx {
    let salt = B256::from(U256::from(index));
    let value = U256::from(world.rng.below(1_000));
    match world.rng.below(9) {
        0..2 => Tx::create(maker, 1_500_000, token(index, maker)),
        2 => Tx { value, ..Tx::create(maker, 200_000, artifacts::MAYFLY.into()) },
        3 => Tx { value, ..Tx::call(maker, factory, 400_000, &createCall {}) },
        4 => Tx { value, ..Tx::call(maker, factory, 400_000, &create2Call { salt }) },
        5 => Tx { value, ..Tx::call(maker, factory, 250_000, &cloneCall {}) },
        6 => Tx { value, ..Tx::call(maker, factory, 250_000, &clone2Call { salt }) },
        7 => Tx { value, ..Tx::call(maker, factory, 300_000, &registerCall { salt }) },
        _ => Tx::call(maker, factory, 1_500_000, &deployCall { salt, creation: token(index, maker) }),
    }
}

fn token(index: usize, owner: Address) -> Bytes {
    let arguments = (format!("New {index}"), format!("N{index}"), ether(1_000), owner).abi_encode_params();
    [artifacts::ERC20, &arguments].concat().into()
}

#[cfg(test)]
mod tests {
    use revm::database::InMemoryDB;

    use super::*;
    use crate::baseline::plain;

    #[test]
    fn every_transaction_leaves_one_contract_more() {
        let block = build(60, 5);
        let (_, after) = plain(&block);
        let contracts = |state: &InMemoryDB| {
            let accounts = state.cache.accounts.values();
            accounts.filter(|account| !account.info.is_empty_code_hash() && !account.info.is_empty()).count()
        };
        assert_eq!(contracts(&after), contracts(&block.state) + 60);
    }
}
