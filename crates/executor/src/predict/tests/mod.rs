//! Predictions against what really was touched.

mod sources;
mod synthetic;
mod workloads;

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use lockstep_locks::{AccessSet, Key, Mode as LockMode};
use revm::{
    Database, DatabaseCommit,
    bytecode::Bytecode,
    context::{BlockEnv, CfgEnv, TxEnv},
    database::InMemoryDB,
    state::AccountInfo,
};

use super::{Confidence, Predictor, Preimages, Seen};
use crate::{Ethereum, Executor, Lane, Limits, Mode, Options, Sources, Vm, Watch};

/// A state that notes what is hashed.
struct Tap {
    db: InMemoryDB,
    preimages: Preimages,
}

impl Database for Tap {
    type Error = <InMemoryDB as Database>::Error;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        self.db.basic(address)
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Self::Error> {
        self.db.code_by_hash(hash)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        self.db.storage(address, slot)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Self::Error> {
        self.db.block_hash(number)
    }
}

impl Watch for Tap {
    fn loading_code(&mut self) {}
    fn loaded(&mut self) {}
    fn observed(&mut self, _: Address) {}
    fn observed_nonce(&mut self, _: Address) {}
    fn observed_enough(&mut self, _: Address, _: U256, _: U256) {}
    fn observed_emptiness(&mut self, _: Address, _: U256) {}

    fn learning(&self) -> bool {
        true
    }

    fn hashed(&mut self, input: &[u8], hash: B256) {
        self.preimages.push(input, hash);
    }
}

/// An executed transaction: what there is to predict and to learn.
struct Example {
    tx: TxEnv,
    code_hash: B256,
    seen: Seen,
}

/// Executes a block one by one.
fn examples(state: &InMemoryDB, cfg: &CfgEnv, block: &BlockEnv, txs: &[TxEnv]) -> Vec<Example> {
    let vm = Ethereum::new(cfg.clone(), block.clone());
    let options = Options { threads: 1, mode: Mode::Sequential, record_access: true, ..Options::default() };
    let executor = Executor::new(options).expect("no thread is started");
    let (_, output) =
        executor.execute(&vm, state, Limits::NONE, txs).expect("a state in memory does not fail");
    let access = output.access.expect("recorded");
    let mut lane = vm.watched_lane(Tap { db: state.clone(), preimages: Preimages::default() });
    let mut examples = Vec::new();
    for (tx, set) in txs.iter().zip(access) {
        lane.db().preimages.clear();
        let callee = tx.kind.into_to().map(|to| lane.db().basic(to).unwrap().unwrap_or_default().code_hash);
        let Ok(ran) = lane.run(tx.clone()) else { continue };
        let mut loads = Vec::new();
        for (address, account) in &ran.state {
            let slots = account.storage.iter().filter(|(_, value)| !value.is_changed());
            loads.extend(slots.map(|(slot, value)| (*address, *slot, value.original_value)));
        }
        loads.sort_unstable();
        lane.db().db.commit(ran.state);
        let preimages = lane.db().preimages.clone();
        let seen = Seen { set, preimages, loads, wasted: false };
        examples.push(Example { tx: tx.clone(), code_hash: callee.unwrap_or(KECCAK256_EMPTY), seen });
    }
    examples
}

/// How predictions did.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    txs: usize,
    /// Transactions of which everything was predicted.
    covered: usize,
    /// Keys touched and not predicted.
    missed: usize,
    /// Keys predicted and not touched.
    extra: usize,
}

impl std::ops::AddAssign for Score {
    fn add_assign(&mut self, other: Self) {
        self.txs += other.txs;
        self.covered += other.covered;
        self.missed += other.missed;
        self.extra += other.extra;
    }
}

/// Keys of `seen` that `set` does not cover.
fn missed<'a>(set: &'a AccessSet, seen: &'a AccessSet) -> impl Iterator<Item = (Key, LockMode)> + 'a {
    seen.iter().filter(|(key, mode)| !set.mode(key).is_some_and(|held| held.covers(*mode)))
}

impl Predictor {
    /// Predicts, compares, and learns if that is wanted.
    fn step(&self, example: &mut Example) -> Score {
        let mut set = AccessSet::default();
        let prediction = self.predict(&example.tx, || Some(example.code_hash), None, &mut set);
        let missed = missed(&set, &example.seen.set).count();
        if prediction.learn {
            self.learn(&example.tx, example.code_hash, &example.seen);
        } else if missed > 0 {
            // As in the engine: hashes were not recorded.
            let preimages = std::mem::take(&mut example.seen.preimages);
            self.learn(&example.tx, example.code_hash, &example.seen);
            example.seen.preimages = preimages;
        }
        Score {
            txs: 1,
            covered: usize::from(missed == 0),
            missed,
            extra: set.iter().filter(|(key, _)| example.seen.set.mode(key).is_none()).count(),
        }
    }

    fn steps(&self, examples: &mut [Example]) -> Score {
        let mut sum = Score::default();
        for example in examples {
            sum += self.step(example);
        }
        sum
    }
}

fn predictor() -> Predictor {
    Predictor::new(Sources::default(), false)
}
