//! The same tests under Ethereum's own rules: blob transactions, the base fee burnt, withdrawals, requests. Nothing is
//! undone and nothing left out.
//!
//! The environment of a block, its system calls and its requests are `alloy-evm`'s; what is tested executes the
//! transactions.

use alloy_consensus::{
    Block, EMPTY_OMMER_ROOT_HASH, Header, Receipt, ReceiptEnvelope, ReceiptWithBloom, Transaction, TxReceipt,
    proofs::{calculate_receipt_root, calculate_transaction_root, calculate_withdrawals_root},
    transaction::{Recovered, SignerRecoverable},
};
use alloy_eips::{
    Decodable2718, eip1559::BaseFeeParams, eip6110::MAINNET_DEPOSIT_CONTRACT_ADDRESS, eip7685::Requests,
    eip7840::BlobParams,
};
use alloy_evm::{
    EthEvm, EthEvmFactory, Evm, EvmEnv, EvmFactory, ToTxEnv,
    block::{BlockExecutionError, SystemCaller},
    eth::eip6110::{DEPOSIT_REQUEST_TYPE, accumulate_deposits_from_receipts},
    precompiles::PrecompilesMap,
};
use alloy_hardforks::{EthereumChainHardforks, EthereumHardfork, ForkCondition};
use alloy_primitives::{Bloom, Log, keccak256};
use alloy_rlp::Encodable;
use revm::{
    Context, ExecuteCommitEvm, MainBuilder, MainContext,
    context::{
        BlockEnv, CfgEnv, TxEnv,
        result::{EVMError, ExecutionResult, InvalidTransaction},
    },
    database::{BundleState, State, WrapDatabaseRef, states::bundle_state::BundleRetention},
    inspector::NoOpInspector,
    primitives::hardfork::SpecId,
};

use super::{
    fixture::{self, BlockTest, Env, Post, StateTest},
    report::{Outcome, Report},
    tree::{self, Chain, Refused, Tx, credit, invalid},
    world::World,
};

/// A block is at most this long in RLP (EIP-7934).
const MAX_BLOCK_BYTES: usize = 8_388_608;

/// The gas limit of a block fits a signed integer (EIP-1985).
const MAX_GAS_LIMIT: u64 = u64::MAX >> 1;

/// What became of a block's transactions, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Results; of a transaction that is not in the block, why it is invalid, or nothing if its gas limit exceeds what
    /// the block has left.
    pub results: Vec<Result<ExecutionResult, Option<InvalidTransaction>>>,
    /// What changed.
    pub bundle: BundleState,
}

/// Executes transactions on a state, in order, and leaves out those that are invalid where they stand.
pub type Transact<'a> = dyn Fn(&World, &CfgEnv, &BlockEnv, &[TxEnv]) -> Done + Sync + 'a;

/// Runs the state tests; `None` if `LOCKSTEP_DATA` is not set.
///
/// # Panics
/// If the files are missing or broken.
#[must_use]
pub fn state_tests(transact: &Transact<'_>) -> Option<Report> {
    super::run(super::STATES, |path, report| {
        for (name, test) in fixture::read::<StateTest>(path) {
            for (fork, post) in
                test.post.iter().flat_map(|(fork, posts)| posts.iter().map(move |p| (fork, p)))
            {
                let chain = Ethereum::new(fork, test.config.chainid.to(), transact);
                report.add(path, &name, chain.and_then(|chain| chain.state_test(&test, post)));
            }
        }
    })
}

/// Runs the block tests; `None` if `LOCKSTEP_DATA` is not set.
///
/// # Panics
/// If the files are missing or broken.
#[must_use]
pub fn block_tests(transact: &Transact<'_>) -> Option<Report> {
    super::run(super::BLOCKS, |path, report| {
        for (name, test) in fixture::read::<BlockTest>(path) {
            let chain = Ethereum::new(&test.network, test.chain_id(), transact);
            let outcome = chain.and_then(|chain| tree::run(&test, &chain, report));
            report.add(path, &name, outcome);
        }
    })
}

/// [`Transact`] by plain revm.
///
/// # Panics
/// If the EVM fails for another reason than an invalid transaction.
#[must_use]
pub fn by_revm(world: &World, cfg: &CfgEnv, block: &BlockEnv, txs: &[TxEnv]) -> Done {
    let db = State::builder().with_database_ref(world).with_bundle_update().build();
    let context = Context::mainnet().with_db(db).with_block(block.clone()).with_cfg(cfg.clone());
    let mut evm = context.build_mainnet();
    let mut gas_left = block.gas_limit;
    let results = txs.iter().map(|tx| {
        if tx.gas_limit > gas_left {
            return Err(None);
        }
        match evm.transact_commit(tx.clone()) {
            Ok(result) => {
                gas_left -= result.tx_gas_used();
                Ok(result)
            }
            Err(EVMError::Transaction(error)) => Err(Some(error)),
            Err(error) => panic!("{error:?}"),
        }
    });
    let results = results.collect();
    let mut state = evm.ctx.journaled_state.database;
    state.merge_transitions(BundleRetention::PlainState);
    Done { results, bundle: state.take_bundle() }
}

/// A chain with one Ethereum fork, from genesis on.
struct Ethereum<'a> {
    chain_id: u64,
    forks: EthereumChainHardforks,
    blobs: BlobParams,
    transact: &'a Transact<'a>,
}

type SystemEvm<'a> = EthEvm<State<WrapDatabaseRef<&'a World>>, NoOpInspector, PrecompilesMap>;

impl<'a> Ethereum<'a> {
    fn new(fork: &str, chain_id: u64, transact: &'a Transact<'a>) -> Result<Self, String> {
        let (newest, blobs) = match fork {
            "Cancun" => (EthereumHardfork::Cancun, BlobParams::cancun()),
            "Prague" => (EthereumHardfork::Prague, BlobParams::prague()),
            "Osaka" => (EthereumHardfork::Osaka, BlobParams::osaka()),
            other => return Err(format!("fork {other}")),
        };
        let active = EthereumHardfork::VARIANTS.iter().filter(|fork| **fork <= newest);
        let forks = active.map(|fork| match fork {
            EthereumHardfork::Dao => (*fork, ForkCondition::Never),
            before if *before <= EthereumHardfork::Paris => (*fork, ForkCondition::ZERO_BLOCK),
            _ => (*fork, ForkCondition::ZERO_TIMESTAMP),
        });
        Ok(Self { chain_id, forks: EthereumChainHardforks::new(forks), blobs, transact })
    }

    fn env(&self, header: &Header) -> EvmEnv {
        EvmEnv::for_eth_block(header, &self.forks, self.chain_id, Some(self.blobs))
    }

    fn state_test(&self, test: &StateTest, post: &Post) -> Result<Outcome, String> {
        let mut world = World::new(&test.pre);
        let EvmEnv { cfg_env, block_env } = self.env(&header(&test.env));
        let txs: Vec<_> = decode(&post.txbytes).map(|tx| tx.to_tx_env()).into_iter().collect();
        let done = (self.transact)(&world, &cfg_env, &block_env, &txs);
        let result = done.results.first().and_then(|result| result.as_ref().ok());
        match (result, &post.expect_exception) {
            (Some(_), None) | (None, Some(_)) => {}
            (Some(_), Some(expected)) => return Err(format!("included, but must fail with {expected}")),
            (None, None) => return Err(format!("{:?}", done.results)),
        }
        world.apply(&done.bundle);
        let root = world.state_root();
        if root != post.hash {
            return Err(format!("state root {root} instead of {}", post.hash));
        }
        let logs: Vec<Log> = result.map(|result| result.logs().to_vec()).unwrap_or_default();
        let logs = keccak256(alloy_rlp::encode(logs));
        if logs != post.logs {
            return Err(format!("logs {logs} instead of {}", post.logs));
        }
        Ok(Outcome::Passed)
    }

    /// `world` after system calls, and what they give.
    fn system<'w, T>(
        &self,
        world: &'w World,
        env: &EvmEnv,
        calls: impl FnOnce(
            &mut SystemCaller<&EthereumChainHardforks>,
            &mut SystemEvm<'w>,
        ) -> Result<T, BlockExecutionError>,
    ) -> Result<(T, World), Refused> {
        let db = State::builder().with_database_ref(world).with_bundle_update().build();
        let mut evm = EthEvmFactory::default().create_evm(db, env.clone());
        let given = calls(&mut SystemCaller::new(&self.forks), &mut evm).map_err(|error| invalid(&error))?;
        let (mut db, _) = evm.finish();
        db.merge_transitions(BundleRetention::PlainState);
        let mut after = world.clone();
        after.apply(&db.take_bundle());
        Ok((given, after))
    }

    /// The requests that a block makes (EIP-7685).
    fn requests(
        &self,
        world: &World,
        env: &EvmEnv,
        receipts: &[ReceiptEnvelope],
    ) -> Result<(Requests, World), Refused> {
        let mut deposits = Vec::new();
        accumulate_deposits_from_receipts(MAINNET_DEPOSIT_CONTRACT_ADDRESS, receipts, &mut deposits)
            .map_err(|error| invalid(&error))?;
        let mut requests = Requests::default();
        if !deposits.is_empty() {
            requests.push_request_with_type(DEPOSIT_REQUEST_TYPE, deposits);
        }
        let ((), after) =
            self.system(world, env, |caller, evm| caller.append_post_execution_changes(evm, &mut requests))?;
        Ok((requests, after))
    }

    /// The header that follows from `parent` and from what a proposer may choose in `chosen`.
    fn draft(&self, parent: &Header, chosen: &Header) -> Result<Header, Refused> {
        let step = chosen.gas_limit.abs_diff(parent.gas_limit);
        if step >= parent.gas_limit / 1024 || !(5000..=MAX_GAS_LIMIT).contains(&chosen.gas_limit) {
            return Err(invalid(&"gas limit"));
        }
        if chosen.extra_data.len() > 32 {
            return Err(invalid(&"extra data"));
        }
        Ok(Header {
            parent_hash: parent.hash_slow(),
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            beneficiary: chosen.beneficiary,
            number: parent.number + 1,
            gas_limit: chosen.gas_limit,
            timestamp: chosen.timestamp,
            mix_hash: chosen.mix_hash,
            extra_data: chosen.extra_data.clone(),
            base_fee_per_gas: parent.next_block_base_fee(BaseFeeParams::ethereum()),
            excess_blob_gas: parent.next_block_excess_blob_gas(self.blobs),
            parent_beacon_block_root: chosen.parent_beacon_block_root,
            ..Header::default()
        })
    }

    fn blob_gas(&self, txs: &[Tx]) -> Result<u64, Refused> {
        let blob_gas = txs.iter().filter_map(Transaction::blob_gas_used).sum();
        if blob_gas > self.blobs.max_blob_gas_per_block() {
            return Err(invalid(&"too many blobs"));
        }
        Ok(blob_gas)
    }
}

impl Chain for Ethereum<'_> {
    fn derive(&self, parent: &Header, world: &World, block: &Block<Tx>) -> Result<(Header, World), Refused> {
        let txs = &block.body.transactions;
        let mut header = self.draft(parent, &block.header)?;
        header.blob_gas_used = Some(self.blob_gas(txs)?);
        let env = self.env(&header);
        let spec = *env.spec_id();
        if spec.is_enabled_in(SpecId::OSAKA) && block.length() > MAX_BLOCK_BYTES {
            return Err(invalid(&"too long"));
        }
        let (_, world) =
            self.system(world, &env, |caller, evm| caller.apply_pre_execution_changes(&header, evm))?;
        let (receipts, mut world) = self.run(&world, &env, txs)?;
        if spec.is_enabled_in(SpecId::PRAGUE) {
            let requests;
            (requests, world) = self.requests(&world, &env, &receipts)?;
            header.requests_hash = Some(requests.requests_hash());
        }
        let withdrawals = block.body.withdrawals.as_ref().ok_or_else(|| invalid(&"no withdrawals"))?;
        credit(&mut world, withdrawals);
        header.withdrawals_root = Some(calculate_withdrawals_root(withdrawals));
        header.gas_used = receipts.last().map_or(0, TxReceipt::cumulative_gas_used);
        header.transactions_root = calculate_transaction_root(txs);
        header.receipts_root = calculate_receipt_root(&receipts);
        header.logs_bloom = receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom());
        header.state_root = world.state_root();
        Ok((header, world))
    }
}

impl Ethereum<'_> {
    /// Receipts of `txs`, all of which must be valid, and the state after them.
    fn run(&self, world: &World, env: &EvmEnv, txs: &[Tx]) -> Result<(Vec<ReceiptEnvelope>, World), Refused> {
        let recovered: Result<Vec<_>, _> = txs.iter().map(|tx| tx.clone().try_into_recovered()).collect();
        let recovered = recovered.map_err(|_| invalid(&"signature"))?;
        let envs: Vec<TxEnv> = recovered.iter().map(|tx: &Recovered<Tx>| tx.to_tx_env()).collect();
        let done = (self.transact)(world, &env.cfg_env, &env.block_env, &envs);
        let mut cumulative_gas_used = 0;
        let receipts = done.results.into_iter().zip(txs).map(|(result, tx)| {
            let result = result.map_err(|why| invalid(&format!("{why:?}")))?;
            cumulative_gas_used += result.tx_gas_used();
            let status = result.is_success().into();
            let receipt = Receipt { status, cumulative_gas_used, logs: result.into_logs() };
            Ok(ReceiptEnvelope::from_typed(tx.tx_type(), ReceiptWithBloom::from(receipt)))
        });
        let receipts = receipts.collect::<Result<_, Refused>>()?;
        let mut after = world.clone();
        after.apply(&done.bundle);
        Ok((receipts, after))
    }
}

fn decode(bytes: &[u8]) -> Option<Recovered<Tx>> {
    Tx::decode_2718_exact(bytes).ok()?.try_into_recovered().ok()
}

fn header(env: &Env) -> Header {
    Header {
        beneficiary: env.current_coinbase,
        number: env.current_number.to(),
        gas_limit: env.current_gas_limit.to(),
        timestamp: env.current_timestamp.to(),
        mix_hash: env.current_random,
        base_fee_per_gas: Some(env.current_base_fee.to()),
        excess_blob_gas: Some(env.current_excess_blob_gas.to()),
        ..Header::default()
    }
}
