//! Makes a chain ready: a market stands on it, accounts have ether and coins, and their nonces are known.
//!
//! Everything is looked at first: a second run on the same chain finds the market and the accounts as they are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256, hex};
use alloy_sol_types::SolCall;
use lockstep_contracts::load::Market as MarketAbi;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::accounts::{Account, SignedTx};
use crate::error::LoadError;
use crate::market::{Market, PAIRS};
use crate::net::{Rpc, RpcError};
use crate::progress;
use crate::workload::{MOST_MOVED, Workload, pair_of};

const GWEI: u128 = 1_000_000_000;
/// Times the base fee that a transaction may pay: full blocks raise it by an eighth each.
const BASE_FEE_ROOM: u128 = 20;
/// The lowest fee offered where the base fee is next to nothing, as it may rise.
const LEAST_MAX_FEE: u128 = 10 * GWEI;
/// Kept aside by each account for what a rollup charges beside gas: wei.
const MARGIN: u64 = 10_000_000_000_000_000;

/// Gas of the market's deployment; EIP-7825 allows 2^24.
const DEPLOY_GAS: u64 = 12_000_000;
/// Accounts that one transaction pays, and gas for each of them: a call with value to an account that is new.
const FUND: (usize, u64) = (300, 42_000);
/// Accounts that one transaction gives coins to, and gas for each of them: two balances that were 0.
const STOCK: (usize, u64) = (150, 75_000);
/// Gas of a transaction beside what it does for each account.
const CALL_GAS: u64 = 100_000;
/// An account with less of a coin gets more, units.
const LEAST_STOCK: u128 = 100_000_000_000_000_000_000_000;
/// Transactions that are sent before their inclusion is awaited.
const AT_ONCE: usize = 16;
/// Accounts that one call asks for the stock of.
const STOCKS_OF: usize = 250;
/// Time between two looks at what is awaited.
const POLL: Duration = Duration::from_millis(50);

/// What every transaction on a chain needs to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) chain_id: u64,
    /// The most that is paid per gas, wei.
    pub(crate) max_fee: u128,
    /// What the block's maker gets of it, wei.
    pub(crate) tip: u128,
}

impl Terms {
    pub(crate) fn transaction(
        &self,
        nonce: u64,
        to: TxKind,
        value: U256,
        gas: u64,
        input: Bytes,
    ) -> TxEip1559 {
        TxEip1559 {
            chain_id: self.chain_id,
            nonce,
            gas_limit: gas,
            max_fee_per_gas: self.max_fee,
            max_priority_fee_per_gas: self.tip,
            to,
            value,
            input,
            access_list: Default::default(),
        }
    }

    fn price(&self, gas: u64) -> U256 {
        U256::from(self.max_fee) * U256::from(gas)
    }
}

/// What accounts have to be ready for.
#[derive(Clone, Debug)]
pub(crate) struct Needs {
    pub(crate) workload: Workload,
    /// Transactions of each account.
    pub(crate) each: usize,
    /// Names the deployer.
    pub(crate) seed: u64,
    pub(crate) chain_id: Option<u64>,
    /// The most to pay per gas, wei.
    pub(crate) max_fee: Option<u128>,
    pub(crate) sync: bool,
    /// How long to wait for what was sent.
    pub(crate) patience: Duration,
}

/// A chain that load can begin on.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) terms: Terms,
    pub(crate) market: Market,
    /// The next nonce of each account.
    pub(crate) nonces: Vec<u64>,
}

/// Makes the chain behind `rpc` ready; `funder` pays.
pub(crate) async fn prepare(
    rpc: &mut Rpc,
    name: &str,
    funder: &Account,
    people: &[Address],
    needs: &Needs,
) -> Result<Ready, LoadError> {
    let terms = terms(rpc, name, needs).await?;
    if needs.sync {
        require_sync(rpc, name).await?;
    }
    let nonces = settled_nonces(rpc, name, people, needs.patience).await?;
    let deployer = Account::derived(needs.seed, Market::version().as_slice(), 0);
    let market = Market::of(deployer.address());
    let nonce = nonce_of(rpc, funder.address()).await?;
    let mut setup = Setup { rpc, name, funder, terms, nonce, needs, market: &market };
    setup.build_market(&deployer).await?;
    setup.fund(people).await?;
    if needs.workload.trades() {
        setup.stock(people).await?;
    }
    Ok(Ready { terms, market, nonces })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    #[serde(default)]
    base_fee_per_gas: Option<U256>,
}

async fn terms(rpc: &mut Rpc, name: &str, needs: &Needs) -> Result<Terms, LoadError> {
    let chain_id = rpc.call::<U64>("eth_chainId", json!([])).await?.to();
    if let Some(expected) = needs.chain_id.filter(|expected| *expected != chain_id) {
        return Err(LoadError::WrongChain { target: name.to_owned(), found: chain_id, expected });
    }
    let head: Header = rpc.call("eth_getBlockByNumber", json!(["latest", false])).await?;
    let base_fee = head.base_fee_per_gas.unwrap_or_default().saturating_to::<u128>();
    let tip = match rpc.call::<U256>("eth_maxPriorityFeePerGas", json!([])).await {
        Ok(tip) => tip.saturating_to(),
        Err(error) if error.is_unknown_method() => GWEI,
        Err(error) => return Err(error.into()),
    };
    let usual = (base_fee * BASE_FEE_ROOM).max(LEAST_MAX_FEE) + tip;
    let max_fee = needs.max_fee.unwrap_or(usual);
    Ok(Terms { chain_id, max_fee, tip: tip.min(max_fee) })
}

/// Without parameters the method does nothing where it exists.
async fn require_sync(rpc: &mut Rpc, name: &str) -> Result<(), LoadError> {
    match rpc.call::<Value>("eth_sendRawTransactionSync", json!([])).await {
        Err(error) if error.is_unknown_method() => Err(LoadError::NoSync { target: name.to_owned() }),
        Ok(_) | Err(RpcError::Refused { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn nonce_of(rpc: &mut Rpc, address: Address) -> Result<u64, RpcError> {
    Ok(rpc.call::<U64>("eth_getTransactionCount", json!([address, "pending"])).await?.to())
}

/// The nonces once none of the accounts has a transaction in the pool.
async fn settled_nonces(
    rpc: &mut Rpc,
    name: &str,
    people: &[Address],
    patience: Duration,
) -> Result<Vec<u64>, LoadError> {
    let deadline = Instant::now() + patience;
    loop {
        let [latest, pending] = [nonces(rpc, people, "latest").await?, nonces(rpc, people, "pending").await?];
        let accounts = latest.iter().zip(&pending).filter(|(latest, pending)| latest < pending).count();
        if accounts == 0 {
            return Ok(pending);
        }
        if Instant::now() > deadline {
            return Err(LoadError::Leftovers { target: name.to_owned(), accounts, patience });
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn nonces(rpc: &mut Rpc, people: &[Address], block: &str) -> Result<Vec<u64>, RpcError> {
    let asked: Vec<_> = people.iter().map(|address| json!([address, block])).collect();
    let found: Vec<U64> = rpc.calls("eth_getTransactionCount", &asked).await?;
    Ok(found.into_iter().map(|nonce| nonce.to()).collect())
}

#[derive(Deserialize)]
struct Receipt {
    status: U64,
}

/// A call to the market for the benefit of some accounts.
struct HandOut {
    accounts: usize,
    value: U256,
    gas: u64,
    input: Bytes,
}

impl HandOut {
    fn new(accounts: usize, value: U256, gas_each: u64, input: Vec<u8>) -> Self {
        Self { accounts, value, gas: CALL_GAS + gas_each * accounts as u64, input: input.into() }
    }
}

/// The transactions that prepare a chain.
struct Setup<'a> {
    rpc: &'a mut Rpc,
    name: &'a str,
    funder: &'a Account,
    terms: Terms,
    /// The funder's next nonce.
    nonce: u64,
    needs: &'a Needs,
    market: &'a Market,
}

impl Setup<'_> {
    async fn build_market(&mut self, deployer: &Account) -> Result<(), LoadError> {
        let what = "deploy the contracts of the load";
        if self.has_market().await? {
            return Ok(());
        }
        let cost = self.terms.price(DEPLOY_GAS) + U256::from(MARGIN);
        self.require_funds(cost + self.terms.price(21_000)).await?;
        let gift = self.funded_call(deployer.address(), cost, 21_000, Bytes::new());
        self.settle(vec![gift], what).await?;
        let nonce = nonce_of(self.rpc, deployer.address()).await?;
        let tx = self.terms.transaction(nonce, TxKind::Create, U256::ZERO, DEPLOY_GAS, Market::code());
        self.settle(vec![deployer.sign(tx)], what).await?;
        if self.has_market().await? {
            return Ok(());
        }
        Err(LoadError::Setup { target: self.name.to_owned(), what, reverted: true })
    }

    async fn has_market(&mut self) -> Result<bool, LoadError> {
        let code: Bytes = self.rpc.call("eth_getCode", json!([self.market.address, "latest"])).await?;
        Ok(!code.is_empty())
    }

    /// Whoever has less than its transactions may cost gets as much.
    async fn fund(&mut self, people: &[Address]) -> Result<(), LoadError> {
        let each = self.cost_of_one();
        let asked: Vec<_> = people.iter().map(|address| json!([address, "latest"])).collect();
        let balances: Vec<U256> = self.rpc.calls("eth_getBalance", &asked).await?;
        let poor: Vec<_> =
            people.iter().zip(&balances).filter(|(_, has)| **has < each).map(|(who, _)| *who).collect();
        let gas = CALL_GAS * poor.len().div_ceil(FUND.0) as u64 + FUND.1 * poor.len() as u64;
        self.require_funds(each * U256::from(poor.len()) + self.terms.price(gas)).await?;
        let calls = poor.chunks(FUND.0).map(|to| {
            let input = MarketAbi::fundCall { to: to.to_vec(), each }.abi_encode();
            HandOut::new(to.len(), each * U256::from(to.len()), FUND.1, input)
        });
        self.hand_out(&calls.collect::<Vec<_>>(), "fund accounts").await
    }

    /// What the transactions of one account may cost, with a margin for what a rollup charges beside gas.
    fn cost_of_one(&self) -> U256 {
        let one = self.terms.price(self.needs.workload.most_gas()) + U256::from(MOST_MOVED);
        one * U256::from(self.needs.each) * U256::from(5) / U256::from(4) + U256::from(MARGIN)
    }

    /// Whoever has little of the coins of its pair gets more.
    async fn stock(&mut self, people: &[Address]) -> Result<(), LoadError> {
        let mut calls = Vec::new();
        for (pair, poor) in self.without_stock(people).await? {
            calls.extend(poor.chunks(STOCK.0).map(|to| {
                let input = MarketAbi::stockCall { pair: U256::from(pair), to: to.to_vec() }.abi_encode();
                HandOut::new(to.len(), U256::ZERO, STOCK.1, input)
            }));
        }
        self.hand_out(&calls, "give coins to accounts").await
    }

    async fn without_stock(
        &mut self,
        people: &[Address],
    ) -> Result<BTreeMap<usize, Vec<Address>>, LoadError> {
        let mut poor = BTreeMap::<_, Vec<_>>::new();
        for pair in 0..PAIRS {
            let traders = people.iter().enumerate().filter(|(index, _)| pair_of(*index) == pair);
            let traders: Vec<_> = traders.map(|(_, address)| *address).collect();
            for who in traders.chunks(STOCKS_OF) {
                let stocks = self.stocks(pair, who).await?;
                let lacking = who.iter().zip(stocks).filter(|(_, has)| *has < U256::from(LEAST_STOCK));
                poor.entry(pair).or_default().extend(lacking.map(|(who, _)| *who));
            }
        }
        Ok(poor)
    }

    async fn stocks(&mut self, pair: usize, who: &[Address]) -> Result<Vec<U256>, LoadError> {
        let method = "eth_call";
        let input = MarketAbi::stocksCall { pair: U256::from(pair), who: who.to_vec() }.abi_encode();
        let call = json!([{"to": self.market.address, "data": hex::encode_prefixed(input)}, "latest"]);
        let output: Bytes = self.rpc.call(method, call).await?;
        MarketAbi::stocksCall::abi_decode_returns(&output).map_err(|_| {
            let what = "tell who has coins";
            LoadError::Setup { target: self.name.to_owned(), what, reverted: true }
        })
    }

    async fn hand_out(&mut self, calls: &[HandOut], what: &'static str) -> Result<(), LoadError> {
        let accounts = calls.iter().map(|call| call.accounts).sum();
        let bar = progress::bar(format!("{}: {what}", self.name), accounts);
        for calls in calls.chunks(AT_ONCE) {
            let sign = |call: &HandOut| {
                self.funded_call(self.market.address, call.value, call.gas, call.input.clone())
            };
            let txs = calls.iter().map(sign).collect();
            self.settle(txs, what).await?;
            bar.step(calls.iter().map(|call| call.accounts).sum());
        }
        Ok(())
    }

    fn funded_call(&mut self, to: Address, value: U256, gas: u64, input: Bytes) -> SignedTx {
        let tx = self.terms.transaction(self.nonce, TxKind::Call(to), value, gas, input);
        self.nonce += 1;
        self.funder.sign(tx)
    }

    async fn require_funds(&mut self, needed: U256) -> Result<(), LoadError> {
        let address = self.funder.address();
        let balance: U256 = self.rpc.call("eth_getBalance", json!([address, "latest"])).await?;
        if balance < needed {
            return Err(LoadError::NoFunds { target: self.name.to_owned(), address, balance, needed });
        }
        Ok(())
    }

    /// Sends transactions and waits until they have taken effect.
    async fn settle(&mut self, txs: Vec<SignedTx>, what: &'static str) -> Result<(), LoadError> {
        let failed = |reverted| LoadError::Setup { target: self.name.to_owned(), what, reverted };
        for tx in &txs {
            let _: B256 =
                self.rpc.call("eth_sendRawTransaction", json!([hex::encode_prefixed(&tx.raw)])).await?;
        }
        let deadline = Instant::now() + self.needs.patience;
        let mut waiting: Vec<_> = txs.iter().map(|tx| json!([tx.hash])).collect();
        loop {
            let receipts: Vec<Option<Receipt>> =
                self.rpc.calls("eth_getTransactionReceipt", &waiting).await?;
            if receipts.iter().flatten().any(|receipt| receipt.status.is_zero()) {
                return Err(failed(true));
            }
            let mut here = receipts.iter().map(Option::is_some);
            waiting.retain(|_| !here.next().unwrap_or_default());
            match (waiting.is_empty(), Instant::now() > deadline) {
                (true, _) => return Ok(()),
                (false, true) => return Err(failed(false)),
                (false, false) => tokio::time::sleep(POLL).await,
            }
        }
    }
}
