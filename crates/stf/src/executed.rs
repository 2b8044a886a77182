//! An executed block, and its seal.

use alloc::vec::Vec;

use alloy_consensus::{
    TxReceipt,
    proofs::{calculate_receipt_root, calculate_transaction_root},
};
use alloy_primitives::{Address, B256, Bloom};
use lockstep_primitives::{Header, SealedBlock};
use op_alloy_consensus::{OpReceiptEnvelope, OpTxEnvelope};
use revm::{database::BundleState, state::bal::Bal};

use crate::{Draft, Rejected};

/// A user transaction that the inputs hold and the block does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Position in the inputs.
    pub index: usize,
    /// keccak256 of its bytes: the transaction hash.
    pub hash: B256,
    /// Why.
    pub reason: Rejected,
}

/// A block whose transactions have run and whose roots are still to come.
#[derive(Debug)]
pub struct Executed {
    /// Every change to the state.
    pub bundle: BundleState,
    /// Header without roots and bloom; `gas_used` and `blob_gas_used` are set.
    pub draft: Draft,
    /// Transactions in order.
    pub transactions: Vec<OpTxEnvelope>,
    /// Their senders.
    pub senders: Vec<Address>,
    /// Their receipts.
    pub receipts: Vec<OpReceiptEnvelope>,
    /// User transactions that were left out, with the reason.
    pub dropped: Vec<Dropped>,
    /// What the block touched, with the values after each transaction (EIP-7928), where that was asked for:
    /// [`Bal::into_alloy_bal`] sorts it. Index 0 are the system calls, transaction `i` of the block has `i + 1`.
    ///
    /// Of each account and slot that execution loaded, also in frames that reverted, there is an entry.
    pub access_list: Option<Bal>,
}

impl Executed {
    /// Completes the header with the state root and the storage root of the `L2ToL1MessagePasser`, both after
    /// `bundle` (OP specification, Isthmus: the latter is the header's `withdrawalsRoot`).
    #[must_use]
    pub fn seal(self, state_root: B256, message_passer_storage_root: B256) -> SealedBlock {
        let Draft { mut header, l1_origin, sequence_number } = self.draft;
        header.state_root = state_root;
        header.withdrawals_root = Some(message_passer_storage_root);
        commit_to_contents(&mut header, &self.transactions, &self.receipts);
        SealedBlock {
            hash: header.hash_slow(),
            header,
            l1_origin,
            sequence_number,
            transactions: self.transactions,
            senders: self.senders,
            receipts: self.receipts,
        }
    }
}

/// Writes into `header` what it says of a block's contents: the roots of transactions and receipts, and the bloom of
/// the logs.
pub fn commit_to_contents(
    header: &mut Header,
    transactions: &[OpTxEnvelope],
    receipts: &[OpReceiptEnvelope],
) {
    header.transactions_root = calculate_transaction_root(transactions);
    header.receipts_root = calculate_receipt_root(receipts);
    header.logs_bloom = receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom());
}
