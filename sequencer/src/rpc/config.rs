//! `eth_config` (EIP-7910) and `eth_capabilities`: what a client may expect of this node.

use std::collections::BTreeMap;

use alloy::eips::eip7910::{EthConfig, EthForkConfig, SystemContract};
use alloy::eips::{BlockNumberOrTag, eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS};
use alloy::eips::{eip2124::ForkHash, eip7840::BlobParams};
use alloy::primitives::{Address, B256, U64};
use lockstep_stf::Rules;
use op_revm::precompiles::OpPrecompiles;
use serde::Serialize;
use serde_json::{Value, json};

use super::{api::Api, args::Args, error::RpcError};

/// L2 has no blobs.
const NO_BLOBS: BlobParams = BlobParams {
    target_blob_count: 0,
    max_blob_count: 0,
    update_fraction: 0,
    min_blob_fee: 1,
    max_blobs_per_tx: 0,
    blob_base_cost: 0,
};

/// Every fork is active from genesis on and none is planned: there is a current configuration alone.
pub(super) async fn config(api: &Api, args: Args) -> Result<EthConfig, RpcError> {
    args.end()?;
    let genesis = api.header(BlockNumberOrTag::Earliest.into()).await?.hash;
    Ok(EthConfig { current: fork(&api.rules, genesis), next: None, last: None })
}

fn fork(rules: &Rules, genesis: B256) -> EthForkConfig {
    EthForkConfig {
        activation_time: 0,
        blob_schedule: NO_BLOBS,
        chain_id: rules.chain_id(),
        fork_id: ForkHash::from(genesis).0.into(), // EIP-6122: forks at genesis are not in the checksum
        precompiles: precompiles(rules),
        // Those that run in each block; a rollup has no deposits to and requests from a beacon chain.
        system_contracts: BTreeMap::from([
            (SystemContract::BeaconRoots, BEACON_ROOTS_ADDRESS),
            (SystemContract::HistoryStorage, HISTORY_STORAGE_ADDRESS),
        ]),
    }
}

fn precompiles(rules: &Rules) -> BTreeMap<String, Address> {
    let precompiles = OpPrecompiles::new_with_spec(rules.spec()).precompiles().inner();
    precompiles.iter().map(|(address, precompile)| (precompile.id().name().to_owned(), *address)).collect()
}

/// `eth_capabilities`: which blocks can be asked about.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Capabilities {
    head: Value,
    state: Kept,
    tx: Kept,
    logs: Kept,
    receipts: Kept,
    blocks: Kept,
    stateproofs: Kept,
}

/// What is kept of something, from which block on.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    disabled: bool,
    oldest_block: U64,
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_strategy: Option<Value>,
}

/// Blocks and what is in them are kept for ever, states in a window behind the head.
pub(super) async fn capabilities(api: &Api, args: Args) -> Result<Capabilities, RpcError> {
    args.end()?;
    let head = api.heads().unsafe_head;
    let (oldest, window) = api.context.state.history()?;
    let all = Kept { disabled: false, oldest_block: U64::ZERO, delete_strategy: None };
    let window = json!({"type": "window", "retentionBlocks": U64::from(window)});
    let state = Kept { disabled: false, oldest_block: U64::from(oldest.0), delete_strategy: Some(window) };
    Ok(Capabilities {
        head: json!({"number": U64::from(head.number.0), "hash": head.hash}),
        state: state.clone(),
        tx: all.clone(),
        logs: all.clone(),
        receipts: all.clone(),
        blocks: all,
        stateproofs: state,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precompiles_are_named_as_their_eips_do() {
        let all = precompiles(&Rules::new(1));
        assert_eq!(all.get("ECREC"), Some(&Address::with_last_byte(1)));
        assert_eq!(all.get("BLS12_MAP_FP2_TO_G2"), Some(&Address::with_last_byte(0x11)));
        assert!(all.contains_key("P256VERIFY"), "{all:?}");
    }

    #[test]
    fn fork_id_is_the_checksum_of_the_genesis_hash() {
        // EIP-2124: Frontier on mainnet.
        let mainnet =
            alloy::primitives::b256!("d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3");
        assert_eq!(fork(&Rules::new(1), mainnet).fork_id.to_string(), "0xfc64ec04");
    }
}
