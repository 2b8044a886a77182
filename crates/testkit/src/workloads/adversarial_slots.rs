//! Storage accesses that cannot be foretold: which slots a call touches depends on what earlier transactions wrote, on
//! the block, and on the gas that is left.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::sol;
use revm::context_interface::transaction::AccessListItem;

use super::{
    Kind, Workload, artifacts,
    world::{Tx, World},
};

pub(super) const KIND: Kind = Kind { name: "adversarial-slots", build };

/// Lanes of `drift`, each with a compass of its own.
const LANES: u64 = 16;

/// Nodes that `follow` starts from.
const NODES: u64 = 97;

sol! {
    function wander(uint256 steps) external;
    function drift(uint256 lane) external;
    function roll() external;
    function follow(uint256 from, uint256 limit) external;
    function sometimes() external;
    function gamble() external;
    function untilGas(uint256 reserve) external;
}

fn build(size: usize, seed: u64) -> Workload {
    let mut world = World::new(seed);
    let deployer = world.person("shifter deployer", 0);
    let shifters = [(); 3].map(|()| world.deploy(deployer, artifacts::SHIFTER, &[]));
    for index in 0..size {
        let from = world.person("caller", index);
        let shifter = world.rng.pick(&shifters);
        let mut tx = call(&mut world, from, shifter);
        if world.rng.below(4) == 0 {
            tx.access_list.push(misleading(&mut world, shifter));
            tx.gas_limit += 10_000;
        }
        world.send(tx);
    }
    world.finish(KIND.name)
}

fn call(world: &mut World, from: Address, shifter: Address) -> Tx {
    let number = world.rng.below(LANES * NODES);
    match world.rng.below(12) {
        0..2 => Tx::call(from, shifter, 600_000, &wanderCall { steps: U256::from(1 + number % 8) }),
        2..6 => Tx::call(from, shifter, 120_000, &driftCall { lane: U256::from(number % LANES) }),
        6 => Tx::call(from, shifter, 120_000, &rollCall {}),
        7..9 => {
            let call = followCall { from: U256::from(1 + number % NODES), limit: U256::from(20) };
            Tx::call(from, shifter, 160_000, &call)
        }
        9 => Tx::call(from, shifter, 120_000, &sometimesCall {}),
        10 => Tx::call(from, shifter, 400_000, &gambleCall {}),
        _ => Tx::call(from, shifter, 160_000 + 1_000 * number, &untilGasCall { reserve: U256::from(60_000) }),
    }
}

/// An access list (EIP-2930) that names slots which the call may not touch.
fn misleading(world: &mut World, address: Address) -> AccessListItem {
    let slots = [world.rng.below(4), world.rng.next()];
    AccessListItem { address, storage_keys: slots.map(|slot| B256::from(U256::from(slot))).to_vec() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use revm::{context::TxEnv, database::InMemoryDB};

    use super::*;
    use crate::baseline::Plain;

    type Slots = BTreeSet<(Address, U256)>;

    fn slots(state: &InMemoryDB) -> Slots {
        let accounts = state.cache.accounts.iter();
        accounts.flat_map(|(address, account)| account.storage.keys().map(|slot| (*address, *slot))).collect()
    }

    /// The slots that `tx` adds to `state`, and the state after it.
    fn touched(state: &InMemoryDB, block: &Workload, tx: &TxEnv) -> (Slots, InMemoryDB) {
        let mut evm = Plain::new(state.clone(), block.cfg.clone(), block.block.clone());
        assert!(evm.run(vec![tx.clone()]).iter().all(|result| result.as_ref().expect("valid").is_success()));
        let after = evm.into_state();
        (slots(&after).difference(&slots(state)).copied().collect(), after)
    }

    #[test]
    fn most_calls_touch_other_slots_than_they_would_before_the_block() {
        let block = build(100, 9);
        let mut state = block.state.clone();
        let mut moved = 0;
        for tx in &block.txs {
            let (alone, _) = touched(&block.state, &block, tx);
            let (really, after) = touched(&state, &block, tx);
            moved += usize::from(alone != really);
            state = after;
        }
        assert!(moved > 50, "{moved}");
    }
}
