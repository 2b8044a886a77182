//! Swaps through the router of Uniswap v2, each by somebody else.

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolValue, sol};

use super::{
    Kind, Workload, artifacts,
    token::Token,
    weth::Weth,
    world::{ONE, Tx, World, ether},
};

/// All swaps on one pool: its reserves are one slot that every swap needs and changes.
pub(super) const ONE_POOL: Kind = Kind { name: "uniswap-v2-one-pool", build: one };

/// An eighth as many pools as swaps, of different tokens, in random order.
pub(super) const POOLS: Kind = Kind { name: "uniswap-v2-pools", build: many };

const SWAPS_OF_A_POOL: usize = 8;

/// What a swap uses is about 110,000; wallets leave a margin.
const SWAP_GAS: u64 = 160_000;

sol! {
    function createPair(address tokenA, address tokenB) external returns (address pair);
    function addLiquidity(
        address tokenA, address tokenB, uint256 desiredA, uint256 desiredB, uint256 minA, uint256 minB, address to,
        uint256 deadline
    ) external returns (uint256 amountA, uint256 amountB, uint256 liquidity);
    function swapExactTokensForTokens(
        uint256 amountIn, uint256 amountOutMin, address[] path, address to, uint256 deadline
    ) external returns (uint256[] amounts);
}

fn one(size: usize, seed: u64) -> Workload {
    build(ONE_POOL.name, 1, size, seed)
}

fn many(size: usize, seed: u64) -> Workload {
    build(POOLS.name, size.div_ceil(SWAPS_OF_A_POOL), size, seed)
}

fn build(name: &'static str, pools: usize, size: usize, seed: u64) -> Workload {
    let mut world = World::new(seed);
    let weth = Weth::deploy(&mut world);
    let exchange = Exchange::deploy(&mut world, weth);
    let pools: Vec<_> = (0..pools).map(|index| exchange.open(&mut world, index)).collect();
    for index in 0..size {
        let pool = world.rng.pick(&pools);
        let trader = world.person("trader", index);
        let swap = exchange.swap(&mut world, pool, trader);
        world.send(swap);
    }
    world.finish(name)
}

/// Factory and router.
#[derive(Clone, Copy)]
pub(super) struct Exchange {
    factory: Address,
    router: Address,
}

impl Exchange {
    pub(super) fn deploy(world: &mut World, weth: Weth) -> Self {
        let deployer = world.person("v2 deployer", 0);
        let factory = world.deploy(deployer, artifacts::UNISWAP_V2_FACTORY, &Address::ZERO.abi_encode());
        let arguments = (factory, weth.0).abi_encode_params();
        let router = world.deploy(deployer, artifacts::UNISWAP_V2_ROUTER, &arguments);
        Self { factory, router }
    }

    /// Pool number `index`: two tokens of its own, with liquidity.
    pub(super) fn open(self, world: &mut World, index: usize) -> Pair {
        let owner = world.person("v2 liquidity provider", index);
        let tokens = [Token::deploy(world, 2 * index), Token::deploy(world, 2 * index + 1)];
        for token in tokens {
            token.grant(world, owner);
            token.approve(world, owner, self.router);
        }
        let [a, b] = tokens.map(|token| token.address);
        world.call(owner, self.factory, &createPairCall { tokenA: a, tokenB: b });
        let supply = addLiquidityCall {
            tokenA: a,
            tokenB: b,
            desiredA: ether(500_000),
            desiredB: ether(400_000),
            minA: U256::ZERO,
            minB: U256::ZERO,
            to: owner,
            deadline: U256::MAX,
        };
        assert!(world.call(owner, self.router, &supply).liquidity > U256::ZERO);
        Pair { tokens }
    }

    /// A swap of 1 to 10 tokens in a random direction by `trader`, whom this equips with what it takes.
    pub(super) fn swap(self, world: &mut World, pair: Pair, trader: Address) -> Tx {
        self.swap_for(world, pair, trader, U256::ONE)
    }

    /// As [`Self::swap`], but the trader wants more than the pool gives: reverts.
    pub(super) fn swap_for_too_much(self, world: &mut World, pair: Pair, trader: Address) -> Tx {
        self.swap_for(world, pair, trader, ether(1_000))
    }

    fn swap_for(self, world: &mut World, pair: Pair, trader: Address, at_least: U256) -> Tx {
        let [mut sold, mut bought] = pair.tokens;
        if world.rng.below(2) == 0 {
            std::mem::swap(&mut sold, &mut bought);
        }
        sold.grant(world, trader);
        sold.approve(world, trader, self.router);
        let swap = swapExactTokensForTokensCall {
            amountIn: ONE * U256::from(1 + world.rng.below(10)),
            amountOutMin: at_least,
            path: vec![sold.address, bought.address],
            to: trader,
            deadline: U256::MAX,
        };
        Tx::call(trader, self.router, SWAP_GAS, &swap)
    }
}

/// A pool.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    tokens: [Token; 2],
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::baseline::plain;

    /// Where the pair keeps both reserves and the time of their last change.
    const RESERVES: U256 = U256::from_limbs([8, 0, 0, 0]);

    #[test]
    fn every_swap_moves_the_reserves_of_one_pool() {
        for (block, pools) in [(one(60, 1), 1..2), (many(60, 1), 6..9)] {
            let (results, after) = plain(&block);
            let mut seen = BTreeSet::new();
            for result in results {
                let pairs: BTreeSet<_> = result
                    .expect("valid")
                    .logs()
                    .iter()
                    .map(|log| log.address)
                    .filter(|address| block.state.cache.accounts[address].storage.contains_key(&RESERVES))
                    .collect();
                assert_eq!(pairs.len(), 1);
                seen.extend(pairs);
            }
            assert!(pools.contains(&seen.len()), "{} pools", seen.len());
            for pair in seen {
                let reserves =
                    |state: &revm::database::InMemoryDB| state.cache.accounts[&pair].storage[&RESERVES];
                assert_ne!(reserves(&block.state), reserves(&after));
            }
        }
    }
}
