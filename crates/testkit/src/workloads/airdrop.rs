//! One transaction pays fifty people, who spend what they were given in the transactions after it.

use alloy_primitives::{Address, U256};
use alloy_sol_types::sol;

use super::{
    Kind, Workload, artifacts,
    token::{self, Token},
    world::{ONE, Tx, World, ether},
};

pub(super) const KIND: Kind = Kind { name: "airdrop", build };

const RECIPIENTS: usize = 50;

/// One transaction in ten is an airdrop.
const SPENDERS: usize = 9;

/// What a payment to somebody new uses, of ether or tokens, is below 40,000.
const GAS_OF_A_PAYMENT: u64 = 45_000;

sol! {
    function dropEther(address[] calldata to, uint256 each) external payable;
    function dropToken(address token, address[] calldata to, uint256 each) external;
}

fn build(size: usize, seed: u64) -> Workload {
    let mut world = World::new(seed);
    let token = Token::deploy(&mut world, 0);
    let dropper = Dropper::deploy(&mut world, token);
    for (round, start) in (0..size).step_by(1 + SPENDERS).enumerate() {
        let ether_round = round % 2 == 0;
        let people: Vec<_> =
            (0..RECIPIENTS).map(|index| world.stranger("recipient", round * RECIPIENTS + index)).collect();
        if ether_round {
            world.send(dropper.ether(&people));
        } else {
            // They can pay for gas already, and get the tokens.
            people.iter().for_each(|person| world.fund(*person, ONE));
            world.send(dropper.token(&people));
        }
        for index in 0..SPENDERS.min(size - start - 1) {
            let (from, to) = (people[index], people[RECIPIENTS - 1 - index]);
            world.send(match ether_round {
                true => Tx::transfer(from, to, ONE / U256::from(100)),
                false => token.transfer(from, to),
            });
        }
    }
    world.finish(KIND.name)
}

/// The contract, and somebody who uses it.
pub(super) struct Dropper {
    pub(super) contract: Address,
    token: Token,
    owner: Address,
}

impl Dropper {
    pub(super) fn deploy(world: &mut World, token: Token) -> Self {
        let owner = world.stranger("project", 0);
        world.fund(owner, ether(10_000_000));
        let contract = world.deploy(owner, artifacts::AIRDROP, &[]);
        token.grant(world, owner);
        token.approve(world, owner, contract);
        Self { contract, token, owner }
    }

    /// One ether to each of `people`.
    pub(super) fn ether(&self, people: &[Address]) -> Tx {
        let call = dropEtherCall { to: people.to_vec(), each: ONE };
        Tx { value: ether(people.len() as u64), ..Tx::call(self.owner, self.contract, gas(people), &call) }
    }

    /// One token to each of `people`.
    pub(super) fn token(&self, people: &[Address]) -> Tx {
        let call = dropTokenCall { token: self.token.address, to: people.to_vec(), each: ONE };
        Tx::call(self.owner, self.contract, gas(people), &call)
    }
}

fn gas(people: &[Address]) -> u64 {
    token::TRANSFER_GAS + GAS_OF_A_PAYMENT * people.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::plain;

    #[test]
    fn one_transaction_pays_fifty_people() {
        let (results, _) = plain(&build(20, 1));
        assert_eq!(results[10].as_ref().expect("valid").logs().len(), RECIPIENTS);
    }

    #[test]
    fn recipients_could_not_spend_without_the_airdrop() {
        let mut block = build(20, 1);
        block.txs.remove(10);
        block.txs.remove(0);
        let (results, _) = plain(&block);
        assert!(results.iter().all(|result| !result.as_ref().is_ok_and(|result| result.is_success())));
    }
}
