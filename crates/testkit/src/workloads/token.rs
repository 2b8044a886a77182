//! OpenZeppelin's ERC-20 with a fixed supply.

use alloy_primitives::{Address, U256, keccak256};
use alloy_sol_types::{SolValue, sol};
use revm::context_interface::transaction::AccessListItem;

use super::{
    artifacts,
    world::{ONE, Tx, World, ether},
};

sol! {
    function transfer(address to, uint256 value) external returns (bool);
    function approve(address spender, uint256 value) external returns (bool);
    function balanceOf(address owner) external view returns (uint256);
}

/// What a transfer to somebody new uses is 51,000 to 52,000; wallets leave a margin.
pub(super) const TRANSFER_GAS: u64 = 65_000;

/// A token that stands on chain.
#[derive(Clone, Copy)]
pub(super) struct Token {
    pub(super) address: Address,
    /// Who holds the supply.
    treasury: Address,
}

impl Token {
    /// Deploys token number `index` of the world.
    pub(super) fn deploy(world: &mut World, index: usize) -> Self {
        let treasury = world.person("treasury", index);
        let arguments = (format!("Token {index}"), format!("T{index}"), ether(1_000_000_000_000), treasury);
        Self { address: world.deploy(treasury, artifacts::ERC20, &arguments.abi_encode_params()), treasury }
    }

    /// Gives `to` 1,000,000 tokens, in the parent block.
    pub(super) fn grant(&self, world: &mut World, to: Address) {
        assert!(world.call(self.treasury, self.address, &transferCall { to, value: ether(1_000_000) }));
    }

    /// Lets `spender` use all that `owner` has, in the parent block.
    pub(super) fn approve(&self, world: &mut World, owner: Address, spender: Address) {
        assert!(world.call(owner, self.address, &approveCall { spender, value: U256::MAX }));
    }

    /// A transaction that moves one token.
    pub(super) fn transfer(&self, from: Address, to: Address) -> Tx {
        Tx::call(from, self.address, TRANSFER_GAS, &transferCall { to, value: ONE })
    }

    /// A transaction that lets `spender` use one token.
    pub(super) fn approval(&self, from: Address, spender: Address) -> Tx {
        Tx::call(from, self.address, TRANSFER_GAS, &approveCall { spender, value: ONE })
    }

    /// A transfer of more than there is: reverts.
    pub(super) fn overdraft(&self, from: Address) -> Tx {
        Tx::call(from, self.address, TRANSFER_GAS, &transferCall { to: self.treasury, value: U256::MAX })
    }

    /// The balances of `owners` as an access list (EIP-2930); the contract keeps them in the mapping at slot 0.
    pub(super) fn access_list(&self, owners: &[Address]) -> Vec<AccessListItem> {
        let slot = |owner: &Address| keccak256((*owner, U256::ZERO).abi_encode());
        vec![AccessListItem { address: self.address, storage_keys: owners.iter().map(slot).collect() }]
    }
}
