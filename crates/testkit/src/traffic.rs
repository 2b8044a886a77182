//! Signed transactions as users of a rollup send them, for codecs: nobody executes them.
//!
//! Everything follows from the seed. Signatures are real ones (RFC 6979), so senders can be recovered.

use alloy::signers::{SignerSync, local::PrivateKeySigner};
use alloy_consensus::{
    SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy,
    transaction::RlpEcdsaEncodableTx,
};
use alloy_eips::{
    Encodable2718,
    eip2930::{AccessList, AccessListItem},
    eip7702::Authorization,
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};

use crate::workloads::rng::Rng;

/// Chain id of the traffic.
pub const CHAIN_ID: u64 = 901_337;
/// Accounts that send.
const SENDERS: usize = 200;
/// Accounts that receive, where they recur.
const RECIPIENTS: usize = 300;
/// Tokens that are transferred.
const TOKENS: usize = 8;
/// Transactions of a block.
const BLOCK_SIZE: usize = 100;
/// Selector of `transfer(address,uint256)`.
const TRANSFER: [u8; 4] = [0xa9, 0x05, 0x9c, 0xbb];
const GWEI: u128 = 1_000_000_000;

/// A signed transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTx {
    /// Who signed it.
    pub sender: Address,
    /// EIP-2718 bytes.
    pub raw: Bytes,
}

/// Blocks of signed transactions.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// Its name in reports.
    pub name: &'static str,
    /// The blocks.
    pub blocks: Vec<Vec<SignedTx>>,
}

/// What is transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asset {
    /// ETH, without calldata.
    Eth,
    /// One of eight ERC-20 tokens.
    Erc20,
}

/// Who receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// One of 300 accounts.
    Recurring,
    /// Another account each time.
    New,
}

/// `size` transfers by 200 senders in transactions of type 2, 100 in a block.
///
/// Values and fees are what wallets make of what people choose: most amounts have one to three digits and zeros, some
/// have six digits, few have all; most fees are twice the base fee of the block and a usual tip, some are round.
#[must_use]
pub fn transfers(asset: Asset, recipients: Recipients, size: usize, seed: u64) -> Traffic {
    let name = match (asset, recipients) {
        (Asset::Eth, Recipients::Recurring) => "eth-transfers/recipients=recurring",
        (Asset::Eth, Recipients::New) => "eth-transfers/recipients=new",
        (Asset::Erc20, Recipients::Recurring) => "erc20-transfers/recipients=recurring",
        (Asset::Erc20, Recipients::New) => "erc20-transfers/recipients=new",
    };
    let mut town = Town::new(seed);
    let mut left = size;
    let blocks = std::iter::from_fn(|| {
        let count = left.min(BLOCK_SIZE);
        left -= count;
        town.next_block();
        (count > 0).then(|| (0..count).map(|_| town.transfer(asset, recipients)).collect())
    });
    Traffic { name, blocks: blocks.collect() }
}

/// Every type of transaction with its rarer fields: creations, unprotected signatures, access lists, authorizations,
/// empty and long calldata, the largest values; a block without transactions among them.
#[must_use]
pub fn every_type(seed: u64) -> Traffic {
    let mut town = Town::new(seed);
    town.next_block();
    let mut blocks = vec![Vec::new(), Vec::new()];
    for round in 0..3 {
        blocks.push(town.odd_block(round));
    }
    Traffic { name: "every-type", blocks }
}

/// A wallet and its next nonce.
struct Wallet {
    key: PrivateKeySigner,
    nonce: u64,
}

/// Who lives on the chain, and what gas costs there.
struct Town {
    rng: Rng,
    wallets: Vec<Wallet>,
    recipients: Vec<Address>,
    tokens: Vec<Address>,
    base_fee: u128,
}

impl Town {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let wallets =
            (0..SENDERS).map(|index| Wallet { key: key(seed, index), nonce: rng.below(400) }).collect();
        let accounts = |of: &str, count| (0..count).map(|index| account(seed, of, index)).collect();
        let (recipients, tokens) = (accounts("recipient", RECIPIENTS), accounts("token", TOKENS));
        Self { rng, wallets, recipients, tokens, base_fee: GWEI / 100 }
    }

    /// The base fee moves by up to 2 % and keeps all its digits.
    fn next_block(&mut self) {
        let permille = u128::from(980 + self.rng.below(41));
        self.base_fee = self.base_fee * permille / 1000 + u128::from(self.rng.below(1000));
    }

    fn transfer(&mut self, asset: Asset, recipients: Recipients) -> SignedTx {
        let wallet = self.rng.index(self.wallets.len());
        let to = match recipients {
            Recipients::Recurring => self.rng.pick(&self.recipients),
            Recipients::New => self.address(),
        };
        let (max_priority_fee_per_gas, max_fee_per_gas) = self.fees();
        let mut tx = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce: self.nonce(wallet),
            gas_limit: 21_000,
            max_priority_fee_per_gas,
            max_fee_per_gas,
            to: TxKind::Call(to),
            ..TxEip1559::default()
        };
        match asset {
            Asset::Eth => tx.value = self.amount(18),
            Asset::Erc20 => {
                tx.to = TxKind::Call(self.rng.skewed(&self.tokens));
                tx.gas_limit = self.rng.pick(&[65_000, 60_000, 51_612, 46_109, 100_000]);
                tx.input = transfer_call(to, self.amount(6));
            }
        }
        self.sign(wallet, tx)
    }

    /// `(tip, most for each gas)`, wei.
    fn fees(&mut self) -> (u128, u128) {
        let tip = self.rng.pick(&[GWEI / 1000, GWEI / 1000, GWEI / 100, GWEI / 10, GWEI, 3 * GWEI / 2]);
        if self.rng.below(10) < 7 {
            return (tip, 2 * self.base_fee + tip);
        }
        (tip, tip + self.rng.pick(&[GWEI / 10, GWEI, 5 * GWEI, 20 * GWEI]))
    }

    /// An amount of something with so many decimals.
    fn amount(&mut self, decimals: u64) -> U256 {
        let digits = match self.rng.below(10) {
            0..=5 => 1 + self.rng.below(3),
            6..=8 => 6,
            _ => decimals,
        };
        let mantissa = 1 + self.rng.below(10u64.pow(u32::try_from(digits).expect("few digits")) - 1);
        U256::from(mantissa) * U256::from(10).pow(U256::from(decimals - digits.min(decimals)))
    }

    fn nonce(&mut self, wallet: usize) -> u64 {
        let wallet = &mut self.wallets[wallet];
        wallet.nonce += 1;
        wallet.nonce - 1
    }

    fn address(&mut self) -> Address {
        Address::from_word(self.word())
    }

    fn word(&mut self) -> B256 {
        keccak256(self.rng.next().to_be_bytes())
    }

    fn bytes(&mut self, length: usize) -> Bytes {
        let words = length.div_ceil(32);
        let mut bytes: Vec<u8> = (0..words).flat_map(|_| self.word().0).collect();
        bytes.truncate(length);
        bytes.into()
    }

    fn sign<T>(&self, wallet: usize, tx: T) -> SignedTx
    where
        T: SignableTransaction<Signature> + RlpEcdsaEncodableTx,
        TxEnvelope: From<alloy_consensus::Signed<T>>,
    {
        let key = &self.wallets[wallet].key;
        let signature = key.sign_hash_sync(&tx.signature_hash()).expect("a key in memory signs");
        let raw = TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into();
        SignedTx { sender: key.address(), raw }
    }

    /// One transaction of each kind that is easily forgotten.
    fn odd_block(&mut self, round: usize) -> Vec<SignedTx> {
        let list = self.access_list(round);
        let mut txs = Vec::new();
        for protected in [true, false] {
            for to in [TxKind::Call(self.address()), TxKind::Create] {
                let (wallet, input) = (self.rng.index(self.wallets.len()), self.bytes(37 * round));
                let tx = TxLegacy {
                    chain_id: protected.then_some(CHAIN_ID),
                    nonce: self.nonce(wallet),
                    gas_price: u128::from(self.rng.next()),
                    gas_limit: self.rng.next(),
                    to,
                    value: U256::MAX >> (100 * round),
                    input,
                };
                txs.push(self.sign(wallet, tx));
            }
        }
        for to in [TxKind::Call(self.address()), TxKind::Create] {
            let wallet = self.rng.index(self.wallets.len());
            let tx = TxEip2930 {
                chain_id: CHAIN_ID,
                nonce: self.nonce(wallet),
                gas_price: u128::MAX,
                gas_limit: 30_000_000,
                to,
                value: U256::ZERO,
                access_list: list.clone(),
                input: self.bytes(5000 * round),
            };
            txs.push(self.sign(wallet, tx));
            let tx = TxEip1559 {
                chain_id: CHAIN_ID,
                nonce: self.nonce(wallet),
                gas_limit: 0,
                max_fee_per_gas: 0,
                max_priority_fee_per_gas: u128::MAX,
                to,
                value: self.amount(18),
                access_list: list.clone(),
                input: transfer_call(self.address(), U256::MAX),
            };
            txs.push(self.sign(wallet, tx));
        }
        txs.push(self.delegation(round, list));
        txs
    }

    fn access_list(&mut self, items: usize) -> AccessList {
        let item = |index| AccessListItem {
            address: self.address(),
            storage_keys: (0..index).map(|_| self.word()).collect(),
        };
        AccessList((0..items).map(item).collect())
    }

    fn delegation(&mut self, authorizations: usize, access_list: AccessList) -> SignedTx {
        let wallet = self.rng.index(self.wallets.len());
        let authorize = |index: usize| {
            let chain_id = if index.is_multiple_of(2) { U256::ZERO } else { U256::from(CHAIN_ID) };
            let authorization = Authorization { chain_id, address: self.tokens[index], nonce: index as u64 };
            let hash = authorization.signature_hash();
            let signature = self.wallets[index].key.sign_hash_sync(&hash).expect("a key in memory signs");
            authorization.into_signed(signature)
        };
        let authorization_list = (0..authorizations).map(authorize).collect();
        let tx = TxEip7702 {
            chain_id: CHAIN_ID,
            nonce: self.nonce(wallet),
            gas_limit: 500_000,
            max_fee_per_gas: GWEI,
            max_priority_fee_per_gas: 1,
            to: self.address(),
            value: self.amount(18),
            access_list,
            authorization_list,
            input: self.bytes(4),
        };
        self.sign(wallet, tx)
    }
}

/// The key of sender `index`.
fn key(seed: u64, index: usize) -> PrivateKeySigner {
    let secret = keccak256(format!("sender {seed} {index}"));
    PrivateKeySigner::from_bytes(&secret).expect("a hash is a key, but for one in 2^128")
}

fn account(seed: u64, of: &str, index: usize) -> Address {
    Address::from_word(keccak256(format!("{of} {seed} {index}")))
}

fn transfer_call(to: Address, amount: U256) -> Bytes {
    [&TRANSFER[..], to.into_word().as_slice(), &amount.to_be_bytes::<32>()].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
        let of = |seed| transfers(Asset::Erc20, Recipients::New, 150, seed).blocks;
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert_eq!(of(1).iter().map(Vec::len).collect::<Vec<_>>(), [100, 50]);
    }

    #[test]
    fn signatures_recover_to_the_senders() {
        use alloy_consensus::transaction::SignerRecoverable;
        use alloy_eips::Decodable2718;
        for tx in every_type(3).blocks.iter().flatten() {
            let decoded = TxEnvelope::decode_2718_exact(&tx.raw).expect("what was encoded decodes");
            assert_eq!(decoded.recover_signer().expect("a signature recovers"), tx.sender);
        }
    }
}
