//! `lockstep_estimateTotalFee`: all that a transaction would cost, in wei.

use alloy::eips::{BlockId, BlockNumberOrTag, Encodable2718};
use alloy::primitives::{B256, Bytes, Signature, TxKind, U64, U256, keccak256};
use alloy::rpc::types::TransactionRequest;
use jsonrpsee::types::Params;
use lockstep_stf::{L1BlockInfo, next_base_fee};
use revm::database_interface::WrapDatabaseRef;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::{api::Api, args::Args, error::RpcError, estimate, fees};

/// What a transaction would cost, in wei, if it used all the gas of its estimate in the next block.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::rpc) struct TotalFee {
    /// What `eth_estimateGas` answers.
    gas: U64,
    /// Wei per gas: what the request offers, as far as the next block takes it, else the suggestion.
    gas_price: U256,
    /// `gas` at `gasPrice`.
    l2_fee: U256,
    /// For posting its bytes to L1.
    l1_fee: U256,
    operator_fee: U256,
    total_fee: U256,
}

pub(in crate::rpc) async fn estimate_total_fee(api: &Api, mut args: Args) -> Result<TotalFee, RpcError> {
    let json: Value = args.required("transaction")?;
    let block: BlockId = args.optional("block")?.unwrap_or_default();
    args.end()?;
    let mut request: TransactionRequest = serde_json::from_value(json.clone())
        .map_err(|error| RpcError::Invalid { position: 0, name: "transaction", reason: error.to_string() })?;
    let params = json!([json, block]).to_string();
    let gas = estimate::estimate_gas(api, Args::new(&Params::new(Some(&params)))?).await?;
    let gas_price = price(api, &request).await?;
    request.gas = Some(gas.to());
    let raw = placeholder(api.context.rollup.chain.l2_chain_id, request)?;
    let (l1_fee, operator_fee) = data_fees(api, block, raw, gas.to()).await?;
    let l2_fee = U256::from(gas).saturating_mul(gas_price);
    let total_fee = l2_fee.saturating_add(l1_fee).saturating_add(operator_fee);
    Ok(TotalFee { gas, gas_price, l2_fee, l1_fee, operator_fee, total_fee })
}

/// What the next block would take per gas.
async fn price(api: &Api, request: &TransactionRequest) -> Result<U256, RpcError> {
    let head = api.header(BlockNumberOrTag::Latest.into()).await?.header;
    let base_fee = u128::from(next_base_fee(&head).map_err(RpcError::internal)?);
    if let Some(price) = request.gas_price {
        return Ok(U256::from(price));
    }
    let tip = match request.max_priority_fee_per_gas {
        Some(tip) => U256::from(tip),
        None => U256::from(fees::max_priority_fee(api, Args::new(&Params::new(None))?).await?),
    };
    let price = U256::from(base_fee).saturating_add(tip);
    Ok(request.max_fee_per_gas.map_or(price, |most| price.min(U256::from(most))))
}

/// L1 fee and operator fee by the parameters that `block` holds (OP specification, "L1 cost", Fjord to Jovian).
async fn data_fees(api: &Api, block: BlockId, raw: Bytes, gas: u64) -> Result<(U256, U256), RpcError> {
    let number = U256::from(api.header(block).await?.header.number);
    let spec = api.rules.spec();
    api.with_state(block, move |state| {
        let mut info = L1BlockInfo::try_fetch(&mut WrapDatabaseRef(state), number, spec)?;
        let l1 = info.calculate_tx_l1_cost(&raw, spec);
        Ok((l1, info.operator_fee_charge(&raw, U256::from(gas), spec)))
    })
    .await
}

/// Bytes of the size and texture of the signed transaction. Its signature is noise, as real ones are, since the L1
/// fee depends on how well the bytes compress.
fn placeholder(chain_id: u64, mut request: TransactionRequest) -> Result<Bytes, RpcError> {
    request.chain_id = Some(chain_id);
    request.nonce.get_or_insert(u64::from(u16::MAX));
    request.to.get_or_insert(TxKind::Create);
    if request.gas_price.is_none() {
        request.max_fee_per_gas.get_or_insert(u128::from(u32::MAX));
        request.max_priority_fee_per_gas.get_or_insert(1_000_000);
    }
    let unsigned = request.build_typed_tx().map_err(|_| RpcError::InvalidField {
        name: "transaction",
        reason: "its fields belong to no type of transaction".to_owned(),
    })?;
    let noise = |seed: &str| U256::from_be_bytes(B256::from(keccak256(seed)).0);
    let signature = Signature::new(noise("r"), noise("s"), true);
    Ok(unsigned.into_envelope(signature).encoded_2718().into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy::primitives::Address;

    use super::*;

    #[test]
    fn placeholder_is_as_long_as_a_signed_transaction() {
        let to = |input: &'static [u8]| TransactionRequest {
            gas: Some(21_000),
            ..TransactionRequest::default()
                .to(Address::repeat_byte(7))
                .input(Bytes::from_static(input).into())
        };
        let plain = placeholder(901_337, to(&[])).unwrap();
        assert!((100..125).contains(&plain.len()), "{}", plain.len());
        let long = placeholder(901_337, to(&[1; 200])).unwrap();
        assert!(long.len() >= plain.len() + 200);
        assert_eq!(
            placeholder(901_337, TransactionRequest { gas: Some(1), ..Default::default() }).unwrap()[0],
            2
        );
    }
}
