//! Opens a raw connection: TCP, TLS, login. What is said over it then is `statement.rs` and `dump.rs`.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use syncline_engine::error::{Code, Error, Result};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::auth::Login;
use super::handshake::{Greeting, capabilities, capability, response, response_head};
use super::packet::{Packets, Socket, broken, protocol};
use super::reply::{ServerError, server_error};
use super::tls::client_config;
use crate::mysql::config::{Endpoint, MysqlConfig};

/// A raw connection, logged in.
pub struct Wire {
    pub(super) packets: Packets,
    pub(super) name: String,
    pub(super) timeout: Duration,
    /// A command was sent whose reply has not come to its end.
    pub(super) busy: bool,
}

impl Wire {
    /// Connects and logs in.
    pub async fn connect(config: &MysqlConfig, endpoint: &Endpoint) -> Result<Wire> {
        let shown = format!("{} ({endpoint})", config.name);
        match timeout(config.connect_timeout, Self::open(config, endpoint, &shown)).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(
                Code::Unreachable,
                format!("{shown} did not answer within {:?}", config.connect_timeout),
            )),
        }
    }

    /// The connection's name and endpoint, for messages.
    pub fn shown(&self) -> &str {
        &self.name
    }

    async fn open(config: &MysqlConfig, endpoint: &Endpoint, shown: &str) -> Result<Wire> {
        let socket = TcpStream::connect((endpoint.host.as_str(), endpoint.port))
            .await
            .map_err(|e| Error::new(Code::Unreachable, format!("{shown} cannot be reached")).cause(e))?;
        socket.set_nodelay(true).map_err(broken)?;
        let mut packets = Packets::new(Socket::Plain(socket));
        let first = packets.receive().await?;
        if first.first() == Some(&0xff) {
            return Err(server_error(shown, "connecting", &ServerError::parse(&first)?));
        }
        let greeting = Greeting::parse(&first)?;
        if let Some(tls) = &config.tls {
            packets =
                encrypt(packets, &greeting, client_config(&config.name, tls)?, &endpoint.host, shown).await?;
        }
        let mut login = Login {
            connection: shown,
            password: &config.password,
            plugin: greeting.plugin.clone(),
            nonce: greeting.nonce.clone(),
        };
        let proof = login.first_proof(packets.encrypted());
        let capabilities = capabilities(greeting.capabilities, config.tls.is_some());
        packets.send(&response(capabilities, &config.user, &proof, &login.plugin)).await?;
        login.finish(&mut packets).await?;
        Ok(Wire { packets, name: shown.to_owned(), timeout: config.request_timeout, busy: false })
    }
}

/// Asks for TLS and shakes hands.
async fn encrypt(
    mut packets: Packets,
    greeting: &Greeting,
    config: Arc<rustls::ClientConfig>,
    host: &str,
    shown: &str,
) -> Result<Packets> {
    if greeting.capabilities & capability::SSL == 0 {
        return Err(Error::new(Code::Tls, format!("{shown}: the server has no TLS"))
            .fix("give the server a certificate (ssl_cert, ssl_key), or remove tls from the connection"));
    }
    packets.send(&response_head(capabilities(greeting.capabilities, true))).await?;
    let sequence = packets.sequence();
    let Socket::Plain(socket) = packets.into_socket()? else { return Err(protocol("TLS twice")) };
    let host = ServerName::try_from(host.to_owned()).map_err(|e| {
        Error::new(Code::Tls, format!("{shown}: no name to check the certificate against")).cause(e)
    })?;
    let stream = TlsConnector::from(config).connect(host, socket).await.map_err(|e| {
        let code = match e.kind() {
            std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput => Code::Tls,
            _ => Code::Interrupted,
        };
        Error::new(code, format!("{shown}: the TLS handshake failed")).cause(e)
    })?;
    let mut packets = Packets::new(Socket::Tls(Box::new(stream)));
    packets.set_sequence(sequence);
    Ok(packets)
}
