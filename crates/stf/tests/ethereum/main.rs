//! The official Ethereum state and block tests, run through `lockstep-stf` itself.
//!
//! Data: `$LOCKSTEP_DATA/ethereum-tests`; unset, the run says that they were left out. Each file is run whole,
//! by [`BlockBuilder`](lockstep_stf::BlockBuilder) under the OP fork that contains the Ethereum fork: Cancun
//! as Ecotone, Prague as Isthmus, Osaka as Karst. Every mismatch is a failure: state root (computed with
//! `alloy-trie`), logs, and for blocks the whole header by its hash.
//!
//! OP rules differ from Ethereum's. Where the difference is a sum of money, it is *undone exactly*, and a test
//! still fails if the sum is off by a wei:
//!
//! - the base fee is not burnt but paid to the `BaseFeeVault` (OP specification, "Fee Vaults"): the vault must
//!   have gained exactly base fee x gas used, which is taken out again;
//! - withdrawals of validators do not exist (Canyon): they are credited after stf is done.
//!
//! Where the difference is a feature, a test that needs the feature is *left out by rule*, see
//! [`OpRule`](rules::OpRule): the rule looks at the test's content, never at its name, and the run prints how
//! many tests each rule left out. A block that must be invalid because of such a rule is counted the same way.
//!
//! A block is judged as an OP Stack client does: its header is derived again from parent, inputs and execution,
//! and must have the same hash.
#![allow(clippy::unwrap_used, clippy::missing_errors_doc, missing_docs, unreachable_pub)]

mod blocks;
mod fixture;
mod report;
mod rules;
mod states;
mod world;

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
};

use report::Report;

#[test]
fn official_state_tests_pass() {
    run("state tests", &["state-sample"], states::run_file);
}

#[test]
fn official_block_tests_pass() {
    run("block tests", &["blocks", "blockchain-sample"], blocks::run_file);
}

fn run(name: &str, folders: &[&str], file: fn(&Path, &mut Report)) {
    let Some(data) = env::var_os("LOCKSTEP_DATA") else {
        return say(&format!("official Ethereum {name}: left out, LOCKSTEP_DATA is not set"));
    };
    let root = PathBuf::from(data).join("ethereum-tests");
    let files: Vec<PathBuf> = folders.iter().flat_map(|folder| json_files(&root.join(folder))).collect();
    assert!(!files.is_empty(), "LOCKSTEP_DATA is set, but {} holds no tests", root.display());
    let report = report::over(&files, file);
    say(&format!("official Ethereum {name}: {report}"));
    assert!(report.failures.is_empty(), "{} of them fail", report.failures.len());
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in folder.read_dir().into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(json_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Past the capture of the test harness, which `eprintln!` obeys: what was left out must be seen in every run.
#[allow(clippy::explicit_write)]
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}
