//! Balances that change with every transaction and are looked at in between: hot accounts, the fee recipient, accounts
//! that have only what they have just received, and accounts that exist only since.

use alloy_primitives::{Address, U256};
use alloy_sol_types::sol;

use super::{
    Kind, Workload, artifacts,
    world::{End, Flaw, ONE, Tx, World},
};

pub(super) const KIND: Kind = Kind { name: "adversarial-balances", build };

sol! {
    function look(address[] calldata who) external;
    function lookAtFees() external;
    function lookAtSelf() external;
    function lookAtCode(address who) external;
    function branch(uint256 wei_) external;
    function sweep(address to) external;
}

struct Cast {
    witness: Address,
    beneficiary: Address,
    /// Paid and looked at all the time.
    hot: Vec<Address>,
    people: Vec<Address>,
}

fn build(size: usize, seed: u64) -> Workload {
    let mut world = World::new(seed);
    let cast = Cast {
        witness: deploy(&mut world),
        beneficiary: world.beneficiary(),
        hot: world.people("hot", 3),
        people: world.people("person", size.max(2)),
    };
    while world.len() < size {
        act(&mut world, &cast);
    }
    world.finish(KIND.name)
}

/// A contract that looks at balances, takes ether and can be emptied.
pub(super) fn deploy(world: &mut World) -> Address {
    let deployer = world.person("witness deployer", 0);
    world.deploy(deployer, artifacts::WITNESS, &[])
}

/// A payment to the contract.
pub(super) fn fill(from: Address, witness: Address, wei: U256) -> Tx {
    Tx { gas_limit: 30_000, ..Tx::transfer(from, witness, wei) }
}

/// Lets the contract pay all that it has to `to`.
pub(super) fn sweep(from: Address, witness: Address, to: Address) -> Tx {
    Tx::call(from, witness, 100_000, &sweepCall { to })
}

fn act(world: &mut World, cast: &Cast) {
    let index = world.len();
    let from = world.rng.pick(&cast.people);
    let hot = world.rng.pick(&cast.hot);
    let wei = U256::from(1 + world.rng.below(1_000_000_000_000_000));
    match world.rng.below(16) {
        0..4 => world.send(Tx::transfer(from, hot, wei)),
        4 => world.send(Tx::transfer(hot, from, wei)),
        5 => world.send(Tx::transfer(from, cast.beneficiary, wei)),
        6 => world.send(Tx::transfer(cast.beneficiary, from, wei)),
        7 => world.send(fill(from, cast.witness, wei)),
        8 => {
            let to = world.rng.pick(&[hot, cast.beneficiary, from]);
            world.send(sweep(from, cast.witness, to));
        }
        9 => {
            let who = [&cast.hot[..], &[cast.beneficiary, from, cast.witness]].concat();
            world.send(Tx::call(from, cast.witness, 260_000, &lookCall { who }));
        }
        10 => world.send(Tx::call(from, cast.witness, 80_000, &lookAtFeesCall {})),
        11 => world.send(Tx::call(from, cast.witness, 100_000, &lookAtSelfCall {})),
        12 => {
            // About what the fee recipient has by the middle of the block.
            let wei_ = ONE * U256::from(1_000) + wei;
            world.send(Tx::call(from, cast.witness, 80_000, &branchCall { wei_ }));
        }
        13 => {
            let who = world.stranger("newcomer", index);
            world.send(Tx::call(from, cast.witness, 80_000, &lookAtCodeCall { who }));
            world.send(Tx::transfer(from, who, wei));
            world.send(Tx::call(hot, cast.witness, 80_000, &lookAtCodeCall { who }));
        }
        14 => spend_what_arrived(world, from, hot, index),
        _ => {
            let poor = world.stranger("poor", index);
            world.send_to(End::Invalid(Flaw::Content), Tx::transfer(poor, from, wei));
        }
    }
}

/// Two payments, and a third that needs both; too much before the second has arrived.
fn spend_what_arrived(world: &mut World, from: Address, hot: Address, index: usize) {
    let saver = world.stranger("saver", index);
    let spend = |value| Tx::transfer(saver, hot, value);
    world.send(Tx::transfer(from, saver, ONE));
    world.send_to(End::Invalid(Flaw::Content), spend(ONE));
    world.send(Tx::transfer(hot, saver, ONE));
    world.send(spend(ONE * U256::from(3) / U256::from(2)));
}
