//! The L1 block that the L2 genesis follows: chosen once, before the contracts exist, so that no deposit can be
//! older.

use std::path::Path;

use alloy::{
    eips::{BlockId as At, BlockNumberOrTag},
    primitives::{Address, B256},
    providers::{Provider, RootProvider},
};
use lockstep_contracts::l1::Assertions;
use lockstep_l1::{DEV_CHAIN_IDS, L1Error};
use lockstep_primitives::{BlockId, Genesis, GenesisAnchor, L1BlockNumber, RollupConfig};
use tracing::info;

use crate::{DeployError, DeployPlan, file, layout::Layout, verify::call};

/// Blocks before the portal in which a lost anchor is looked for.
const SEARCH: u64 = 256;

/// The anchor that is recorded, or was used on chain, or a new one, which is recorded at once.
pub(crate) async fn choose(
    plan: &DeployPlan,
    layout: &Layout,
    provider: &RootProvider,
    out: &Path,
) -> Result<GenesisAnchor, DeployError> {
    let path = || out.display().to_string();
    if let Some(config) = file::read(out)? {
        if config.chain != plan.chain || config.contracts != layout.contracts {
            return Err(DeployError::OtherChain { path: path() });
        }
        if !is_canonical(provider, &config.genesis).await? {
            return Err(DeployError::OtherL1 { path: path(), anchor: config.genesis.l1.number });
        }
        return Ok(config.genesis);
    }
    if let Some(anchor) = file::read_anchor(out)?
        && is_canonical(provider, &anchor).await?
    {
        return Ok(anchor);
    }
    if let Some(output_root) = started(provider, layout.contracts.assertions).await? {
        return recover(plan, layout, provider, output_root).await;
    }
    let anchor = before_portal(layout, provider, fresh(plan, provider).await?).await?;
    file::write_anchor(out, &anchor)?;
    Ok(anchor)
}

/// A block that stays: final on a public L1, the newest on a development chain.
async fn fresh(plan: &DeployPlan, provider: &RootProvider) -> Result<GenesisAnchor, DeployError> {
    let dev = DEV_CHAIN_IDS.contains(&plan.chain.l1_chain_id);
    let tag = if dev { BlockNumberOrTag::Latest } else { BlockNumberOrTag::Finalized };
    anchor_at(provider, tag).await?.ok_or_else(|| L1Error::Missing(L1BlockNumber(0)).into())
}

/// `anchor`, or the block before the portal if that is older: whoever knows the chain file can create the contracts
/// and deposit, and a run that lost its file has created them.
async fn before_portal(
    layout: &Layout,
    provider: &RootProvider,
    anchor: GenesisAnchor,
) -> Result<GenesisAnchor, DeployError> {
    let portal = layout.contracts.portal;
    if !has_code(provider, portal, anchor.l1.number.into()).await? {
        return Ok(anchor);
    }
    let before = first_block(provider, portal).await?.saturating_sub(1);
    anchor_at(provider, before.into()).await?.ok_or_else(|| L1Error::Missing(L1BlockNumber(before)).into())
}

async fn is_canonical(provider: &RootProvider, anchor: &GenesisAnchor) -> Result<bool, DeployError> {
    Ok(anchor_at(provider, anchor.l1.number.into()).await? == Some(*anchor))
}

async fn anchor_at(
    provider: &RootProvider,
    tag: BlockNumberOrTag,
) -> Result<Option<GenesisAnchor>, DeployError> {
    let block = provider.get_block_by_number(tag).await;
    let block = block.map_err(|source| L1Error::Rpc { what: "eth_getBlockByNumber", source })?;
    Ok(block.map(|block| GenesisAnchor {
        l1: BlockId { number: block.header.number, hash: block.header.hash },
        l2_timestamp: block.header.timestamp,
    }))
}

/// The output root that the chain started with; `None` if it has not.
async fn started(provider: &RootProvider, assertions: Address) -> Result<Option<B256>, DeployError> {
    if !has_code(provider, assertions, BlockNumberOrTag::Latest.into()).await? {
        return Ok(None);
    }
    let root = call(provider, assertions, Assertions::genesisOutputRootCall {}).await?;
    Ok((!root.is_zero()).then_some(root))
}

/// Finds the anchor again from the genesis that the chain started with.
async fn recover(
    plan: &DeployPlan,
    layout: &Layout,
    provider: &RootProvider,
    output_root: B256,
) -> Result<GenesisAnchor, DeployError> {
    let first = first_block(provider, layout.contracts.portal).await?;
    // Upwards: of blocks that make the same genesis, which only anvil has, no deposit precedes the oldest.
    for number in first.saturating_sub(SEARCH)..first {
        let Some(genesis) = anchor_at(provider, number.into()).await? else { continue };
        let config = RollupConfig { chain: plan.chain.clone(), contracts: layout.contracts, genesis };
        if Genesis::new(&config).output_root() == output_root {
            info!(l1_block = number, "found the anchor that the chain started with");
            return Ok(genesis);
        }
    }
    Err(DeployError::LostAnchor)
}

/// The block that created `contract`, which exists now.
async fn first_block(provider: &RootProvider, contract: Address) -> Result<u64, DeployError> {
    let latest = provider.get_block_number().await;
    let latest = latest.map_err(|source| L1Error::Rpc { what: "eth_blockNumber", source })?;
    let (mut without, mut with) = (0, latest);
    while without + 1 < with {
        let middle = without.midpoint(with);
        if has_code(provider, contract, middle.into()).await? {
            with = middle;
        } else {
            without = middle;
        }
    }
    Ok(with)
}

async fn has_code(provider: &RootProvider, contract: Address, at: At) -> Result<bool, DeployError> {
    let code = provider.get_code_at(contract).block_id(at).await;
    Ok(!code.map_err(|source| L1Error::Rpc { what: "eth_getCode", source })?.is_empty())
}
