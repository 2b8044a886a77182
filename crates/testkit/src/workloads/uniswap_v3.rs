//! Swaps through the router of Uniswap v3, each by somebody else.

use alloy_primitives::{
    Address, U256,
    aliases::{I24, U24, U160},
};
use alloy_sol_types::{SolValue, sol};

use super::{
    Kind, Workload, artifacts,
    token::Token,
    weth::Weth,
    world::{ONE, Tx, World, ether},
};

/// All swaps on one pool: its price is one slot that every swap needs and changes.
pub(super) const ONE_POOL: Kind = Kind { name: "uniswap-v3-one-pool", build: one };

/// An eighth as many pools as swaps, of different tokens, in random order.
pub(super) const POOLS: Kind = Kind { name: "uniswap-v3-pools", build: many };

const SWAPS_OF_A_POOL: usize = 8;

/// What a swap uses is about 130,000; wallets leave a margin.
const SWAP_GAS: u64 = 220_000;

/// 0.3 %, in hundredths of a basis point.
const FEE: U24 = U24::from_limbs([3_000]);

/// Bounds of the positions, in ticks: multiples of 60, the spacing of this fee.
const WIDE: i32 = 887_220;
const NARROW: i32 = 600;

sol! {
    struct MintParams {
        address token0;
        address token1;
        uint24 fee;
        int24 tickLower;
        int24 tickUpper;
        uint256 amount0Desired;
        uint256 amount1Desired;
        uint256 amount0Min;
        uint256 amount1Min;
        address recipient;
        uint256 deadline;
    }

    struct ExactInputSingleParams {
        address tokenIn;
        address tokenOut;
        uint24 fee;
        address recipient;
        uint256 deadline;
        uint256 amountIn;
        uint256 amountOutMinimum;
        uint160 sqrtPriceLimitX96;
    }

    function createAndInitializePoolIfNecessary(address token0, address token1, uint24 fee, uint160 sqrtPriceX96)
        external payable returns (address pool);
    function mint(MintParams params)
        external payable returns (uint256 tokenId, uint128 liquidity, uint256 amount0, uint256 amount1);
    function exactInputSingle(ExactInputSingleParams params) external payable returns (uint256 amountOut);
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

/// Router and manager of positions.
#[derive(Clone, Copy)]
pub(super) struct Exchange {
    router: Address,
    positions: Address,
}

impl Exchange {
    pub(super) fn deploy(world: &mut World, weth: Weth) -> Self {
        let deployer = world.person("v3 deployer", 0);
        let factory = world.deploy(deployer, artifacts::UNISWAP_V3_FACTORY, &[]);
        let router =
            world.deploy(deployer, artifacts::UNISWAP_V3_ROUTER, &(factory, weth.0).abi_encode_params());
        let descriptor = Address::ZERO; // draws pictures of positions, which nobody asks for
        let arguments = (factory, weth.0, descriptor).abi_encode_params();
        let positions = world.deploy(deployer, artifacts::UNISWAP_V3_POSITIONS, &arguments);
        Self { router, positions }
    }

    /// Pool number `index`: two tokens of its own at price 1, with a wide and a narrow position.
    pub(super) fn open(self, world: &mut World, index: usize) -> Pool {
        let owner = world.person("v3 liquidity provider", index);
        let mut tokens = [Token::deploy(world, 2 * index), Token::deploy(world, 2 * index + 1)];
        tokens.sort_by_key(|token| token.address);
        for token in tokens {
            token.grant(world, owner);
            token.approve(world, owner, self.positions);
        }
        let [token0, token1] = tokens.map(|token| token.address);
        let create = createAndInitializePoolIfNecessaryCall {
            token0,
            token1,
            fee: FEE,
            sqrtPriceX96: U160::ONE << 96,
        };
        world.call(owner, self.positions, &create);
        for (ticks, amount) in [(WIDE, ether(300_000)), (NARROW, ether(100_000))] {
            let ticks = I24::try_from(ticks).expect("a tick fits 24 bits");
            let params = MintParams {
                token0,
                token1,
                fee: FEE,
                tickLower: -ticks,
                tickUpper: ticks,
                amount0Desired: amount,
                amount1Desired: amount,
                amount0Min: U256::ZERO,
                amount1Min: U256::ZERO,
                recipient: owner,
                deadline: U256::MAX,
            };
            assert!(world.call(owner, self.positions, &mintCall { params }).liquidity > 0);
        }
        Pool { tokens }
    }

    /// A swap of 1 to 10 tokens in a random direction by `trader`, whom this equips with what it takes.
    pub(super) fn swap(self, world: &mut World, pool: Pool, trader: Address) -> Tx {
        let [mut sold, mut bought] = pool.tokens;
        if world.rng.below(2) == 0 {
            std::mem::swap(&mut sold, &mut bought);
        }
        sold.grant(world, trader);
        sold.approve(world, trader, self.router);
        let params = ExactInputSingleParams {
            tokenIn: sold.address,
            tokenOut: bought.address,
            fee: FEE,
            recipient: trader,
            deadline: U256::MAX,
            amountIn: ONE * U256::from(1 + world.rng.below(10)),
            amountOutMinimum: U256::ONE,
            sqrtPriceLimitX96: U160::ZERO,
        };
        Tx::call(trader, self.router, SWAP_GAS, &exactInputSingleCall { params })
    }
}

/// A pool.
#[derive(Clone, Copy)]
pub(super) struct Pool {
    tokens: [Token; 2],
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use alloy_primitives::keccak256;

    use super::*;
    use crate::baseline::plain;

    #[test]
    fn every_swap_moves_the_price_of_one_pool() {
        let event = keccak256("Swap(address,address,int256,int256,uint160,uint128,int24)");
        for (block, pools) in [(one(60, 1), 1..2), (many(60, 1), 6..9)] {
            let (results, after) = plain(&block);
            let mut prices = BTreeMap::new();
            for result in results {
                let result = result.expect("valid");
                let swaps: Vec<_> = result.logs().iter().filter(|log| log.topics()[0] == event).collect();
                assert_eq!(swaps.len(), 1);
                let price = U256::from_be_slice(&swaps[0].data.data[64..96]);
                assert_ne!(prices.insert(swaps[0].address, price), Some(price));
            }
            assert!(pools.contains(&prices.len()), "{} pools", prices.len());
            for (pool, price) in prices {
                let slot0 = after.cache.accounts[&pool].storage[&U256::ZERO];
                assert_eq!(slot0 & (U256::MAX >> 96), price);
            }
        }
    }
}
