//! Who may depend on whom: the rules of ARCHITECTURE.md, checked on what cargo resolves.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

const PURE: [&str; 6] = [
    "lockstep-primitives",
    "lockstep-codec",
    "lockstep-locks",
    "lockstep-derive",
    "lockstep-stf",
    "lockstep-contracts",
];
const ROLES: [&str; 3] = ["lockstep-sequencer", "lockstep-batcher", "lockstep-verifier"];

/// What talks to the world, or to the other threads of a process.
const EFFECTS: [&str; 12] = [
    "axum",
    "crossbeam",
    "crossbeam-deque",
    "hyper",
    "jsonrpsee",
    "mio",
    "rayon",
    "redb",
    "reqwest",
    "sqlx",
    "sqlx-core",
    "tokio",
];

/// Normal dependencies, with everything that they bring, as cargo resolves them for this machine.
struct Graph(BTreeMap<String, BTreeSet<String>>);

impl Graph {
    fn of_workspace() -> Self {
        let metadata = cargo_metadata();
        let names: BTreeMap<&str, &str> = metadata["packages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|package| (package["id"].as_str().unwrap(), package["name"].as_str().unwrap()))
            .collect();
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in metadata["resolve"]["nodes"].as_array().unwrap() {
            let from = names[node["id"].as_str().unwrap()];
            let normal =
                node["deps"].as_array().unwrap().iter().filter(|dep| {
                    dep["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null())
                });
            let to = normal.map(|dep| names[dep["pkg"].as_str().unwrap()].to_owned());
            edges.entry(from.to_owned()).or_default().extend(to);
        }
        Self(edges)
    }

    fn direct(&self, package: &str) -> &BTreeSet<String> {
        self.0.get(package).unwrap_or_else(|| panic!("there is no package {package}"))
    }

    fn reachable(&self, package: &str) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut open = vec![package.to_owned()];
        while let Some(next) = open.pop() {
            for to in self.direct(&next) {
                if seen.insert(to.clone()) {
                    open.push(to.clone());
                }
            }
        }
        seen
    }

    /// # Panics
    /// If `package` reaches one of `forbidden`, directly or not.
    fn assert_free_of(&self, package: &str, forbidden: &[&str]) {
        let reachable = self.reachable(package);
        let found: Vec<_> = forbidden.iter().filter(|name| reachable.contains(**name)).collect();
        assert!(found.is_empty(), "{package} must not depend on {found:?}, directly or through others");
    }
}

/// Offline and for this machine alone: what a build has fetched is enough.
fn cargo_metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", &host()])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn host() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

#[test]
fn pure_crates_reach_no_runtime_database_thread_pool_or_network() {
    let graph = Graph::of_workspace();
    for package in PURE {
        graph.assert_free_of(package, &EFFECTS);
    }
}

#[test]
fn pure_crates_build_without_the_standard_library() {
    for package in PURE {
        let folder = package.trim_start_matches("lockstep-");
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let path = [format!("{root}/crates/{folder}/src/lib.rs"), format!("{root}/{folder}/src/lib.rs")]
            .into_iter()
            .find(|path| std::path::Path::new(path).exists())
            .unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("no_std"), "{path} has no `no_std` attribute");
    }
}

#[test]
fn roles_never_depend_on_each_other() {
    let graph = Graph::of_workspace();
    for role in ROLES {
        let others: Vec<_> = ROLES.into_iter().filter(|other| *other != role).collect();
        graph.assert_free_of(role, &others);
    }
}

#[test]
fn crates_never_depend_on_roles_or_tests() {
    let graph = Graph::of_workspace();
    let above = ["lockstep", "lockstep-tests", ROLES[0], ROLES[1], ROLES[2]];
    let crates =
        graph.0.keys().filter(|name| name.starts_with("lockstep-") && !above.contains(&name.as_str()));
    for package in crates {
        graph.assert_free_of(package, &above);
    }
}

#[test]
fn verifier_needs_l1_alone() {
    Graph::of_workspace().assert_free_of("lockstep-verifier", &["lockstep-index", "sqlx", "lockstep-devnet"]);
}

#[test]
fn batcher_knows_no_evm_and_no_state() {
    let forbidden = [
        "revm",
        "op-revm",
        "alloy-evm",
        "alloy-op-evm",
        "lockstep-stf",
        "lockstep-executor",
        "lockstep-state",
        "redb",
    ];
    Graph::of_workspace().assert_free_of("lockstep-batcher", &forbidden);
}

#[test]
fn executor_has_threads_and_no_other_effect() {
    let threads = ["crossbeam", "crossbeam-deque", "rayon"];
    let forbidden: Vec<_> = EFFECTS.into_iter().filter(|effect| !threads.contains(effect)).collect();
    let graph = Graph::of_workspace();
    graph.assert_free_of("lockstep-executor", &forbidden);
    graph.assert_free_of(
        "lockstep-executor",
        &["lockstep-state", "lockstep-index", "lockstep-service", "metrics"],
    );
}

#[test]
fn load_sees_servers_from_outside_alone() {
    let graph = Graph::of_workspace();
    let ours: Vec<_> =
        graph.direct("lockstep-load").iter().filter(|name| name.starts_with("lockstep-")).collect();
    assert_eq!(ours, ["lockstep-contracts"]);
    graph.assert_free_of("lockstep-load", &["reqwest", "revm"]);
}

#[test]
fn there_is_one_revm() {
    let metadata = cargo_metadata();
    let versions: Vec<_> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|package| package["name"] == "revm")
        .map(|package| package["version"].clone())
        .collect();
    assert_eq!(versions.len(), 1, "{versions:?}");
}
