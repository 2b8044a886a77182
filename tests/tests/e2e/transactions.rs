//! Every transaction type, signed by two independent libraries; contracts, logs, subscriptions, proofs.

use alloy::consensus::{SignableTransaction, TxEip2930, TxEnvelope};
use alloy::eips::Encodable2718;
use alloy::eips::eip7702::Authorization;
use alloy::network::{TransactionBuilder, TransactionBuilder7702};
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use alloy::providers::{Provider, ProviderBuilder, WsConnect};
use alloy::rpc::types::{Filter, TransactionReceipt, TransactionRequest};
use alloy::signers::SignerSync;
use ethers_core::types::transaction::eip2718::TypedTransaction;
use ethers_core::types::{
    Eip1559TransactionRequest, Eip2930TransactionRequest, TransactionRequest as EthersRequest,
};
use ethers_signers::{LocalWallet, Signer as _};
use futures::StreamExt;
use lockstep_tests::{Devnet, DevnetOptions};
use serde_json::{Value, json};

use crate::logger;

const GAS_PRICE: u128 = 2_000_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn every_transaction_type_runs_is_indexed_and_is_rebuilt_from_l1() {
    let net = Devnet::start(DevnetOptions::default()).await.unwrap();
    transfers_signed_by_alloy(&net).await;
    transfers_signed_by_ethers(&net).await;
    let contract = contract_and_its_logs(&net).await;
    delegation_to_a_contract(&net, contract).await;
    subscriptions(&net, contract).await;
    refusals(&net).await;
    net.assert_l1_alone_gives_the_same_chain().await.unwrap();
}

async fn sent(l2: &impl Provider, raw: &[u8]) -> TransactionReceipt {
    l2.send_raw_transaction(raw).await.unwrap().get_receipt().await.unwrap()
}

/// What every mined transfer must show.
async fn check(l2: &impl Provider, receipt: &TransactionReceipt, from: Address, to: Address, kind: u8) {
    assert!(receipt.status());
    assert_eq!((receipt.from, receipt.to, receipt.transaction_type() as u8), (from, Some(to), kind));
    let transaction = l2.get_transaction_by_hash(receipt.transaction_hash).await.unwrap().unwrap();
    assert_eq!(transaction.block_hash, receipt.block_hash);
    let raw: Value =
        l2.raw_request("eth_getTransactionReceipt".into(), [receipt.transaction_hash]).await.unwrap();
    for field in ["l1Fee", "l1GasPrice", "l1BaseFeeScalar", "l1BlobBaseFee"] {
        assert!(raw[field].is_string(), "{field} is missing: {raw}");
    }
    let block = l2.get_block_by_number(receipt.block_number.unwrap().into()).await.unwrap().unwrap();
    assert_eq!(Some(block.header.hash), receipt.block_hash);
    assert!(block.transactions.hashes().any(|hash| hash == receipt.transaction_hash));
}

async fn transfers_signed_by_alloy(net: &Devnet) {
    let l2 = net.l2_as(0).unwrap();
    let from = net.account(0).unwrap().address;
    let value = U256::from(1_000_000_000_000_000_000_u128);

    let legacy = Address::repeat_byte(0xa0);
    let request = TransactionRequest::default().with_to(legacy).with_value(value).with_gas_price(GAS_PRICE);
    let receipt = l2.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
    check(&l2, &receipt, from, legacy, 0).await;

    let listed = Address::repeat_byte(0xa1);
    let transaction = TxEip2930 {
        chain_id: net.ready().l2_chain_id,
        nonce: l2.get_transaction_count(from).await.unwrap(),
        gas_price: GAS_PRICE,
        gas_limit: 100_000,
        to: TxKind::Call(listed),
        value,
        ..TxEip2930::default()
    };
    let signature =
        net.account(0).unwrap().signer().unwrap().sign_hash_sync(&transaction.signature_hash()).unwrap();
    let envelope = TxEnvelope::from(transaction.into_signed(signature));
    let receipt = sent(&l2, &envelope.encoded_2718()).await;
    check(&l2, &receipt, from, listed, 1).await;

    let dynamic = Address::repeat_byte(0xa2);
    let request = TransactionRequest::default().with_to(dynamic).with_value(value);
    let receipt = l2.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
    check(&l2, &receipt, from, dynamic, 2).await;

    for to in [legacy, listed, dynamic] {
        assert_eq!(l2.get_balance(to).await.unwrap(), value);
    }
}

async fn transfers_signed_by_ethers(net: &Devnet) {
    let l2 = net.l2();
    let account = net.account(1).unwrap();
    let chain_id = net.ready().l2_chain_id;
    let wallet = LocalWallet::from_bytes(account.key.as_slice()).unwrap().with_chain_id(chain_id);
    let to = |byte| ethers_core::types::Address::repeat_byte(byte);
    let base = EthersRequest::new().value(7_u64).gas(100_000_u64).gas_price(GAS_PRICE).chain_id(chain_id);
    let dynamic = Eip1559TransactionRequest::new()
        .value(7_u64)
        .gas(100_000_u64)
        .max_fee_per_gas(GAS_PRICE)
        .max_priority_fee_per_gas(1_u64)
        .chain_id(chain_id);
    let transactions = [
        TypedTransaction::Legacy(base.clone().to(to(0xb0))),
        TypedTransaction::Eip2930(Eip2930TransactionRequest::new(base.to(to(0xb1)), Default::default())),
        TypedTransaction::Eip1559(dynamic.to(to(0xb2))),
    ];
    for (kind, mut transaction) in (0..).zip(transactions) {
        transaction.set_nonce(l2.get_transaction_count(account.address).await.unwrap());
        let signature = wallet.sign_transaction(&transaction).await.unwrap();
        let receipt = sent(&l2, &transaction.rlp_signed(&signature)).await;
        let target = Address::repeat_byte(0xb0 + kind);
        check(&l2, &receipt, account.address, target, kind).await;
        assert_eq!(receipt.transaction_hash.0, transaction.hash(&signature).0);
        assert_eq!(l2.get_balance(target).await.unwrap(), U256::from(7));
    }
}

async fn contract_and_its_logs(net: &Devnet) -> Address {
    let l2 = net.l2_as(2).unwrap();
    let caller = net.account(2).unwrap().address;
    let contract = logger::deploy(&l2).await;
    assert_eq!(l2.call(logger::store(contract, 5)).await.unwrap(), Bytes::from(B256::with_last_byte(5)));
    let gas = l2.estimate_gas(logger::store(contract, 5).with_from(caller)).await.unwrap();
    let request = logger::store(contract, 5).with_gas_limit(gas);
    let receipt = l2.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
    assert!(receipt.status(), "the gas estimate {gas} is enough");
    assert_eq!(receipt.logs().len(), 1);
    assert_eq!(l2.get_storage_at(contract, U256::ZERO).await.unwrap(), U256::from(5));

    let number = receipt.block_number.unwrap();
    let here = Filter::new().address(contract);
    let by_caller = here.clone().event_signature(caller.into_word()).from_block(0);
    let by_block = here.clone().at_block_hash(receipt.block_hash.unwrap());
    let by_range = here.clone().select(number..=number);
    for filter in [here.from_block(0), by_caller, by_block, by_range] {
        let logs = l2.get_logs(&filter).await.unwrap();
        assert_eq!(logs, receipt.logs(), "{filter:?}");
    }
    let nobody = Filter::new().address(contract).event_signature(B256::repeat_byte(9)).from_block(0);
    assert!(l2.get_logs(&nobody).await.unwrap().is_empty());
    assert!(l2.get_logs(&Filter::new().address(contract).select(..=number - 1)).await.unwrap().is_empty());

    let proof = l2.get_proof(contract, vec![B256::ZERO]).number(number).await.unwrap();
    assert_eq!(proof.storage_proof[0].value, U256::from(5));
    let block = l2.get_block_by_number(number.into()).await.unwrap().unwrap();
    assert_eq!(alloy::primitives::keccak256(&proof.account_proof[0]), block.header.state_root);
    contract
}

/// Type 4: an ordinary account runs the contract's code as its own.
async fn delegation_to_a_contract(net: &Devnet, contract: Address) {
    let l2 = net.l2_as(3).unwrap();
    let authority = net.account(4).unwrap();
    let authorization = Authorization {
        chain_id: U256::from(net.ready().l2_chain_id),
        address: contract,
        nonce: l2.get_transaction_count(authority.address).await.unwrap(),
    };
    let signature = authority.signer().unwrap().sign_hash_sync(&authorization.signature_hash()).unwrap();
    let request = logger::store(authority.address, 8)
        .with_authorization_list(vec![authorization.into_signed(signature)]);
    let receipt = l2.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
    check(&l2, &receipt, net.account(3).unwrap().address, authority.address, 4).await;
    assert_eq!(receipt.logs()[0].address(), authority.address);
    let code = l2.get_code_at(authority.address).await.unwrap();
    assert_eq!(code[3..], contract[..], "the account's code is a delegation: {code}");
}

async fn subscriptions(net: &Devnet, contract: Address) {
    let ws = ProviderBuilder::new().connect_ws(WsConnect::new(&net.ready().l2_ws)).await.unwrap();
    let mut heads = ws.subscribe_blocks().await.unwrap().into_stream();
    let mut logs = ws.subscribe_logs(&Filter::new().address(contract)).await.unwrap().into_stream();
    let l2 = net.l2_as(5).unwrap();
    let receipt =
        l2.send_transaction(logger::store(contract, 21)).await.unwrap().get_receipt().await.unwrap();
    let log = logs.next().await.unwrap();
    assert_eq!(log, receipt.logs()[0]);
    let mut last = heads.next().await.unwrap();
    while last.number < receipt.block_number.unwrap() {
        let next = heads.next().await.unwrap();
        assert_eq!((next.number, next.parent_hash), (last.number + 1, last.hash), "heads come in order");
        last = next;
    }
}

/// What must not enter the pool, each with the reason.
async fn refusals(net: &Devnet) {
    let l2 = net.l2();
    let account = net.account(1).unwrap();
    let nonce = l2.get_transaction_count(account.address).await.unwrap();
    let good = TxEip2930 {
        chain_id: net.ready().l2_chain_id,
        nonce,
        gas_price: GAS_PRICE,
        gas_limit: 21_000,
        to: TxKind::Call(Address::ZERO),
        ..TxEip2930::default()
    };
    let bad = [
        (TxEip2930 { chain_id: 1, ..good.clone() }, "chain"),
        (TxEip2930 { nonce: nonce - 1, ..good.clone() }, "nonce"),
        (TxEip2930 { gas_price: 1, ..good.clone() }, "fee"),
        (TxEip2930 { gas_limit: 20_999, ..good.clone() }, "gas"),
        (TxEip2930 { gas_limit: u64::MAX, ..good.clone() }, "gas"),
        (TxEip2930 { value: U256::MAX >> 1, ..good }, "funds"),
    ];
    for (transaction, reason) in bad {
        let signature = account.signer().unwrap().sign_hash_sync(&transaction.signature_hash()).unwrap();
        let raw = TxEnvelope::from(transaction.into_signed(signature)).encoded_2718();
        let error = l2.send_raw_transaction(&raw).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error:?} does not speak of the {reason}");
    }
    let garbage: Result<Value, _> = l2.raw_request("eth_sendRawTransaction".into(), json!(["0x03c0"])).await;
    assert!(garbage.is_err());
}
