//! The same two servers from Docker, for tests on machines whose Docker daemon answers.

use std::time::Duration;

use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, Image, ImageExt, TestcontainersError};
use testcontainers_modules::postgres::Postgres as PostgresImage;

const POSTGRES_TAG: &str = "18-alpine";
const ANVIL_IMAGE: &str = "ghcr.io/foundry-rs/foundry";
const ANVIL_TAG: &str = "v1.7.1";

/// A daemon may be there without a way to fetch images; then local programs are used.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server in a container. Dropping it removes the container.
#[derive(Debug)]
pub struct Container<I: Image> {
    url: String,
    _container: ContainerAsync<I>,
}

/// Anvil in a container.
pub type Anvil = Container<GenericImage>;
/// Postgres in a container.
pub type Postgres = Container<PostgresImage>;

impl<I: Image> Container<I> {
    /// The server's address.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// Postgres in a container; `None` where Docker does not answer or cannot fetch the image.
pub async fn postgres() -> Option<Postgres> {
    let container = started("Postgres", PostgresImage::default().with_tag(POSTGRES_TAG).start()).await?;
    let (host, port) = address(&container, 5432).await?;
    let url = format!("postgres://postgres:postgres@{host}:{port}/postgres");
    Some(Container { url, _container: container })
}

/// Anvil in a container with the options of [`AnvilOptions::new`](crate::AnvilOptions::new); `None` where
/// Docker does not answer or cannot fetch the image.
pub async fn anvil() -> Option<Anvil> {
    let image = GenericImage::new(ANVIL_IMAGE, ANVIL_TAG)
        .with_entrypoint("anvil")
        .with_wait_for(WaitFor::message_on_stdout("Listening on"))
        .with_exposed_port(8545.tcp())
        .with_cmd([
            "--host",
            "0.0.0.0",
            "--hardfork",
            "osaka",
            "--no-request-size-limit",
            "--block-time",
            "1",
            "--slots-in-an-epoch",
            "4",
        ]);
    let container = started("anvil", image.start()).await?;
    let (host, port) = address(&container, 8545).await?;
    Some(Container { url: format!("http://{host}:{port}"), _container: container })
}

async fn started<I: Image>(
    name: &str,
    start: impl Future<Output = Result<ContainerAsync<I>, TestcontainersError>>,
) -> Option<ContainerAsync<I>> {
    match tokio::time::timeout(PATIENCE, start).await {
        Ok(Ok(container)) => Some(container),
        Ok(Err(error)) => {
            tracing::info!(%error, name, "Docker does not supply it; local programs are used");
            None
        }
        Err(_) => {
            tracing::warn!(name, "Docker answers but does not supply it in time; local programs are used");
            None
        }
    }
}

async fn address<I: Image>(container: &ContainerAsync<I>, port: u16) -> Option<(String, u16)> {
    let host = container.get_host().await.ok()?;
    let port = container.get_host_port_ipv4(port).await.ok()?;
    Some((host.to_string(), port))
}
