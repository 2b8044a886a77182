//! A state under construction, and the transactions of the block that will be executed on it.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256, map::AddressMap};
use alloy_sol_types::{SolCall, SolValue};
use revm::{
    Context, ExecuteCommitEvm, MainBuilder, MainContext, MainnetEvm,
    context::{BlockEnv, CfgEnv, TxEnv, result::ExecutionResult},
    context_interface::{
        TransactionType,
        either::Either,
        transaction::{
            AccessList, AccessListItem, Authorization as Eip7702Authorization, RecoveredAuthority,
            RecoveredAuthorization, SignedAuthorization,
        },
    },
    database::{DbAccount, InMemoryDB},
    handler::MainnetContext,
    primitives::{KECCAK_EMPTY, TxKind, eip4844::BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE, hardfork::SpecId},
    state::AccountInfo,
};

use super::{Claim, Workload, rng::Rng};

const NUMBER: u64 = 23_935_700;
const TIMESTAMP: u64 = 1_764_798_551;
const BASEFEE: u64 = 730_000_000;
/// Makes blob gas cost 0.1 gwei or so.
const EXCESS_BLOB_GAS: u64 = 92_000_000;
const GWEI: u128 = 1_000_000_000;

/// What a setup transaction may use; without the limit of EIP-7825.
const SETUP_GAS: u64 = 1 << 30;

/// 10^18: one ether in wei, one unit of the tokens here.
pub(super) const ONE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// `units` times 10^18.
pub(super) fn ether(units: u64) -> U256 {
    ONE * U256::from(units)
}

/// A state under construction: set up by free transactions in the parent block, then [`World::send`] fills the block.
pub(super) struct World {
    evm: MainnetEvm<MainnetContext<InMemoryDB>>,
    seed: u64,
    pub(super) rng: Rng,
    /// By how much transactions of the block raise nonces.
    nonces: AddressMap<u64>,
    /// With their nonces, counted from the parent block.
    txs: Vec<(Tx, u64)>,
    claim: Claim,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut cfg = CfgEnv::new_with_spec(SpecId::OSAKA);
        cfg.tx_gas_limit_cap = Some(u64::MAX);
        let parent = BlockEnv { basefee: 0, beneficiary: Address::ZERO, ..block(seed, NUMBER - 1) };
        let context = Context::mainnet().with_db(InMemoryDB::default()).with_cfg(cfg).with_block(parent);
        Self {
            evm: context.build_mainnet(),
            seed,
            rng: Rng::new(seed),
            nonces: AddressMap::default(),
            txs: Vec::new(),
            claim: Claim::default(),
        }
    }

    /// The address of somebody who has nothing: `role` and `index` name them.
    pub(super) fn stranger(&self, role: &str, index: usize) -> Address {
        address(self.seed, role, index)
    }

    /// Somebody with 1,000 ether, or what was left of it.
    pub(super) fn person(&mut self, role: &str, index: usize) -> Address {
        let address = self.stranger(role, index);
        if !self.accounts().contains_key(&address) {
            self.fund(address, ether(1_000));
        }
        address
    }

    /// `count` people with 1,000 ether each.
    pub(super) fn people(&mut self, role: &str, count: usize) -> Vec<Address> {
        (0..count).map(|index| self.person(role, index)).collect()
    }

    /// Who the fees of the block go to; with 1,000 ether.
    pub(super) fn beneficiary(&mut self) -> Address {
        self.person("beneficiary", 0)
    }

    /// Gives `address`, which must not exist yet, a balance.
    pub(super) fn fund(&mut self, address: Address, wei: U256) {
        assert!(!self.accounts().contains_key(&address), "{address} exists");
        self.evm.ctx.journaled_state.database.insert_account_info(address, AccountInfo::from_balance(wei));
    }

    /// Creates a contract in the parent block; `arguments` are those of the constructor, encoded.
    pub(super) fn deploy(&mut self, from: Address, creation: &[u8], arguments: &[u8]) -> Address {
        let init = [creation, arguments].concat();
        let result = self.setup(from, TxKind::Create, U256::ZERO, init.into());
        result.created_address().expect("a creation that succeeded has an address")
    }

    /// Calls a contract in the parent block; what it returned.
    pub(super) fn call<C: SolCall>(&mut self, from: Address, to: Address, call: &C) -> C::Return {
        self.pay(from, to, U256::ZERO, call)
    }

    /// Calls a contract with ether in the parent block; what it returned.
    pub(super) fn pay<C: SolCall>(&mut self, from: Address, to: Address, value: U256, call: &C) -> C::Return {
        let result = self.setup(from, TxKind::Call(to), value, call.abi_encode().into());
        let output = result.output().expect("a call that succeeded has an output");
        C::abi_decode_returns(output).expect("the contract returns what its interface says")
    }

    fn setup(&mut self, from: Address, kind: TxKind, value: U256, data: Bytes) -> ExecutionResult {
        let nonce = self.state_nonce(from);
        let tx = TxEnv {
            caller: from,
            kind,
            value,
            data,
            nonce,
            gas_limit: SETUP_GAS,
            gas_price: 0,
            chain_id: Some(1),
            ..TxEnv::default()
        };
        let result = self.evm.transact_commit(tx).expect("a setup transaction is valid");
        assert!(result.is_success(), "setup failed: {kind:?} from {from}: {result:?}");
        result
    }

    fn accounts(&self) -> &AddressMap<DbAccount> {
        &self.evm.ctx.journaled_state.database.cache.accounts
    }

    fn state_nonce(&self, address: Address) -> u64 {
        self.accounts().get(&address).map_or(0, |account| account.info.nonce)
    }

    /// How many transactions the block has.
    pub(super) fn len(&self) -> usize {
        self.txs.len()
    }

    /// Appends a transaction that will end as `end` says.
    pub(super) fn send_to(&mut self, end: End, tx: Tx) {
        let nonce = self.nonces.entry(tx.from).or_default();
        let (count, offset) = match end {
            End::Success => (&mut self.claim.succeeded, *nonce),
            End::Failure => (&mut self.claim.failed, *nonce),
            End::Invalid(flaw) => (&mut self.claim.invalid, flaw.offset(*nonce)),
        };
        *count += 1;
        *nonce += u64::from(!matches!(end, End::Invalid(_)));
        self.txs.push((tx, offset));
    }

    /// Appends a transaction that will succeed.
    pub(super) fn send(&mut self, tx: Tx) {
        self.send_to(End::Success, tx);
    }

    /// Appends a transaction that will revert or halt.
    pub(super) fn send_failing(&mut self, tx: Tx) {
        self.send_to(End::Failure, tx);
    }

    /// The nonce that `address` has after all transactions so far, counted from the parent block: what an authorization
    /// names.
    pub(super) fn nonce(&self, address: Address) -> u64 {
        self.nonces.get(&address).copied().unwrap_or_default()
    }

    /// Says that an authorization in the last transaction will raise the nonce of `authority`.
    pub(super) fn authorized(&mut self, authority: Address) {
        *self.nonces.entry(authority).or_default() += 1;
    }

    /// The block.
    pub(super) fn finish(mut self, name: &'static str) -> Workload {
        let txs = std::mem::take(&mut self.txs);
        let txs = txs.into_iter().map(|(tx, offset)| self.env(tx, offset)).collect();
        Workload {
            name,
            state: canonical(self.evm.ctx.journaled_state.database),
            cfg: CfgEnv::new_with_spec(SpecId::OSAKA),
            block: block(self.seed, NUMBER),
            txs,
            claim: self.claim,
        }
    }

    /// Where nothing else demands a type, two in three pay by EIP-1559, the others a legacy gas price; each another tip.
    fn env(&mut self, tx: Tx, offset: u64) -> TxEnv {
        let tip = u128::from(self.rng.below(2_000_000_000)) + 1;
        let legacy = self.rng.below(3) == 0;
        let tx_type = match () {
            () if !tx.authorizations.is_empty() => TransactionType::Eip7702,
            () if tx.blobs > 0 => TransactionType::Eip4844,
            () if legacy && !tx.access_list.is_empty() => TransactionType::Eip2930,
            () if legacy => TransactionType::Legacy,
            () => TransactionType::Eip1559,
        };
        let priced = matches!(tx_type, TransactionType::Legacy | TransactionType::Eip2930);
        let authorization = |authorization: &Authorization| self.authorization(*authorization);
        TxEnv {
            tx_type: tx_type.into(),
            caller: tx.from,
            gas_limit: tx.gas_limit,
            gas_price: if priced { u128::from(BASEFEE) + tip } else { 2 * u128::from(BASEFEE) + 2 * GWEI },
            kind: tx.kind,
            value: tx.value,
            data: tx.data,
            nonce: self.state_nonce(tx.from).wrapping_add(offset),
            chain_id: Some(1),
            access_list: AccessList(tx.access_list),
            gas_priority_fee: (!priced).then_some(tip),
            blob_hashes: (0..tx.blobs).map(|blob| versioned_hash(tx.from, offset, blob)).collect(),
            max_fee_per_blob_gas: if tx.blobs > 0 { GWEI } else { 0 },
            authorization_list: tx.authorizations.iter().map(authorization).collect(),
        }
    }

    fn authorization(
        &self,
        Authorization { authority, delegate, nonce }: Authorization,
    ) -> AuthorizationItem {
        let nonce = self.state_nonce(authority).wrapping_add(nonce);
        let inner = Eip7702Authorization { chain_id: U256::ONE, address: delegate, nonce };
        Either::Right(RecoveredAuthorization::new_unchecked(inner, RecoveredAuthority::Valid(authority)))
    }
}

type AuthorizationItem = Either<SignedAuthorization, RecoveredAuthorization>;

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Keeps its effects.
    Success,
    /// Reverts or halts.
    Failure,
    /// Is refused.
    Invalid(Flaw),
}

/// Why a transaction is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The sender has used its nonce already, if it has sent anything; otherwise as `Future`.
    Past,
    /// The nonce is one too high.
    Future,
    /// What else the transaction says: too little gas, more value than its sender has, a sender with code.
    Content,
}

impl Flaw {
    const fn offset(self, next: u64) -> u64 {
        match self {
            Self::Past if next > 0 => next - 1,
            Self::Past | Self::Future => next + 1,
            Self::Content => next,
        }
    }
}

/// Leave to delegate (EIP-7702).
#[derive(Clone, Copy, Debug)]
pub(super) struct Authorization {
    pub(super) authority: Address,
    pub(super) delegate: Address,
    /// Counted from the parent block, as [`World::nonce`].
    pub(super) nonce: u64,
}

/// A transaction of the block: what matters to a workload.
#[derive(Clone, Debug, Default)]
pub(super) struct Tx {
    pub(super) from: Address,
    pub(super) kind: TxKind,
    pub(super) value: U256,
    pub(super) data: Bytes,
    pub(super) gas_limit: u64,
    pub(super) access_list: Vec<AccessListItem>,
    pub(super) blobs: u8,
    pub(super) authorizations: Vec<Authorization>,
}

impl Tx {
    /// A plain transfer.
    pub(super) fn transfer(from: Address, to: Address, value: U256) -> Self {
        Self { from, kind: TxKind::Call(to), value, gas_limit: 21_000, ..Self::default() }
    }

    /// A call of a contract.
    pub(super) fn call(from: Address, to: Address, gas_limit: u64, call: &impl SolCall) -> Self {
        let data = call.abi_encode().into();
        Self { from, kind: TxKind::Call(to), data, gas_limit, ..Self::default() }
    }

    /// A contract that `from` creates itself.
    pub(super) fn create(from: Address, gas_limit: u64, init: Bytes) -> Self {
        Self { from, kind: TxKind::Create, data: init, gas_limit, ..Self::default() }
    }
}

fn versioned_hash(from: Address, offset: u64, blob: u8) -> B256 {
    let mut hash = keccak256((from, offset, u64::from(blob)).abi_encode_packed());
    hash[0] = 1; // EIP-4844: commitments by KZG
    hash
}

fn address(seed: u64, role: &str, index: usize) -> Address {
    Address::from_word(keccak256(format!("{seed} {role} {index}")))
}

fn block(seed: u64, number: u64) -> BlockEnv {
    let mut block = BlockEnv {
        number: U256::from(number),
        beneficiary: address(seed, "beneficiary", 0),
        timestamp: U256::from(TIMESTAMP - 12 * (NUMBER - number)),
        gas_limit: 1 << 50,
        basefee: BASEFEE,
        prevrandao: Some(keccak256(number.to_be_bytes())),
        ..BlockEnv::default()
    };
    block.set_blob_excess_gas_and_price(EXCESS_BLOB_GAS, BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE);
    block
}

/// `state` without what execution left beside accounts, codes and slots: only what is there.
fn canonical(state: InMemoryDB) -> InMemoryDB {
    let mut clean = InMemoryDB::default();
    for (address, account) in state.cache.accounts {
        let mut info = account.info;
        if info.is_empty() {
            continue;
        }
        let code = state.cache.contracts.get(&info.code_hash).filter(|_| info.code_hash != KECCAK_EMPTY);
        info.code = code.cloned();
        clean.insert_account_info(address, info);
        for (slot, value) in account.storage.into_iter().filter(|(_, value)| !value.is_zero()) {
            let Ok(()) = clean.insert_account_storage(address, slot, value);
        }
    }
    clean
}
