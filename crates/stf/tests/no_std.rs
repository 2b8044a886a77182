//! `stf` is to run as a bare RISC-V guest: nothing below it may ask for `std` or bring C along.
#![allow(clippy::unwrap_used)]

use std::{env, process::Command};

/// Libraries in C that the same crates use where `std` is on, and what a guest has no room for.
const FORBIDDEN: [&str; 8] =
    ["aws-lc-sys", "blst", "c-kzg", "gmp-mpfr-sys", "keccak-asm", "secp256k1", "sqlx", "tokio"];

/// Its feature `std` changes nothing: the crate is `#![no_std]` in every case.
const NO_STD_ANYWAY: &str = "siphasher";

#[test]
fn nothing_below_stf_asks_for_std_or_brings_c() {
    let tree = dependencies();
    assert!(tree.iter().any(|(name, _)| name == "op-revm"), "cargo tree gave {tree:?}");
    for (name, features) in tree {
        let std = features.iter().any(|feature| feature == "std") && name != NO_STD_ANYWAY;
        assert!(!std, "{name} has its feature std");
        assert!(!FORBIDDEN.contains(&name.as_str()), "{name} is below stf");
    }
}

/// Names and features of what is compiled into `stf` when it is built alone; what runs in the compiler is left
/// out.
fn dependencies() -> Vec<(String, Vec<String>)> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["tree", "--locked", "--package", "lockstep-stf", "--edges", "normal", "--no-dedupe"])
        .args(["--prefix", "depth", "--format", " {p} [{f}]"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut host = None; // depth of the procedural macro that we are below
    let mut found = Vec::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let Some((depth, package)) = line.split_once(' ') else { continue };
        let depth: usize = depth.parse().unwrap();
        if host.is_some_and(|host| depth > host) {
            continue;
        }
        host = package.contains("(proc-macro)").then_some(depth);
        if host.is_none() {
            let name = package.split(' ').next().unwrap().to_owned();
            let features = package.rsplit_once('[').unwrap().1.trim_end_matches(']');
            found.push((name, features.split(',').map(str::to_owned).collect()));
        }
    }
    found
}
