//! Signatures of Standard Webhooks: secrets as they are written, and HMAC-SHA256 over `id.timestamp.body`.
//! Secrets are never printed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

const PREFIX: &str = "whsec_";
/// What Standard Webhooks allows.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// All secrets of a connection: each signs, so that a receiver may change from one to the next.
#[derive(Clone)]
pub(super) struct Signer(Vec<hmac::Key>);

impl Signer {
    /// Reads `whsec_…` secrets between white space. The error names none of them.
    pub(super) fn read(text: &str) -> Result<Signer, String> {
        let keys: Vec<hmac::Key> = text
            .split_whitespace()
            .enumerate()
            .map(|(n, word)| key(word).map_err(|what| format!("secret {} {what}", n + 1)))
            .collect::<Result<_, _>>()?;
        if keys.is_empty() { Err("the secret is empty".to_owned()) } else { Ok(Signer(keys)) }
    }

    /// The value of `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp}.");
        let one = |key: &hmac::Key| {
            let mut context = hmac::Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            format!("v1,{}", STANDARD.encode(context.sign()))
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(" ")
    }
}

fn key(word: &str) -> Result<hmac::Key, String> {
    let encoded = word.strip_prefix(PREFIX).ok_or_else(|| format!("does not begin with {PREFIX}"))?;
    let bytes = STANDARD.decode(encoded).map_err(|_| format!("is not base64 behind {PREFIX}"))?;
    if !BYTES.contains(&bytes.len()) {
        return Err(format!("is {} bytes long, not {} to {}", bytes.len(), BYTES.start(), BYTES.end()));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}
