//! A real L1 on this machine.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::process::{Process, lock_dir, port_in_use, tail};
use crate::tools::{ToolError, Tools};

/// The well-known phrase whose accounts every development chain funds. Never use it for anything of value.
pub const DEV_MNEMONIC: &str = "test test test test test test test test test test test junk";

const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a predecessor that was killed may take to write its state.
const PREDECESSOR: Duration = Duration::from_secs(20);

/// How to run anvil.
#[derive(Clone, Debug)]
pub struct AnvilOptions {
    /// Folder of its state and its log; created if missing.
    pub dir: PathBuf,
    /// Port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// Chain id of a fresh chain.
    pub chain_id: u64,
    /// The fork whose rules hold from genesis, by anvil's name.
    pub hardfork: &'static str,
    /// Time between blocks; `None` mines a block per transaction.
    pub block_time: Option<Duration>,
    /// `safe` is this many blocks behind `latest`, `finalized` twice as many.
    pub slots_in_an_epoch: u64,
    /// Whether the chain survives a restart in the same folder.
    pub persist: bool,
}

impl AnvilOptions {
    /// A chain in `dir` with id 31337, Osaka's rules, a block per second, short epochs, any free port, kept across restarts.
    pub const fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            port: 0,
            chain_id: 31337,
            hardfork: "osaka",
            block_time: Some(Duration::from_secs(1)),
            slots_in_an_epoch: 4,
            persist: true,
        }
    }
}

/// Why anvil does not run.
#[derive(Debug, thiserror::Error)]
pub enum AnvilError {
    /// There is no anvil.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// Something else listens there.
    #[error(
        "port {0} is in use: stop the process that listens there, or choose another L1 port (0 takes any free one)"
    )]
    PortInUse(u16),
    /// The folder belongs to a running anvil.
    #[error("another process runs its L1 in {0}: stop it, or choose another data directory")]
    Busy(PathBuf),
    /// The folder cannot be used.
    #[error(
        "cannot use {path} for the L1's state: check its permissions and free space, or choose another data directory"
    )]
    Dir {
        /// The folder.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// The state file does not load.
    #[error("the saved L1 state in {0} is damaged: start over with a fresh data directory")]
    Damaged(PathBuf),
    /// It did not come up.
    #[error("anvil did not start; it said:\n{log}")]
    Failed {
        /// The end of its log.
        log: String,
    },
    /// The operating system refused to start or watch it.
    #[error("cannot run anvil")]
    Run(#[source] io::Error),
}

/// A running anvil. Dropping it stops it.
#[derive(Debug)]
pub struct Anvil {
    process: Process,
    port: u16,
}

impl Anvil {
    /// Starts anvil, or resumes the chain that `options.dir` holds, and waits until it serves.
    ///
    /// # Errors
    /// [`AnvilError`]; each says what to do.
    pub async fn start(tools: &Tools, options: AnvilOptions) -> Result<Self, AnvilError> {
        let program = tools.anvil().await?;
        let dir_error = |source| AnvilError::Dir { path: options.dir.clone(), source };
        fs::create_dir_all(&options.dir).map_err(dir_error)?;
        let lock = lock_dir(&options.dir, PREDECESSOR).await.map_err(dir_error)?;
        let lock = lock.ok_or_else(|| AnvilError::Busy(options.dir.clone()))?;
        if options.port != 0 && port_in_use(options.port) {
            return Err(AnvilError::PortInUse(options.port));
        }
        let newest = if options.persist { check_state(&options.dir)? } else { None };
        let log = options.dir.join("anvil.log");
        let output = File::create(&log).map_err(dir_error)?;
        let errors = output.try_clone().map_err(dir_error)?;
        let mut command = Command::new(program);
        command.args(arguments(&options)).args(clock(newest)).stdin(lock).stdout(output).stderr(errors);
        let process = Process::spawn(command, Signal::SIGTERM).await.map_err(AnvilError::Run)?;
        Self::when_listening(process, &log).await
    }

    async fn when_listening(mut process: Process, log: &Path) -> Result<Self, AnvilError> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let text = fs::read_to_string(log).unwrap_or_default();
            if let Some(port) = listening_port(&text) {
                return Ok(Self { process, port });
            }
            let ended = process.try_wait().map_err(AnvilError::Run)?.is_some();
            if ended || deadline < Instant::now() {
                return Err(AnvilError::Failed { log: tail(log) });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Freezes it: connections are accepted and nothing is answered, until [`Self::resume`].
    pub fn pause(&self) {
        self.process.signal(Signal::SIGSTOP);
    }

    /// Goes on as if no time had passed.
    pub fn resume(&self) {
        self.process.signal(Signal::SIGCONT);
    }

    /// `http://127.0.0.1:PORT`; the beacon API for blobs is below the same address.
    pub fn rpc_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// `ws://127.0.0.1:PORT`.
    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// The port that it listens on.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until anvil ends by itself, which it should not.
    ///
    /// # Errors
    /// The operating system cannot watch the process.
    pub async fn exited(&mut self) -> io::Result<std::process::ExitStatus> {
        self.process.wait().await
    }

    /// Stops anvil after it has saved its chain.
    ///
    /// # Errors
    /// The operating system cannot stop or watch the process.
    pub async fn stop(self) -> io::Result<()> {
        self.process.stop().await.map(drop)
    }
}

fn arguments(options: &AnvilOptions) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["--hardfork", options.hardfork, "--host", "127.0.0.1", "--no-request-size-limit"]
            .map(String::from)
            .into();
    let mut flag = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
    flag("--mnemonic", DEV_MNEMONIC.into());
    flag("--port", options.port.to_string());
    flag("--chain-id", options.chain_id.to_string());
    flag("--slots-in-an-epoch", options.slots_in_an_epoch.to_string());
    if let Some(time) = options.block_time {
        flag("--block-time", time.as_secs_f64().to_string());
    }
    if options.persist {
        flag("--state", state_file(&options.dir).display().to_string());
        // A clean end, also ours by SIGKILL, saves the chain; the interval is for the power cut only, as
        // each save rewrites everything.
        flag("--state-interval", "60".into());
    }
    arguments
}

/// Anvil forgets that its clock was moved. The saved chain may end in the future, and no block is older than its
/// parent: then the clock goes on from there.
fn clock(newest: Option<u64>) -> Vec<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    match newest.filter(|newest| *newest > now) {
        Some(newest) => vec!["--timestamp".to_owned(), newest.to_string()],
        None => Vec::new(),
    }
}

fn state_file(dir: &Path) -> PathBuf {
    dir.join("state.json")
}

/// Makes the saved state fit to be loaded: the last whole one, with one genesis block.
///
/// Anvil writes its state in place, so a crash in the middle leaves half a file; the last whole one is kept
/// beside it. And with each start anvil makes a new genesis block and saves it beside the real one, after
/// which either may be block 0.
///
/// Gives the newest block's timestamp.
fn check_state(dir: &Path) -> Result<Option<u64>, AnvilError> {
    let (state, backup) = (state_file(dir), dir.join("state.backup.json"));
    let dir_error = |source| AnvilError::Dir { path: dir.to_owned(), source };
    if !state.exists() && !backup.exists() {
        return Ok(None);
    }
    let mut content = match read_json(&state) {
        Some(content) => content,
        None => {
            let content = read_json(&backup).ok_or_else(|| AnvilError::Damaged(dir.to_owned()))?;
            tracing::warn!(path = %state.display(), "the saved L1 state was cut off; the one before is used");
            content
        }
    };
    keep_first_genesis(&mut content);
    let written = File::create(&backup)
        .and_then(|file| serde_json::to_writer(io::BufWriter::new(file), &content).map_err(io::Error::from))
        .and_then(|()| fs::copy(&backup, &state));
    written.map_err(dir_error)?;
    Ok(newest_timestamp(&content))
}

fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_reader(io::BufReader::new(File::open(path).ok()?)).ok()
}

/// A number in the header of a saved block.
fn field(block: &Value, name: &str) -> Option<u64> {
    let text = block["header"][name].as_str()?;
    u64::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}

fn newest_timestamp(state: &Value) -> Option<u64> {
    state["blocks"].as_array()?.iter().filter_map(|block| field(block, "timestamp")).max()
}

/// The real genesis block is the earliest of those with number 0.
fn keep_first_genesis(state: &mut Value) {
    let Some(blocks) = state.get_mut("blocks").and_then(Value::as_array_mut) else { return };
    let is_genesis = |block: &Value| field(block, "number") == Some(0);
    let first =
        blocks.iter().filter(|block| is_genesis(block)).filter_map(|block| field(block, "timestamp")).min();
    blocks.retain(|block| !is_genesis(block) || field(block, "timestamp") == first);
}

/// The port in anvil's line `Listening on 127.0.0.1:8545`.
fn listening_port(log: &str) -> Option<u16> {
    let (line, _) = log.rsplit_once("Listening on 127.0.0.1:")?.1.split_once('\n')?;
    line.trim().parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn port_is_read_only_from_a_whole_line() {
        assert_eq!(listening_port("banner\nListening on 127.0.0.1:8545\n"), Some(8545));
        assert_eq!(listening_port("banner\nListening on 127.0.0.1:85"), None);
        assert_eq!(listening_port("banner\n"), None);
    }

    #[test]
    fn state_that_was_cut_off_is_replaced_by_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let state = state_file(dir.path());
        check_state(dir.path()).unwrap();
        fs::write(&state, r#"{"block":1}"#).unwrap();
        check_state(dir.path()).unwrap();
        fs::write(&state, r#"{"block": 2"#).unwrap();
        check_state(dir.path()).unwrap();
        assert_eq!(fs::read_to_string(&state).unwrap(), r#"{"block":1}"#);
    }

    #[test]
    fn genesis_of_a_later_start_is_forgotten() {
        let block = |number: &str, timestamp: &str| serde_json::json!({"header": {"number": number, "timestamp": timestamp}});
        let (first, later, child) = (block("0x0", "0x10"), block("0x0", "0x20"), block("0x1", "0x11"));
        let mut state = serde_json::json!({"blocks": [later, child, first]});
        keep_first_genesis(&mut state);
        assert_eq!(state, serde_json::json!({"blocks": [child, first]}));
    }

    #[test]
    fn a_chain_that_ends_in_the_future_goes_on_from_there() {
        let dir = tempfile::tempdir().unwrap();
        let (past, future) = ("0x10", "0x2000000000");
        let block =
            |timestamp: &str| serde_json::json!({"header": {"number": "0x1", "timestamp": timestamp}});
        let state = serde_json::json!({"blocks": [block(future), block(past)]});
        fs::write(state_file(dir.path()), state.to_string()).unwrap();
        let newest = check_state(dir.path()).unwrap();
        assert_eq!(clock(newest), ["--timestamp", "137438953472"]);
        assert!(clock(Some(0x10)).is_empty());
        assert!(clock(None).is_empty());
    }

    #[test]
    fn state_that_was_cut_off_with_none_before_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(state_file(dir.path()), "{").unwrap();
        assert!(matches!(check_state(dir.path()), Err(AnvilError::Damaged(_))));
    }
}
