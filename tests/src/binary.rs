//! The binary under test.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use eyre::{OptionExt, WrapErr, ensure};
use tokio::sync::OnceCell;

/// Variables that `cargo test` sets for the package of the test begin so.
const OWN: [&str; 2] = ["CARGO_MANIFEST_", "CARGO_PKG_"];

/// The `lockstep` binary: the one that `LOCKSTEP_BIN` names, else one built now, with the profile of the
/// running test, in the same target directory. Built once per process; cargo's own lock orders processes.
///
/// # Errors
/// The build fails.
pub async fn lockstep_binary() -> eyre::Result<PathBuf> {
    static BINARY: OnceCell<PathBuf> = OnceCell::const_new();
    BINARY.get_or_try_init(|| async { tokio::task::spawn_blocking(find).await? }).await.cloned()
}

fn find() -> eyre::Result<PathBuf> {
    if let Some(path) = env::var_os("LOCKSTEP_BIN") {
        let path = PathBuf::from(path);
        ensure!(path.is_file(), "LOCKSTEP_BIN names {}, which is not there", path.display());
        return Ok(path);
    }
    // …/target/<profile>/deps/<this test>
    let test = env::current_exe()?;
    let profile = test.ancestors().nth(2).ok_or_eyre("the test runs outside of a target directory")?;
    build(profile)?;
    Ok(profile.join("lockstep"))
}

/// Asks for the whole workspace with a test in it, so that cargo unifies features as `cargo test` does: all
/// that is left to compile is the binary itself.
fn build(profile: &Path) -> eyre::Result<()> {
    let name = profile.file_name().and_then(|name| name.to_str()).ok_or_eyre("the profile has no name")?;
    let target = profile.parent().ok_or_eyre("the profile has no target directory")?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--locked", "--quiet", "--workspace", "--bin", "lockstep", "--test", "architecture"])
        .args(["--profile", if name == "debug" { "dev" } else { name }])
        .arg("--target-dir")
        .arg(target)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    // What cargo tells this test of its own package. Build scripts that watch these variables would run again, and
    // whatever stands on them would be compiled again, here and once more by the next `cargo test`.
    let own = |name: &OsString| name.to_str().is_some_and(|name| OWN.iter().any(|own| name.starts_with(own)));
    env::vars_os().map(|(name, _)| name).filter(own).for_each(|name| {
        cargo.env_remove(name);
    });
    let status = cargo.status().wrap_err("cannot run cargo")?;
    ensure!(status.success(), "the lockstep binary does not build");
    Ok(())
}
