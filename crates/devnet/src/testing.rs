//! A database per test.

use std::env;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::Mutex;

use crate::docker;
use crate::postgres::create_database;
use crate::{Postgres, PostgresError, PostgresOptions, Tools};

/// A Postgres server for tests.
#[derive(Debug)]
pub enum TestPostgres {
    /// The server that `DATABASE_URL` names.
    Named(String),
    /// A container.
    Docker(Box<docker::Postgres>),
    /// A private one, without fsync, in a folder that goes away with it.
    Local(Postgres, tempfile::TempDir),
}

/// Why a test got no database.
#[derive(Debug, thiserror::Error)]
pub enum TestDatabaseError {
    /// No server could be started.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// A statement failed.
    #[error("cannot create a test database at the server of DATABASE_URL or Docker")]
    Sql(#[from] sqlx::Error),
    /// No folder for a private server.
    #[error("cannot create a temporary folder for Postgres")]
    Folder(#[source] std::io::Error),
}

impl TestPostgres {
    /// `DATABASE_URL`, else a container where Docker answers, else local programs.
    ///
    /// # Errors
    /// [`TestDatabaseError`] if none of them works.
    pub async fn start() -> Result<Self, TestDatabaseError> {
        if let Ok(url) = env::var("DATABASE_URL") {
            return Ok(Self::Named(url));
        }
        if let Some(container) = docker::postgres().await {
            return Ok(Self::Docker(Box::new(container)));
        }
        // Root's Postgres runs as another user, who must be able to enter the folder.
        let folder = tempfile::Builder::new()
            .prefix("lockstep-test-postgres-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir()
            .map_err(TestDatabaseError::Folder)?;
        let options = PostgresOptions { durable: false, ..PostgresOptions::new(folder.path().to_owned()) };
        let postgres = Postgres::start(&Tools::from_env(), options).await?;
        Ok(Self::Local(postgres, folder))
    }

    /// The address of the server's default database.
    pub fn url(&self) -> String {
        match self {
            Self::Named(url) => url.clone(),
            Self::Docker(container) => container.url().to_owned(),
            Self::Local(postgres, _) => postgres.url(),
        }
    }
}

/// A fresh, empty database; it and, after the last one, the server that was started for it go away on drop.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    name: String,
    server: Arc<TestPostgres>,
}

impl TestDatabase {
    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let TestPostgres::Named(server) = &*self.server else { return };
        let (server, name) = (server.clone(), self.name.clone());
        // A thread, because a drop cannot wait inside the runtime that it may be on.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(drop_database(&server, &name)).ok()
        });
        if !matches!(dropped.join(), Ok(Some(()))) {
            tracing::warn!(name = self.name, "a test database was left behind");
        }
    }
}

/// A fresh database on the one test server of this process.
///
/// # Errors
/// [`TestDatabaseError`] if there is no server.
pub async fn test_database() -> Result<TestDatabase, TestDatabaseError> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let server = server().await?;
    let name = format!("lockstep_test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    create_database(&server.url(), &name).await?;
    Ok(TestDatabase { url: with_database(&server.url(), &name), name, server })
}

async fn server() -> Result<Arc<TestPostgres>, TestDatabaseError> {
    static SERVER: Mutex<Weak<TestPostgres>> = Mutex::const_new(Weak::new());
    let mut current = SERVER.lock().await;
    if let Some(running) = current.upgrade() {
        return Ok(running);
    }
    let server = Arc::new(TestPostgres::start().await?);
    *current = Arc::downgrade(&server);
    Ok(server)
}

async fn drop_database(server: &str, name: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(server).await?;
    let statement = format!("drop database if exists \"{name}\" with (force)");
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
    connection.close().await
}

/// `url` with its database replaced.
fn with_database(url: &str, name: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)));
    let authority = base.find("://").map_or(0, |at| at + 3);
    let base = base[authority..].find('/').map_or(base, |at| &base[..authority + at]);
    match query {
        None => format!("{base}/{name}"),
        Some(query) => format!("{base}/{name}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[test]
    fn database_is_replaced_whatever_the_address_looks_like() {
        assert_eq!(with_database("postgres://u:p@host:1/old", "new"), "postgres://u:p@host:1/new");
        assert_eq!(with_database("postgres://host", "new"), "postgres://host/new");
        assert_eq!(
            with_database("postgres://host/old?sslmode=disable", "new"),
            "postgres://host/new?sslmode=disable"
        );
    }
}
