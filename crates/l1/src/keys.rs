//! Private keys: from the environment or a keystore file, never from a flag, never printed.

use std::{env, fmt, fs, path::PathBuf, str::FromStr};

use alloy::{
    primitives::{Address, B256},
    signers::local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English},
};

/// The mnemonic of every development chain. Anyone can spend what its accounts hold.
pub const DEV_MNEMONIC: &str = "test test test test test test test test test test test junk";

/// L1 chain ids on which the public development keys may be used.
pub const DEV_CHAIN_IDS: [u64; 2] = [31_337, 1_337];

/// Development accounts that are refused outside [`DEV_CHAIN_IDS`].
const DEV_ACCOUNTS: u32 = 20;

/// Where a private key comes from: `env:NAME` or `keystore:PATH`.
///
/// The password of a keystore is in the file `PATH.password` or in `LOCKSTEP_KEYSTORE_PASSWORD`.
#[derive(Clone)]
pub enum KeySource {
    /// An environment variable with 32 bytes of hex.
    Env(String),
    /// A keystore file (Web3 Secret Storage v3).
    Keystore(PathBuf),
    /// Account `index` of the public development mnemonic.
    Dev(u32),
}

/// The environment variable with the password of a keystore.
pub const KEYSTORE_PASSWORD: &str = "LOCKSTEP_KEYSTORE_PASSWORD";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Neither `env:` nor `keystore:`.
    #[error("a key source is `env:NAME` or `keystore:PATH`")]
    Source,
    /// The variable is not there.
    #[error("set {0} to the private key (64 hex digits), or use a keystore file: keystore:PATH")]
    Unset(String),
    /// The variable holds something else. Its value is not repeated here.
    #[error("{0} does not hold a private key (64 hex digits)")]
    NotAKey(String),
    /// No password for the keystore.
    #[error("no password for {keystore}: set {KEYSTORE_PASSWORD} or write {keystore}.password")]
    NoPassword {
        /// The keystore file.
        keystore: String,
    },
    /// The keystore does not open.
    #[error("cannot open keystore {keystore}: {reason}")]
    Keystore {
        /// The keystore file.
        keystore: String,
        /// Why.
        reason: String,
    },
    /// A key that everybody knows, on a chain that matters.
    #[error(
        "{address} belongs to the public mnemonic `test … junk` and must not be used on chain {chain_id}"
    )]
    Public {
        /// The account.
        address: Address,
        /// The L1 chain.
        chain_id: u64,
    },
}

impl KeySource {
    /// Reads the key.
    ///
    /// # Errors
    /// See [`KeyError`]; no error repeats key material.
    pub fn load(&self) -> Result<PrivateKeySigner, KeyError> {
        match self {
            Self::Env(name) => from_env(name),
            Self::Keystore(path) => from_keystore(path),
            Self::Dev(index) => Ok(dev_key(*index)),
        }
    }

    /// Reads the key and refuses a publicly known one outside development chains.
    ///
    /// # Errors
    /// As [`Self::load`], and [`KeyError::Public`].
    pub fn load_for(&self, chain_id: u64) -> Result<PrivateKeySigner, KeyError> {
        let signer = self.load()?;
        check_not_public(signer.address(), chain_id)?;
        Ok(signer)
    }
}

/// Refuses an account of the public development mnemonic outside [`DEV_CHAIN_IDS`].
///
/// # Errors
/// [`KeyError::Public`].
pub fn check_not_public(address: Address, chain_id: u64) -> Result<(), KeyError> {
    let public = !DEV_CHAIN_IDS.contains(&chain_id) && is_dev_account(address);
    if public { Err(KeyError::Public { address, chain_id }) } else { Ok(()) }
}

/// Key number `index` of [`DEV_MNEMONIC`].
///
/// # Panics
/// Never for an index below 2^31: the mnemonic is valid.
#[must_use]
pub fn dev_key(index: u32) -> PrivateKeySigner {
    MnemonicBuilder::<English>::default()
        .phrase(DEV_MNEMONIC)
        .index(index)
        .and_then(|builder| builder.build())
        .expect("the development mnemonic is valid")
}

fn is_dev_account(address: Address) -> bool {
    (0..DEV_ACCOUNTS).any(|index| dev_key(index).address() == address)
}

fn from_env(name: &str) -> Result<PrivateKeySigner, KeyError> {
    let text = env::var(name).map_err(|_| KeyError::Unset(name.to_owned()))?;
    let not_a_key = || KeyError::NotAKey(name.to_owned());
    let bytes: B256 = text.trim().parse().map_err(|_| not_a_key())?;
    PrivateKeySigner::from_bytes(&bytes).map_err(|_| not_a_key())
}

fn from_keystore(path: &PathBuf) -> Result<PrivateKeySigner, KeyError> {
    let keystore = path.display().to_string();
    let password = fs::read_to_string(format!("{keystore}.password"))
        .ok()
        .or_else(|| env::var(KEYSTORE_PASSWORD).ok())
        .ok_or_else(|| KeyError::NoPassword { keystore: keystore.clone() })?;
    PrivateKeySigner::decrypt_keystore(path, password.trim_end_matches(['\r', '\n']))
        .map_err(|error| KeyError::Keystore { keystore, reason: error.to_string() })
}

impl FromStr for KeySource {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            Some(("keystore", path)) if !path.is_empty() => Ok(Self::Keystore(path.into())),
            Some(("dev", index)) => index.parse().map(Self::Dev).map_err(|_| KeyError::Source),
            _ => Err(KeyError::Source),
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::Keystore(path) => write!(f, "keystore:{}", path.display()),
            Self::Dev(index) => write!(f, "dev:{index}"),
        }
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy::primitives::address;

    use super::*;

    #[test]
    fn a_source_is_read_and_shown_in_one_spelling() {
        for text in ["env:BATCHER", "keystore:/a/b.json", "dev:8"] {
            assert_eq!(text.parse::<KeySource>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_key_itself_is_not_a_source_and_is_not_repeated() {
        let key = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
        let error = key.parse::<KeySource>().unwrap_err();
        assert!(!error.to_string().contains("ac0974"));
    }

    #[test]
    fn development_keys_are_those_every_tool_knows() {
        assert_eq!(dev_key(0).address(), address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
        assert_eq!(dev_key(9).address(), address!("a0Ee7A142d267C1f36714E4a8F75612F20a79720"));
    }

    #[test]
    fn a_public_key_is_refused_outside_development_chains() {
        assert!(matches!(KeySource::Dev(8).load_for(1), Err(KeyError::Public { chain_id: 1, .. })));
        assert!(KeySource::Dev(8).load_for(31_337).is_ok());
    }

    #[test]
    fn a_missing_variable_is_named() {
        let error = KeySource::Env("LOCKSTEP_NO_SUCH_KEY".into()).load().unwrap_err();
        assert!(error.to_string().contains("LOCKSTEP_NO_SUCH_KEY"));
    }
}
