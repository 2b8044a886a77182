//! WETH9, the wrapped ether of mainnet.

use alloy_primitives::{Address, U256};
use alloy_sol_types::sol;

use super::{
    artifacts,
    world::{Tx, World},
};

sol! {
    function deposit() external payable;
    function withdraw(uint256 wad) external;
}

const DEPOSIT_GAS: u64 = 60_000;
const WITHDRAW_GAS: u64 = 60_000;

/// The contract.
#[derive(Clone, Copy)]
pub(super) struct Weth(pub(super) Address);

impl Weth {
    pub(super) fn deploy(world: &mut World) -> Self {
        let deployer = world.person("weth deployer", 0);
        Self(world.deploy(deployer, artifacts::WETH9, &[]))
    }

    /// Wraps ether of `owner`, in the parent block.
    pub(super) fn wrap(self, world: &mut World, owner: Address, wei: U256) {
        world.pay(owner, self.0, wei, &depositCall {});
    }

    /// A transaction that wraps ether.
    pub(super) fn deposit(self, from: Address, wei: U256) -> Tx {
        Tx { value: wei, ..Tx::call(from, self.0, DEPOSIT_GAS, &depositCall {}) }
    }

    /// A transaction that unwraps ether: the contract pays `from`.
    pub(super) fn withdraw(self, from: Address, wei: U256) -> Tx {
        Tx::call(from, self.0, WITHDRAW_GAS, &withdrawCall { wad: wei })
    }
}
