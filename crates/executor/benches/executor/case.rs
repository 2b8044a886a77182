//! One row of the report: a block, or several that are summed.

use lockstep_executor::{AccessSet, Executor, Limits, Mode, Options, Outcome, Rejected, Sources, Vm};
use revm::database::InMemoryDB;

use crate::{args::Args, oracle, plain::Plain, report, round::Sides};

/// Makes the serial EVM on a state.
type MakePlain<V> = Box<dyn Fn(InMemoryDB) -> Box<dyn Plain<V>>>;

/// A block to execute, and what is known of it.
pub(crate) struct Block<V: Vm> {
    pub(crate) name: String,
    pub(crate) vm: V,
    pub(crate) state: InMemoryDB,
    pub(crate) txs: Vec<V::Tx>,
    pub(crate) plain: MakePlain<V>,
    /// What each transaction touches.
    pub(crate) access: Vec<AccessSet>,
    /// What each transaction takes by revm, the shortest of some runs.
    pub(crate) times_ns: Vec<u64>,
    pub(crate) gas: u64,
}

impl<V: Vm> Block<V> {
    pub(crate) const fn new(
        name: String,
        vm: V,
        state: InMemoryDB,
        txs: Vec<V::Tx>,
        plain: MakePlain<V>,
    ) -> Self {
        Self { name, vm, state, txs, plain, access: Vec::new(), times_ns: Vec::new(), gas: 0 }
    }

    /// Fills in what one transaction after the other tells.
    fn record(&mut self) {
        let options = |record_access| Options {
            threads: 1,
            mode: Mode::Sequential,
            native_transfers: false,
            record_access,
            record_schedule: !record_access,
            ..Options::default()
        };
        let run = |options| {
            let executor = Executor::new(options).expect("one thread needs no pool");
            executor
                .execute(&self.vm, &self.state, Limits::NONE, &self.txs)
                .expect("state in memory does not fail")
        };
        let (outcomes, output) = run(options(true));
        let mut times_ns = vec![u64::MAX; self.txs.len()];
        for _ in 0..3 {
            let (_, output) = run(options(false));
            for run in output.schedule.expect("it was asked for").runs {
                let best = &mut times_ns[run.tx.0 as usize];
                *best = (*best).min(run.end_ns - run.start_ns);
            }
        }
        self.gas = outcomes.iter().map(lockstep_executor::Outcome::gas_used).sum();
        self.access = output.access.expect("it was asked for");
        self.times_ns = times_ns;
    }

    /// Compares every way of executing the block with plain revm.
    fn check(&self, sides: &Sides) {
        let (outcomes, changes) = oracle::plain(&self.vm, &self.state, Limits::NONE, &self.txs);
        let results = (self.plain)(self.state.clone()).run(self.txs.clone());
        assert_eq!(results.len(), outcomes.len(), "outcomes of the EVM that is measured");
        for (result, outcome) in results.into_iter().zip(&outcomes) {
            let measured = match result {
                Ok(result) => Outcome::Included(result),
                Err(reason) => Outcome::Rejected(Rejected::Invalid(reason)),
            };
            assert_eq!(measured, *outcome, "by the EVM that is measured");
        }
        let expected: oracle::Expected<V> = oracle::Expected { outcomes, changes, access: Vec::new() };
        for side in sides.all() {
            // Twice: without and with what the first time taught.
            for _ in 0..2 {
                let (outcomes, output) = side.execute(self);
                oracle::same(&expected, &outcomes, &output, || self.name.clone());
            }
        }
    }
}

/// One row of the report.
pub(crate) struct Case<V: Vm> {
    pub(crate) name: String,
    pub(crate) blocks: Vec<Block<V>>,
    /// Most transactions are plain transfers: they are also measured with revm.
    pub(crate) transfers: bool,
    /// Blocks of real chains: they are also measured with an executor that sees them for the first time.
    pub(crate) real: bool,
    /// A row for each block too.
    pub(crate) per_block: bool,
}

impl<V: Vm> Case<V> {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), blocks: Vec::new(), transfers: false, real: false, per_block: false }
    }

    /// Checks, measures and reports.
    pub(crate) fn bench(mut self, args: &Args) {
        self.blocks.iter_mut().for_each(Block::record);
        let mut sides: Vec<Sides> = args.threads.iter().map(|threads| self.sides(*threads)).collect();
        for sides in &sides {
            self.blocks.iter().for_each(|block| block.check(sides));
        }
        if !args.measure {
            return println!("{}: equal", self.name);
        }
        let all: Vec<&Block<V>> = self.blocks.iter().collect();
        report::case(&self.name, &all, &mut sides, args);
        if self.per_block {
            for block in &self.blocks {
                report::case(&block.name, &[block], &mut sides, args);
            }
        }
    }

    fn sides(&self, threads: usize) -> Sides {
        let options = Options { threads, ..Options::default() };
        let mut sides = Sides::new(threads);
        sides.add("learned", &options);
        sides.add(
            "exact",
            &Options { sources: Sources { templates: false, ..Sources::default() }, ..options.clone() },
        );
        if self.transfers {
            sides.add("learned", &Options { native_transfers: false, ..options.clone() });
        }
        if self.real {
            sides.add("cold", &options);
        }
        sides
    }
}
