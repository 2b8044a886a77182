//! Looks at each new block, and says when a transaction was first seen in one.

use alloy_primitives::{B256, U64, map::B256HashMap};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::accounts::SignedTx;
use crate::net::{Rpc, RpcError};

use super::clock::{Clock, Micros};

/// Blocks that are asked for at once.
const BLOCKS: u64 = 50;

/// The transactions of a run, and when each was seen in a block.
#[derive(Debug)]
pub(crate) struct Inclusions {
    index: B256HashMap<usize>,
    at: Vec<Option<Micros>>,
    count: usize,
}

impl Inclusions {
    pub(crate) fn of(txs: &[SignedTx]) -> Self {
        let index = txs.iter().enumerate().map(|(index, tx)| (tx.hash, index)).collect();
        Self { index, at: vec![None; txs.len()], count: 0 }
    }

    /// A block with `hashes` was seen at `at`; what was seen before stays as it was.
    pub(crate) fn see(&mut self, hashes: &[B256], at: Micros) {
        for hash in hashes {
            let Some(place) = self.index.get(hash).map(|index| &mut self.at[*index]) else { continue };
            if place.is_none() {
                *place = Some(at);
                self.count += 1;
            }
        }
    }

    /// Its receipt was there at `at`, which is what counts.
    pub(crate) fn receipt(&mut self, index: usize, at: Micros) {
        self.count += usize::from(self.at[index].is_none());
        self.at[index] = Some(at);
    }

    pub(crate) fn at(&self, index: usize) -> Option<Micros> {
        self.at[index]
    }

    pub(crate) const fn count(&self) -> usize {
        self.count
    }
}

#[derive(Deserialize)]
struct Block {
    transactions: Vec<B256>,
}

/// Follows the head of a chain.
#[derive(Debug)]
pub(crate) struct Watcher {
    rpc: Rpc,
    next: u64,
}

impl Watcher {
    /// Begins behind the head of now.
    pub(crate) async fn start(mut rpc: Rpc) -> Result<Self, RpcError> {
        let next = head(&mut rpc).await? + 1;
        Ok(Self { rpc, next })
    }

    /// Sees the blocks that are new; a block counts as seen when the head was, however long it takes to read.
    pub(crate) async fn poll(&mut self, clock: Clock, inclusions: &mut Inclusions) -> Result<(), RpcError> {
        let head = head(&mut self.rpc).await?;
        let at = clock.now();
        while self.next <= head {
            let last = head.min(self.next + BLOCKS - 1);
            let asked: Vec<Value> =
                (self.next..=last).map(|number| json!([format!("{number:#x}"), false])).collect();
            for block in self.rpc.calls::<Option<Block>, _>("eth_getBlockByNumber", &asked).await? {
                // Behind a balancer another node may know the head: it is asked again.
                let Some(block) = block else { return Ok(()) };
                inclusions.see(&block.transactions, at);
                self.next += 1;
            }
        }
        Ok(())
    }

    pub(crate) fn into_rpc(self) -> Rpc {
        self.rpc
    }
}

async fn head(rpc: &mut Rpc) -> Result<u64, RpcError> {
    Ok(rpc.call::<U64>("eth_blockNumber", json!([])).await?.to())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sight_counts_and_a_receipt_counts_more() {
        let tx = |byte| SignedTx { raw: Box::new([byte]), hash: B256::repeat_byte(byte) };
        let mut inclusions = Inclusions::of(&[tx(0), tx(1), tx(2)]);
        inclusions.see(&[B256::repeat_byte(1), B256::repeat_byte(9)], Micros(5));
        inclusions.see(&[B256::repeat_byte(1), B256::repeat_byte(2)], Micros(7));
        inclusions.receipt(2, Micros(6));
        assert_eq!([0, 1, 2].map(|index| inclusions.at(index)), [None, Some(Micros(5)), Some(Micros(6))]);
        assert_eq!(inclusions.count(), 2);
    }
}
