//! One ERC-20 token: random holders pay random holders, so some are paid or pay several times.

use super::{Kind, Workload, token::Token, world::World};

pub(super) const KIND: Kind = Kind { name: "erc20-random", build };

fn build(size: usize, seed: u64) -> Workload {
    let mut world = World::new(seed);
    let token = Token::deploy(&mut world, 0);
    let holders = world.people("holder", size.max(1));
    for holder in &holders {
        token.grant(&mut world, *holder);
    }
    for _ in 0..size {
        let from = world.rng.pick(&holders);
        let to = world.rng.pick(&holders);
        world.send(token.transfer(from, to));
    }
    world.finish(KIND.name)
}
