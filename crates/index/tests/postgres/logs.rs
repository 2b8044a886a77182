//! Log queries against a real Postgres, with enough rows that the planner has a choice.

use crate::support::{EMITTER, block, chain, log, transfer};
use alloy_primitives::{Address, B256, U256};
use lockstep_index::log::{LogFilter, explain, query};
use lockstep_primitives::BlockNumber;

const OTHER: Address = Address::repeat_byte(0xdd);

fn topic(value: u64) -> Vec<B256> {
    vec![B256::from(U256::from(value))]
}

fn everywhere() -> LogFilter {
    LogFilter { from: BlockNumber(0), to: BlockNumber(1_000), ..LogFilter::default() }
}

#[tokio::test]
async fn filter_matches_address_topics_and_range() {
    let chain = chain().await;
    let first =
        block(&chain.genesis, vec![(transfer(0), vec![log(EMITTER, &[1, 7]), log(OTHER, &[1, 8, 9, 10])])]);
    let second = block(&first.header, vec![(transfer(1), vec![log(EMITTER, &[2]), log(EMITTER, &[])])]);
    chain.seal(&first).await;
    chain.seal(&second).await;
    let places = async |filter: LogFilter| -> Vec<(u64, u64)> {
        let found = query(chain.index.pool(), &filter, 100).await.unwrap();
        found.iter().map(|log| (log.block_number.0, log.log_index)).collect()
    };

    assert_eq!(places(everywhere()).await, [(1, 0), (1, 1), (2, 0), (2, 1)]);
    let by_address = LogFilter { addresses: vec![EMITTER], ..everywhere() };
    assert_eq!(places(by_address.clone()).await, [(1, 0), (2, 0), (2, 1)]);
    assert_eq!(places(LogFilter { to: BlockNumber(1), ..by_address }).await, [(1, 0)]);
    let both = LogFilter { addresses: vec![EMITTER, OTHER], ..everywhere() };
    assert_eq!(places(both).await.len(), 4);
    let one_or_two =
        LogFilter { topics: [[topic(1), topic(2)].concat(), vec![], vec![], vec![]], ..everywhere() };
    assert_eq!(places(one_or_two).await, [(1, 0), (1, 1), (2, 0)]);
    let second_topic = LogFilter { topics: [vec![], topic(8), vec![], vec![]], ..everywhere() };
    assert_eq!(places(second_topic).await, [(1, 1)]);
    let last_topics = LogFilter { topics: [vec![], vec![], topic(9), topic(10)], ..everywhere() };
    assert_eq!(places(last_topics).await, [(1, 1)]);
    assert_eq!(query(chain.index.pool(), &everywhere(), 3).await.unwrap().len(), 3);

    let found = query(chain.index.pool(), &everywhere(), 100).await.unwrap();
    assert_eq!((found[1].block_hash, found[1].tx_hash), (first.hash, first.transactions[1].tx_hash()));
    assert_eq!((found[1].block_timestamp, found[1].tx_index.0), (first.header.timestamp, 1));
    assert_eq!((found[1].topics.len(), found[3].topics.len()), (4, 0));
}

#[tokio::test]
async fn no_filter_walks_over_all_logs_or_blocks() {
    let chain = chain().await;
    let mut parent = chain.genesis.clone();
    for i in 0..200_u64 {
        let emitters = (0..100).map(|j| log(Address::with_last_byte((j % 50) as u8), &[j, i % 17, j % 7, i]));
        let sealed = block(&parent, vec![(transfer(i), emitters.collect())]);
        chain.seal(&sealed).await;
        parent = sealed.header;
    }
    let pool = chain.index.pool();
    sqlx::query("analyze").execute(pool).await.unwrap();

    let address = vec![Address::with_last_byte(7)];
    let filters = [
        LogFilter { addresses: address.clone(), ..everywhere() },
        LogFilter { addresses: address.clone(), topics: [topic(57), vec![], vec![], vec![]], ..everywhere() },
        LogFilter { addresses: vec![address[0], EMITTER], ..everywhere() },
        LogFilter { topics: [topic(3), vec![], vec![], vec![]], ..everywhere() },
        LogFilter { topics: [[topic(3), topic(4)].concat(), vec![], vec![], vec![]], ..everywhere() },
        LogFilter { topics: [vec![], topic(5), vec![], vec![]], ..everywhere() },
        LogFilter { topics: [vec![], vec![], topic(5), vec![]], ..everywhere() },
        LogFilter { topics: [vec![], vec![], vec![], topic(5)], ..everywhere() },
        LogFilter { from: BlockNumber(50), to: BlockNumber(52), ..everywhere() },
        LogFilter { addresses: address, from: BlockNumber(199), to: BlockNumber(199), ..everywhere() },
    ];
    // A pair that never occurs, of values that each occur often: the limit is no reason to look at every log.
    let pair = LogFilter { topics: [topic(8), vec![], vec![], vec![]], ..filters[0].clone() };
    let plan = explain(pool, &pair, 100).await.unwrap();
    assert!(plan.contains("l2_log_event"), "{plan}");
    for filter in filters {
        let plan = explain(pool, &filter, 100).await.unwrap();
        assert!(plan.contains("Index"), "{filter:?}\n{plan}");
        assert!(!plan.contains("Seq Scan"), "{filter:?}\n{plan}");
    }
}
