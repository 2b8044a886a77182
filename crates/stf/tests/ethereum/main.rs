//! The official Ethereum state and block tests, run through `lockstep-stf` itself; what is undone and what is left
//! out, see [`lockstep_testkit::ethereum_tests`]. `LOCKSTEP_DATA` unset, the run says that they were left out.
#![allow(missing_docs)]

use lockstep_testkit::{
    ethereum_tests::{Report, block_tests, by_stf, state_tests},
    real::say,
};

#[test]
fn official_state_tests_pass() {
    judge("state tests", state_tests(&by_stf));
}

#[test]
fn official_block_tests_pass() {
    judge("block tests", block_tests(&by_stf));
}

fn judge(name: &str, report: Option<Report>) {
    let Some(report) = report else {
        return say(&format!("official Ethereum {name}: left out, LOCKSTEP_DATA is not set"));
    };
    say(&format!("official Ethereum {name}: {report}"));
    assert!(report.failures.is_empty(), "{} of them fail", report.failures.len());
}
