//! Connections to Redis: one to each master, made when it is first needed, and found anew after a failover.
//! What is sent over them is `sink.rs`'s.

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, Value};
use redis::{ClientTlsConfig, TlsCertificates};
use syncline_engine::error::{Code, Error, Result};

use super::config::{Host, Settings};
use super::failure;

/// The server's default for the longest argument, less what the protocol adds.
const LIMIT: usize = (512 << 20) - 1024;

/// A connection that many callers may share, and what the server behind it takes.
#[derive(Clone)]
pub struct Connection {
    pub link: MultiplexedConnection,
    /// The longest argument.
    pub limit: usize,
}

/// Connects, logs in, chooses the database. `with_login` is false for sentinels that need none.
pub async fn connect(settings: &Settings, host: &Host, with_login: bool) -> Result<MultiplexedConnection> {
    let client = client(settings, host)?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(settings.spec.options.connect_timeout))
        .set_response_timeout(Some(settings.spec.options.request_timeout));
    let connected = client.get_multiplexed_async_connection_with_config(&config).await;
    let mut link = connected.map_err(|error| failure::of_connection(&error, host))?;
    if with_login && let Some(password) = &settings.password {
        let mut auth = redis::cmd("AUTH");
        if let Some(user) = &settings.user {
            auth.arg(user);
        }
        ask(&mut link, auth.arg(password), host).await?;
    }
    Ok(link)
}

/// Connects to a server that is to hold data.
pub async fn connect_to_data(settings: &Settings, host: &Host) -> Result<Connection> {
    let mut link = connect(settings, host, true).await?;
    if settings.db != 0 {
        ask(&mut link, redis::cmd("SELECT").arg(settings.db), host).await?;
    }
    // Managed servers often hide CONFIG; then the default holds.
    let limit = ask(&mut link, redis::cmd("CONFIG").arg("GET").arg("proto-max-bulk-len"), host).await;
    let limit = limit.ok().and_then(|reply| redis::from_redis_value::<Vec<(String, usize)>>(reply).ok());
    let limit = limit.and_then(|pairs| pairs.first().map(|(_, limit)| *limit)).unwrap_or(LIMIT);
    Ok(Connection { link, limit: limit.min(LIMIT) })
}

/// Sends one command.
pub async fn ask(link: &mut MultiplexedConnection, command: &redis::Cmd, host: &Host) -> Result<Value> {
    let reply = link.send_packed_command(command).await.and_then(Value::extract_error);
    reply.map_err(|error| failure::of_connection(&error, host))
}

fn client(settings: &Settings, (host, port): &Host) -> Result<Client> {
    let unusable = |error: &dyn std::fmt::Display| {
        Error::new(Code::Tls, format!("connection `{}`: TLS cannot be set up", settings.name)).cause(error)
    };
    let options = settings.spec.options.tls.clone().unwrap_or_default();
    let address = match settings.tls {
        false => ConnectionAddr::Tcp(host.clone(), *port),
        true => ConnectionAddr::TcpTls {
            host: host.clone(),
            port: *port,
            insecure: options.insecure,
            tls_params: None,
        },
    };
    let tcp =
        TcpSettings::default().set_nodelay(true).set_user_timeout(settings.spec.options.request_timeout);
    let info = address.into_connection_info().map_err(|e| unusable(&e))?.set_tcp_settings(tcp);
    if !settings.tls {
        return Client::open(info).map_err(|e| unusable(&e));
    }
    let file = |path: &std::path::PathBuf| {
        std::fs::read(path).map_err(|error| unusable(&format!("{}: {error}", path.display())))
    };
    let client_tls = match (&options.cert_file, &options.key_file) {
        (Some(cert), Some(key)) => Some(ClientTlsConfig { client_cert: file(cert)?, client_key: file(key)? }),
        _ => None,
    };
    let root_cert = options.ca_file.as_ref().map(file).transpose()?;
    Client::build_with_tls(info, TlsCertificates { client_tls, root_cert }).map_err(|e| unusable(&e))
}
