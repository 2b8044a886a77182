//! Who was paid pays the next: each could not pay without what it has just received.

use super::{
    Kind, Workload,
    world::{ONE, Tx, World, ether},
};

pub(super) const KIND: Kind = Kind { name: "transfer-chain", build };

fn build(size: usize, seed: u64) -> Workload {
    let mut world = World::new(seed);
    let people: Vec<_> = (0..=size).map(|index| world.stranger("relay", index)).collect();
    world.fund(people[0], ether(1_000_000_000));
    for (left, pair) in (0..size as u64).rev().zip(people.windows(2)) {
        // Enough for the fees and transfers of all who follow.
        world.send(Tx::transfer(pair[0], pair[1], ONE + ether(left)));
    }
    world.finish(KIND.name)
}
