//! The CREATE2 factory itself.

use alloy::{
    primitives::{Address, Bytes, U256, address, bytes},
    providers::Provider,
};
use lockstep_l1::{L1Error, NoJournal, TxManager, TxRequest};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{DeployError, code_size, layout::FACTORY};

/// The one account that can create the factory, by the one transaction it ever signed.
const CREATOR: Address = address!("3fab184622dc19b6109349b94811493bf2a45362");
/// What that transaction costs at most: 100,000 gas at 100 gwei.
const PRICE: U256 = U256::from_limbs([10_000_000_000_000_000, 0, 0, 0]);
/// A transaction without chain id, valid on every chain.
const CREATION: Bytes = bytes!(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba02222222222222222222222222222222222222222222222222222222222222222a02222222222222222222222222222222222222222222222222222222222222222"
);

/// Creates the factory where a chain lacks it.
pub(crate) async fn ensure(tx: &TxManager, shutdown: &CancellationToken) -> Result<(), DeployError> {
    if code_size(tx, FACTORY).await? != 0 {
        return Ok(());
    }
    info!(factory = %FACTORY, "this L1 has no CREATE2 factory yet: creating it");
    let balance = tx.provider().get_balance(CREATOR).await;
    let balance = balance.map_err(|source| L1Error::Rpc { what: "eth_getBalance", source })?;
    if balance < PRICE {
        let request = TxRequest { to: Some(CREATOR), value: PRICE - balance, ..TxRequest::default() };
        tx.send(request, &NoJournal, shutdown).await?;
    }
    let hash = alloy::primitives::keccak256(&CREATION);
    let sent = tx.provider().send_raw_transaction(&CREATION).await;
    if let Err(source) = sent {
        return Err(L1Error::Rpc { what: "eth_sendRawTransaction (CREATE2 factory)", source }.into());
    }
    loop {
        match tx.included(hash).await? {
            Some(included) if included.success => return Ok(()),
            Some(_) => return Err(DeployError::Failed { what: "create the CREATE2 factory".into(), hash }),
            None => tx.pause(shutdown).await?,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy::{
        consensus::{Transaction, TxEnvelope, transaction::SignerRecoverable},
        eips::eip2718::Decodable2718,
    };

    use super::*;

    #[test]
    fn the_creator_signed_the_creation_and_its_first_contract_is_the_factory() {
        let tx = TxEnvelope::decode_2718_exact(&CREATION).unwrap();
        assert_eq!(tx.recover_signer().unwrap(), CREATOR);
        assert_eq!(CREATOR.create(0), FACTORY);
        assert_eq!(U256::from(u128::from(tx.gas_limit()) * tx.gas_price().unwrap()), PRICE);
    }
}
