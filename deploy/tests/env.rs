//! `deploy/env/*.env.example` name variables that the programs read.

#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

/// Variables of all examples, commented-out ones too.
fn variables() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("env");
    let mut variables = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(file.ends_with(".env.example"), "{file}");
        for line in fs::read_to_string(&path).unwrap().lines() {
            let line = if line.starts_with("#LOCKSTEP") { &line[1..] } else { line };
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{file}: {line}"));
            assert!(!value.contains(' ') && !name.contains(' '), "{file}: {line}");
            variables.push((file.clone(), name.to_owned()));
        }
    }
    variables
}

fn read_sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_variable_in_an_example_is_read_by_a_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut sources = String::new();
    for package in ["sequencer", "batcher", "verifier", "deploy", "crates/l1", "crates/service"] {
        read_sources(&root.join(package).join("src"), &mut sources);
    }
    let variables = variables();
    assert!(variables.len() > 20);
    for (file, name) in variables {
        let known = sources.contains(&format!("\"{name}\"")) || sources.contains(&format!("\"env:{name}\""));
        assert!(known, "{file}: no program reads {name}");
    }
}
