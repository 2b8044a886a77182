//! An account's transactions, against a real Postgres.

use crate::support::{Chain, SENDER, block, chain, creation, transfer};
use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{Address, Signature, TxKind};
use lockstep_index::{
    receipt,
    transaction::{self, Order},
};
use lockstep_primitives::{BlockNumber, OpTxEnvelope, predeploys};

/// Recipient of [`transfer`].
const RECIPIENT: Address = Address::repeat_byte(0x77);

/// Three blocks; the nonces of the sender have gaps, as delegated code that creates contracts leaves them.
async fn three_blocks() -> Chain {
    let chain = chain().await;
    let first = block(&chain.genesis, vec![(transfer(0), vec![]), (creation(1), vec![])]);
    let second = block(&first.header, vec![(transfer(4), vec![]), (to_itself(5), vec![])]);
    let third = block(&second.header, vec![(transfer(6), vec![]), (transfer(9), vec![])]);
    for sealed in [&first, &second, &third] {
        chain.seal(sealed).await;
    }
    chain
}

fn to_itself(nonce: u64) -> OpTxEnvelope {
    let tx = TxEip1559 { chain_id: 901_337, nonce, to: TxKind::Call(SENDER), ..TxEip1559::default() };
    OpTxEnvelope::Eip1559(tx.into_signed(Signature::test_signature()))
}

#[tokio::test]
async fn transactions_are_found_by_every_role_of_an_account() {
    let chain = three_blocks().await;
    let places = async |account, blocks: (u64, u64), order, limit| -> Vec<(u64, u32)> {
        let blocks = BlockNumber(blocks.0)..=BlockNumber(blocks.1);
        let found = transaction::of_account(chain.index.pool(), account, blocks, order, limit).await.unwrap();
        found.iter().map(|stored| (stored.block_number.0, stored.index.0)).collect()
    };
    let (up, down) = (Order::Ascending, Order::Descending);
    let sent = [(3, 2), (3, 1), (2, 2), (2, 1), (1, 2), (1, 1)];
    assert_eq!(places(SENDER, (0, 3), down, 9).await, sent);
    assert_eq!(places(SENDER, (0, 3), down, 3).await, sent[..3]);
    assert_eq!(places(SENDER, (0, 3), up, 2).await, [(1, 1), (1, 2)]);
    assert_eq!(places(SENDER, (2, 2), up, 9).await, [(2, 1), (2, 2)]);
    assert_eq!(places(RECIPIENT, (0, 3), down, 9).await, [(3, 2), (3, 1), (2, 1), (1, 1)]);
    assert_eq!(places(SENDER.create(1), (0, 3), down, 9).await, [(1, 2)]);
    assert_eq!(places(predeploys::L1_ATTRIBUTES_DEPOSITOR, (0, 3), up, 9).await, [(1, 0), (2, 0), (3, 0)]);
    assert_eq!(places(Address::ZERO, (0, 3), up, 9).await, []);
    assert_eq!(places(SENDER, (3, 2), up, 9).await, []);
}

#[tokio::test]
async fn nonce_finds_the_transaction_that_ran_with_it_also_behind_gaps() {
    let chain = three_blocks().await;
    let sent = [0, 1, 4, 5, 6, 9];
    for nonce in 0..12 {
        let found = transaction::by_sender_and_nonce(chain.index.pool(), SENDER, nonce).await.unwrap();
        assert_eq!(found.map(|stored| stored.nonce()), sent.contains(&nonce).then_some(nonce));
    }
    let huge = transaction::by_sender_and_nonce(chain.index.pool(), SENDER, u64::MAX).await.unwrap();
    assert!(huge.is_none());
    let stranger = transaction::by_sender_and_nonce(chain.index.pool(), Address::ZERO, 0).await.unwrap();
    assert!(stranger.is_none());
}

#[tokio::test]
async fn creation_is_found_by_what_it_created() {
    let chain = three_blocks().await;
    let found = transaction::creating(chain.index.pool(), SENDER.create(1)).await.unwrap().unwrap();
    assert_eq!((found.transaction.tx_hash(), found.sender), (creation(1).tx_hash(), SENDER));
    assert!(transaction::creating(chain.index.pool(), SENDER).await.unwrap().is_none());
}

#[tokio::test]
async fn receipts_of_several_transactions_come_newest_first() {
    let chain = three_blocks().await;
    let hashes = [transfer(0), transfer(9), transfer(3), to_itself(5)].map(|tx| tx.tx_hash());
    let found = receipt::by_hashes(chain.index.pool(), &hashes).await.unwrap();
    let found: Vec<_> = found.iter().map(|stored| stored.transaction.tx_hash()).collect();
    assert_eq!(found, [hashes[1], hashes[3], hashes[0]]);
}
