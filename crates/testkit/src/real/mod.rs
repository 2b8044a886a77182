//! Real blocks: mainnet blocks and blocks of an OP Stack chain, with the state that they touch.
//!
//! They are no part of the project: `LOCKSTEP_DATA` names the folder that holds them, and whoever asks for them
//! gets `None` where it is not set and says so.
//!
//! ```
//! use lockstep_testkit::real::Mainnet;
//!
//! let Some(mainnet) = Mainnet::open() else { return };
//! let block = mainnet.block(46_147); // the first one with a transaction
//! assert_eq!(block.txs.len(), 1);
//! ```

mod files;
mod l2;
mod mainnet;
mod receipts;

pub use l2::{L2, RealL2Block};
pub use mainnet::{Mainnet, RealBlock};

use std::{env, io::Write, path::PathBuf};

/// The folder that `LOCKSTEP_DATA` names; `None` if it is not set.
#[must_use]
pub fn data() -> Option<PathBuf> {
    env::var_os("LOCKSTEP_DATA").map(PathBuf::from)
}

/// Writes to stderr past the capture of the test harness, which `eprintln!` obeys: what was left out must be seen
/// in every run.
///
/// # Panics
/// If stderr is closed.
#[allow(clippy::explicit_write)]
pub fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("stderr is open");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mainnet_blocks_come_out_of_plain_revm_with_gas_receipts_and_bloom_of_their_headers() {
        let Some(mainnet) = Mainnet::open() else {
            return say("real mainnet blocks: left out, LOCKSTEP_DATA is not set");
        };
        let mut transactions = 0;
        for block in mainnet.blocks() {
            let (results, _) = block.sequential();
            block.check(&results).unwrap_or_else(|difference| panic!("{difference}"));
            transactions += results.len();
        }
        say(&format!("real mainnet blocks: {} with {transactions} transactions", mainnet.numbers().len()));
    }

    #[test]
    fn l2_blocks_come_out_of_plain_op_revm_with_gas_receipts_and_bloom_of_their_headers() {
        let Some(l2) = L2::open() else { return };
        for block in l2.blocks() {
            let (results, _) = block.sequential();
            block.check(&results).unwrap_or_else(|difference| panic!("{difference}"));
        }
    }

    #[test]
    fn a_result_that_is_wrong_fails_the_check() {
        let Some(mainnet) = Mainnet::open() else { return };
        let block = mainnet.block(19_426_587);
        let (mut results, _) = block.sequential();
        let last = results.len() - 1;
        results.swap(0, last);
        assert!(block.check(&results).is_err_and(|why| why.contains("receipts root")));
        results.pop();
        assert!(block.check(&results).is_err_and(|why| why.contains("gas used")));
    }
}
