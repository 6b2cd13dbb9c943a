//! Which server answers, and what it takes: product, version, the largest request. Nothing is written here.

use reqwest::Method;
use serde::Deserialize;
use syncline_engine::error::{Code, Error, Result};

use super::client::{Client, Payload};
use super::reply::Failure;

/// What every server takes unless it says otherwise.
pub(super) const DEFAULT_MAX_REQUEST: usize = 100 << 20;

/// The two products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    Elasticsearch,
    OpenSearch,
}

/// One server as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub product: Product,
    /// Major and minor.
    pub version: (u32, u32),
    /// As shown.
    pub number: String,
    /// `http.max_content_length` of the strictest node.
    pub max_request: usize,
}

impl Server {
    /// Asks. An error if the server cannot be reached, refuses us or is of a version that lacks what we need.
    pub(super) async fn ask(client: &Client) -> Result<Server> {
        let reply = client.send(Method::GET, "/", Payload::None).await?;
        if reply.status != 200 {
            let what = format!("{}: the server does not say who it is", client.name());
            return Err(Failure::of(&reply).error(what, Code::SearchVersion));
        }
        let mut server = Server::read(client.name(), &reply.body)?;
        server.check(client.name())?;
        // Only a wish: a role without `monitor` or a service without nodes refuses it.
        let limits = "/_nodes/_all/http?filter_path=nodes.*.http.max_content_length_in_bytes";
        if let Ok(reply) = client.send(Method::GET, limits, Payload::None).await
            && reply.status == 200
        {
            server.max_request = smallest_limit(&reply.body).unwrap_or(DEFAULT_MAX_REQUEST);
        }
        Ok(server)
    }

    fn read(name: &str, body: &[u8]) -> Result<Server> {
        #[derive(Deserialize)]
        struct Root {
            version: Version,
        }
        #[derive(Deserialize)]
        struct Version {
            number: String,
            #[serde(default)]
            distribution: String,
        }
        let strange = |why: String| {
            Error::new(Code::SearchVersion, format!("{name}: this is neither Elasticsearch nor OpenSearch"))
                .cause(why)
                .fix("check the address of the connection")
        };
        let root: Root = serde_json::from_slice(body).map_err(|e| strange(e.to_string()))?;
        let Version { number, distribution } = root.version;
        let product = if distribution == "opensearch" { Product::OpenSearch } else { Product::Elasticsearch };
        let mut parts = number.split(['.', '-']).map_while(|p| p.parse::<u32>().ok());
        let version = match (parts.next(), parts.next()) {
            (Some(major), minor) => (major, minor.unwrap_or(0)),
            _ => return Err(strange(format!("version {number:?}"))),
        };
        Ok(Server { product, version, number, max_request: DEFAULT_MAX_REQUEST })
    }

    /// `require_alias` of bulks came with Elasticsearch 7.10, from which OpenSearch descends.
    fn check(&self, name: &str) -> Result<()> {
        if self.product == Product::Elasticsearch && self.version < (7, 10) {
            let message = format!("{name}: Elasticsearch {} is too old", self.number);
            return Err(Error::new(Code::SearchVersion, message));
        }
        Ok(())
    }
}

fn smallest_limit(body: &[u8]) -> Option<usize> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let nodes = body.get("nodes")?.as_object()?;
    nodes
        .values()
        .filter_map(|n| n.pointer("/http/max_content_length_in_bytes")?.as_u64())
        .min()
        .map(|n| n as usize)
}
