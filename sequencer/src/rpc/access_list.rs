//! `eth_createAccessList`: what a message touches, as an access list for it (EIP-2930).

use alloy::primitives::U64;
use alloy::rpc::types::{AccessList, AccessListItem};
use revm::context_interface::result::ExecutionResult;
use revm_inspectors::access_list::AccessListInspector;
use serde::Serialize;

use super::{
    api::Api,
    args::Args,
    call::{Base, Machine, Request, halt_message},
    error::{RpcError, revert_message},
};

/// Runs after which the list is taken as it is, should each run touch something new.
const MAX_RUNS: usize = 8;
/// EIP-2930: the first type of transaction with an access list.
const ACCESS_LIST_TYPE: u8 = 1;

/// The list, and the gas that the message takes with it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Created {
    access_list: AccessList,
    /// Why the message failed; the list holds what it touched until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    gas_used: U64,
}

pub(super) async fn create_access_list(api: &Api, args: Args) -> Result<Created, RpcError> {
    let (request, block) = Request::take(args)?;
    let base = Base::at(api, block).await?;
    api.call(move || create(base, request)).await
}

/// A list can change what a message does, so the message runs until it leaves its list as it is.
fn create(base: Base, request: Request) -> Result<Created, RpcError> {
    let mut list = request.transaction.access_list.clone().unwrap_or_default();
    let mut machine = Machine::inspected(base, request, AccessListInspector::default())?;
    let message = machine.message_mut();
    message.tx_type = message.tx_type.max(ACCESS_LIST_TYPE);
    let mut runs = 0;
    loop {
        runs += 1;
        machine.message_mut().access_list.clone_from(&list);
        *machine.inspector_mut() = AccessListInspector::new(list.clone());
        let result = machine.transact(machine.gas_cap)?.map_err(RpcError::Unincludable)?;
        let touched = sorted(machine.inspector_mut().access_list());
        if touched == list || runs == MAX_RUNS {
            let error = match &result {
                ExecutionResult::Success { .. } => None,
                ExecutionResult::Revert { output, .. } => Some(revert_message(output)),
                ExecutionResult::Halt { reason, .. } => Some(halt_message(reason)),
            };
            return Ok(Created { access_list: touched, error, gas_used: U64::from(result.tx_gas_used()) });
        }
        list = touched;
    }
}

/// The same touches give the same bytes.
fn sorted(AccessList(mut items): AccessList) -> AccessList {
    items.sort_unstable_by_key(|item: &AccessListItem| item.address);
    AccessList(items)
}
