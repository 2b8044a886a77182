//! Accounts that get, change and lose code by delegation (EIP-7702), and send, receive and are called in between.

use alloy_primitives::{Address, Bytes, U256, map::AddressMap};
use alloy_sol_types::sol;

use super::{
    Kind, Workload, artifacts,
    world::{Authorization, End, Flaw, Tx, World},
};

pub(super) const KIND: Kind = Kind { name: "adversarial-delegations", build };

/// Gas of one authorization, and something for the call.
const AUTHORIZATION_GAS: u64 = 25_000;
const GAS: u64 = 150_000;

sol! {
    struct Call {
        address to;
        uint256 value;
        bytes data;
    }

    function execute(Call[] calldata calls) external payable;
    function knock() external;
}

/// What code an account has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    /// None: calls succeed and do nothing.
    Nothing,
    /// Takes ether, executes calls of the account itself.
    Wallet,
    /// Refuses ether, lets anybody knock.
    Miser,
    /// That of another account, whose own delegation is not followed: it is no valid code.
    Account(Address),
}

struct Cast {
    wallet: Address,
    miser: Address,
    accounts: Vec<Address>,
    codes: AddressMap<Code>,
}

impl Cast {
    fn new(world: &mut World, size: usize) -> Self {
        let deployer = world.person("miser deployer", 0);
        Self {
            wallet: deploy_wallet(world),
            miser: world.deploy(deployer, artifacts::MISER, &[]),
            accounts: world.people("account", size / 8 + 3),
            codes: AddressMap::default(),
        }
    }

    fn code(&self, account: Address) -> Code {
        self.codes.get(&account).copied().unwrap_or(Code::Nothing)
    }

    fn delegate(&self, code: Code) -> Address {
        match code {
            Code::Nothing => Address::ZERO,
            Code::Wallet => self.wallet,
            Code::Miser => self.miser,
            Code::Account(account) => account,
        }
    }

    /// How a call of `account` ends: `wallet` and `miser` say whether these take it.
    fn end(&self, account: Address, wallet: bool, miser: bool) -> End {
        let works = match self.code(account) {
            Code::Nothing => true,
            Code::Wallet => wallet,
            Code::Miser => miser,
            Code::Account(other) => self.code(other) == Code::Nothing,
        };
        if works { End::Success } else { End::Failure }
    }
}

fn build(size: usize, seed: u64) -> Workload {
    let mut world = World::new(seed);
    let mut cast = Cast::new(&mut world, size);
    for index in 0..size {
        let stranger = world.person("stranger", index);
        act(&mut world, &mut cast, stranger);
    }
    world.finish(KIND.name)
}

/// The contract that accounts delegate to.
pub(super) fn deploy_wallet(world: &mut World) -> Address {
    let deployer = world.person("wallet deployer", 0);
    world.deploy(deployer, artifacts::WALLET, &[])
}

/// `person`, who has not delegated yet, does so and makes two payments to `to` in the same transaction.
pub(super) fn first_batch(world: &World, person: Address, wallet: Address, to: Address) -> Tx {
    let nonce = world.nonce(person) + 1; // it is counted up before authorizations are looked at
    let authorizations = vec![Authorization { authority: person, delegate: wallet, nonce }];
    Tx { authorizations, ..Tx::call(person, person, GAS, &batch(to, U256::from(1_000))) }
}

fn act(world: &mut World, cast: &mut Cast, stranger: Address) {
    let account = world.rng.pick(&cast.accounts);
    let other = world.rng.pick(&cast.accounts);
    let value = U256::from(1 + world.rng.below(1_000_000));
    match world.rng.below(18) {
        0..4 => delegate(world, cast, stranger, account),
        4 => delegate(world, cast, account, account),
        5 => delegate_twice(world, cast, stranger, account),
        6 => delegate_in_vain(world, cast, stranger, account),
        7..9 => world.send(Tx::transfer(account, stranger, value)),
        9..12 => {
            let tx = Tx { gas_limit: GAS, ..Tx::transfer(stranger, account, value) };
            world.send_to(cast.end(account, true, false), tx);
        }
        12..14 => {
            let end = cast.end(account, false, true);
            world.send_to(end, Tx::call(stranger, account, GAS, &knockCall {}));
        }
        14..16 => {
            let tx = Tx::call(account, account, GAS, &batch(stranger, value));
            world.send_to(cast.end(account, true, false), tx);
        }
        16 => {
            // By somebody else: refused by a wallet.
            let tx = Tx::call(other, account, GAS, &batch(stranger, value));
            let end = cast.end(account, account == other, false);
            world.send_to(end, tx);
        }
        _ => world.send_to(End::Invalid(Flaw::Past), Tx::transfer(account, stranger, value)),
    }
}

fn batch(to: Address, value: U256) -> executeCall {
    let call = |value| Call { to, value, data: Bytes::new() };
    executeCall { calls: vec![call(value), call(U256::ONE)] }
}

fn any_code(world: &mut World, cast: &Cast) -> Code {
    let other = world.rng.pick(&cast.accounts);
    world.rng.pick(&[Code::Nothing, Code::Wallet, Code::Wallet, Code::Miser, Code::Account(other)])
}

/// `sender` brings the authorization of `account`, and may be the account itself.
fn delegate(world: &mut World, cast: &mut Cast, sender: Address, account: Address) {
    let code = any_code(world, cast);
    let nonce = world.nonce(account) + u64::from(sender == account);
    let authorizations = vec![Authorization { authority: account, delegate: cast.delegate(code), nonce }];
    cast.codes.insert(account, code);
    send(world, cast, sender, account, authorizations);
    world.authorized(account);
}

/// Two authorizations of one account in one transaction: the second counts.
fn delegate_twice(world: &mut World, cast: &mut Cast, sender: Address, account: Address) {
    let codes = [any_code(world, cast), any_code(world, cast)];
    let nonce = world.nonce(account);
    let authorizations = (nonce..).zip(codes).map(|(nonce, code)| {
        let delegate = cast.delegate(code);
        Authorization { authority: account, delegate, nonce }
    });
    let authorizations = authorizations.collect();
    cast.codes.insert(account, codes[1]);
    send(world, cast, sender, account, authorizations);
    world.authorized(account);
    world.authorized(account);
}

/// The nonce of the authorization is wrong: it is skipped, and the transaction succeeds as far as its call does.
fn delegate_in_vain(world: &mut World, cast: &mut Cast, sender: Address, account: Address) {
    let nonce = world.nonce(account) + 1;
    let authorizations = vec![Authorization { authority: account, delegate: cast.wallet, nonce }];
    send(world, cast, sender, account, authorizations);
}

/// Calls the account under its new code.
fn send(world: &mut World, cast: &Cast, from: Address, account: Address, authorizations: Vec<Authorization>) {
    let gas_limit = GAS + AUTHORIZATION_GAS * authorizations.len() as u64;
    let tx = Tx::call(from, account, gas_limit, &knockCall {});
    world.send_to(cast.end(account, false, true), Tx { authorizations, ..tx });
}

#[cfg(test)]
mod tests {
    use alloy_primitives::bytes;

    use super::*;
    use crate::baseline::plain;

    #[test]
    fn accounts_end_with_the_code_of_their_last_authorization() {
        for seed in 0..4 {
            let mut world = World::new(seed);
            let mut cast = Cast::new(&mut world, 80);
            for index in 0..200 {
                let stranger = world.person("stranger", index);
                act(&mut world, &mut cast, stranger);
            }
            let (_, after) = plain(&world.finish(KIND.name));
            for account in &cast.accounts {
                let expected: Bytes = match cast.code(*account) {
                    Code::Nothing => Bytes::new(),
                    code => [&bytes!("ef0100")[..], cast.delegate(code).as_slice()].concat().into(),
                };
                let hash = after.cache.accounts[account].info.code_hash;
                assert_eq!(after.cache.contracts[&hash].original_bytes(), expected, "seed {seed}: {account}");
            }
        }
    }
}
