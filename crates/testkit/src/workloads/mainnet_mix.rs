//! What a block of mainnet has in it, in roughly its proportions: few tokens, pools and exchanges take most of the
//! traffic, some transactions fail, some are invalid, and the builder pays at the end.

use alloy_primitives::{Address, U256};
use revm::context_interface::transaction::AccessListItem;

use super::{
    Kind, Workload, adversarial_balances, adversarial_delegations, airdrop, deployments, game, nft_mint,
    token::Token,
    uniswap_v2, uniswap_v3,
    weth::Weth,
    world::{End, Flaw, ONE, Tx, World, ether},
};

pub(super) const KIND: Kind = Kind { name: "mainnet-mix", build };

const TOKENS: usize = 12;
const POOLS: usize = 6;
const EXCHANGES: usize = 3;

fn build(size: usize, seed: u64) -> Workload {
    let mut world = World::new(seed);
    let city = City::new(&mut world, size);
    while world.len() + 1 < size {
        city.act(&mut world);
    }
    city.builder_pays(&mut world);
    world.finish(KIND.name)
}

/// All that the transactions use. Lists begin with what is used most.
struct City {
    people: Vec<Address>,
    /// Hot wallets.
    exchanges: Vec<Address>,
    tokens: Vec<Token>,
    weth: Weth,
    v2: (uniswap_v2::Exchange, Vec<uniswap_v2::Pair>),
    v3: (uniswap_v3::Exchange, Vec<uniswap_v3::Pool>),
    sale: Address,
    arena: Address,
    players: Vec<Address>,
    factory: Address,
    dropper: airdrop::Dropper,
    witness: Address,
    wallet: Address,
}

impl City {
    fn new(world: &mut World, size: usize) -> Self {
        let weth = Weth::deploy(world);
        let v2 = uniswap_v2::Exchange::deploy(world, weth);
        let v3 = uniswap_v3::Exchange::deploy(world, weth);
        let tokens: Vec<_> = (0..TOKENS).map(|index| Token::deploy(world, index)).collect();
        let exchanges = world.people("exchange", EXCHANGES);
        let people = world.people("person", size / 2 + 4);
        for owner in people.iter().chain(&exchanges) {
            tokens[..2].iter().for_each(|token| token.grant(world, *owner));
        }
        for token in &tokens[2..] {
            exchanges.iter().for_each(|exchange| token.grant(world, *exchange));
        }
        let arena = game::deploy(world);
        Self {
            v2: (v2, (0..POOLS).map(|index| v2.open(world, index)).collect()),
            v3: (v3, (0..POOLS).map(|index| v3.open(world, POOLS + index)).collect()),
            sale: nft_mint::deploy(world),
            players: (0..size / 20 + 2).map(|index| game::player(world, arena, index)).collect(),
            factory: deployments::factory(world, 0),
            dropper: airdrop::Dropper::deploy(world, tokens[0]),
            witness: adversarial_balances::deploy(world),
            wallet: adversarial_delegations::deploy_wallet(world),
            people,
            exchanges,
            tokens,
            weth,
            arena,
        }
    }

    fn act(&self, world: &mut World) {
        let person = world.rng.skewed(&self.people);
        match world.rng.below(100) {
            0..20 => {
                let to = self.recipient(world);
                let wei = some_wei(world);
                world.send(Tx::transfer(person, to, wei));
            }
            20..25 => self.deposit(world, person),
            25..31 => self.withdraw(world),
            31..56 => self.pay_in_tokens(world, person),
            56..60 => world.send(self.tokens[0].approval(person, self.dropper.contract)),
            60..69 => {
                let pair = world.rng.skewed(&self.v2.1);
                let swap = self.v2.0.swap(world, pair, person);
                world.send(swap);
            }
            69..76 => {
                let pool = world.rng.skewed(&self.v3.1);
                let swap = self.v3.0.swap(world, pool, person);
                world.send(swap);
            }
            76..80 => self.wrap(world, person),
            80..83 => {
                let buyer = world.person("buyer", world.len());
                world.send(nft_mint::buy(buyer, self.sale, 1));
            }
            83..86 => {
                let player = world.rng.pick(&self.players);
                let turn = game::turn(world, self.arena, player, &self.players);
                world.send(turn);
            }
            86 => self.drop(world),
            87..89 => {
                let made = deployments::make(world, self.factory, person, world.len());
                world.send(made);
            }
            89 => {
                let batcher = world.person("batcher", 0);
                let inbox = world.stranger("inbox", 0);
                let blobs = u8::try_from(1 + world.rng.below(6)).expect("at most 6");
                world.send(Tx { blobs, ..Tx::transfer(batcher, inbox, U256::ZERO) });
            }
            90..92 => self.bribe(world, person),
            92..94 => self.batch(world),
            94..97 => self.fail(world, person),
            _ => self.be_invalid(world, person),
        }
    }

    /// Somebody who exists, in one of three cases somebody new.
    fn recipient(&self, world: &mut World) -> Address {
        match world.rng.below(3) {
            0 => world.stranger("newcomer", world.len()),
            _ => world.rng.skewed(&self.people),
        }
    }

    fn deposit(&self, world: &mut World, person: Address) {
        let exchange = world.rng.skewed(&self.exchanges);
        let wei = some_wei(world);
        let choice = world.rng.below(2);
        world.send(match choice {
            0 => Tx::transfer(person, exchange, wei),
            _ => self.tokens[0].transfer(person, exchange),
        });
    }

    /// Exchanges pay one customer after the other: chains of nonces.
    fn withdraw(&self, world: &mut World) {
        let exchange = world.rng.skewed(&self.exchanges);
        let to = self.recipient(world);
        let token = world.rng.skewed(&self.tokens);
        let wei = some_wei(world);
        let choice = world.rng.below(2);
        world.send(match choice {
            0 => Tx::transfer(exchange, to, wei),
            _ => token.transfer(exchange, to),
        });
    }

    /// Some with an access list (EIP-2930), some of these with a useless one.
    fn pay_in_tokens(&self, world: &mut World, person: Address) {
        let token = world.rng.skewed(&self.tokens[..2]);
        let to = self.recipient(world);
        let mut tx = token.transfer(person, to);
        match world.rng.below(12) {
            0 => tx.access_list = token.access_list(&[person, to]),
            1 => tx.access_list = vec![AccessListItem { address: to, storage_keys: Vec::new() }],
            _ => {}
        }
        world.send(tx);
    }

    /// Wrapped ether; what is unwrapped was wrapped before the block, and the contract pays it out.
    fn wrap(&self, world: &mut World, person: Address) {
        let wei = some_wei(world);
        let tx = match world.rng.below(3) {
            0 => self.weth.deposit(person, wei),
            1 => Tx { gas_limit: 60_000, ..Tx::transfer(person, self.weth.0, wei) },
            _ => {
                self.weth.wrap(world, person, wei);
                self.weth.withdraw(person, wei)
            }
        };
        world.send(tx);
    }

    fn drop(&self, world: &mut World) {
        let people: Vec<_> = (0..20).map(|_| self.recipient(world)).collect();
        let choice = world.rng.below(2);
        world.send(match choice {
            0 => self.dropper.ether(&people),
            _ => self.dropper.token(&people),
        });
    }

    /// Payments to the fee recipient: directly, and out of a contract that somebody has filled.
    fn bribe(&self, world: &mut World, person: Address) {
        let beneficiary = world.beneficiary();
        let wei = some_wei(world);
        let choice = world.rng.below(3);
        world.send(match choice {
            0 => Tx::transfer(person, beneficiary, wei),
            1 => adversarial_balances::fill(person, self.witness, wei),
            _ => adversarial_balances::sweep(person, self.witness, beneficiary),
        });
    }

    /// Somebody new delegates to a wallet and makes two payments at once (EIP-7702).
    fn batch(&self, world: &mut World) {
        let person = world.person("modern", world.len());
        let to = self.recipient(world);
        let tx = adversarial_delegations::first_batch(world, person, self.wallet, to);
        world.send(tx);
        world.authorized(person);
    }

    fn fail(&self, world: &mut World, person: Address) {
        let pair = world.rng.skewed(&self.v2.1);
        let tx = match world.rng.below(5) {
            0 => self.tokens[0].overdraft(person),
            1 => Tx { gas_limit: 30_000, ..self.tokens[0].transfer(person, self.exchanges[0]) },
            2 => self.v2.0.swap_for_too_much(world, pair, person),
            3 => self.weth.withdraw(person, ether(1_000_000)),
            _ => Tx { value: U256::ONE, ..nft_mint::buy(person, self.sale, 1) },
        };
        world.send_failing(tx);
    }

    fn be_invalid(&self, world: &mut World, person: Address) {
        let to = self.exchanges[0];
        let pay = Tx::transfer(person, to, ONE);
        let (flaw, tx) = match world.rng.below(5) {
            0 => (Flaw::Past, pay),
            1 => (Flaw::Future, pay),
            2 => (Flaw::Content, Tx { gas_limit: 20_999, ..pay }),
            3 => (Flaw::Content, Tx::transfer(person, to, ether(1_000_000_000))),
            _ => (Flaw::Content, Tx::transfer(self.witness, to, U256::ZERO)),
        };
        world.send_to(End::Invalid(flaw), tx);
    }

    /// The last transaction: who received the fees passes a payment on to the proposer.
    fn builder_pays(&self, world: &mut World) {
        let builder = world.beneficiary();
        let proposer = world.person("proposer", 0);
        world.send(Tx::transfer(builder, proposer, ONE / U256::from(20)));
    }
}

/// Up to 0.01 ether.
fn some_wei(world: &mut World) -> U256 {
    U256::from(1 + world.rng.below(10_000_000_000_000_000))
}

#[cfg(test)]
mod tests {
    use revm::context_interface::TransactionType;

    use super::*;

    #[test]
    fn every_type_and_every_end_is_there() {
        let block = build(1_000, 1);
        for kind in [
            TransactionType::Legacy,
            TransactionType::Eip2930,
            TransactionType::Eip1559,
            TransactionType::Eip4844,
            TransactionType::Eip7702,
        ] {
            assert!(block.txs.iter().any(|tx| tx.tx_type == u8::from(kind)), "{kind:?}");
        }
        assert!(block.txs.iter().any(|tx| tx.kind.is_create()));
        assert!(block.claim.failed >= 10 && block.claim.invalid >= 10, "{:?}", block.claim);
        assert_eq!(block.txs.last().map(|tx| tx.caller), Some(block.block.beneficiary));
    }
}
