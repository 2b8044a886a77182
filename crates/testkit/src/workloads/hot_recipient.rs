//! Transfers of different people to one: only the balance of the recipient is shared.

use super::{
    Kind, Workload,
    world::{ONE, Tx, World},
};

pub(super) const KIND: Kind = Kind { name: "transfers-hot-recipient", build };

fn build(size: usize, seed: u64) -> Workload {
    let mut world = World::new(seed);
    let exchange = world.person("exchange", 0);
    for index in 0..size {
        let from = world.person("payer", index);
        world.send(Tx::transfer(from, exchange, ONE));
    }
    world.finish(KIND.name)
}
