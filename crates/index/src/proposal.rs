//! Output proposals on L1.

use alloy_primitives::B256;
use lockstep_primitives::{BlockNumber, L1BlockNumber};
use sqlx::{FromRow, PgExecutor};

use crate::{
    IndexError,
    convert::{to_bigint, to_hash, to_u64},
};

/// How a proposal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProposalStatus {
    /// In its challenge window.
    Open,
    /// Withdrawals may rest on it.
    Confirmed,
    /// Found wrong.
    Rejected,
}

impl ProposalStatus {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
        }
    }

    fn parse(name: &str) -> Result<Self, IndexError> {
        [Self::Open, Self::Confirmed, Self::Rejected]
            .into_iter()
            .find(|status| status.as_str() == name)
            .ok_or(IndexError::Corrupt("proposal.status"))
    }
}

/// An output proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The contract's number for it.
    pub index: u64,
    /// The claimed output root.
    pub output_root: B256,
    /// The L2 block that it commits to.
    pub block_number: BlockNumber,
    /// The L1 block that holds the proposal.
    pub l1_block_number: L1BlockNumber,
    /// The L1 transaction.
    pub l1_tx_hash: B256,
    /// How it stands.
    pub status: ProposalStatus,
}

#[derive(FromRow)]
struct ProposalRow {
    proposal_index: i64,
    output_root: Vec<u8>,
    block_number: i64,
    l1_block_number: i64,
    l1_tx_hash: Vec<u8>,
    status: String,
}

impl TryFrom<ProposalRow> for Proposal {
    type Error = IndexError;

    fn try_from(row: ProposalRow) -> Result<Self, IndexError> {
        Ok(Self {
            index: to_u64(row.proposal_index, "proposal.proposal_index")?,
            output_root: to_hash(&row.output_root, "proposal.output_root")?,
            block_number: BlockNumber(to_u64(row.block_number, "proposal.block_number")?),
            l1_block_number: L1BlockNumber(to_u64(row.l1_block_number, "proposal.l1_block_number")?),
            l1_tx_hash: to_hash(&row.l1_tx_hash, "proposal.l1_tx_hash")?,
            status: ProposalStatus::parse(&row.status)?,
        })
    }
}

/// Stores a proposal or its new status.
///
/// # Errors
/// [`IndexError::Database`].
pub async fn upsert(db: impl PgExecutor<'_>, proposal: &Proposal) -> Result<(), IndexError> {
    sqlx::query(
        "insert into proposal (proposal_index, output_root, block_number, l1_block_number, l1_tx_hash, status) \
         values ($1, $2, $3, $4, $5, $6) on conflict (proposal_index) do update set output_root = $2, \
         block_number = $3, l1_block_number = $4, l1_tx_hash = $5, status = $6",
    )
    .bind(to_bigint(proposal.index)?)
    .bind(proposal.output_root.as_slice())
    .bind(to_bigint(proposal.block_number.0)?)
    .bind(to_bigint(proposal.l1_block_number.0)?)
    .bind(proposal.l1_tx_hash.as_slice())
    .bind(proposal.status.as_str())
    .execute(db)
    .await?;
    Ok(())
}

/// The latest proposal that is not rejected.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if the row does not decode.
pub async fn latest(db: impl PgExecutor<'_>) -> Result<Option<Proposal>, IndexError> {
    let row: Option<ProposalRow> = sqlx::query_as(
        "select proposal_index, output_root, block_number, l1_block_number, l1_tx_hash, status \
         from proposal where status <> 'rejected' order by proposal_index desc limit 1",
    )
    .fetch_optional(db)
    .await?;
    row.map(Proposal::try_from).transpose()
}
