//! SIGKILL of the real process, at each request to L1 and inside each change of the journal.

use std::{
    fs::File,
    future::{Future, ready},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use lockstep_devnet::Process;
use lockstep_l1::dev_key;
use lockstep_testkit::l1_proxy::{Action, L1Proxy};
use lockstep_tests::lockstep_binary;
use nix::sys::signal::Signal;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::sync::mpsc;

use crate::world::*;

/// Where the process dies.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// Its request is on the wire; L1 never gets it.
    Asks(&'static str),
    /// L1 has done what was asked; the answer, which is not null, never arrives.
    Hears(&'static str),
    /// A statement that changes this table, if the condition holds, is under way. Then it is rolled back.
    RollsBack(&'static str, &'static str),
    /// The same, but Postgres commits it, and nobody hears of that.
    Commits(&'static str, &'static str),
}

const POINTS: [Point; 16] = [
    Point::RollsBack("l1_submission", "new.status = 'sealed'"),
    Point::Commits("l1_submission", "new.status = 'sealed'"),
    Point::Asks("eth_feeHistory"),
    Point::Asks("eth_estimateGas"),
    Point::RollsBack("l1_attempt", "true"),
    Point::Commits("l1_attempt", "true"),
    Point::Asks("eth_sendRawTransaction"),
    Point::Hears("eth_sendRawTransaction"),
    Point::Hears("eth_getTransactionCount"),
    Point::Asks("eth_getTransactionReceipt"),
    Point::Hears("eth_getTransactionReceipt"),
    Point::RollsBack("l1_submission", "new.status = 'posted'"),
    Point::RollsBack("batch", "true"),
    Point::Commits("batch", "true"),
    Point::RollsBack("l1_submission", "new.status = 'final'"),
    Point::Commits("l1_submission", "new.status = 'final'"),
];

struct Bench {
    binary: PathBuf, // found first: it may have to be built, which no limit of time is meant for
    world: World,
    proxy: L1Proxy,
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_it_posts_every_block_once_in_order() {
    let bench = bench().await;
    let genesis = bench.world.head().await.hash_slow();
    let mut value = 0;
    for (point, kind) in POINTS.iter().flat_map(|point| kinds(point).iter().map(move |kind| (point, *kind))) {
        value += 1;
        let tip = bench.world.seal(value).await;
        tokio::time::timeout(Duration::from_secs(60), bench.kill_at(*point, bench.spawn(kind)))
            .await
            .unwrap_or_else(|_| panic!("{point:?} was not reached"));
        if matches!(point, Point::Commits("batch", _)) {
            bench.make_final(&tip, kind).await;
        }
    }
    let tip = bench.world.seal(value + 1).await;
    let process = bench.spawn("calldata").await;
    bench.world.posted(&tip).await;
    bench.world.at_rest().await;
    assert!(process.stop().await.unwrap().success());
    assert_chain(&bench.world.channels().await, genesis, value + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_with_several_on_their_way_it_posts_every_block_once_in_order() {
    let bench = bench().await;
    let genesis = bench.world.head().await.hash_slow();
    bench.world.stop_mining().await;
    let process = bench.spawn("calldata").await;
    for value in 1..=2 {
        bench.world.seal_into_pool(value, value).await;
    }
    bench.world.seal(3).await;
    bench.kill_at(Point::Asks("eth_sendRawTransaction"), ready(process)).await;
    // The pool loses one, the journal has one that no pool ever had.
    let pooled = bench.world.pooled(2).await;
    bench.world.rpc("anvil_dropTransaction", [pooled[0]]).await;

    let process = bench.spawn("calldata").await;
    let tip = bench.world.seal(4).await;
    let channels = bench.world.mine_until_posted(&tip).await;
    assert_chain(&channels, genesis, 4);
    assert_eq!(channels.len(), 4);
    assert!(process.stop().await.unwrap().success());
}

/// Sending differs with blobs; the journal does not know what it stores.
fn kinds(point: &Point) -> &'static [&'static str] {
    match point {
        Point::Asks("eth_sendRawTransaction") | Point::Hears("eth_sendRawTransaction") => {
            &["calldata", "blobs"]
        }
        _ => &["calldata"],
    }
}

async fn bench() -> Bench {
    let binary = lockstep_binary().await.unwrap();
    let world = World::start().await;
    let proxy = L1Proxy::start(&world.anvil.rpc_url()).await.unwrap();
    Bench { binary, world, proxy }
}

impl Bench {
    async fn spawn(&self, data_availability: &str) -> Process {
        let mut command = Command::new(&self.binary);
        command.args(["batcher", "--batcher-poll", "20ms", "--tx-poll-interval", "20ms"]);
        command.args(["--max-channel-duration", "0s", "--batcher-listen", "127.0.0.1:0"]);
        command.args(["--data-availability", data_availability, "--l1-rpc", self.proxy.url()]);
        command.arg("--rollup-config").arg(self.world.rollup_config());
        command.env("LOCKSTEP_DATABASE_URL", self.world.database.url());
        command.env("LOCKSTEP_BATCHER_KEY", format!("0x{:x}", dev_key(8).to_bytes()));
        let log = self.world.rollup_config().with_file_name("batcher.log");
        let log = File::options().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Process::spawn(command, Signal::SIGTERM).await.unwrap()
    }

    async fn kill_at(&self, point: Point, process: impl Future<Output = Process>) {
        match point {
            Point::Asks(method) | Point::Hears(method) => {
                let process = process.await;
                let (reached, mut wait) = mpsc::unbounded_channel();
                let hears = matches!(point, Point::Hears(_));
                self.proxy.behave(move |called, _| {
                    if called != method {
                        return Action::Forward;
                    }
                    let reached = reached.clone();
                    let stop = move || {
                        let _ = reached.send(()); // the first one counts
                        Action::Stall
                    };
                    if !hears {
                        return stop();
                    }
                    Action::then(move |result| if result.is_null() { Action::Answer(result) } else { stop() })
                });
                wait.recv().await.unwrap();
                process.kill().unwrap();
                self.proxy.be_honest();
            }
            Point::RollsBack(table, when) => self.kill_in_statement(table, when, false, process).await,
            Point::Commits(table, when) => self.kill_in_statement(table, when, true, process).await,
        }
    }

    /// A trigger makes the statement wait for a lock that we hold. One that is to be committed waits at its commit. The
    /// process starts when the trigger is there: what it does first may be the statement.
    async fn kill_in_statement(
        &self,
        table: &str,
        when: &str,
        commits: bool,
        process: impl Future<Output = Process>,
    ) {
        let mut db = PgConnection::connect(self.world.database.url()).await.unwrap();
        let kind = if commits { "constraint trigger" } else { "trigger" };
        let moment = if commits { "after" } else { "before" };
        let deferred = if commits { "deferrable initially deferred" } else { "" };
        sqlx::raw_sql(AssertSqlSafe(format!(
            "select pg_advisory_lock(42); \
             create or replace function wait() returns trigger language plpgsql as \
             $$ begin perform pg_advisory_xact_lock_shared(42); return new; end $$; \
             create {kind} wait {moment} insert or update on {table} {deferred} \
             for each row when ({when}) execute function wait()"
        )))
        .execute(&mut db)
        .await
        .unwrap();
        let process = process.await;
        let waiting = "select pid from pg_locks where locktype = 'advisory' and objid = 42 and not granted \
                       and database = (select oid from pg_database where datname = current_database())";
        let backend: i32 = loop {
            if let Some(row) = sqlx::query(waiting).fetch_optional(&mut db).await.unwrap() {
                break row.get(0);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        process.kill().unwrap();
        if !commits {
            sqlx::query("select pg_terminate_backend($1)").bind(backend).execute(&mut db).await.unwrap();
        } else {
            sqlx::query("select pg_advisory_unlock(42)").execute(&mut db).await.unwrap();
        }
        let gone = "select not exists (select from pg_stat_activity where pid = $1)";
        while !sqlx::query_scalar::<_, bool>(gone).bind(backend).fetch_one(&mut db).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        sqlx::raw_sql(AssertSqlSafe(format!("drop trigger wait on {table}"))).execute(&mut db).await.unwrap();
        db.close().await.unwrap();
    }

    /// Lets everything be posted, and makes it final while no batcher looks.
    async fn make_final(&self, tip: &lockstep_primitives::SealedBlock, kind: &str) {
        let process = self.spawn(kind).await;
        self.world.posted(tip).await;
        self.world.at_rest().await;
        process.kill().unwrap();
        self.world.rpc("anvil_mine", [12]).await;
    }
}
