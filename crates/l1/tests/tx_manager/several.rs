//! Several requests on their way under consecutive nonces.

use super::*;

/// `count` transfers that tell each other apart by their value, sent in order.
async fn sent(manager: &TxManager, count: u64) -> Vec<Flight> {
    let mut flights = Vec::new();
    for nonce in 0..count {
        let mut flight =
            Flight::prepare(manager, TxRequest { value: U256::from(nonce), ..transfer() }, nonce).await;
        flight.look(manager).await.unwrap();
        assert!(in_pool(manager, flight.last().hash).await);
        flights.push(flight);
    }
    flights
}

async fn assert_included_in_order(manager: &TxManager, flights: &mut [Flight]) {
    let mut places = Vec::new();
    for flight in flights {
        let included = flight.until_included(manager).await;
        let tx = manager.provider().get_transaction_by_hash(included.hash).await.unwrap().unwrap();
        places.push((included.block.number, tx.transaction_index));
    }
    assert!(places.is_sorted_by(|one, next| one < next), "{places:?}");
}

#[tokio::test]
async fn several_on_their_way_land_in_order() {
    let (anvil, _dir) = anvil(false).await;
    let manager = manager(&anvil, Duration::from_secs(60)).await;
    let mut flights = sent(&manager, 4).await;
    rpc(&manager, "evm_mine", ()).await;
    assert_included_in_order(&manager, &mut flights).await;
    assert_eq!(manager.nonce().await.unwrap(), 4);
}

#[tokio::test]
async fn one_dropped_in_the_middle_is_sent_again_as_the_same_bytes() {
    let (anvil, _dir) = anvil(false).await;
    let manager = manager(&anvil, Duration::from_secs(60)).await;
    let mut flights = sent(&manager, 4).await;
    let dropped = flights[1].last().hash;
    rpc(&manager, "anvil_dropTransaction", [dropped]).await;
    assert!(!in_pool(&manager, dropped).await);
    rpc(&manager, "evm_mine", ()).await;
    assert_eq!(manager.nonce().await.unwrap(), 1);
    for flight in &mut flights[1..] {
        flight.look(&manager).await.unwrap();
        assert!(in_pool(&manager, flight.last().hash).await);
    }
    rpc(&manager, "evm_mine", ()).await;
    assert_included_in_order(&manager, &mut flights).await;
    assert!(flights.iter().all(|flight| flight.attempts() == 1));
}

#[tokio::test]
async fn only_the_first_is_made_dearer_while_others_wait_behind_it() {
    let (anvil, _dir) = anvil(false).await;
    let manager = manager(&anvil, Duration::ZERO).await;
    let mut flights = sent(&manager, 2).await;
    for _ in 0..3 {
        flights[1].look(&manager).await.unwrap();
        flights[0].look(&manager).await.unwrap();
    }
    assert_eq!((flights[0].attempts(), flights[1].attempts()), (4, 1));
    rpc(&manager, "evm_mine", ()).await;
    assert_included_in_order(&manager, &mut flights).await;
}

#[tokio::test]
async fn after_a_reorg_all_come_back_in_order() {
    let (anvil, _dir) = anvil(true).await;
    let manager = manager(&anvil, Duration::from_secs(60)).await;
    let mut flights = sent(&manager, 3).await;
    assert_included_in_order(&manager, &mut flights).await;
    rpc(&manager, "anvil_reorg", (2, [(); 0])).await;
    assert_eq!(manager.nonce().await.unwrap(), 1);
    assert_included_in_order(&manager, &mut flights).await;
    assert!(flights.iter().all(|flight| flight.attempts() == 1));
}
