//! Deployments on a real anvil.

#![allow(clippy::unwrap_used)]

use std::{fs, path::PathBuf};

use alloy::{eips::eip4844::DATA_GAS_PER_BLOB, primitives::Bytes, providers::Provider, sol_types::SolCall};
use lockstep_contracts::l1::{Inbox, SystemConfig};
use lockstep_deploy::{DeployError, DeployPlan, deploy, read_rollup_config};
use lockstep_devnet::{Anvil, AnvilOptions, Tools};
use lockstep_l1::{Included, L1Error, L1Reader, NoJournal, TxManager, TxOptions, TxRequest, dev_key};
use lockstep_primitives::{L1BlockNumber, RollupConfig};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

struct L1 {
    anvil: Anvil,
    dir: TempDir,
}

impl L1 {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options =
            AnvilOptions { block_time: None, persist: false, ..AnvilOptions::new(dir.path().join("l1")) };
        Self { anvil: Anvil::start(&Tools::from_env(), options).await.unwrap(), dir }
    }

    async fn account(&self, index: u32) -> TxManager {
        TxManager::connect(&self.anvil.rpc_url(), dev_key(index), TxOptions::local()).await.unwrap()
    }

    fn out(&self) -> PathBuf {
        self.dir.path().join("rollup.json")
    }

    async fn deploy(&self, plan: &DeployPlan, account: u32) -> Result<RollupConfig, DeployError> {
        deploy(plan, &self.account(account).await, &self.out(), &CancellationToken::new()).await
    }
}

fn plan() -> DeployPlan {
    DeployPlan::parse(include_str!("../chains/dev.toml")).unwrap()
}

#[tokio::test]
async fn a_second_run_changes_nothing() {
    let l1 = L1::start().await;
    let first = l1.deploy(&plan(), 9).await.unwrap();
    assert_eq!(read_rollup_config(&l1.out()).unwrap().as_ref(), Some(&first));
    let nonce = l1.account(9).await.nonce().await.unwrap();
    assert_eq!(l1.deploy(&plan(), 9).await.unwrap(), first);
    assert_eq!(l1.account(9).await.nonce().await.unwrap(), nonce);
}

#[tokio::test]
async fn a_lost_addresses_file_is_found_again_from_the_chain() {
    let l1 = L1::start().await;
    let first = l1.deploy(&plan(), 9).await.unwrap();
    fs::remove_file(l1.out()).unwrap();
    assert_eq!(l1.deploy(&plan(), 9).await.unwrap(), first);
}

#[tokio::test]
async fn a_deployment_that_was_cut_off_continues() {
    let l1 = L1::start().await;
    let whole = l1.deploy(&plan(), 9).await.unwrap();
    let end = l1.account(9).await.provider().get_block_number().await.unwrap();
    for kept in 0..end {
        let l1 = L1::start().await;
        l1.deploy(&plan(), 9).await.unwrap();
        fs::remove_file(l1.out()).unwrap();
        let account = l1.account(9).await;
        let provider = account.provider();
        // The same transactions may have taken fewer blocks this time.
        let depth = provider.get_block_number().await.unwrap().saturating_sub(kept);
        // Then there may be nothing to take back, which anvil refuses to do.
        if depth > 0 {
            let params = serde_json::value::to_raw_value(&[depth]).unwrap();
            let _: serde_json::Value = provider.raw_request("anvil_rollback".into(), params).await.unwrap();
        }
        let config = l1.deploy(&plan(), 9).await.unwrap();
        assert_eq!(config.contracts, whole.contracts);
        // No deposit can be older than genesis.
        let portal = provider.get_code_at(whole.contracts.portal).number(config.genesis.l1.number);
        assert!(portal.await.unwrap().is_empty(), "{kept}");
    }
}

#[tokio::test]
async fn with_a_timelock_the_deployer_keeps_no_right() {
    let l1 = L1::start().await;
    let mut plan = plan();
    plan.roles.timelock_delay = Some(1_000);
    let config = l1.deploy(&plan, 5).await.unwrap();
    assert_ne!(config.contracts.timelock, plan.roles.owner);
    assert_eq!(l1.deploy(&plan, 5).await.unwrap(), config);
    // Neither the deployer nor the owner alone may change a parameter any more.
    for account in [5, 9] {
        let call = SystemConfig::setGasLimitCall { gasLimit: 70_000_000 }.abi_encode();
        let request = TxRequest {
            to: Some(config.contracts.system_config),
            input: call.into(),
            ..TxRequest::default()
        };
        let manager = l1.account(account).await;
        assert!(manager.send(request, &NoJournal, &CancellationToken::new()).await.is_err());
    }
}

#[tokio::test]
async fn a_chain_without_the_create2_factory_gets_one() {
    let l1 = L1::start().await;
    let factory = "0x4e59b44847b379578588920cA78FbF26c0B4956C";
    let params = serde_json::value::to_raw_value(&(factory, "0x")).unwrap();
    let account = l1.account(9).await;
    let _: serde_json::Value = account.provider().raw_request("anvil_setCode".into(), params).await.unwrap();
    l1.deploy(&plan(), 9).await.unwrap();
    assert!(!account.provider().get_code_at(factory.parse().unwrap()).await.unwrap().is_empty());
}

#[tokio::test]
async fn only_the_owner_deploys_without_a_timelock() {
    let l1 = L1::start().await;
    assert!(matches!(l1.deploy(&plan(), 5).await, Err(DeployError::NotOwner { .. })));
}

#[tokio::test]
async fn a_changed_chain_file_does_not_take_over_an_addresses_file() {
    let l1 = L1::start().await;
    l1.deploy(&plan(), 9).await.unwrap();
    let mut other = plan();
    other.chain.system.gas_limit += 1;
    assert!(matches!(l1.deploy(&other, 9).await, Err(DeployError::OtherChain { .. })));
}

#[tokio::test]
async fn an_addresses_file_of_another_l1_is_refused() {
    let l1 = L1::start().await;
    let mut config = l1.deploy(&plan(), 9).await.unwrap();
    config.genesis.l1.hash.0[0] ^= 1;
    fs::write(l1.out(), serde_json::to_vec(&config).unwrap()).unwrap();
    assert!(matches!(l1.deploy(&plan(), 9).await, Err(DeployError::OtherL1 { .. })));
}

#[tokio::test]
async fn a_parameter_that_was_changed_on_chain_is_reported() {
    let l1 = L1::start().await;
    let config = l1.deploy(&plan(), 9).await.unwrap();
    let call = SystemConfig::setGasLimitCall { gasLimit: 70_000_000 }.abi_encode();
    let request =
        TxRequest { to: Some(config.contracts.system_config), input: call.into(), ..TxRequest::default() };
    l1.account(9).await.send(request, &NoJournal, &CancellationToken::new()).await.unwrap();
    let error = l1.deploy(&plan(), 9).await.unwrap_err().to_string();
    assert!(error.contains("SystemConfig.gasLimit is 70000000"), "{error}");
}

/// Sends `request` until it is in a block: on a busy machine anvil's first blob takes longer than a request may.
async fn post(account: &TxManager, request: TxRequest) -> Included {
    let tx = account.prepare(request, account.nonce().await.unwrap()).await.unwrap();
    loop {
        match account.drive(vec![tx.clone()], &NoJournal, &CancellationToken::new()).await {
            Err(L1Error::Rpc { .. }) => {}
            included => return included.unwrap(),
        }
    }
}

/// The first batch of a chain pays 17,100 gas more, for the slot that all others overwrite.
#[tokio::test]
async fn the_inbox_takes_six_full_blobs_in_one_transaction() {
    let l1 = L1::start().await;
    let config = l1.deploy(&plan(), 9).await.unwrap();
    let batcher = l1.account(8).await;
    let to = Some(config.contracts.inbox);
    let input = Inbox::appendBatchCall { data: Bytes::from_static(&[1]) }.abi_encode().into();
    post(&batcher, TxRequest { to, input, ..TxRequest::default() }).await;

    let data = Bytes::from(vec![0x5a; lockstep_codec::MAX_FRAME_BYTES]);
    let blobs = lockstep_codec::to_blobs(&data).unwrap();
    let input = Inbox::appendBlobsCall {}.abi_encode().into();
    let included = post(&batcher, TxRequest { to, input, blobs, ..TxRequest::default() }).await;
    let receipt = batcher.provider().get_transaction_receipt(included.hash).await.unwrap().unwrap();
    assert!(receipt.status());
    assert_eq!(receipt.blob_gas_used, Some(6 * DATA_GAS_PER_BLOB));
    println!("inbox gas: {} for six blobs", receipt.gas_used);
    assert!(receipt.gas_used <= 35_000);

    let reader = L1Reader::new(&l1.anvil.rpc_url(), None, &config).unwrap();
    let block = reader.block(L1BlockNumber(included.block.number)).await.unwrap().unwrap();
    let [submission] = &block.submissions[..] else { panic!("{:?}", block.submissions) };
    assert_eq!(submission.data, data);
}

/// The reader gives back what the inbox took, from calldata and from blobs, and follows a reorg of it.
#[tokio::test]
async fn what_the_inbox_took_is_read_back() {
    let l1 = L1::start().await;
    let config = l1.deploy(&plan(), 9).await.unwrap();
    let batcher = l1.account(8).await;
    let data = Bytes::from(vec![0xa5; 200_000]);
    let inbox = Some(config.contracts.inbox);
    let calldata = TxRequest {
        to: inbox,
        input: Inbox::appendBatchCall { data: data.slice(..1_000) }.abi_encode().into(),
        ..TxRequest::default()
    };
    let blobs = TxRequest {
        to: inbox,
        input: Inbox::appendBlobsCall {}.abi_encode().into(),
        blobs: lockstep_codec::to_blobs(&data).unwrap(),
        ..TxRequest::default()
    };
    let in_calldata = post(&batcher, calldata).await;
    let in_blobs = post(&batcher, blobs).await;
    assert!(in_calldata.success && in_blobs.success);
    println!("inbox gas: {} in calldata, {} in blobs", in_calldata.gas_used, in_blobs.gas_used);
    assert!(in_blobs.gas_used <= 35_000);

    let reader = L1Reader::new(&l1.anvil.rpc_url(), None, &config).unwrap();
    reader.check().await.unwrap();
    for (included, expected) in [(in_calldata, data.slice(..1_000)), (in_blobs, data.clone())] {
        let block = reader.block(L1BlockNumber(included.block.number)).await.unwrap().unwrap();
        assert_eq!(block.header.id(), included.block);
        let [submission] = &block.submissions[..] else { panic!("{:?}", block.submissions) };
        assert_eq!((submission.poster, &submission.data), (batcher.address(), &expected));
    }
}
