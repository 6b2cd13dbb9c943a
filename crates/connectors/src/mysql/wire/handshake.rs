//! The server's greeting and our answer to it, as bytes. Which answer a login plugin wants is `auth.rs`.

use syncline_engine::error::Result;

use super::packet::protocol;

/// Capability bits.
pub mod capability {
    pub const LONG_PASSWORD: u32 = 1;
    pub const LONG_FLAG: u32 = 1 << 2;
    pub const PROTOCOL_41: u32 = 1 << 9;
    pub const SSL: u32 = 1 << 11;
    pub const TRANSACTIONS: u32 = 1 << 13;
    pub const SECURE_CONNECTION: u32 = 1 << 15;
    pub const PLUGIN_AUTH: u32 = 1 << 19;
    pub const CONNECT_ATTRS: u32 = 1 << 20;
}

/// utf8mb4_general_ci, which every server since 5.5 has.
const UTF8MB4: u8 = 45;
const MAX_PACKET: u32 = 1 << 30;

/// What a server says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    pub server_version: String,
    pub capabilities: u32,
    /// Random bytes for the login, 20 of them.
    pub nonce: Vec<u8>,
    pub plugin: String,
}

impl Greeting {
    /// Reads protocol version 10.
    pub fn parse(packet: &[u8]) -> Result<Greeting> {
        Self::read(packet).ok_or_else(|| protocol("the greeting is not that of MySQL or MariaDB"))
    }

    fn read(packet: &[u8]) -> Option<Greeting> {
        let rest = packet.strip_prefix(&[10])?;
        let (version, rest) = nul_text(rest)?;
        let (_connection_id, rest) = rest.split_at_checked(4)?;
        let (first, rest) = rest.split_at_checked(8)?;
        let (fixed, rest) = rest.split_at_checked(1 + 2 + 1 + 2 + 2 + 1 + 10)?;
        let capabilities = u32::from_le_bytes([fixed[1], fixed[2], fixed[6], fixed[7]]);
        let second_len = usize::from(fixed[8]).saturating_sub(8).max(13);
        let second = &rest[..second_len.min(rest.len())];
        let mut nonce = first.to_vec();
        nonce.extend_from_slice(second.strip_suffix(&[0]).unwrap_or(second));
        let plugin = match rest.get(second_len..) {
            Some(name) if capabilities & capability::PLUGIN_AUTH != 0 => {
                String::from_utf8_lossy(name.split(|b| *b == 0).next()?).into_owned()
            }
            _ => "mysql_native_password".into(),
        };
        Some(Greeting { server_version: version, capabilities, nonce, plugin })
    }
}

/// Text up to a zero byte, and the rest.
pub fn nul_text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.iter().position(|b| *b == 0)?;
    Some((String::from_utf8_lossy(&bytes[..end]).into_owned(), &bytes[end + 1..]))
}

/// The capabilities that we use of those that the server has.
pub fn capabilities(server: u32, tls: bool) -> u32 {
    use capability::*;
    let wanted = LONG_PASSWORD
        | LONG_FLAG
        | PROTOCOL_41
        | TRANSACTIONS
        | SECURE_CONNECTION
        | PLUGIN_AUTH
        | CONNECT_ATTRS;
    server & wanted | PROTOCOL_41 | SECURE_CONNECTION | if tls { SSL } else { 0 }
}

/// The first 32 bytes of the response, which alone ask for TLS.
pub fn response_head(capabilities: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(&capabilities.to_le_bytes());
    out.extend_from_slice(&MAX_PACKET.to_le_bytes());
    out.push(UTF8MB4);
    out.extend_from_slice(&[0; 23]);
    out
}

/// The whole response. `proof` is what the plugin wants first, at most 255 bytes.
pub fn response(capabilities: u32, user: &str, proof: &[u8], plugin: &str) -> Vec<u8> {
    let mut out = response_head(capabilities);
    out.extend(user.bytes().filter(|b| *b != 0));
    out.push(0);
    out.push(u8::try_from(proof.len()).unwrap_or(0));
    out.extend_from_slice(&proof[..usize::from(out[out.len() - 1])]);
    if capabilities & capability::PLUGIN_AUTH != 0 {
        out.extend_from_slice(plugin.as_bytes());
        out.push(0);
    }
    if capabilities & capability::CONNECT_ATTRS != 0 {
        const ATTRIBUTE: &[u8] = b"\x0cprogram_name\x08syncline";
        out.push(ATTRIBUTE.len() as u8);
        out.extend_from_slice(ATTRIBUTE);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting() -> Vec<u8> {
        let mut g = vec![10];
        g.extend_from_slice(b"9.7.4\0\x01\0\0\0ABCDEFGH\0");
        g.extend_from_slice(&[0xff, 0xff, 45, 2, 0, 0xff, 0xdf, 21]);
        g.extend_from_slice(&[0; 10]);
        g.extend_from_slice(b"IJKLMNOPQRST\0caching_sha2_password\0");
        g
    }

    #[test]
    fn a_greeting_reads() {
        let g = Greeting::parse(&greeting()).unwrap();
        assert_eq!(g.server_version, "9.7.4");
        assert_eq!(g.nonce, b"ABCDEFGHIJKLMNOPQRST");
        assert_eq!(g.plugin, "caching_sha2_password");
        assert_ne!(g.capabilities & capability::SSL, 0);
    }

    #[test]
    fn a_cut_or_foreign_greeting_is_an_error_or_a_short_nonce_but_no_panic() {
        let whole = greeting();
        for end in 0..whole.len() {
            let _ = Greeting::parse(&whole[..end]);
        }
        assert!(Greeting::parse(b"SSH-2.0-OpenSSH").is_err());
        assert!(Greeting::parse(b"").is_err());
    }
}
