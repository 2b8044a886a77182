//! The configuration table of the README, generated from the flags themselves.
#![cfg(test)]

use std::fmt::Write;

use clap::CommandFactory;

const BEGIN: &str = "<!-- flags: generated; LOCKSTEP_BLESS=1 cargo test -p lockstep config_table -->\n";
const END: &str = "<!-- end of flags -->\n";

/// One Markdown table per subcommand: flag, variable, default, meaning.
fn table() -> String {
    let mut command = crate::Cli::command();
    command.build();
    let mut out = String::new();
    tables(&mut out, "lockstep", &command);
    out
}

/// Of the subcommands of `command`, which is called as `name`; of theirs, where they have some.
fn tables(out: &mut String, name: &str, command: &clap::Command) {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let name = format!("{name} {}", sub.get_name());
        if sub.has_subcommands() {
            tables(out, &name, sub);
            continue;
        }
        let _ = writeln!(out, "\n`{name}`: {}\n", sub.get_about().unwrap_or_default());
        out.push_str("| flag | variable | default | meaning |\n|---|---|---|---|\n");
        let flags = sub.get_arguments().filter(|arg| !arg.is_hide_set() && arg.get_long().is_some());
        for arg in flags.filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version")) {
            let _ = writeln!(out, "{}", row(arg));
        }
    }
}

fn row(arg: &clap::Arg) -> String {
    let long = arg.get_long().unwrap_or_default();
    let variable = arg.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default();
    let default = arg.get_default_values().first().filter(|_| arg.get_action().takes_values());
    let default = default.map(|value| format!("`{}`", value.to_string_lossy())).unwrap_or_default();
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    format!("| `--{long}` | {variable} | {default} | {} |", help.replace('\n', " ").replace('|', "\\|"))
}

#[test]
fn the_readme_has_the_table_of_today() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(path).expect("README.md is in the repository");
    let (before, rest) = readme.split_once(BEGIN).expect("README.md has the mark where flags begin");
    let (_, after) = rest.split_once(END).expect("README.md has the mark where flags end");
    let fresh = format!("{before}{BEGIN}{}\n{END}{after}", table());
    if std::env::var_os("LOCKSTEP_BLESS").is_some() {
        std::fs::write(path, fresh).expect("README.md can be written");
    } else {
        assert!(readme == fresh, "flags changed: run LOCKSTEP_BLESS=1 cargo test -p lockstep config_table");
    }
}
