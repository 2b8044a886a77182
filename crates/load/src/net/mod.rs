//! The client: cheap, since it shares the machine with the server that it measures.

mod connection;
mod rpc;
mod wire;

pub(crate) use connection::Link;
pub(crate) use rpc::Rpc;
pub use rpc::RpcError;
pub use wire::EndpointError;
pub(crate) use wire::{Endpoint, acknowledgements, submission};
