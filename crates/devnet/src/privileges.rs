//! Postgres refuses to run as root, so root must become somebody else for it.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::unistd::{Uid, write};

/// `nobody` and its group on every Linux.
const NOBODY: u32 = 65534;

/// As whom a child that refuses root runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// We are not root: as ourselves.
    Ourselves,
    /// As this user and group.
    User(u32, u32),
    /// As root that looks like user 1000 from inside a user namespace of its own: for data below a folder
    /// that only root may enter.
    Namespace,
}

/// Root's Postgres cannot reach its data directory.
#[derive(Debug, thiserror::Error)]
#[error(
    "Postgres does not run as root, and the user that it would run as cannot enter {blocked}; \
     choose a data directory outside of it (for example below /var/tmp), or run as an ordinary user"
)]
pub struct Unreachable {
    /// The folder that only root may enter.
    pub blocked: PathBuf,
}

impl Identity {
    /// The identity for a child that works in `dir`: its owner if it exists, else anybody where anybody may
    /// enter, else whoever owns the folders in the way.
    pub(crate) fn choose(dir: &Path) -> Result<Self, Unreachable> {
        if !Uid::effective().is_root() {
            return Ok(Self::Ourselves);
        }
        let closed: Vec<_> = dir.ancestors().skip(1).filter(|folder| !anyone_may_enter(folder)).collect();
        let Some(blocked) = closed.first() else {
            return Ok(owner(dir).unwrap_or(Self::User(NOBODY, NOBODY)));
        };
        let mut owners: Vec<_> = closed.iter().map(|folder| owner(folder)).collect();
        owners.dedup();
        match owners[..] {
            [Some(user)] => Ok(user),
            [None] if namespaces_work() => Ok(Self::Namespace),
            _ => Err(Unreachable { blocked: (*blocked).to_owned() }),
        }
    }

    /// Makes `command` run with this identity.
    pub(crate) fn apply(self, command: &mut Command) {
        match self {
            Self::Ourselves => {}
            Self::User(uid, gid) => {
                command.uid(uid).gid(gid);
            }
            Self::Namespace => {
                // SAFETY: between fork and exec only system calls with constant arguments are made;
                // nothing allocates or locks.
                unsafe { command.pre_exec(enter_namespace) };
            }
        }
    }

    /// Gives `path`, and what is below it, to this identity.
    pub(crate) fn own(self, path: &Path) -> io::Result<()> {
        match self {
            Self::Ourselves => Ok(()),
            Self::User(uid, gid) => chown_all(path, uid, gid),
            Self::Namespace => chown_all(path, 0, 0),
        }
    }
}

fn anyone_may_enter(folder: &Path) -> bool {
    folder.as_os_str().is_empty() || fs::metadata(folder).map_or(true, |meta| meta.mode() & 0o001 != 0)
}

/// `None` for root, and for what is not there.
fn owner(dir: &Path) -> Option<Identity> {
    let meta = fs::metadata(dir).ok()?;
    (meta.uid() != 0).then(|| Identity::User(meta.uid(), meta.gid()))
}

fn chown_all(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    if meta.is_symlink() {
        return Ok(());
    }
    if (meta.uid(), meta.gid()) != (uid, gid) {
        chown(path, Some(uid), Some(gid))?;
    }
    if meta.is_dir() {
        for entry in fs::read_dir(path)? {
            chown_all(&entry?.path(), uid, gid)?;
        }
    }
    Ok(())
}

fn namespaces_work() -> bool {
    let mut probe = Command::new("true");
    Identity::Namespace.apply(&mut probe);
    probe.status().is_ok_and(|status| status.success())
}

fn enter_namespace() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWUSER)?;
    put(c"/proc/self/setgroups", b"deny")?;
    put(c"/proc/self/uid_map", b"1000 0 1")?;
    put(c"/proc/self/gid_map", b"1000 0 1")
}

fn put(path: &std::ffi::CStr, text: &[u8]) -> io::Result<()> {
    let file = open(path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    write(&file, text).map(drop).map_err(io::Error::from)
}
