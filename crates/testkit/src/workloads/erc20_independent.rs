//! One ERC-20 token: each transaction another sender and another recipient.

use super::{Kind, Workload, token::Token, world::World};

pub(super) const KIND: Kind = Kind { name: "erc20-independent", build };

fn build(size: usize, seed: u64) -> Workload {
    let mut world = World::new(seed);
    let token = Token::deploy(&mut world, 0);
    for index in 0..size {
        let from = world.person("holder", index);
        let to = world.stranger("recipient", index);
        token.grant(&mut world, from);
        world.send(token.transfer(from, to));
    }
    world.finish(KIND.name)
}
