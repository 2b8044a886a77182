//! Executes a block on a revm database: `cargo run -p lockstep-executor --example block`.

use alloy_primitives::{Address, U256};
use lockstep_executor::{Ethereum, Executor, Limits, Options, Outcome};
use revm::{
    context::{BlockEnv, CfgEnv, TxEnv},
    database::InMemoryDB,
    primitives::{TxKind, hardfork::SpecId},
    state::AccountInfo,
};

fn main() -> Result<(), lockstep_executor::ExecutorError> {
    // Any `revm::DatabaseRef` will do.
    let (alice, bob) = (Address::with_last_byte(0xa1), Address::with_last_byte(0xb0));
    let mut db = InMemoryDB::default();
    db.insert_account_info(alice, AccountInfo::from_balance(U256::from(1_000_000_000)));

    // Rules and environment of the block, and transactions in their order.
    let vm = Ethereum::new(CfgEnv::new_with_spec(SpecId::OSAKA), BlockEnv::default());
    let pay = |nonce| TxEnv {
        caller: alice,
        nonce,
        kind: TxKind::Call(bob),
        value: U256::from(7),
        gas_limit: 21_000,
        ..TxEnv::default()
    };

    let executor = Executor::new(Options::default())?;
    let limits = Limits { gas: 30_000_000, ..Limits::NONE };
    let (outcomes, output) = executor.execute(&vm, &db, limits, &[pay(0), pay(1), pay(3)])?;
    for outcome in outcomes {
        match outcome {
            Outcome::Included(result) => println!("included: {} gas", result.tx_gas_used()),
            Outcome::Rejected(reason) => println!("rejected: {reason}"),
        }
    }
    let bob = output.changes.accounts[&bob].after.as_ref();
    println!("bob has {} wei", bob.map_or(U256::ZERO, |bob| bob.balance));
    Ok(())
}
