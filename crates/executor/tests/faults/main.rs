//! A database that panics or fails costs a run or the block, and never makes a wrong block; nothing depends on who is
//! first.
#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code)]
#[path = "../parallel/code.rs"]
mod code;
#[path = "../oracle/mod.rs"]
mod oracle;

mod faulty;
mod races;

use alloy_primitives::{Address, U256};
use lockstep_executor::{Ethereum, Executor, ExecutorError, Limits, Mode, Options, Stats};
use lockstep_testkit::workloads::{self, Workload};
use revm::{
    bytecode::Bytecode,
    context::{BlockEnv, CfgEnv, TxEnv},
    database::InMemoryDB,
    primitives::{TxKind, hardfork::SpecId},
    state::AccountInfo,
};

use code::{Expr, Step, contract};
use faulty::{Fault, Faulty, Lost, When};
use oracle::{Case, Expected, same};

fn rules(workload: &Workload) -> Ethereum {
    Ethereum::new(workload.cfg.clone(), workload.block.clone())
}

fn limits(workload: &Workload) -> Limits {
    Limits { gas: workload.block.gas_limit, ..Limits::NONE }
}

fn expected(workload: &Workload) -> Expected<Ethereum> {
    let vm = rules(workload);
    Case { name: workload.name, vm: &vm, db: &workload.state, limits: limits(workload), txs: &workload.txs }
        .expected()
}

/// Every machinery, with and without the way out for blocks that have nothing to win.
fn ways() -> Vec<Options> {
    let mut ways = Vec::new();
    for mode in [Mode::Sequential, Mode::Locks, Mode::Optimistic] {
        for (threads, adaptive) in [(1, false), (2, false), (4, true)] {
            ways.push(Options { threads, mode, adaptive, ..Options::default() });
        }
    }
    ways
}

/// Executes `workload` on a database with a fault: whatever comes out must be `expected`. Gives what came out, and how
/// often the fault struck.
fn strike(
    workload: &Workload,
    expected: &Expected<Ethereum>,
    options: &Options,
    fault: Fault,
    when: When,
) -> (Result<Stats, ExecutorError>, u64) {
    let (vm, db) = (rules(workload), Faulty::new(&workload.state, fault, when));
    let executor = Executor::new(options.clone()).unwrap();
    let ran = executor.execute(&vm, &db, limits(workload), &workload.txs);
    let stats = ran.map(|(outcomes, output)| {
        same(expected, &outcomes, &output, || format!("{} {fault:?} {when:?} {options:?}", workload.name));
        output.stats
    });
    (stats, db.struck())
}

fn small(name: &str) -> Workload {
    workloads::by_name(name, 12, 3).unwrap()
}

const NAMES: [&str; 4] = ["erc20-random", "mainnet-mix", "adversarial-destruct", "transfers-independent"];

#[test]
fn a_panic_at_any_read_costs_a_run_and_is_counted() {
    for workload in NAMES.map(small) {
        let expected = expected(&workload);
        for options in ways() {
            for read in (0..).step_by(3) {
                let (ran, struck) = strike(&workload, &expected, &options, Fault::Panic, When::Nth(read));
                let stats = ran.unwrap();
                assert_eq!(stats.panics, struck, "{} read {read} {options:?}", workload.name);
                if struck == 0 {
                    break; // there are not so many reads
                }
            }
        }
    }
}

#[test]
fn a_panic_at_every_read_is_an_error() {
    for workload in NAMES.map(small) {
        let expected = expected(&workload);
        for options in ways() {
            let (ran, _) = strike(&workload, &expected, &options, Fault::Panic, When::From(0));
            let error = ran.unwrap_err();
            let ExecutorError::Panicked { tx, message } = error else { panic!("{error:?} by {options:?}") };
            assert_eq!((tx.0, message.as_str()), (0, faulty::MESSAGE), "{} {options:?}", workload.name);
        }
    }
}

#[test]
fn a_panic_at_every_read_of_one_slot_names_the_first_transaction_that_needs_it() {
    let block = Trap::new(false);
    for options in ways() {
        let (ran, _) = block.run(&options, Fault::Panic, TRAPPED);
        let error = ran.unwrap_err();
        let ExecutorError::Panicked { tx, .. } = error else { panic!("{error:?} by {options:?}") };
        assert_eq!(tx.0, 1, "{options:?}");
    }
}

#[test]
fn a_store_that_is_poisoned_at_any_read_is_an_error_or_was_not_needed() {
    for workload in NAMES.map(small) {
        let expected = expected(&workload);
        let needed = {
            let db = Faulty::new(&workload.state, Fault::Fail, When::Nth(u64::MAX));
            oracle::plain(&rules(&workload), &db, limits(&workload), &workload.txs);
            db.reads()
        };
        for options in ways() {
            for read in (0..needed + 6).step_by(2) {
                match strike(&workload, &expected, &options, Fault::Fail, When::From(read)).0 {
                    Ok(_) => assert!(read >= needed, "read {read} of {needed} failed: {options:?}"),
                    Err(ExecutorError::Database(source)) => {
                        assert_eq!(source.downcast_ref::<Lost>(), Some(&Lost));
                    }
                    Err(error) => panic!("{error:?} by {options:?}"),
                }
            }
        }
    }
}

/// A contract whose second caller looks at a slot that cannot be read, unless the first has been there.
struct Trap {
    state: InMemoryDB,
    txs: Vec<TxEnv>,
}

const CONTRACT: Address = Address::repeat_byte(0xcc);
/// The slot that cannot be read.
const TRAPPED: When = When::Slot(CONTRACT, U256::from_limbs([2, 0, 0, 0]));

impl Trap {
    /// `guarded`: the first transaction takes its time and then keeps the others from the trap.
    fn new(guarded: bool) -> Self {
        let trap = Step::Store(Expr::Small(3), Expr::Slot(Box::new(Expr::Small(2))));
        let is_zero = |slot: u8| {
            Expr::Less(Box::new(Expr::Slot(Box::new(Expr::Small(slot)))), Box::new(Expr::Small(1)))
        };
        let steps = [
            Step::If(
                Expr::Word(0),
                vec![Step::Pause, Step::Store(Expr::Small(0), Expr::Small(guarded.into())), Step::Stop],
            ),
            Step::If(is_zero(0), vec![trap]),
            Step::Store(Expr::Hash(Box::new(Expr::Word(1)), Box::new(Expr::Small(0))), Expr::Small(1)),
        ];
        let mut state = InMemoryDB::default();
        let code = Bytecode::new_legacy(contract(&steps, SpecId::OSAKA));
        state.insert_account_info(
            CONTRACT,
            AccountInfo { nonce: 1, ..AccountInfo::default() }.with_code(code),
        );
        let txs = (0..8_u8).map(|index| {
            let caller = Address::repeat_byte(0x10 + index);
            state.insert_account_info(caller, AccountInfo::from_balance(U256::from(10_000_000)));
            let words = [U256::from(u8::from(index == 0)), U256::from(index)];
            TxEnv {
                caller,
                kind: TxKind::Call(CONTRACT),
                data: words.iter().flat_map(|word| word.to_be_bytes::<32>()).collect::<Vec<_>>().into(),
                gas_limit: 200_000,
                gas_price: 1,
                chain_id: Some(1),
                ..TxEnv::default()
            }
        });
        let txs = txs.collect();
        Self { state, txs }
    }

    fn run(&self, options: &Options, fault: Fault, when: When) -> (Result<Stats, ExecutorError>, u64) {
        let block = BlockEnv { number: U256::from(300), gas_limit: u64::MAX, ..BlockEnv::default() };
        let vm = Ethereum::new(CfgEnv::new_with_spec(SpecId::OSAKA), block);
        let db = Faulty::new(&self.state, fault, when);
        let executor = Executor::new(options.clone()).unwrap();
        let ran = executor.execute(&vm, &db, Limits::NONE, &self.txs).map(|(outcomes, output)| {
            let case = Case { name: "trap", vm: &vm, db: &self.state, limits: Limits::NONE, txs: &self.txs };
            same(&case.expected(), &outcomes, &output, || format!("{options:?}"));
            output.stats
        });
        (ran, db.struck())
    }
}

#[test]
fn what_fails_for_those_who_are_too_early_alone_harms_nobody() {
    let block = Trap::new(true);
    for fault in [Fault::Fail, Fault::Panic] {
        let mut struck = 0;
        for options in ways() {
            for _ in 0..5 {
                let (ran, strikes) = block.run(&options, fault, TRAPPED);
                let stats = ran.unwrap_or_else(|error| panic!("{error:?} by {options:?}"));
                assert_eq!(stats.panics, if matches!(fault, Fault::Panic) { strikes } else { 0 });
                struck += strikes;
            }
        }
        assert!(struck > 0, "nobody was too early");
    }
}
