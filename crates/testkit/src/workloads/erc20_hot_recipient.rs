//! One ERC-20 token: everybody pays one recipient, whose balance is one hot slot.

use super::{Kind, Workload, token::Token, world::World};

pub(super) const KIND: Kind = Kind { name: "erc20-hot-recipient", build };

fn build(size: usize, seed: u64) -> Workload {
    let mut world = World::new(seed);
    let token = Token::deploy(&mut world, 0);
    let exchange = world.stranger("exchange", 0);
    token.grant(&mut world, exchange);
    for index in 0..size {
        let from = world.person("holder", index);
        token.grant(&mut world, from);
        world.send(token.transfer(from, exchange));
    }
    world.finish(KIND.name)
}
