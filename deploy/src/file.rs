//! The addresses file: written whole or not at all.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use lockstep_primitives::{GenesisAnchor, RollupConfig};
use serde::{Serialize, de::DeserializeOwned};

use crate::DeployError;

/// Reads the addresses file; `None` if there is none.
///
/// # Errors
/// [`DeployError::File`] if it cannot be read or is not an addresses file.
pub fn read(path: &Path) -> Result<Option<RollupConfig>, DeployError> {
    read_json(path)
}

/// Replaces the addresses file in one step.
pub(crate) fn write(path: &Path, config: &RollupConfig) -> Result<(), DeployError> {
    write_json(path, config)?;
    match fs::remove_file(anchor_path(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file_error(path)(error)),
        _ => Ok(()),
    }
}

/// The anchor of a deployment that is under way.
pub(crate) fn read_anchor(path: &Path) -> Result<Option<GenesisAnchor>, DeployError> {
    read_json(&anchor_path(path))
}

/// Stores the anchor before anything depends on it.
pub(crate) fn write_anchor(path: &Path, anchor: &GenesisAnchor) -> Result<(), DeployError> {
    write_json(&anchor_path(path), anchor)
}

fn anchor_path(path: &Path) -> PathBuf {
    path.with_extension("anchor.json")
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, DeployError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_error(path)(error)),
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| file_error(path)(error.into()))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), DeployError> {
    let fail = file_error(path);
    let text = serde_json::to_vec_pretty(value).map_err(|error| fail(error.into()))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::create_dir_all(folder).map_err(&fail)?;
    }
    let part = path.with_extension("part");
    let mut file = File::create(&part).map_err(&fail)?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(&fail)?;
    fs::rename(&part, path).map_err(&fail)?;
    File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all()).map_err(&fail)
}

fn file_error(path: &Path) -> impl Fn(io::Error) -> DeployError {
    let path = path.display().to_string();
    move |source| DeployError::File { path: path.clone(), source }
}
