//! A sequencer above a real anvil and a real Postgres, for tests and benches.
#![allow(clippy::unwrap_used, unreachable_pub, dead_code)]

use std::{net::SocketAddr, path::Path, time::Duration};

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::{BlockNumberOrTag, Encodable2718},
    primitives::{Address, TxKind, U256},
    providers::{Provider, ProviderBuilder, RootProvider},
    signers::{SignerSync, local::PrivateKeySigner},
};
use lockstep_primitives::{BlockId, ChainConfig, GenesisAnchor, GenesisBalance, L1Contracts, RollupConfig};
use lockstep_sequencer::{BlockMode, SequencerConfig, SequencerHooks, run};
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub const NOBODY: Address = Address::repeat_byte(0x77);

/// Deployment is another crate's: contracts at addresses where anvil has no code log nothing.
pub async fn rollup(l1: &RootProvider, rich: Address) -> RollupConfig {
    let anchor = l1.get_block_by_number(BlockNumberOrTag::Latest).await.unwrap().unwrap().header;
    let rich = GenesisBalance { address: rich, balance: U256::MAX >> 8 };
    RollupConfig {
        contracts: L1Contracts {
            inbox: Address::repeat_byte(0xe1),
            portal: Address::repeat_byte(0xe2),
            system_config: Address::repeat_byte(0xe3),
            ..L1Contracts::default()
        },
        genesis: GenesisAnchor {
            l1: BlockId { number: anchor.number, hash: anchor.hash },
            l2_timestamp: anchor.timestamp,
        },
        ..lockstep_testkit::rollup(ChainConfig { accounts: vec![rich], ..lockstep_testkit::chain() })
    }
}

pub struct Running {
    pub rpc: RootProvider,
    pub stop: CancellationToken,
    pub task: JoinHandle<eyre::Result<()>>,
}

pub async fn start(database: &str, l1: &str, dir: &Path, block_mode: BlockMode) -> Running {
    let config = SequencerConfig {
        block_mode,
        data_dir: dir.to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..SequencerConfig::new(dir.join("rollup.json"), database, l1.to_owned())
    };
    let (on_ready, ready) = oneshot::channel();
    let stop = CancellationToken::new();
    let mut task = tokio::spawn(run(config, SequencerHooks { on_ready: Some(on_ready) }, stop.clone()));
    let address = tokio::select! {
        Ok(address) = ready => address,
        ended = &mut task => panic!("sequencer ended: {ended:?}"),
    };
    let rpc = ProviderBuilder::default().connect_http(format!("http://{address}").parse().unwrap());
    Running { rpc, stop, task }
}

impl Running {
    pub async fn wait_for_block(&self, number: u64) {
        while self.rpc.get_block_number().await.unwrap() < number {
            assert!(!self.task.is_finished(), "the sequencer stopped");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

pub fn transfer(from: &PrivateKeySigner, nonce: u64) -> Vec<u8> {
    let body = TxEip1559 {
        chain_id: 901_337,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(NOBODY),
        value: U256::from(5),
        ..TxEip1559::default()
    };
    let signature = from.sign_hash_sync(&body.signature_hash()).unwrap();
    TxEnvelope::from(body.into_signed(signature)).encoded_2718()
}
