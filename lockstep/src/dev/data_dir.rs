//! The folder of a `lockstep dev` chain.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use eyre::{WrapErr, bail};

/// Marks a folder as ours, so that `--fresh` never empties somebody else's.
const MARKER: &str = "lockstep-dev";

/// A usable data directory and the places in it.
#[derive(Clone, Debug)]
pub(super) struct DataDir(PathBuf);

impl DataDir {
    /// Opens or creates `path`; with `fresh`, empties it first.
    ///
    /// # Errors
    /// One sentence that says what to do: not a folder, not writable, or not made by `lockstep dev`.
    pub(super) fn open(path: &Path, fresh: bool) -> eyre::Result<Self> {
        let dir = Self(std::path::absolute(path)?);
        dir.check_owner()?;
        if fresh && dir.0.exists() {
            fs::remove_dir_all(&dir.0).wrap_err_with(|| dir.unusable("emptied"))?;
        }
        fs::create_dir_all(&dir.0).wrap_err_with(|| dir.unusable("created"))?;
        fs::write(dir.0.join(MARKER), "data of `lockstep dev`; delete the whole folder to start over\n")
            .wrap_err_with(|| dir.unusable("written"))?;
        Ok(dir)
    }

    fn check_owner(&self) -> eyre::Result<()> {
        let empty = match fs::read_dir(&self.0) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == ErrorKind::NotFound => true,
            Err(error) => return Err(error).wrap_err_with(|| self.unusable("read")),
        };
        if !empty && !self.0.join(MARKER).exists() {
            bail!(
                "{} holds files that `lockstep dev` did not make: choose another --data-dir",
                self.0.display()
            );
        }
        Ok(())
    }

    fn unusable(&self, verb: &str) -> String {
        let path = self.0.display();
        format!(
            "the data directory {path} cannot be {verb}: check its permissions or choose another --data-dir"
        )
    }

    /// State and log of the private L1.
    pub(super) fn l1(&self) -> PathBuf {
        self.0.join("l1")
    }

    /// Cluster and log of the private Postgres.
    pub(super) fn postgres(&self) -> PathBuf {
        self.0.join("postgres")
    }

    /// The addresses file.
    pub(super) fn rollup_config(&self) -> PathBuf {
        self.0.join("rollup.json")
    }

    /// State store of the sequencer.
    pub(super) fn sequencer(&self) -> PathBuf {
        self.0.join("sequencer")
    }

    /// State store and derived blocks of the verifier.
    pub(super) fn verifier(&self) -> PathBuf {
        self.0.join("verifier")
    }
}

/// Replaces `path` in one step, so that a reader sees the whole content or none.
pub(super) fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    fs::write(&temporary, content)?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn fresh_empties_our_own_folder() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("chain");
        let dir = DataDir::open(&path, false).unwrap();
        fs::write(dir.rollup_config(), "{}").unwrap();
        assert!(DataDir::open(&path, false).unwrap().rollup_config().exists());
        assert!(!DataDir::open(&path, true).unwrap().rollup_config().exists());
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused_and_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("thesis.txt"), "years of work").unwrap();
        let error = DataDir::open(parent.path(), true).unwrap_err().to_string();
        assert!(error.contains("--data-dir"), "{error}");
        assert!(parent.path().join("thesis.txt").exists());
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("file");
        fs::write(&path, "").unwrap();
        let error = format!("{:#}", DataDir::open(&path, false).unwrap_err());
        assert!(error.contains("file") && error.contains("--data-dir"), "{error}");
    }
}
