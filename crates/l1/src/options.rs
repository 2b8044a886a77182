//! How eagerly and how dearly transactions are sent.

use std::time::Duration;

use crate::FeeLimits;

/// Settings of a [`TxManager`](crate::TxManager). Fees are in gwei, durations like `48s`.
#[derive(Clone, Debug, clap::Args)]
pub struct TxOptions {
    /// Time after which a transaction that is not in a block is replaced by one with higher fees.
    #[arg(long, env = "LOCKSTEP_TX_RESUBMIT_AFTER", default_value = "48s", value_parser = humantime::parse_duration)]
    pub tx_resubmit_after: Duration,
    /// Time between two looks at L1.
    #[arg(long, env = "LOCKSTEP_TX_POLL_INTERVAL", default_value = "1s", value_parser = humantime::parse_duration)]
    pub tx_poll_interval: Duration,
    /// Blocks, its own included, that a transaction needs to count as done.
    #[arg(long, env = "LOCKSTEP_TX_CONFIRMATIONS", default_value_t = 1)]
    pub tx_confirmations: u64,
    /// Lowest priority fee offered, gwei.
    #[arg(long, env = "LOCKSTEP_TX_MIN_TIP_GWEI", default_value_t = 1)]
    pub tx_min_tip_gwei: u64,
    /// Highest fee per gas ever offered, gwei.
    #[arg(long, env = "LOCKSTEP_TX_MAX_FEE_GWEI", default_value_t = 500)]
    pub tx_max_fee_gwei: u64,
    /// Highest fee per blob gas ever offered, gwei.
    #[arg(long, env = "LOCKSTEP_TX_MAX_BLOB_FEE_GWEI", default_value_t = 500)]
    pub tx_max_blob_fee_gwei: u64,
}

const GWEI: u128 = 1_000_000_000;

impl Default for TxOptions {
    fn default() -> Self {
        Self {
            tx_resubmit_after: Duration::from_secs(48),
            tx_poll_interval: Duration::from_secs(1),
            tx_confirmations: 1,
            tx_min_tip_gwei: 1,
            tx_max_fee_gwei: 500,
            tx_max_blob_fee_gwei: 500,
        }
    }
}

impl TxOptions {
    /// Settings for a chain on the same machine: looks every 100 ms.
    #[must_use]
    pub fn local() -> Self {
        Self { tx_poll_interval: Duration::from_millis(100), ..Self::default() }
    }

    /// The fee limits in wei.
    #[must_use]
    pub fn limits(&self) -> FeeLimits {
        FeeLimits {
            min_tip: u128::from(self.tx_min_tip_gwei) * GWEI,
            max_fee: u128::from(self.tx_max_fee_gwei) * GWEI,
            max_blob_fee: u128::from(self.tx_max_blob_fee_gwei) * GWEI,
        }
    }
}
