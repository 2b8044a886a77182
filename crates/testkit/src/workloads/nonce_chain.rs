//! One sender pays different people: every transaction needs the nonce of the one before.

use super::{
    Kind, Workload,
    world::{ONE, Tx, World, ether},
};

pub(super) const KIND: Kind = Kind { name: "nonce-chain", build };

fn build(size: usize, seed: u64) -> Workload {
    let mut world = World::new(seed);
    let from = world.stranger("exchange", 0);
    world.fund(from, ether(1_000_000_000));
    for index in 0..size {
        let to = world.person("payee", index);
        world.send(Tx::transfer(from, to, ONE));
    }
    world.finish(KIND.name)
}
