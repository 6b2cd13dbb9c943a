//! Encrypts the password with the server's public key, for `caching_sha2_password` without TLS. Reads the key itself,
//! because a key that a hostile server made up must be an error and nothing worse.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mysql_common::crypto::rsa::{GetRandom, Pkcs1OaepPadding, PublicKey};
use num_bigint::BigUint;
use syncline_engine::error::Result;

use super::packet::protocol;

/// Room that the padding takes.
const OAEP: usize = 2 * 20 + 2;
/// Keys beyond this are not made by any server, and cost time.
const MAX_KEY_BYTES: usize = 16384 / 8;

/// `secret` encrypted for the holder of the key in `pem`.
pub fn encrypt(secret: &[u8], pem: &[u8]) -> Result<Vec<u8>> {
    let (modulus, exponent) = public_key(pem).ok_or_else(|| protocol("the public key for the password"))?;
    let fits = modulus.len() <= MAX_KEY_BYTES && secret.len() + OAEP <= modulus.len() && exponent.len() <= 8;
    if !fits {
        return Err(protocol("the public key for the password has an odd size"));
    }
    let key = PublicKey::new(BigUint::from_bytes_be(modulus.as_slice()), BigUint::from_bytes_be(&exponent));
    Ok(key.encrypt_block(secret, Pkcs1OaepPadding::new(GetRandom)))
}

/// Modulus and exponent out of `BEGIN PUBLIC KEY` (SubjectPublicKeyInfo) or `BEGIN RSA PUBLIC KEY` (PKCS#1).
fn public_key(pem: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let text = std::str::from_utf8(pem).ok()?;
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    let der = STANDARD.decode(body.trim_end_matches('\0')).ok()?;
    let (mut inside, _) = element(0x30, &der)?;
    if !text.contains("BEGIN RSA PUBLIC KEY") {
        let (_algorithm, rest) = element(0x30, inside)?;
        let (bits, _) = element(0x03, rest)?;
        // The first byte of a bit string counts unused bits: none here.
        let (key, _) = element(0x30, bits.strip_prefix(&[0])?)?;
        inside = key;
    }
    let (modulus, rest) = element(0x02, inside)?;
    let (exponent, _) = element(0x02, rest)?;
    let strip = |n: &[u8]| n.iter().copied().skip_while(|b| *b == 0).collect::<Vec<u8>>();
    Some((strip(modulus), strip(exponent))).filter(|(m, e)| !m.is_empty() && !e.is_empty())
}

/// The content of a DER element with this tag, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    if *found != tag {
        return None;
    }
    let (len, rest) = if first & 0x80 == 0 {
        (usize::from(*first), rest)
    } else {
        let (digits, rest) =
            rest.split_at_checked(usize::from(first & 0x7f)).filter(|(d, _)| d.len() <= 4)?;
        (digits.iter().fold(0usize, |n, b| n << 8 | usize::from(*b)), rest)
    };
    rest.split_at_checked(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
        MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALqbHeRLCyOdykC5SDLqI49ArYGYG1mq\n\
        aH9/GnWjGavZM02fos4lc2w6tCchcUBNtJvGqKwhC5JEnx3RYoSX2ucCAwEAAQ==\n-----END PUBLIC KEY-----\n";

    #[test]
    fn a_key_encrypts_what_fits() {
        let (modulus, exponent) = public_key(PEM.as_bytes()).unwrap();
        assert_eq!((modulus.len(), exponent.as_slice()), (64, &[1, 0, 1][..]));
        assert_eq!(encrypt(b"short secret\0", PEM.as_bytes()).unwrap().len(), 64);
        assert!(encrypt(&[1; 60], PEM.as_bytes()).is_err(), "more than the key holds");
    }

    #[test]
    fn a_made_up_key_is_an_error() {
        for cut in 0..PEM.len() {
            let _ = encrypt(b"x", &PEM.as_bytes()[..cut]);
        }
        for pem in ["", "MAA=", "-----BEGIN RSA PUBLIC KEY-----\nMAYCAQACAQA=\n", "////"] {
            assert!(encrypt(b"x", pem.as_bytes()).is_err(), "{pem}");
        }
    }
}
