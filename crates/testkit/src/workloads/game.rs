//! A game on a map of 65,536 tiles in one contract: players walk, harvest nine tiles, craft and fight.

use alloy_primitives::{Address, U256};
use alloy_sol_types::sol;

use super::{
    Kind, Workload, artifacts,
    world::{Tx, World},
};

pub(super) const KIND: Kind = Kind { name: "game-state", build };

/// `Arena.SIDE` less the border, where nobody stands.
const INSIDE: u64 = 254;

sol! {
    function join(uint16 x, uint16 y) external;
    function move(int8 dx, int8 dy) external;
    function harvest() external;
    function craft(uint256 count) external;
    function attack(address defender) external;
}

fn build(size: usize, seed: u64) -> Workload {
    let mut world = World::new(seed);
    let arena = deploy(&mut world);
    let players: Vec<_> =
        (0..size.div_ceil(2).max(2)).map(|index| player(&mut world, arena, index)).collect();
    for _ in 0..size {
        let player = world.rng.pick(&players);
        let tx = turn(&mut world, arena, player, &players);
        world.send(tx);
    }
    world.finish(KIND.name)
}

/// An empty map.
pub(super) fn deploy(world: &mut World) -> Address {
    let deployer = world.person("arena deployer", 0);
    world.deploy(deployer, artifacts::ARENA, &[])
}

/// Player number `index` on a random tile.
pub(super) fn player(world: &mut World, arena: Address, index: usize) -> Address {
    let player = world.person("player", index);
    let [x, y] = [(); 2].map(|()| u16::try_from(1 + world.rng.below(INSIDE)).expect("a tile number fits"));
    world.call(player, arena, &joinCall { x, y });
    player
}

/// What a player does: mostly walking and harvesting.
pub(super) fn turn(world: &mut World, arena: Address, player: Address, others: &[Address]) -> Tx {
    match world.rng.below(20) {
        0..8 => {
            let [dx, dy] = [(); 2].map(|()| world.rng.pick(&[-1i8, 0, 1]));
            Tx::call(player, arena, 140_000, &moveCall { dx, dy })
        }
        8..15 => Tx::call(player, arena, 380_000, &harvestCall {}),
        15..17 => Tx::call(player, arena, 140_000, &craftCall { count: U256::ZERO }),
        _ => Tx::call(player, arena, 120_000, &attackCall { defender: world.rng.pick(others) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::plain;

    #[test]
    fn a_block_changes_many_slots_of_one_contract() {
        let block = build(100, 2);
        let arena = *block.txs[0].kind.to().expect("a call");
        let (_, after) = plain(&block);
        let before = &block.state.cache.accounts[&arena].storage;
        let slots = after.cache.accounts[&arena].storage.iter();
        let changed =
            slots.filter(|(slot, value)| before.get(slot).copied().unwrap_or_default() != **value).count();
        assert!(changed > 400, "{changed}");
    }
}
