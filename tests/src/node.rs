//! Clients from npm, run by Node.js.

use std::path::PathBuf;
use std::process::Stdio;

use eyre::{WrapErr, ensure};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::OnceCell;

/// The folder of the scripts.
pub fn scripts() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/js").into()
}

/// Runs `tests/js/<name>` with `input` as its only argument, in JSON. What it prints to standard output last
/// is its result, in JSON.
///
/// # Errors
/// Node.js is missing, or the script fails; the message holds what it printed.
pub async fn run_script(name: &str, input: &Value) -> eyre::Result<Value> {
    packages().await?;
    let output = Command::new("node")
        .arg(name)
        .arg(input.to_string())
        .current_dir(scripts())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .wrap_err("Node.js is needed for this test: install it so that `node` is on PATH")?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{name} failed\n{stdout}\n{stderr}");
    let last = stdout.lines().last().unwrap_or("null");
    serde_json::from_str(last).wrap_err_with(|| format!("{name} printed no result\n{stdout}\n{stderr}"))
}

/// Installs the packages of the lock file, once per process, where they are missing or of an older lock file.
async fn packages() -> eyre::Result<()> {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    INSTALLED.get_or_try_init(install).await.copied()
}

async fn install() -> eyre::Result<()> {
    let written = |file: &str| scripts().join(file).metadata().and_then(|data| data.modified()).ok();
    if written("node_modules/.package-lock.json")
        .is_some_and(|installed| written("package-lock.json") <= Some(installed))
    {
        return Ok(());
    }
    let status = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(scripts())
        .status()
        .await
        .wrap_err("Node.js with npm is needed for this test: install it so that `npm` is on PATH")?;
    ensure!(status.success(), "npm ci in {} failed", scripts().display());
    Ok(())
}
