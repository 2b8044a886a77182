//! Independent transfers: as many pairs of people as transactions.

use super::{
    Kind, Workload,
    world::{ONE, Tx, World},
};

pub(super) const KIND: Kind = Kind { name: "transfers-independent", build };

fn build(size: usize, seed: u64) -> Workload {
    let mut world = World::new(seed);
    for index in 0..size {
        let from = world.person("payer", index);
        let to = world.person("payee", index);
        world.send(Tx::transfer(from, to, ONE));
    }
    world.finish(KIND.name)
}
