//! The login conversation: `mysql_native_password`, `caching_sha2_password`, `sha256_password`, and switches between
//! them. The password never leaves in clear text unless the connection is encrypted.

use mysql_common::scramble::{scramble_native, scramble_sha256};
use syncline_engine::error::{Code, Error, Result};

use super::handshake::nul_text;
use super::packet::{Packets, protocol};
use super::reply::{ServerError, is_ok, server_error};
use super::rsa;

const NATIVE: &str = "mysql_native_password";
const CACHING_SHA2: &str = "caching_sha2_password";
const SHA256: &str = "sha256_password";

const FAST_OK: u8 = 3;
const FULL_LOGIN: u8 = 4;
const ASK_KEY_CACHING_SHA2: u8 = 2;
const ASK_KEY_SHA256: u8 = 1;

/// Who logs in.
pub struct Login<'a> {
    /// Connection name, for messages.
    pub connection: &'a str,
    pub password: &'a str,
    pub plugin: String,
    pub nonce: Vec<u8>,
}

impl Login<'_> {
    /// What goes into the handshake response; for a plugin that we lack, nothing (the server will offer another).
    pub fn first_proof(&self, encrypted: bool) -> Vec<u8> {
        self.proof(encrypted).unwrap_or_default()
    }

    fn proof(&self, encrypted: bool) -> Option<Vec<u8>> {
        let password = self.password.as_bytes();
        // The server's random text has 20 bytes; some send a zero behind it.
        let nonce = &self.nonce[..self.nonce.len().min(20)];
        match self.plugin.as_str() {
            NATIVE => Some(scramble_native(nonce, password).map_or(vec![], |p| p.to_vec())),
            CACHING_SHA2 => Some(scramble_sha256(nonce, password).map_or(vec![], |p| p.to_vec())),
            SHA256 if password.is_empty() => Some(vec![]),
            SHA256 if encrypted => Some(self.clear()),
            SHA256 => Some(vec![ASK_KEY_SHA256]),
            _ => None,
        }
    }

    fn clear(&self) -> Vec<u8> {
        [self.password.as_bytes(), &[0]].concat()
    }

    /// Converses until the server lets us in.
    pub async fn finish(&mut self, packets: &mut Packets) -> Result<()> {
        // Every step is the server's answer to ours; more than a few make no sense.
        for _ in 0..8 {
            let packet = packets.receive().await?;
            match packet.first() {
                Some(0x00) if is_ok(&packet) => return Ok(()),
                Some(0xff) => {
                    return Err(server_error(
                        self.connection,
                        "the login failed",
                        &ServerError::parse(&packet)?,
                    ));
                }
                Some(0xfe) => self.switch(&packet[1..], packets).await?,
                Some(0x01) => self.more(&packet[1..], packets).await?,
                _ => return Err(protocol("the login")),
            }
        }
        Err(protocol("the login has no end"))
    }

    async fn switch(&mut self, request: &[u8], packets: &mut Packets) -> Result<()> {
        let Some((plugin, nonce)) = nul_text(request) else { return Err(self.unknown("mysql_old_password")) };
        self.plugin = plugin;
        self.nonce = nonce.strip_suffix(&[0]).unwrap_or(nonce).to_vec();
        match self.proof(packets.encrypted()) {
            Some(proof) => packets.send(&proof).await,
            None => Err(self.unknown(&self.plugin)),
        }
    }

    async fn more(&mut self, data: &[u8], packets: &mut Packets) -> Result<()> {
        match (self.plugin.as_str(), data) {
            (CACHING_SHA2, [FAST_OK]) => Ok(()),
            (CACHING_SHA2, [FULL_LOGIN]) if packets.encrypted() => packets.send(&self.clear()).await,
            (CACHING_SHA2, [FULL_LOGIN]) => packets.send(&[ASK_KEY_CACHING_SHA2]).await,
            (CACHING_SHA2 | SHA256, key) if !packets.encrypted() => {
                let secret = self.clear();
                let nonce = self.nonce.iter().cycle();
                if self.nonce.is_empty() {
                    return Err(protocol("the login came without random text"));
                }
                let masked: Vec<u8> = secret.iter().zip(nonce).map(|(a, b)| a ^ b).collect();
                packets.send(&rsa::encrypt(&masked, key)?).await
            }
            _ => Err(protocol("the login")),
        }
    }

    fn unknown(&self, plugin: &str) -> Error {
        Error::new(
            Code::Denied,
            format!("{}: the server wants login plugin {plugin}, which is not supported", self.connection),
        )
        .fix("make the account with mysql_native_password or caching_sha2_password")
    }
}
