//! Contracts that come and go: SELFDESTRUCT in the transaction of the creation (EIP-6780) and after it, CREATE2 again at
//! the same address, collisions, ether sent to where a contract will be, ether that burns.

use alloy_primitives::{Address, B256, U256, keccak256, map::HashSet};
use alloy_sol_types::{SolValue, sol};

use super::{
    Kind, Workload, artifacts,
    world::{End, Flaw, Tx, World, ether},
};

pub(super) const KIND: Kind = Kind { name: "adversarial-destruct", build };

/// Salts, few so that transactions meet at the same addresses.
const SALTS: u64 = 12;

const GAS: u64 = 300_000;

sol! {
    function live() external payable;
    function die(address heir) external;
    function flash(bytes32 salt, address heir) external payable;
    function burn(bytes32 salt, address heir) external payable;
    function keep(bytes32 salt) external payable;
    function lookAtCode(address who) external;
}

struct Cast {
    pond: Address,
    witness: Address,
    /// Made before the block: from them `die` takes only the balance.
    old: Vec<Address>,
    heirs: Vec<Address>,
    /// Salts whose mayfly stands.
    kept: HashSet<u64>,
}

impl Cast {
    fn new(world: &mut World) -> Self {
        let deployer = world.person("pond deployer", 0);
        Self {
            pond: world.deploy(deployer, artifacts::POND, &[]),
            witness: world.deploy(deployer, artifacts::WITNESS, &[]),
            old: (0..4).map(|_| world.deploy(deployer, artifacts::MAYFLY, &[])).collect(),
            heirs: world.people("heir", 3),
            kept: HashSet::default(),
        }
    }

    /// Where the mayfly of `salt` is or would be (EIP-1014).
    fn mayfly(&self, salt: u64) -> Address {
        self.pond.create2(word(salt), keccak256(artifacts::MAYFLY))
    }
}

fn build(size: usize, seed: u64) -> Workload {
    let mut world = World::new(seed);
    let mut cast = Cast::new(&mut world);
    for index in 0..size {
        let from = world.person("caller", index);
        act(&mut world, &mut cast, from);
    }
    world.finish(KIND.name)
}

fn act(world: &mut World, cast: &mut Cast, from: Address) {
    let salt = world.rng.below(SALTS);
    let value = U256::from(world.rng.below(1_000_000));
    let mayfly = cast.mayfly(salt);
    let heir = match world.rng.below(6) {
        0 => mayfly, // leaves to itself: burnt where it is really destroyed
        1 => world.beneficiary(),
        _ => world.rng.pick(&cast.heirs),
    };
    let kept = cast.kept.contains(&salt);
    let unless_kept = if kept { End::Failure } else { End::Success };
    let salt_word = word(salt);
    let pay = |tx: Tx| Tx { value, ..tx };
    match world.rng.below(20) {
        0..6 => {
            let tx = pay(Tx::call(from, cast.pond, GAS, &flashCall { salt: salt_word, heir }));
            world.send_to(unless_kept, tx);
        }
        6..8 => {
            let tx = pay(Tx::call(from, cast.pond, GAS, &burnCall { salt: salt_word, heir }));
            world.send_to(unless_kept, tx);
        }
        8 => {
            world.send(pay(Tx::call(from, cast.pond, GAS, &keepCall { salt: salt_word })));
            cast.kept.insert(salt);
        }
        9..12 => world.send(pay(Tx { gas_limit: 50_000, ..Tx::call(from, mayfly, 0, &liveCall {}) })),
        12 => world.send(Tx::call(from, mayfly, 80_000, &dieCall { heir })),
        13..15 => {
            let old = world.rng.pick(&cast.old);
            world.send(pay(Tx::call(from, old, 50_000, &liveCall {})));
        }
        15..17 => {
            let old = world.rng.pick(&cast.old);
            world.send(Tx::call(from, old, 80_000, &dieCall { heir }));
        }
        17 => world.send(Tx::call(from, cast.witness, 80_000, &lookAtCodeCall { who: mayfly })),
        18 => {
            let init = [artifacts::STILLBORN, &heir.abi_encode()].concat();
            world.send(pay(Tx::create(from, 200_000, init.into())));
        }
        // Whoever has code cannot send (EIP-3607); whoever has not lacks the ether.
        _ => world.send_to(End::Invalid(Flaw::Content), Tx::transfer(mayfly, from, ether(1))),
    }
}

fn word(salt: u64) -> B256 {
    B256::from(U256::from(salt))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::plain;

    #[test]
    fn only_kept_mayflies_have_code_after_the_block() {
        for seed in 0..4 {
            let mut world = World::new(seed);
            let mut cast = Cast::new(&mut world);
            for index in 0..200 {
                let from = world.person("caller", index);
                act(&mut world, &mut cast, from);
            }
            let block = world.finish(KIND.name);
            let (_, after) = plain(&block);
            for salt in 0..SALTS {
                let account = after.cache.accounts.get(&cast.mayfly(salt)).map(|account| &account.info);
                let stands = account.is_some_and(|info| !info.is_empty() && !info.is_empty_code_hash());
                assert_eq!(stands, cast.kept.contains(&salt), "seed {seed}, salt {salt}");
            }
            assert!((2..12).contains(&cast.kept.len()), "seed {seed}: {} kept", cast.kept.len());
        }
    }
}
