//! `deploy/env/*.env.example` are files that the programs accept.
#![cfg(test)]

use std::{fs, path::Path};

use clap::{CommandFactory, Parser};

use crate::Cli;

/// Variables that hold keys: named by a key flag's `env:NAME`, never flags themselves.
const KEYS: [&str; 4] =
    ["LOCKSTEP_DEPLOYER_KEY", "LOCKSTEP_BATCHER_KEY", "LOCKSTEP_PROPOSER_KEY", "LOCKSTEP_KEYSTORE_PASSWORD"];

#[test]
fn every_example_is_accepted_by_its_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/env");
    let mut programs = Vec::new();
    for entry in fs::read_dir(folder).expect("deploy/env is in the repository") {
        let path = entry.expect("deploy/env can be listed").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let program = name.strip_suffix(".env.example").unwrap_or_else(|| panic!("what is {name}?"));
        let text = fs::read_to_string(&path).expect("an example is text");
        if let Err(error) = Cli::try_parse_from(flags(program, &text)) {
            panic!("{name}: {error}");
        }
        programs.push(program.to_owned());
    }
    programs.sort();
    assert_eq!(programs, ["batcher", "deploy", "sequencer", "verifier"]);
}

/// The command line that says the same as the environment file `text`.
fn flags(program: &str, text: &str) -> Vec<String> {
    let mut command = Cli::command();
    command.build();
    let command = command.find_subcommand(program).unwrap_or_else(|| panic!("no program {program}"));
    let mut flags = vec!["lockstep".to_owned(), program.to_owned()];
    for line in text.lines().map(str::trim) {
        // A variable that is commented out is an offer: its name must be right, its value is not set.
        let (line, offer) = line.strip_prefix('#').map_or((line, false), |offer| (offer, true));
        if line.is_empty() || (offer && !line.starts_with("LOCKSTEP_")) {
            continue;
        }
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{program}: {line}"));
        if KEYS.contains(&name) {
            continue;
        }
        let arg = command.get_arguments().find(|arg| arg.get_env().is_some_and(|env| env == name));
        let long = arg.and_then(clap::Arg::get_long).unwrap_or_else(|| panic!("{program} reads no {name}"));
        if offer {
            continue;
        }
        flags.push(format!("--{long}={value}"));
    }
    flags
}
