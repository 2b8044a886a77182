//! A private Postgres on this machine.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::privileges::{Identity, Unreachable};
use crate::process::{Process, free_port, lock_dir, port_in_use, tail};
use crate::tools::{PostgresTools, ToolError, Tools};

const START_TIMEOUT: Duration = Duration::from_secs(60);
const PREDECESSOR: Duration = Duration::from_secs(20);

/// How to run Postgres.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Folder of its data and its log; created if missing.
    pub dir: PathBuf,
    /// Port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// Whether commits reach the disk. Only tests may say no.
    pub durable: bool,
}

impl PostgresOptions {
    /// A durable cluster in `dir` on any free port.
    pub const fn new(dir: PathBuf) -> Self {
        Self { dir, port: 0, durable: true }
    }
}

/// Why Postgres does not run.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// There is no Postgres.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// Something else listens there.
    #[error("port {0} is in use: stop the process that listens there, or choose another port for Postgres")]
    PortInUse(u16),
    /// The folder belongs to a running Postgres.
    #[error("another process runs its Postgres in {0}: stop it, or choose another data directory")]
    Busy(PathBuf),
    /// Root becomes a user that cannot get there.
    #[error("the data directory {dir} cannot be used: {reason}")]
    Unreachable {
        /// The folder.
        dir: PathBuf,
        /// Which folder is in the way, and what to do.
        reason: Unreachable,
    },
    /// The folder cannot be used.
    #[error(
        "cannot use {path} for Postgres: check its permissions and free space, or choose another data directory"
    )]
    Dir {
        /// The folder.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// The data is from a version that is not here.
    #[error(
        "the data in {dir} was made by Postgres {made_by}, and this machine has {available:?}: \
         install Postgres {made_by}, or start over with a fresh data directory"
    )]
    Version {
        /// The folder.
        dir: PathBuf,
        /// Major version of the data.
        made_by: u32,
        /// Major versions here.
        available: Vec<u32>,
    },
    /// The cluster could not be created or did not come up.
    #[error("{program} failed; it said:\n{log}")]
    Failed {
        /// `initdb` or `postgres`.
        program: &'static str,
        /// The end of its log.
        log: String,
    },
    /// The operating system refused to start or watch it.
    #[error("cannot run Postgres")]
    Run(#[source] io::Error),
    /// A statement failed.
    #[error("Postgres refused to create a database")]
    Sql(#[from] sqlx::Error),
}

/// A running Postgres. Dropping it stops it.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    port: u16,
}

impl Postgres {
    /// Starts Postgres, on the data that `options.dir` holds or on a fresh cluster, and waits until it serves.
    ///
    /// # Errors
    /// [`PostgresError`]; each says what to do.
    pub async fn start(tools: &Tools, options: PostgresOptions) -> Result<Self, PostgresError> {
        let found = tools.postgres().await?;
        let dir = std::path::absolute(&options.dir).map_err(|source| dir_error(&options.dir, source))?;
        let cluster = Cluster::open(&found, dir).await?;
        if options.port != 0 {
            return cluster.start(options.port, options.durable).await;
        }
        // Postgres cannot choose a port, and one that was free a moment ago may be taken now.
        for _ in 0..4 {
            let port = free_port().map_err(PostgresError::Run)?;
            match cluster.start(port, options.durable).await {
                Err(PostgresError::PortInUse(_)) => {}
                result => return result,
            }
        }
        cluster.start(free_port().map_err(PostgresError::Run)?, options.durable).await
    }

    /// The address of the default database.
    pub fn url(&self) -> String {
        self.database_url("postgres")
    }

    /// The address of the database `name`.
    pub fn database_url(&self, name: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    /// The port that it listens on.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Creates the database `name` unless it exists, and returns its address.
    ///
    /// # Errors
    /// [`PostgresError::Sql`].
    pub async fn create_database(&self, name: &str) -> Result<String, PostgresError> {
        create_database(&self.url(), name).await?;
        Ok(self.database_url(name))
    }

    /// Waits until Postgres ends by itself, which it should not.
    ///
    /// # Errors
    /// The operating system cannot watch the process.
    pub async fn exited(&mut self) -> io::Result<std::process::ExitStatus> {
        self.process.wait().await
    }

    /// Stops Postgres cleanly; open connections are closed.
    ///
    /// # Errors
    /// The operating system cannot stop or watch the process.
    pub async fn stop(self) -> io::Result<()> {
        self.process.stop().await.map(drop)
    }
}

/// Creates the database `name` on the server at `url`, unless it exists.
pub(crate) async fn create_database(url: &str, name: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    let exists: Option<i32> = sqlx::query_scalar("select 1 from pg_database where datname = $1")
        .bind(name)
        .fetch_optional(&mut connection)
        .await?;
    if exists.is_none() {
        let name = name.replace('"', "\"\"");
        sqlx::raw_sql(AssertSqlSafe(format!("create database \"{name}\""))).execute(&mut connection).await?;
    }
    connection.close().await
}

/// A data directory, initialised, and who runs on it with which programs.
struct Cluster {
    tools: PostgresTools,
    identity: Identity,
    dir: PathBuf,
}

impl Cluster {
    async fn open(found: &[PostgresTools], dir: PathBuf) -> Result<Self, PostgresError> {
        fs::create_dir_all(&dir).map_err(|source| dir_error(&dir, source))?;
        let data = dir.join("data");
        let identity = Identity::choose(&data)
            .map_err(|reason| PostgresError::Unreachable { dir: dir.clone(), reason })?;
        let tools = choose_tools(found, &dir)?;
        let cluster = Self { tools, identity, dir };
        // Before anything is touched: a predecessor that was killed may still be writing.
        drop(cluster.lock().await?);
        if cluster.data().join("PG_VERSION").is_file() {
            // Who may run on it can have changed with the folders above it.
            cluster.identity.own(&cluster.data()).map_err(|source| dir_error(&cluster.dir, source))?;
        } else {
            cluster.create().await?;
        }
        Ok(cluster)
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    async fn lock(&self) -> Result<Stdio, PostgresError> {
        let lock = lock_dir(&self.dir, PREDECESSOR).await.map_err(|source| dir_error(&self.dir, source))?;
        lock.ok_or_else(|| PostgresError::Busy(self.dir.clone()))
    }

    async fn create(&self) -> Result<(), PostgresError> {
        let failed = |source| dir_error(&self.dir, source);
        // initdb in a folder of its own that is renamed when whole: half a cluster is never resumed.
        let scratch = self.dir.join("data.new");
        if scratch.exists() {
            fs::remove_dir_all(&scratch).map_err(failed)?;
        }
        fs::create_dir(&scratch).map_err(failed)?;
        fs::set_permissions(&scratch, Permissions::from_mode(0o700)).map_err(failed)?;
        self.identity.own(&scratch).map_err(failed)?;
        let log = self.dir.join("initdb.log");
        let mut command = self.command("initdb", &log)?;
        command.args(["-N", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-D"]).arg(&scratch);
        let mut process = Process::spawn(command, Signal::SIGTERM).await.map_err(PostgresError::Run)?;
        if !process.wait().await.map_err(PostgresError::Run)?.success() {
            return Err(PostgresError::Failed { program: "initdb", log: tail(&log) });
        }
        fs::rename(&scratch, self.data()).map_err(failed)
    }

    async fn start(&self, port: u16, durable: bool) -> Result<Postgres, PostgresError> {
        let lock = self.lock().await?;
        if port_in_use(port) {
            return Err(PostgresError::PortInUse(port));
        }
        let log = self.dir.join("postgres.log");
        let mut command = self.command("postgres", &log)?;
        command.arg("-D").arg(self.data()).args(["-k", "", "-p", &port.to_string()]).stdin(lock);
        for setting in settings(durable) {
            command.args(["-c", setting]);
        }
        let process = Process::spawn(command, Signal::SIGINT).await.map_err(PostgresError::Run)?;
        self.when_ready(Postgres { process, port }, &log).await
    }

    async fn when_ready(&self, mut postgres: Postgres, log: &Path) -> Result<Postgres, PostgresError> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            // Its line 8 is the state of the server, its first line the process.
            let pid_file = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
            let mut lines = pid_file.lines();
            let is_ours = lines.next() == Some(postgres.id().to_string().as_str());
            if is_ours && lines.nth(6).is_some_and(|state| state.trim() == "ready") {
                return Ok(postgres);
            }
            let ended = postgres.process.try_wait().map_err(PostgresError::Run)?.is_some();
            if ended || deadline < Instant::now() {
                let log = tail(log);
                return Err(match log.contains("could not bind") {
                    true => PostgresError::PortInUse(postgres.port),
                    false => PostgresError::Failed { program: "postgres", log },
                });
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn command(&self, program: &str, log: &Path) -> Result<Command, PostgresError> {
        let output = File::create(log).map_err(|source| dir_error(&self.dir, source))?;
        let errors = output.try_clone().map_err(|source| dir_error(&self.dir, source))?;
        let mut command = Command::new(self.tools.bin.join(program));
        // A locale or a working directory of the caller must not matter.
        command.current_dir("/").env("LC_ALL", "C").env("TZ", "UTC").stdin(Stdio::null());
        command.stdout(output).stderr(errors);
        self.identity.apply(&mut command);
        Ok(command)
    }
}

fn settings(durable: bool) -> &'static [&'static str] {
    const COMMON: [&str; 4] = [
        "listen_addresses=127.0.0.1",
        "max_connections=200",
        "logging_collector=off",
        "log_min_messages=warning",
    ];
    const FAST: [&str; 7] = [
        COMMON[0],
        COMMON[1],
        COMMON[2],
        COMMON[3],
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
    ];
    if durable { &COMMON } else { &FAST }
}

fn choose_tools(found: &[PostgresTools], dir: &Path) -> Result<PostgresTools, PostgresError> {
    let made_by =
        fs::read_to_string(dir.join("data/PG_VERSION")).ok().and_then(|text| text.trim().parse().ok());
    let chosen = match made_by {
        None => found.first(),
        Some(major) => found.iter().find(|tools| tools.major == major),
    };
    chosen.cloned().ok_or_else(|| PostgresError::Version {
        dir: dir.to_owned(),
        made_by: made_by.unwrap_or_default(),
        available: found.iter().map(|tools| tools.major).collect(),
    })
}

fn dir_error(path: &Path, source: io::Error) -> PostgresError {
    PostgresError::Dir { path: path.to_owned(), source }
}
