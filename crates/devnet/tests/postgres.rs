//! A real Postgres: starts as whoever we are, keeps its data, refuses what it must.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use lockstep_devnet::{Postgres, PostgresError, PostgresOptions, Tools, test_database};
use sqlx::{Connection, PgConnection};

fn folder(mode: u32) -> tempfile::TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(mode)).tempdir().unwrap()
}

fn options(dir: &tempfile::TempDir) -> PostgresOptions {
    PostgresOptions { durable: false, ..PostgresOptions::new(dir.path().join("postgres")) }
}

#[tokio::test]
async fn data_survives_a_restart_also_where_only_we_may_enter() {
    for mode in [0o755, 0o700] {
        let dir = folder(mode);
        let postgres = match Postgres::start(&Tools::from_env(), options(&dir)).await {
            Ok(postgres) => postgres,
            // Root without user namespaces: the error is the specified answer.
            Err(PostgresError::Unreachable { .. }) if mode == 0o700 => return,
            Err(error) => panic!("{error}"),
        };
        let url = postgres.create_database("rollup").await.unwrap();
        let mut connection = PgConnection::connect(&url).await.unwrap();
        sqlx::query("create table kept (value int)").execute(&mut connection).await.unwrap();
        sqlx::query("insert into kept values (42)").execute(&mut connection).await.unwrap();
        postgres.stop().await.unwrap();

        let postgres = Postgres::start(&Tools::from_env(), options(&dir)).await.unwrap();
        let url = postgres.create_database("rollup").await.unwrap();
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let kept: i32 =
            sqlx::query_scalar("select value from kept").fetch_one(&mut connection).await.unwrap();
        assert_eq!(kept, 42);
    }
}

#[tokio::test]
async fn root_runs_it_as_the_owner_of_a_private_folder() {
    let dir = folder(0o700);
    // Only root can give a folder away; for everybody else there is nothing to test.
    if std::os::unix::fs::chown(dir.path(), Some(65534), Some(65534)).is_err() {
        return;
    }
    Postgres::start(&Tools::from_env(), options(&dir)).await.unwrap().stop().await.unwrap();
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    Postgres::start(&Tools::from_env(), options(&dir)).await.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn postgres_is_gone_after_drop() {
    let dir = folder(0o755);
    let postgres = Postgres::start(&Tools::from_env(), options(&dir)).await.unwrap();
    let process = format!("/proc/{}", postgres.id());
    assert!(std::path::Path::new(&process).exists());
    drop(postgres);
    assert!(!std::path::Path::new(&process).exists());
}

#[tokio::test]
async fn data_of_another_version_is_named_in_the_error() {
    let dir = folder(0o755);
    let data = dir.path().join("postgres/data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("PG_VERSION"), "9\n").unwrap();
    let error = Postgres::start(&Tools::from_env(), options(&dir)).await.unwrap_err();
    assert!(matches!(error, PostgresError::Version { made_by: 9, .. }), "{error}");
}

#[tokio::test]
async fn taken_port_is_named_in_the_error() {
    let dir = folder(0o755);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error =
        Postgres::start(&Tools::from_env(), PostgresOptions { port, ..options(&dir) }).await.unwrap_err();
    assert!(matches!(error, PostgresError::PortInUse(named) if named == port), "{error}");
}

#[tokio::test]
async fn two_test_databases_do_not_see_each_other() {
    let (one, two) = (test_database().await.unwrap(), test_database().await.unwrap());
    assert_ne!(one.url(), two.url());
    let mut first = PgConnection::connect(one.url()).await.unwrap();
    let mut second = PgConnection::connect(two.url()).await.unwrap();
    sqlx::query("create table only_in_one (value int)").execute(&mut first).await.unwrap();
    assert!(sqlx::query("select * from only_in_one").execute(&mut second).await.is_err());
}
