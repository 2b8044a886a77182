//! The calls that start a chain whose contracts stand, and hand it to its owner.

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    sol,
    sol_types::SolCall,
};
use lockstep_contracts::l1::{AccessControl, Assertions, TimelockController};
use lockstep_l1::{TxManager, TxRequest};
use lockstep_primitives::L1Contracts;

use crate::{Call, DeployError, DeployPlan, code_size, verify::call};

sol! {
    /// `TimelockController.updateDelay`; only the timelock itself may call it.
    function updateDelay(uint256 newDelay) external;
}

/// Gas that none of these calls exceeds.
const GAS_LIMIT: u64 = 300_000;

/// What remains to be called.
pub(crate) async fn calls(
    plan: &DeployPlan,
    contracts: &L1Contracts,
    output_root: B256,
    tx: &TxManager,
) -> Result<Vec<Call>, DeployError> {
    let start = Assertions::startCall { genesisOutputRoot: output_root }.abi_encode();
    let started = code_size(tx, contracts.assertions).await? != 0
        && !call(tx.provider(), contracts.assertions, Assertions::genesisOutputRootCall {}).await?.is_zero();
    match plan.roles.timelock_delay {
        None if started => Ok(Vec::new()),
        None => Ok(vec![direct("start the chain", contracts.assertions, start)]),
        Some(delay) => {
            let mut calls = Vec::new();
            if !started {
                calls.extend(through(contracts.timelock, "start the chain", contracts.assertions, start));
            }
            calls.extend(hand_over(plan, contracts.timelock, delay, tx).await?);
            Ok(calls)
        }
    }
}

/// Sets the timelock's delay and takes the deployer's rights away, whatever of that remains.
async fn hand_over(
    plan: &DeployPlan,
    timelock: Address,
    delay: u64,
    tx: &TxManager,
) -> Result<Vec<Call>, DeployError> {
    let (provider, deployer) = (tx.provider(), tx.address());
    let exists = code_size(tx, timelock).await? != 0;
    let delay = U256::from(delay);
    let mut calls = Vec::new();
    if !exists || call(provider, timelock, TimelockController::getMinDelayCall {}).await? != delay {
        let update = updateDelayCall { newDelay: delay }.abi_encode();
        calls.extend(through(timelock, "set the timelock's delay", timelock, update));
    }
    // The admin role goes last: it takes the others away.
    let shared = if plan.roles.owner == deployer { &[][..] } else { &TIMELOCK_ROLES[..] };
    let roles = shared.iter().map(keccak256).chain([B256::ZERO]);
    for role in roles {
        let held = !exists
            || call(provider, timelock, AccessControl::hasRoleCall { role, account: deployer }).await?;
        if held {
            let renounce = AccessControl::renounceRoleCall { role, callerConfirmation: deployer };
            calls.push(direct("give up a role of the deployer", timelock, renounce.abi_encode()));
        }
    }
    Ok(calls)
}

/// Roles of a `TimelockController` that its constructor gives to proposers and executors.
pub(crate) const TIMELOCK_ROLES: [&str; 3] = ["PROPOSER_ROLE", "CANCELLER_ROLE", "EXECUTOR_ROLE"];

/// A call that the timelock makes at once, while it has no delay.
fn through(timelock: Address, what: &str, target: Address, data: Vec<u8>) -> [Call; 2] {
    let schedule = TimelockController::scheduleCall {
        target,
        value: U256::ZERO,
        data: data.clone().into(),
        predecessor: B256::ZERO,
        salt: B256::ZERO,
        delay: U256::ZERO,
    };
    let execute = TimelockController::executeCall {
        target,
        value: U256::ZERO,
        payload: data.into(),
        predecessor: B256::ZERO,
        salt: B256::ZERO,
    };
    [
        direct(&format!("schedule: {what}"), timelock, schedule.abi_encode()),
        direct(what, timelock, execute.abi_encode()),
    ]
}

fn direct(what: &str, to: Address, input: Vec<u8>) -> Call {
    Call {
        what: what.to_owned(),
        request: TxRequest {
            to: Some(to),
            input: input.into(),
            gas_limit: Some(GAS_LIMIT),
            ..TxRequest::default()
        },
    }
}
