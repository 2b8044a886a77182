//! What `lockstep dev` tells once all is up: text for people, JSON for scripts.

use std::fmt;

use alloy::primitives::{Address, B256};
use lockstep_primitives::L1Contracts;
use serde::Serialize;

/// The content of the ready file.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    /// JSON-RPC of L1.
    pub(super) l1_rpc: String,
    /// JSON-RPC of L2.
    pub(super) l2_rpc: String,
    /// WebSocket of L2.
    pub(super) l2_ws: String,
    /// JSON-RPC of the verifier.
    pub(super) verifier_rpc: String,
    /// Postgres.
    #[serde(skip)]
    pub(super) database: String,
    /// Chain id of L1.
    pub(super) l1_chain_id: u64,
    /// Chain id of L2.
    pub(super) l2_chain_id: u64,
    /// L1 contracts.
    pub(super) contracts: L1Contracts,
    /// The addresses file.
    pub(super) rollup_config: String,
    /// Accounts with ETH on both layers.
    pub(super) accounts: Vec<Account>,
}

/// An account that everybody can spend from.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Account {
    /// Its address.
    pub(super) address: Address,
    /// Its private key.
    pub(super) key: B256,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let contracts = &self.contracts;
        writeln!(f, "\nLockstep is running.\n")?;
        writeln!(f, "  L1        {}   chain id {}", self.l1_rpc, self.l1_chain_id)?;
        writeln!(f, "  L2        {}   chain id {}", self.l2_rpc, self.l2_chain_id)?;
        writeln!(f, "  L2 ws     {}", self.l2_ws)?;
        writeln!(f, "  verifier  {}", self.verifier_rpc)?;
        writeln!(f, "  Postgres  {}", self.database)?;
        writeln!(f, "\nL1 contracts ({})", self.rollup_config)?;
        writeln!(f, "  Portal          {}", contracts.portal)?;
        writeln!(f, "  StandardBridge  {}", contracts.standard_bridge)?;
        writeln!(f, "  SystemConfig    {}", contracts.system_config)?;
        writeln!(f, "  Assertions      {}", contracts.assertions)?;
        writeln!(f, "  Inbox           {}", contracts.inbox)?;
        self.fmt_accounts(f)?;
        self.fmt_next_steps(f)?;
        writeln!(f, "\nCtrl-C stops everything; the same command resumes this chain.")
    }
}

impl Summary {
    fn fmt_accounts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.accounts.is_empty() {
            return Ok(()); // a chain file funds others
        }
        writeln!(
            f,
            "\nFunded on both layers (public keys of development: never send them anything of value)"
        )?;
        for account in &self.accounts {
            writeln!(f, "  {}  {}", account.address, account.key)?;
        }
        Ok(())
    }

    fn fmt_next_steps(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to, ..] = self.accounts.as_slice() else { return Ok(()) };
        writeln!(f, "\nSend on L2 with cast:")?;
        writeln!(
            f,
            "  cast send --rpc-url {} --private-key {} {} --value 1ether",
            self.l2_rpc, from.key, to.address
        )?;
        writeln!(f, "\nSend with viem (in a folder where `npm install viem` has run):")?;
        writeln!(
            f,
            "  node --input-type=module -e \"import {{ createWalletClient, http, parseEther }} from 'viem'; \
             import {{ privateKeyToAccount }} from 'viem/accounts'; \
             const wallet = createWalletClient({{ account: privateKeyToAccount('{}'), transport: http('{}') }}); \
             console.log(await wallet.sendTransaction({{ chain: null, to: '{}', value: parseEther('1') }}))\"",
            from.key, self.l2_rpc, to.address
        )?;
        writeln!(
            f,
            "\nDeposit from L1 with cast: send ETH to the portal, it arrives on L2 at the same address"
        )?;
        writeln!(
            f,
            "  cast send --rpc-url {} --private-key {} {} --value 1ether",
            self.l1_rpc, from.key, self.contracts.portal
        )
    }
}
