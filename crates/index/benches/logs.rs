//! `logs/filter=…`: what `eth_getLogs` costs over 10,000 blocks with 1,000,000 logs, from the query to JSON text; and
//! `seal/logs=5000`: what a block of 5,000 logs costs to store on top of them.
//!
//! `cargo bench -p lockstep-index`. It fills a private Postgres, so it needs some 700 MB of disk for a while. `-- --plan`
//! prints Postgres' plans; `--rounds N` and `--blocks N` change what their names say. Every answer is first compared
//! with a count that uses no index.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, missing_docs, unreachable_pub, dead_code)]

#[path = "../tests/postgres/support.rs"]
mod support;

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use alloy::rpc::types::Log;
use alloy_primitives::{Address, B256, U256, b256, keccak256};
use lockstep_devnet::{Postgres, PostgresOptions, Tools};
use lockstep_index::{
    Index, init_genesis, lease,
    log::{LogFilter, StoredLog, explain, query},
    seal,
};
use lockstep_primitives::{BlockId, BlockNumber, Header, SealedBlock};

const LOGS_PER_BLOCK: i32 = 100;
/// What the RPC asks for: one more than it may answer with.
const LIMIT: u32 = 10_001;
const TOKENS: i32 = 200;
const ACCOUNTS: i32 = 50_000;
/// `Transfer(address,address,uint256)`.
const TRANSFER: B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
const SWAP: &str = "Swap(address,uint256,uint256,uint256,uint256,address)";
/// Emits five logs in 10,000 blocks.
const RARE: Address = Address::repeat_byte(0xee);

#[tokio::main]
async fn main() {
    let flag = |name: &'static str| {
        let mut args = std::env::args().skip_while(move |arg| arg != name).skip(1);
        args.next().and_then(|value| value.parse::<i32>().ok())
    };
    let plans = std::env::args().any(|arg| arg == "--plan");
    let (blocks, rounds) = (flag("--blocks").unwrap_or(10_000), flag("--rounds").unwrap_or(15));
    // Root's Postgres runs as another user, who must be able to enter the folder.
    let open = Permissions::from_mode(0o755);
    let folder = tempfile::Builder::new().permissions(open).tempdir_in("/var/tmp").unwrap();
    let options = PostgresOptions::new(folder.path().join("postgres"));
    let postgres = Postgres::start(&Tools::from_env(), options).await.unwrap();
    let index = Index::connect(&postgres.url()).await.unwrap();
    index.migrate().await.unwrap();
    let filling = Instant::now();
    fill(&index, blocks).await;
    println!("{} logs in {blocks} blocks, stored in {:.0?}", blocks * LOGS_PER_BLOCK, filling.elapsed());

    for (name, filter) in filters(blocks) {
        measure(&index, name, &filter, rounds).await;
        if plans {
            println!("{}\n", explain(index.pool(), &filter, LIMIT).await.unwrap());
        }
    }
    measure_sealing(&index, blocks, rounds).await;
    index.close().await;
    postgres.stop().await.unwrap();
}

/// The `n`th token, hottest first.
fn token(n: i32) -> Address {
    Address::from_word(keccak256(format!("token {n}")))
}

/// The `n`th account as a topic, busiest first.
fn account(n: i32) -> B256 {
    B256::from(U256::from(n))
}

/// Tokens and accounts by power laws: the hottest token has one log of eight, the busiest account sends one of 220.
/// Every fourth is a pool, with events of its own.
async fn fill(index: &Index, blocks: i32) {
    let tokens: Vec<Vec<u8>> = (0..TOKENS).map(|n| token(n).to_vec()).collect();
    let kinds =
        [TRANSFER, keccak256("Approval"), keccak256(SWAP), keccak256("Sync")].map(|topic| topic.to_vec());
    let mut connection = index.pool().acquire().await.unwrap();
    sqlx::query("select setseed(0.5)").execute(&mut *connection).await.unwrap();
    for first in (1..=blocks).step_by(500) {
        sqlx::query(
            "insert into l2_log (block_number, log_index, block_hash, block_timestamp, tx_hash, tx_index, address, \
             topic0, topic1, topic2, data) \
             select b, l, sha256(int8send(b)), b, sha256(int8send(b * 1000 + l / 2)), l / 2, \
             case when l = 50 and b % 2000 = 7 then $1 else ($2::bytea[])[1 + token] end, \
             ($4::bytea[])[case when token % 4 = 3 then 3 else 1 end + (random() < 0.2)::int], \
             decode(lpad(to_hex(floor($5 * power(random(), 2))::bigint), 64, '0'), 'hex'), \
             decode(lpad(to_hex(floor($5 * power(random(), 2))::bigint), 64, '0'), 'hex'), \
             sha256(int8send(l)) \
             from (select b, l, floor($3 * power(random(), 2.5))::int as token \
             from generate_series($6::bigint, $7::bigint) b, generate_series(0::bigint, $8::bigint - 1) l) as logs \
             order by b, l",
        )
        .bind(RARE.as_slice())
        .bind(&tokens)
        .bind(f64::from(TOKENS))
        .bind(&kinds[..])
        .bind(f64::from(ACCOUNTS))
        .bind(i64::from(first))
        .bind(i64::from((first + 499).min(blocks)))
        .bind(i64::from(LOGS_PER_BLOCK))
        .execute(&mut *connection)
        .await
        .unwrap();
    }
    sqlx::query("vacuum analyze l2_log").execute(&mut *connection).await.unwrap();
}

fn filters(blocks: i32) -> Vec<(&'static str, LogFilter)> {
    let last = BlockNumber(blocks.unsigned_abs().into());
    let all = LogFilter { from: BlockNumber(1), to: last, ..LogFilter::default() };
    let of = |addresses: &[Address], topics: [&[B256]; 3]| LogFilter {
        addresses: addresses.to_vec(),
        topics: [topics[0].to_vec(), topics[1].to_vec(), topics[2].to_vec(), Vec::new()],
        ..all.clone()
    };
    let (transfer, quiet, busy) = (&[TRANSFER][..], &[account(20_000)][..], &[account(0)][..]);
    let tokens: Vec<Address> = (10..20).map(token).collect();
    let hot: Vec<Address> = [0, 1, 2, 4, 5].map(token).into();
    let accounts: Vec<B256> = (1_000..1_010).map(account).collect();
    vec![
        ("rare-address", of(&[RARE], [&[], &[], &[]])),
        ("hot-address,quiet-sender", of(&[token(0)], [transfer, quiet, &[]])),
        ("hot-address,busy-sender", of(&[token(0)], [transfer, busy, &[]])),
        ("cold-address,busy-sender", of(&[token(150)], [transfer, busy, &[]])),
        ("quiet-receiver", of(&[], [transfer, &[], quiet])),
        ("busy-receiver", of(&[], [transfer, &[], busy])),
        ("10-addresses,10-senders", of(&tokens, [transfer, &accounts, &[]])),
        ("3-cold-addresses", of(&[token(190), token(191), token(192)], [transfer, &[], &[]])),
        ("no-match", of(&[Address::repeat_byte(1)], [transfer, &[], &[]])),
        ("hot-address,foreign-event", of(&[token(0)], [&[keccak256(SWAP)], &[], &[]])),
        ("5-hot-addresses,foreign-event", of(&hot, [&[keccak256(SWAP)], &[], &[]])),
        ("hot-address,rare-event", of(&[token(3)], [&[TRANSFER, keccak256("Sync")], &[], &[]])),
        ("hot-address,nobody", of(&[token(0)], [transfer, &[account(ACCOUNTS)], &[]])),
        ("busy-sender,busy-receiver", of(&[], [transfer, busy, &[account(1)]])),
        ("all,limit", of(&[], [&[], &[], &[]])),
        ("hot-address,limit", of(&[token(0)], [&[], &[], &[]])),
        ("transfers-of-two,limit", of(&[token(0), token(1)], [transfer, &[], &[]])),
    ]
}

async fn measure(index: &Index, name: &str, filter: &LogFilter, rounds: i32) {
    let found = query(index.pool(), filter, LIMIT).await.unwrap();
    assert_eq!(i64::try_from(found.len()).unwrap(), expected(index, filter).await, "{name}");
    let (mut asked, mut total, mut bytes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        let start = Instant::now();
        let found = query(index.pool(), filter, LIMIT).await.unwrap();
        asked.push(start.elapsed());
        let json: Vec<Log> = found.into_iter().map(view).collect();
        bytes = serde_json::to_string(&json).unwrap().len();
        total.push(start.elapsed());
    }
    let ([_, query, _], [least, median, most]) = (spread(&mut asked), spread(&mut total));
    println!(
        "logs/filter={name}: median {median:.1} ms (query {query:.1}), min {least:.1}, max {most:.1}; {} logs, {} kB of JSON",
        found.len(),
        bytes / 1000
    );
}

/// Seals blocks of 100 transactions with 50 logs each, whose tokens and accounts are distributed as in the blocks below.
async fn measure_sealing(index: &Index, blocks: i32, rounds: i32) {
    let mut parent = Header { number: blocks.unsigned_abs().into(), ..Header::default() };
    let mut tx = index.begin().await.unwrap();
    init_genesis(&mut tx, &parent, BlockId::default()).await.unwrap();
    sqlx::query("update l2_head set number = $1").bind(i64::from(blocks)).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let term = lease::acquire(index.pool(), "bench", support::TTL).await.unwrap().unwrap();
    let mut random = 1_u64;
    let mut samples = Vec::new();
    for round in 0..rounds {
        let block = crowded(&parent, round, &mut random);
        let start = Instant::now();
        let mut tx = index.begin().await.unwrap();
        seal(&mut tx, &block, term).await.unwrap();
        tx.commit().await.unwrap();
        samples.push(start.elapsed());
        parent = block.header;
    }
    let [least, median, most] = spread(&mut samples);
    println!("seal/logs=5000: median {median:.1} ms, min {least:.1}, max {most:.1}; {rounds} blocks");
    let sizes: Vec<(String, i64)> = sqlx::query_as(
        "select indexrelname::text, pg_relation_size(indexrelid) from pg_stat_user_indexes \
         where relname = 'l2_log' order by 1",
    )
    .fetch_all(index.pool())
    .await
    .unwrap();
    for (name, bytes) in sizes {
        println!("  {name}: {} MB", bytes / 1_000_000);
    }
}

fn crowded(parent: &Header, round: i32, random: &mut u64) -> SealedBlock {
    let mut pick = |of: i32, power: f64| (f64::from(of) * uniform(random).powf(power)) as i32;
    let mut log = || {
        let topics = vec![TRANSFER, account(pick(ACCOUNTS, 2.0)), account(pick(ACCOUNTS, 2.0))];
        alloy_primitives::Log::new_unchecked(token(pick(TOKENS, 2.5)), topics, TRANSFER.into())
    };
    let nonces = (0..100).map(|n| (100 * round + n).unsigned_abs().into());
    support::block(parent, nonces.map(|n| (support::transfer(n), (0..50).map(|_| log()).collect())).collect())
}

/// From 0 to 1, by splitmix64.
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed >> 32) as f64 / f64::from(u32::MAX)
}

/// Least, median and most, in milliseconds.
fn spread(samples: &mut [Duration]) -> [f64; 3] {
    samples.sort_unstable();
    [0, samples.len() / 2, samples.len() - 1].map(|i| samples[i].as_secs_f64() * 1e3)
}

/// The number of matches by a scan of the whole table, up to the limit.
async fn expected(index: &Index, filter: &LogFilter) -> i64 {
    let topics = |n: usize| filter.topics[n].iter().map(|topic| topic.to_vec()).collect::<Vec<_>>();
    let addresses: Vec<_> = filter.addresses.iter().map(|address| address.to_vec()).collect();
    let mut tx = index.begin().await.unwrap();
    for setting in ["set local enable_indexscan = off", "set local enable_bitmapscan = off"] {
        sqlx::query(setting).execute(&mut *tx).await.unwrap();
    }
    let count: i64 = sqlx::query_scalar(
        "select count(*) from l2_log where ($1 = '{}' or address = any($1)) and ($2 = '{}' or topic0 = any($2)) \
         and ($3 = '{}' or topic1 = any($3)) and ($4 = '{}' or topic2 = any($4))",
    )
    .bind(addresses)
    .bind(topics(0))
    .bind(topics(1))
    .bind(topics(2))
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    count.min(i64::from(LIMIT))
}

fn view(stored: StoredLog) -> Log {
    Log {
        inner: alloy_primitives::Log::new_unchecked(stored.address, stored.topics, stored.data),
        block_hash: Some(stored.block_hash),
        block_number: Some(stored.block_number.0),
        block_timestamp: Some(stored.block_timestamp),
        transaction_hash: Some(stored.tx_hash),
        transaction_index: Some(stored.tx_index.0.into()),
        log_index: Some(stored.log_index),
        removed: false,
    }
}
