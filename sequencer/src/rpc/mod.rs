//! Ethereum JSON-RPC over the index, the state store and the pool.
//!
//! Handlers parse, ask and answer. What they may use stands in [`RpcContext`]; [`module`] puts them together.

mod access_list;
mod account;
mod admin;
mod api;
mod args;
mod call;
mod chain;
mod condition;
mod config;
mod context;
mod error;
mod estimate;
mod fees;
mod filters;
mod hex;
mod limits;
mod lockstep;
mod logs;
mod node;
mod optimism;
mod overrides;
mod pubsub;
mod refusal;
mod request;
mod simulate;
mod submit;
mod trace;
mod txpool;
mod view;

pub use condition::Condition;
pub(crate) use condition::Storage;
pub use context::{
    DropError, Heads, NodeView, PendingApi, PendingBatch, PendingBlock, PendingTransaction, PoolApi,
    PoolContent, PoolStatus, PooledTransaction, RpcContext, SubmitError,
};
pub use limits::CallLimits;

use jsonrpsee::RpcModule;
use jsonrpsee::core::RegisterMethodError;

use api::Api;
use args::Args;

/// Methods that send transactions: they do not wait for calls that only read.
pub(crate) const SUBMISSIONS: &[&str] = &["eth_sendRawTransaction*"];

macro_rules! methods {
    ($module:ident { $($name:literal => $handler:path,)* }) => {$(
        $module.register_async_method($name, |params, api, _| async move {
            $handler(&api, Args::new(&params)?).await
        })?;
    )*};
}

/// What an operator may ask, for an address that nobody else reaches.
///
/// # Errors
/// Two methods have the same name.
pub fn admin_module(context: RpcContext) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut module = RpcModule::new(Api::new(context));
    methods!(module {
        "admin_dropTransaction" => admin::drop_transaction,
        "admin_nodeInfo" => admin::node_info,
        "admin_peers" => admin::peers,
        "admin_sequencerActive" => admin::sequencer_active,
        "admin_setLogFilter" => admin::set_log_filter,
    });
    Ok(module.remove_context())
}

/// All methods and subscriptions of the sequencer.
///
/// # Errors
/// Two methods have the same name.
pub fn module(context: RpcContext) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut module = RpcModule::new(Api::new(context));
    methods!(module {
        "eth_chainId" => node::chain_id,
        "eth_syncing" => node::syncing,
        "eth_accounts" => node::accounts,
        "net_version" => node::net_version,
        "net_listening" => node::listening,
        "net_peerCount" => node::peer_count,
        "web3_clientVersion" => node::client_version,
        "web3_sha3" => node::sha3,
        "eth_protocolVersion" => node::protocol_version,
        "eth_coinbase" => node::coinbase,
        "eth_mining" => node::mining,
        "eth_hashrate" => node::hashrate,
        "eth_sign" => node::no_keys,
        "eth_signTransaction" => node::no_keys,
        "eth_signTypedData_v4" => node::no_keys,
        "eth_sendTransaction" => node::no_keys,
        "eth_config" => config::config,
        "eth_capabilities" => config::capabilities,
        "rpc_modules" => node::modules,
        "txpool_status" => txpool::status,
        "txpool_content" => txpool::content,
        "txpool_contentFrom" => txpool::content_from,
        "txpool_inspect" => txpool::inspect,

        "eth_blockNumber" => chain::block_number,
        "eth_getBlockByNumber" => chain::block_by_number,
        "eth_getBlockByHash" => chain::block_by_hash,
        "eth_getHeaderByNumber" => chain::header_by_number,
        "eth_getHeaderByHash" => chain::header_by_hash,
        "eth_getBlockAccessList" => chain::block_access_list,
        "eth_getBlockTransactionCountByNumber" => chain::transaction_count_by_number,
        "eth_getBlockTransactionCountByHash" => chain::transaction_count_by_hash,
        "eth_getUncleCountByBlockNumber" => chain::uncle_count_by_number,
        "eth_getUncleCountByBlockHash" => chain::uncle_count_by_hash,
        "eth_getUncleByBlockNumberAndIndex" => chain::uncle_by_number_and_index,
        "eth_getUncleByBlockHashAndIndex" => chain::uncle_by_hash_and_index,
        "eth_getTransactionByHash" => chain::transaction_by_hash,
        "eth_getTransactionByBlockNumberAndIndex" => chain::transaction_by_number_and_index,
        "eth_getTransactionByBlockHashAndIndex" => chain::transaction_by_hash_and_index,
        "eth_getTransactionBySenderAndNonce" => chain::transaction_by_sender_and_nonce,
        "eth_getRawTransactionByHash" => chain::raw_transaction_by_hash,
        "eth_getRawTransactionByBlockNumberAndIndex" => chain::raw_transaction_by_number_and_index,
        "eth_getRawTransactionByBlockHashAndIndex" => chain::raw_transaction_by_hash_and_index,
        "eth_getTransactionReceipt" => chain::transaction_receipt,
        "eth_getBlockReceipts" => chain::block_receipts,

        "eth_getBalance" => account::balance,
        "eth_getCode" => account::code,
        "eth_getTransactionCount" => account::transaction_count,
        "eth_getStorageAt" => account::storage_at,
        "eth_getStorageValues" => account::storage_values,
        "eth_getAccount" => account::account,
        "eth_getAccountInfo" => account::account_info,
        "eth_getProof" => account::proof,

        "eth_call" => call::call,
        "eth_estimateGas" => estimate::estimate_gas,
        "eth_createAccessList" => access_list::create_access_list,
        "eth_simulateV1" => simulate::simulate,
        "eth_gasPrice" => fees::gas_price,
        "eth_maxPriorityFeePerGas" => fees::max_priority_fee,
        "eth_baseFee" => fees::base_fee,
        "eth_feeHistory" => fees::fee_history,
        "eth_blobBaseFee" => fees::blob_base_fee,

        "eth_sendRawTransaction" => submit::send_raw,
        "eth_sendRawTransactionSync" => submit::send_raw_sync,
        "eth_sendRawTransactionConditional" => submit::send_raw_conditional,

        "eth_getLogs" => logs::get_logs,
        "eth_newFilter" => filters::new_filter,
        "eth_newBlockFilter" => filters::new_block_filter,
        "eth_newPendingTransactionFilter" => filters::new_pending_transaction_filter,
        "eth_getFilterChanges" => filters::filter_changes,
        "eth_getFilterLogs" => filters::filter_logs,
        "eth_uninstallFilter" => filters::uninstall_filter,

        "optimism_outputAtBlock" => optimism::output_at_block,
        "optimism_syncStatus" => optimism::sync_status,
        "optimism_rollupConfig" => optimism::rollup_config,
        "optimism_version" => optimism::version,

        "lockstep_batchOfBlock" => lockstep::batch_of_block,
        "lockstep_transactionStatus" => lockstep::transaction_status,
        "lockstep_blockAccessList" => lockstep::block_access_list,
        "lockstep_blockSchedule" => lockstep::block_schedule,
        "lockstep_estimateTotalFee" => lockstep::estimate_total_fee,
        "lockstep_status" => lockstep::status,

        "debug_traceTransaction" => trace::geth::trace_transaction,
        "debug_traceCall" => trace::geth::trace_call,
        "debug_traceBlock" => trace::geth::trace_block,
        "debug_traceBlockByNumber" => trace::geth::trace_block_by_number,
        "debug_traceBlockByHash" => trace::geth::trace_block_by_hash,
        "debug_getRawHeader" => trace::raw::header,
        "debug_getRawBlock" => trace::raw::block,
        "debug_getRawTransaction" => chain::raw_transaction_by_hash,
        "debug_getBadBlocks" => trace::raw::bad_blocks,
        "debug_getRawReceipts" => trace::raw::receipts,
        "trace_block" => trace::parity::block,
        "trace_transaction" => trace::parity::transaction,
        "trace_get" => trace::parity::get,
        "trace_filter" => trace::filter::filter,
        "trace_call" => trace::parity::call,
        "trace_rawTransaction" => trace::parity::raw_transaction,
        "trace_replayTransaction" => trace::parity::replay_transaction,
        "trace_replayBlockTransactions" => trace::parity::replay_block_transactions,
        "ots_getApiLevel" => trace::otterscan::api_level,
        "ots_hasCode" => trace::otterscan::has_code,
        "ots_getInternalOperations" => trace::otterscan::internal_operations,
        "ots_getTransactionError" => trace::otterscan::transaction_error,
        "ots_traceTransaction" => trace::otterscan::trace_transaction,
        "ots_getContractCreator" => trace::otterscan::contract_creator,
        "ots_getBlockDetails" => trace::page::block_details,
        "ots_getBlockDetailsByHash" => trace::page::block_details_by_hash,
        "ots_getBlockTransactions" => trace::page::block_transactions,
        "ots_searchTransactionsBefore" => trace::page::transactions_before,
        "ots_searchTransactionsAfter" => trace::page::transactions_after,
        "ots_getTransactionBySenderAndNonce" => trace::page::transaction_by_sender_and_nonce,
        "erigon_getHeaderByNumber" => trace::page::header_by_number,
    });
    module.register_subscription(
        "eth_subscribe",
        "eth_subscription",
        "eth_unsubscribe",
        |params, pending, api, _| pubsub::subscribe(params, pending, api),
    )?;
    Ok(module.remove_context())
}
