//! A public NFT sale: everybody takes the next number, so every mint needs the counter and changes it.

use alloy_primitives::{Address, U256};
use alloy_sol_types::sol;

use super::{
    Kind, Workload, artifacts,
    world::{Tx, World},
};

pub(super) const KIND: Kind = Kind { name: "nft-mint", build };

/// `Drop.PRICE` in wei.
const PRICE: u64 = 20_000_000_000_000_000;

sol! {
    function mint(uint256 count) external payable;
    function sold() external view returns (uint256);
}

fn build(size: usize, seed: u64) -> Workload {
    let mut world = World::new(seed);
    let sale = deploy(&mut world);
    for index in 0..size {
        let buyer = world.person("buyer", index);
        let count = 1 + world.rng.below(2);
        world.send(buy(buyer, sale, count));
    }
    world.finish(KIND.name)
}

/// A sale that one buyer has opened.
pub(super) fn deploy(world: &mut World) -> Address {
    let deployer = world.person("drop deployer", 0);
    let sale = world.deploy(deployer, artifacts::DROP, &[]);
    world.pay(deployer, sale, U256::from(PRICE), &mintCall { count: U256::ONE });
    sale
}

/// A purchase of `count` tokens, at most 20.
pub(super) fn buy(buyer: Address, sale: Address, count: u64) -> Tx {
    let call = mintCall { count: U256::from(count) };
    Tx { value: U256::from(PRICE * count), ..Tx::call(buyer, sale, 120_000 + 60_000 * count, &call) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::plain;

    #[test]
    fn every_mint_takes_the_next_number() {
        let block = build(50, 3);
        let (results, _) = plain(&block);
        let logs = results.iter().flat_map(|result| result.as_ref().expect("valid").logs());
        let numbers: Vec<_> = logs.map(|log| U256::from_be_bytes(log.topics()[3].0)).collect();
        assert!(numbers.len() > 50);
        assert!((2..).map(U256::from).zip(&numbers).all(|(next, number)| next == *number));
    }
}
