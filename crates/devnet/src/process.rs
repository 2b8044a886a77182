//! Child processes that never outlive us, whatever happens to us.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use nix::sys::{prctl, signal};
use nix::unistd::{Pid, getppid};
use tokio::sync::oneshot;

/// How long a child may take to stop before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// A running child. Dropping it stops it: politely first, then by force. If this process dies, it is
/// stopped too, however this process dies.
#[derive(Debug)]
pub struct Process {
    child: std::process::Child,
    stop: signal::Signal,
}

impl Process {
    /// Starts `command` in a process group of its own, so that Ctrl-C in a terminal reaches only us and we
    /// choose the order of stopping. `stop` is the signal that ends it cleanly; the kernel sends the same
    /// one if this process dies first.
    ///
    /// # Errors
    /// The operating system cannot start it.
    pub async fn spawn(mut command: Command, stop: signal::Signal) -> io::Result<Self> {
        let parent = Pid::this();
        command.process_group(0);
        // SAFETY: between fork and exec only two system calls are made; nothing allocates or locks.
        unsafe {
            command.pre_exec(move || {
                prctl::set_pdeathsig(stop)?;
                if getppid() == parent { Ok(()) } else { Err(io::ErrorKind::Interrupted.into()) }
            });
        }
        Ok(Self { child: spawn_on_keeper(command).await?, stop })
    }

    /// The exit status, if the child has ended by itself.
    ///
    /// # Errors
    /// The operating system cannot watch it.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the child ends by itself.
    ///
    /// # Errors
    /// The operating system cannot watch it.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            match self.try_wait()? {
                Some(status) => return Ok(status),
                None => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Stops the child and waits until it is gone.
    ///
    /// # Errors
    /// The operating system cannot stop or watch it.
    pub async fn stop(mut self) -> io::Result<ExitStatus> {
        tokio::task::spawn_blocking(move || self.stop_now()).await.map_err(io::Error::other)?
    }

    /// Kills the child without a warning and waits until it is gone.
    ///
    /// # Errors
    /// The operating system cannot kill or watch it.
    pub fn kill(mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }

    fn stop_now(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        self.signal(self.stop);
        let deadline = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(POLL);
        }
        self.child.kill()?;
        self.child.wait()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, which: signal::Signal) {
        if let Ok(id) = i32::try_from(self.child.id()) {
            // Not reaped yet, so the id is still the child's. An error means that it has just ended.
            let _ = signal::kill(Pid::from_raw(id), which);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.stop_now() {
            tracing::warn!(%error, "a child process could not be stopped");
        }
    }
}

type Job = (Command, oneshot::Sender<io::Result<std::process::Child>>);

/// The kernel's parent-death signal fires when the *thread* that forked ends. Threads of a runtime come and
/// go, so every child is forked by one thread that lives as long as the process.
async fn spawn_on_keeper(command: Command) -> io::Result<std::process::Child> {
    static KEEPER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        std::thread::Builder::new()
            .name("child-keeper".into())
            .spawn(move || {
                for (mut command, reply) in jobs {
                    // A caller that no longer waits gets its child stopped by us.
                    if let Err(Ok(mut child)) = reply.send(command.spawn()) {
                        let _ = child.kill();
                        let _ = child.wait();
                    }
                }
            })
            .expect("the operating system gives a process that starts others one more thread");
        sender
    });
    let (reply, child) = oneshot::channel();
    keeper.send((command, reply)).map_err(|_| io::Error::other("the thread that starts children is gone"))?;
    child.await.map_err(io::Error::other)?
}

/// Locks a directory for one child. The lock is the child's standard input, so it is held exactly until
/// the child has ended, even when we were killed before it.
///
/// `None` if another child still holds it after `patience`.
pub(crate) async fn lock_dir(dir: &Path, patience: Duration) -> io::Result<Option<Stdio>> {
    let path = dir.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    let deadline = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file.into())),
            Err(fs::TryLockError::Error(error)) => return Err(error),
            Err(fs::TryLockError::WouldBlock) if deadline < Instant::now() => return Ok(None),
            Err(fs::TryLockError::WouldBlock) => tokio::time::sleep(POLL).await,
        }
    }
}

/// The last lines of a log, to quote in an error.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

/// A port that nothing listens on at this moment.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Whether something listens on `port` already.
pub(crate) fn port_in_use(port: u16) -> bool {
    matches!(std::net::TcpListener::bind(("127.0.0.1", port)), Err(error) if error.kind() == io::ErrorKind::AddrInUse)
}
