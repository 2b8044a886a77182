//! ERC-20 tokens whose holders pay each other within families of ten.

use super::{Kind, Workload, token::Token, world::World};

/// Transactions of one family, if there are many families.
const TXS_OF_A_FAMILY: usize = 20;
const PEOPLE: usize = 10;

/// One family: ten people make all transactions, each needs those before it.
pub(super) const TEN_PEOPLE: Kind = Kind { name: "erc20-one-cluster", build: one };

/// Many families, each with its token and 20 transactions; the families take turns.
pub(super) const MANY: Kind = Kind { name: "erc20-clusters", build: many };

fn one(size: usize, seed: u64) -> Workload {
    build(TEN_PEOPLE.name, 1, size, seed)
}

fn many(size: usize, seed: u64) -> Workload {
    build(MANY.name, size.div_ceil(TXS_OF_A_FAMILY), size, seed)
}

fn build(name: &'static str, families: usize, size: usize, seed: u64) -> Workload {
    let mut world = World::new(seed);
    let families: Vec<_> = (0..families)
        .map(|family| {
            let token = Token::deploy(&mut world, family);
            let people = world.people(&format!("family {family}"), PEOPLE);
            for person in &people {
                token.grant(&mut world, *person);
            }
            (token, people)
        })
        .collect();
    for (token, people) in families.iter().cycle().take(size) {
        let from = world.rng.pick(people);
        let to = world.rng.pick(people);
        world.send(token.transfer(from, to));
    }
    world.finish(name)
}
