//! One way to make a connection to an L1 node.

use std::time::Duration;

use alloy::{
    network::Ethereum,
    providers::{Provider, RootProvider},
    rpc::client::RpcClient,
    transports::http::{Http, reqwest},
};

use crate::{L1Error, error::rpc};

/// Longest wait for one answer of a node.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A provider over HTTP that gives up after [`REQUEST_TIMEOUT`].
///
/// # Errors
/// [`L1Error::Url`] if `url` is not an `http` or `https` URL.
pub fn connect(url: &str) -> Result<RootProvider<Ethereum>, L1Error> {
    let parsed: reqwest::Url = url.parse().map_err(|error| L1Error::Url(format!("{error}")))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(L1Error::Url("use http:// or https://".to_owned()));
    }
    let client = http_client().map_err(|error| L1Error::Url(error.to_string()))?;
    Ok(RootProvider::new(RpcClient::new(Http::with_client(client, parsed), false)))
}

/// Refuses a node of another chain.
pub(crate) async fn check_chain(provider: &RootProvider, expected: u64) -> Result<(), L1Error> {
    let actual = provider.get_chain_id().await.map_err(rpc("eth_chainId"))?;
    if actual == expected { Ok(()) } else { Err(L1Error::WrongChain { expected, actual }) }
}

pub(crate) fn http_client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().timeout(REQUEST_TIMEOUT).connect_timeout(CONNECT_TIMEOUT).build()
}
