//! Whether included transactions did what they are for: one that fails is in a block too.

use alloy_primitives::{B256, U64};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::net::{Rpc, RpcError};

#[derive(Deserialize)]
struct Receipt {
    status: U64,
}

/// Looks at the receipts of up to `most` of `hashes`, evenly spread: how many there were, and how many of them had failed.
pub(crate) async fn reverted(
    rpc: &mut Rpc,
    hashes: &[B256],
    most: usize,
) -> Result<(usize, usize), RpcError> {
    let asked: Vec<Value> = spread(hashes, most).map(|hash| json!([hash])).collect();
    let found: Vec<Option<Receipt>> = rpc.calls("eth_getTransactionReceipt", &asked).await?;
    let found: Vec<Receipt> = found.into_iter().flatten().collect();
    Ok((found.len(), found.iter().filter(|receipt| receipt.status.is_zero()).count()))
}

/// `most` of `items` at equal distances, or all.
fn spread<T>(items: &[T], most: usize) -> impl Iterator<Item = &T> {
    let most = most.min(items.len());
    (0..most).map(move |number| &items[number * items.len() / most])
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn a_sample_is_spread_over_all() {
        let items: Vec<usize> = (0..10).collect();
        assert_eq!(spread(&items, 3).copied().collect::<Vec<_>>(), [0, 3, 6]);
        assert_eq!(spread(&items, 99).count(), 10);
        assert_eq!(spread(&items, 0).count(), 0);
        assert_eq!(spread(&items[..0], 5).count(), 0);
    }
}
