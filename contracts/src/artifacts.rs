//! The bytecode of our contracts, as `contracts/tools/build` wrote it, and of preinstalls, as published.

use alloc::vec::Vec;

use alloy_primitives::Bytes;

macro_rules! bytecode {
    ($suffix:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_bytes!(concat!("../artifacts/bytecode/", $name, $suffix)))),+]
    };
}

macro_rules! preinstalls {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_bytes!(concat!("../artifacts/preinstalls/", $name, ".bin")))),+]
    };
}

type Table = &'static [(&'static str, &'static [u8])];

const CREATION: Table = bytecode!(".bin":
    "Inbox", "Portal", "StandardBridge", "SystemConfig", "Assertions", "AssertionGame", "ERC1967Proxy",
    "TimelockController", "L1Block", "L2ToL1MessagePasser", "GasPriceOracle", "L2StandardBridge",
    "OptimismMintableERC20", "OptimismMintableERC20Factory", "FeeVault", "WETH9", "Market",
);

const RUNTIME: Table = bytecode!(".runtime.bin":
    "Inbox", "Portal", "StandardBridge", "SystemConfig", "Assertions", "AssertionGame", "ERC1967Proxy",
    "TimelockController", "L1Block", "L2ToL1MessagePasser", "GasPriceOracle", "L2StandardBridge",
    "OptimismMintableERC20", "OptimismMintableERC20Factory", "FeeVault", "WETH9", "Market",
);

const PREINSTALLS: Table = preinstalls!(
    "BeaconBlockRoots",
    "Create2Deployer",
    "DeterministicDeploymentProxy",
    "EntryPoint",
    "HistoryStorage",
    "MultiCall3",
    "MultiSendCallOnly_v130",
    "MultiSend_v130",
    "Permit2",
    "SafeL2_v130",
    "SafeSingletonFactory",
    "Safe_v130",
    "SenderCreator",
);

fn find(table: Table, name: &str) -> Option<&'static [u8]> {
    table.iter().find(|(known, _)| *known == name).map(|(_, code)| *code)
}

/// Code that makes the contract `name` when constructor arguments are appended; `None` for an unknown name.
///
/// A preinstall has no constructor: its creation code returns the published runtime code.
#[must_use]
pub fn creation_code(name: &str) -> Option<Bytes> {
    find(CREATION, name).map(Bytes::from_static).or_else(|| find(PREINSTALLS, name).and_then(returning))
}

/// Code that stands on chain for the contract or preinstall `name`; `None` for an unknown name.
///
/// Immutables are zero in it: only contracts without immutables are placed with it.
#[must_use]
pub fn runtime_code(name: &str) -> Option<Bytes> {
    find(RUNTIME, name).or_else(|| find(PREINSTALLS, name)).map(Bytes::from_static)
}

/// `PUSH2 length, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN`, then the code.
fn returning(runtime: &[u8]) -> Option<Bytes> {
    let [high, low] = u16::try_from(runtime.len()).ok()?.to_be_bytes();
    let prefix = [0x61, high, low, 0x80, 0x60, 10, 0x5f, 0x39, 0x5f, 0xf3];
    Some(prefix.iter().chain(runtime).copied().collect::<Vec<u8>>().into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    extern crate std;

    use std::{fs, path::Path, string::String};

    use sha2::{Digest, Sha256};

    use super::*;

    /// Files below `folder`, as paths relative to `root`.
    fn files(root: &Path, folder: &str, out: &mut Vec<String>) {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let entry = entry.unwrap();
            let name = std::format!("{folder}/{}", entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() { files(root, &name, out) } else { out.push(name) }
        }
    }

    #[test]
    fn artifacts_belong_to_the_sources_beside_them() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut names = Vec::new();
        files(root, "sol", &mut names);
        names.extend(["foundry.toml", "package-lock.json", "tools/build"].map(String::from));
        names.sort();
        let mut hash = Sha256::new();
        for name in names {
            let content = fs::read(root.join(&name)).unwrap();
            hash.update(std::format!("{name}\n{}\n", content.len()));
            hash.update(content);
        }
        let expected = fs::read_to_string(root.join("artifacts/source.sha256")).unwrap();
        assert_eq!(
            alloy_primitives::hex::encode(hash.finalize()),
            expected.trim(),
            "run contracts/tools/build and commit"
        );
    }

    #[test]
    fn a_preinstall_s_creation_code_ends_in_its_runtime_code() {
        let runtime = runtime_code("MultiCall3").unwrap();
        let creation = creation_code("MultiCall3").unwrap();
        assert_eq!(creation.len(), runtime.len() + 10);
        assert!(creation.ends_with(&runtime));
    }

    #[test]
    fn unknown_names_have_no_code() {
        assert!(creation_code("Nothing").is_none());
        assert!(runtime_code("Nothing").is_none());
    }
}
