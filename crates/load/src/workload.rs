//! What the transactions do.

use alloy_primitives::{Address, Bytes, U256, keccak256};
use alloy_sol_types::SolCall;
use lockstep_contracts::load::{Coin, Pair as PairAbi};

use crate::market::{Market, PAIRS};

/// What transactions do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Workload {
    /// Ether to another account of the load.
    Transfers,
    /// ERC-20 transfers of eight tokens to another account of the load.
    Erc20,
    /// Swaps on four constant-product pairs.
    Swaps,
    /// Five transfers to three ERC-20 transfers to two swaps.
    Mixed,
}

impl Workload {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transfers => "transfers",
            Self::Erc20 => "erc20",
            Self::Swaps => "swaps",
            Self::Mixed => "mixed",
        }
    }

    /// Whether accounts need coins.
    pub(crate) const fn trades(self) -> bool {
        !matches!(self, Self::Transfers)
    }

    /// The highest gas limit of its transactions.
    pub(crate) const fn most_gas(self) -> u64 {
        match self {
            Self::Transfers => TRANSFER_GAS,
            Self::Erc20 => COIN_GAS,
            Self::Swaps | Self::Mixed => SWAP_GAS,
        }
    }
}

impl std::fmt::Display for Workload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// What every transfer between accounts without code uses.
const TRANSFER_GAS: u64 = 21_000;
/// A transfer to somebody new uses 51,000 to 52,000; wallets leave a margin.
const COIN_GAS: u64 = 60_000;
/// A swap uses about 75,000.
const SWAP_GAS: u64 = 100_000;
/// The most that one transfer moves, wei or units of a coin.
pub(crate) const MOST_MOVED: u64 = 1 << 40;

/// A call that an account makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) to: Address,
    pub(crate) value: U256,
    pub(crate) gas: u64,
    pub(crate) input: Bytes,
}

/// Says of every nonce of every account what its transaction does.
#[derive(Debug)]
pub(crate) struct Script<'a> {
    pub(crate) workload: Workload,
    pub(crate) seed: u64,
    pub(crate) market: &'a Market,
    /// Accounts that send and receive; at least one.
    pub(crate) people: &'a [Address],
}

impl Script<'_> {
    /// What account `sender` does with `nonce`. It depends on the seed, and on nothing that happens.
    pub(crate) fn call(&self, sender: usize, nonce: u64) -> Call {
        let mut dice = Dice::new(self.seed, sender, nonce);
        match (self.workload, dice.below(10)) {
            (Workload::Transfers, _) | (Workload::Mixed, 0..5) => self.transfer(&mut dice),
            (Workload::Erc20, _) | (Workload::Mixed, 5..8) => self.coins(sender, &mut dice),
            (Workload::Swaps | Workload::Mixed, _) => self.swap(sender, &mut dice),
        }
    }

    fn transfer(&self, dice: &mut Dice) -> Call {
        let value = U256::from(1 + dice.below(MOST_MOVED));
        Call { to: self.anybody(dice), value, gas: TRANSFER_GAS, input: Bytes::new() }
    }

    fn coins(&self, sender: usize, dice: &mut Dice) -> Call {
        let coins = self.market.pairs[pair_of(sender)].coins;
        let to = coins[dice.index(coins.len())];
        let value = U256::from(1 + dice.below(MOST_MOVED));
        let input = Coin::transferCall { to: self.anybody(dice), value }.abi_encode().into();
        Call { to, value: U256::ZERO, gas: COIN_GAS, input }
    }

    fn swap(&self, sender: usize, dice: &mut Dice) -> Call {
        let sold = U256::from(MOST_MOVED + dice.below(MOST_MOVED));
        let sells_a = dice.below(2) == 0;
        let input = PairAbi::swapCall { sellsA: sells_a, sold, atLeast: U256::ZERO }.abi_encode().into();
        Call { to: self.market.pairs[pair_of(sender)].address, value: U256::ZERO, gas: SWAP_GAS, input }
    }

    fn anybody(&self, dice: &mut Dice) -> Address {
        self.people[dice.index(self.people.len())]
    }
}

/// The pair whose coins account `index` holds.
pub(crate) const fn pair_of(index: usize) -> usize {
    index % PAIRS
}

/// 32 bytes of chance for one transaction.
struct Dice([u64; 4]);

impl Dice {
    fn new(seed: u64, sender: usize, nonce: u64) -> Self {
        let parts = [seed.to_be_bytes(), (sender as u64).to_be_bytes(), nonce.to_be_bytes()];
        Self(U256::from_be_bytes(keccak256(parts.concat()).0).into_limbs())
    }

    /// A number below `bound`, which is above 0; the bias is below `bound / 2^64`. Good for four.
    const fn below(&mut self, bound: u64) -> u64 {
        let [first, rest @ ..] = self.0;
        self.0 = [rest[0], rest[1], rest[2], first];
        first % bound
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a usize")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const ALL: [Workload; 4] = [Workload::Transfers, Workload::Erc20, Workload::Swaps, Workload::Mixed];

    fn with<T>(workload: Workload, see: impl FnOnce(&Script<'_>) -> T) -> T {
        let people: Vec<_> = (1..=50).map(Address::repeat_byte).collect();
        let market = Market::of(Address::repeat_byte(0xfe));
        see(&Script { workload, seed: 1, market: &market, people: &people })
    }

    #[test]
    fn calls_follow_from_seed_sender_and_nonce() {
        for workload in ALL {
            with(workload, |script| {
                assert_eq!(script.call(3, 5), script.call(3, 5));
                assert_ne!(script.call(3, 5), script.call(3, 6));
                assert_ne!(script.call(3, 5), script.call(7, 5));
                assert_ne!(script.call(3, 5), Script { seed: 2, ..*script }.call(3, 5));
            });
        }
    }

    #[test]
    fn a_mix_has_every_kind_in_its_share() {
        let mut kinds = BTreeMap::new();
        with(Workload::Mixed, |script| {
            for nonce in 0..2_000 {
                *kinds.entry(script.call(0, nonce).gas).or_insert(0_u32) += 1;
            }
        });
        assert!((900..1_100).contains(&kinds[&TRANSFER_GAS]), "{kinds:?}");
        assert!((500..700).contains(&kinds[&COIN_GAS]), "{kinds:?}");
        assert!((320..480).contains(&kinds[&SWAP_GAS]), "{kinds:?}");
    }

    #[test]
    fn who_trades_uses_the_coins_of_its_own_pair() {
        with(Workload::Erc20, |script| {
            for sender in 0..8 {
                let coins = script.market.pairs[pair_of(sender)].coins;
                assert!((0..50).all(|nonce| coins.contains(&script.call(sender, nonce).to)));
            }
        });
        with(Workload::Swaps, |script| {
            assert_eq!(script.call(6, 0).to, script.market.pairs[2].address);
        });
    }

    #[test]
    fn no_call_is_above_the_gas_of_its_workload() {
        for workload in ALL {
            with(workload, |script| {
                assert!((0..200).all(|nonce| script.call(1, nonce).gas <= workload.most_gas()));
            });
        }
    }
}
