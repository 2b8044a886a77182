//! `eth_estimateGas`: the least gas limit with which a message succeeds, within a tolerance.

use alloy::primitives::{U64, U256};

use super::{
    api::Api,
    args::Args,
    call::{Base, Machine, Outcome, Request},
    error::RpcError,
};

/// Gas of a plain transfer.
const TRANSFER_GAS: u64 = 21_000;
/// Gas that a call with value gives its callee for free.
const CALL_STIPEND: u64 = 2_300;
/// Most gas of one transaction (EIP-7825).
const MAX_TRANSACTION_GAS: u64 = 1 << 24;
/// The search ends when the answer is known to this fraction: 1/64, near geth's 1.5 %.
const TOLERANCE: u64 = 64;

/// Gas alone: what a transaction pays for its data on L1 is charged apart, not as gas. As in op-geth, a sender that
/// could not pay that too still gets its estimate; admission is what judges the whole cost.
pub(super) async fn estimate_gas(api: &Api, args: Args) -> Result<U64, RpcError> {
    let (mut request, block) = Request::take(args)?;
    // geth ignores a limit that no transaction could have.
    request.transaction.gas = request.transaction.gas.filter(|gas| *gas >= TRANSFER_GAS);
    let base = Base::at(api, block).await?;
    let gas = api.call(move || estimate(&mut Machine::new(base, request)?)).await?;
    Ok(U64::from(gas))
}

fn estimate(machine: &mut Machine) -> Result<u64, RpcError> {
    let high = affordable(machine)?.min(machine.gas_cap).min(MAX_TRANSACTION_GAS);
    let message = machine.message();
    let target = message.data.is_empty().then(|| message.kind.into_to()).flatten();
    let plain = message.access_list.is_empty() && message.authorization_list.is_empty();
    if let Some(target) = target.filter(|_| plain)
        && high >= TRANSFER_GAS
        && machine.is_codeless(target)?
        && matches!(machine.run(TRANSFER_GAS)?, Outcome::Success { .. })
    {
        return Ok(TRANSFER_GAS);
    }
    search(high, |gas| machine.run(gas))
}

/// Gas that the sender can pay for at the price that it offers.
fn affordable(machine: &mut Machine) -> Result<u64, RpcError> {
    let (price, value) = (machine.message().gas_price, machine.message().value);
    if price == 0 && value.is_zero() {
        return Ok(u64::MAX);
    }
    let left = machine.balance()?.checked_sub(value);
    let left = left.ok_or_else(|| RpcError::Call("insufficient funds for transfer".to_owned()))?;
    Ok(if price == 0 { u64::MAX } else { (left / U256::from(price)).saturating_to() })
}

/// The least limit up to `high` with which `run` succeeds, or a little more.
fn search(mut high: u64, mut run: impl FnMut(u64) -> Result<Outcome, RpcError>) -> Result<u64, RpcError> {
    let (gas_used, gas_refunded) = match run(high)? {
        Outcome::Success { gas_used, gas_refunded, .. } => (gas_used, gas_refunded),
        Outcome::Reverted(output) => return Err(RpcError::Reverted(output)),
        Outcome::Failed { reason, out_of_gas: false } => return Err(RpcError::Call(reason)),
        Outcome::Failed { .. } | Outcome::TooLittleGas(_) => {
            return Err(RpcError::Call(format!("gas required exceeds allowance ({high})")));
        }
    };
    let mut low = gas_used.saturating_sub(1);
    // Most messages succeed with what they used, were refunded and lent, and EIP-150's 64th.
    let guess = gas_used.saturating_add(gas_refunded).saturating_add(CALL_STIPEND);
    let mut middle = guess.saturating_add(guess / 63);
    while low + 1 < high {
        if middle < high {
            match run(middle)? {
                Outcome::Success { .. } => high = middle,
                _ => low = middle,
            }
        }
        if high - low <= high / TOLERANCE {
            break;
        }
        // The answer is more often near what was used than near the limit.
        middle = (low + (high - low) / 2).min(low.saturating_mul(2));
        if middle <= low {
            middle = low + 1;
        }
    }
    Ok(high)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy::primitives::Bytes;

    use super::*;

    fn needs(gas: u64, used: u64) -> impl FnMut(u64) -> Result<Outcome, RpcError> {
        move |limit| {
            Ok(if limit >= gas {
                Outcome::Success { output: Bytes::new(), gas_used: used, gas_refunded: 0 }
            } else {
                Outcome::Failed { reason: "out of gas".into(), out_of_gas: true }
            })
        }
    }

    #[test]
    fn answer_succeeds_and_is_close_to_the_least() {
        for (need, used) in [(21_000, 21_000), (50_000, 40_000), (3_000_000, 100_000), (16_000_000, 30_000)] {
            let answer = search(MAX_TRANSACTION_GAS, needs(need, used)).unwrap();
            assert!(answer >= need, "{answer} is too little for {need}");
            let slack = (need / 50).max(CALL_STIPEND + need / 40);
            assert!(answer <= need + slack, "{answer} is far above {need}");
        }
    }

    #[test]
    fn search_ends_at_every_limit() {
        for high in [0, 1, 2, 3, 21_000, 21_001] {
            let run = |_| Ok(Outcome::Success { output: Bytes::new(), gas_used: high, gas_refunded: 0 });
            assert_eq!(search(high, run).unwrap(), high);
        }
        assert!(search(u64::MAX, needs(1 << 40, 1)).unwrap() >= 1 << 40);
    }

    #[test]
    fn message_that_needs_more_than_the_allowance_says_so() {
        let error = search(100_000, needs(100_001, 0)).unwrap_err();
        assert_eq!(error.to_string(), "gas required exceeds allowance (100000)");
    }

    #[test]
    fn message_that_reverts_at_any_limit_reverts() {
        let output = Bytes::from_static(b"why");
        let error = search(100_000, |_| Ok(Outcome::Reverted(output.clone()))).unwrap_err();
        assert!(matches!(error, RpcError::Reverted(data) if data == output));
    }
}
