//! The accounts that exist at L2 genesis: predeploys, preinstalls and system contracts.

use alloc::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, address};

use crate::runtime_code;

/// Accounts at L2 genesis by address.
pub type GenesisAlloc = BTreeMap<Address, GenesisAccount>;

/// One account at L2 genesis.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenesisAccount {
    /// Wei.
    pub balance: U256,
    /// Nonce.
    pub nonce: u64,
    /// Runtime code; empty for a plain account.
    pub code: Bytes,
    /// Storage slots that are not zero.
    pub storage: BTreeMap<B256, B256>,
}

/// What L2's predeploys need to know about L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenesisParams {
    /// The L1 `StandardBridge`, counterpart of `L2StandardBridge`.
    pub l1_standard_bridge: Address,
}

/// Contracts of ours, at the addresses of the OP specification ("Predeploys").
const PREDEPLOYS: &[(Address, &str)] = &[
    (address!("4200000000000000000000000000000000000006"), "WETH9"),
    (address!("420000000000000000000000000000000000000F"), "GasPriceOracle"),
    (L2_STANDARD_BRIDGE, "L2StandardBridge"),
    (address!("4200000000000000000000000000000000000011"), "FeeVault"), // sequencer
    (address!("4200000000000000000000000000000000000012"), "OptimismMintableERC20Factory"),
    (address!("4200000000000000000000000000000000000015"), "L1Block"),
    (address!("4200000000000000000000000000000000000016"), "L2ToL1MessagePasser"),
    (address!("4200000000000000000000000000000000000019"), "FeeVault"), // base fee
    (address!("420000000000000000000000000000000000001a"), "FeeVault"), // L1 fee
    (address!("420000000000000000000000000000000000001B"), "FeeVault"), // operator fee
];

/// Published contracts, at the addresses of the OP specification ("Preinstalls").
const PREINSTALLS: &[(Address, &str)] = &[
    (address!("cA11bde05977b3631167028862bE2a173976CA11"), "MultiCall3"),
    (address!("13b0D85CcB8bf860b6b79AF3029fCA081AE9beF2"), "Create2Deployer"),
    (address!("69f4D1788e39c87893C980c06EdF4b7f686e2938"), "Safe_v130"),
    (address!("fb1bffC9d739B8D520DaF37dF666da4C687191EA"), "SafeL2_v130"),
    (address!("A1dabEF33b3B82c7814B6D82A79e50F4AC44102B"), "MultiSendCallOnly_v130"),
    (address!("998739BFdAAdde7C933B942a68053933098f9EDa"), "MultiSend_v130"),
    (address!("914d7Fec6aaC8cd542e72Bca78B30650d45643d7"), "SafeSingletonFactory"),
    (address!("4e59b44847b379578588920cA78FbF26c0B4956C"), "DeterministicDeploymentProxy"),
    // Its cached domain separator is mainnet's; on any other chain id it computes its own.
    (address!("000000000022D473030F116dDEE9F6B43aC78BA3"), "Permit2"),
    (address!("7fc98430eAEdbb6070B35B39D798725049088348"), "SenderCreator"),
    (address!("5FF137D4b0FDCD49DcA30c7CF57E578a026d2789"), "EntryPoint"),
    // System contracts that each block calls first (EIP-4788, EIP-2935).
    (address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02"), "BeaconBlockRoots"),
    (address!("0000F90827F1C53a10cb7A02335B175320002935"), "HistoryStorage"),
];

/// Accounts that sent the creation of a preinstall on other chains; a used nonce keeps that from happening here.
const CREATORS: &[Address] = &[
    address!("0B799C86a49DEeb90402691F1041aa3AF2d3C875"), // EIP-4788
    address!("3462413Af4609098e1E27A490f554f260213D685"), // EIP-2935
    address!("3fAB184622Dc19b6109349B94811493BF45362B2"), // DeterministicDeploymentProxy
];

const L2_STANDARD_BRIDGE: Address = address!("4200000000000000000000000000000000000010");
/// `L2StandardBridge.otherBridge`.
const OTHER_BRIDGE_SLOT: B256 = B256::ZERO;

/// Predeploys and preinstalls of L2.
///
/// Contracts have nonce 1 (EIP-161), as if a transaction had created them.
#[must_use]
pub fn genesis_alloc(params: &GenesisParams) -> GenesisAlloc {
    let contracts = PREDEPLOYS.iter().chain(PREINSTALLS).map(|(address, name)| {
        let code = runtime_code(name).expect("every name in these tables has an artifact");
        (*address, GenesisAccount { nonce: 1, code, ..GenesisAccount::default() })
    });
    let creators =
        CREATORS.iter().map(|address| (*address, GenesisAccount { nonce: 1, ..GenesisAccount::default() }));
    let mut alloc: GenesisAlloc = contracts.chain(creators).collect();
    if !params.l1_standard_bridge.is_zero() {
        let bridge = alloc.entry(L2_STANDARD_BRIDGE).or_default();
        bridge.storage.insert(OTHER_BRIDGE_SLOT, params.l1_standard_bridge.into_word());
    }
    alloc
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRIDGE: Address = address!("1111111111111111111111111111111111111111");

    #[test]
    fn every_predeploy_and_preinstall_has_code() {
        let alloc = genesis_alloc(&GenesisParams { l1_standard_bridge: BRIDGE });
        assert_eq!(alloc.len(), PREDEPLOYS.len() + PREINSTALLS.len() + CREATORS.len());
        for (address, _) in PREDEPLOYS.iter().chain(PREINSTALLS) {
            assert!(!alloc[address].code.is_empty(), "{address}");
        }
    }

    #[test]
    fn l2_bridge_knows_l1_bridge() {
        let alloc = genesis_alloc(&GenesisParams { l1_standard_bridge: BRIDGE });
        assert_eq!(alloc[&L2_STANDARD_BRIDGE].storage[&OTHER_BRIDGE_SLOT], BRIDGE.into_word());
    }
}
