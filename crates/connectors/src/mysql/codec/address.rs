//! MariaDB's UUID and INET columns: their bytes in a row image as the server prints them. The server cuts trailing zero
//! bytes off, like those of BINARY.

use std::fmt::Write;
use std::net::Ipv4Addr;

fn restore<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let mut whole = [0; N];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(whole)
}

/// The text of a UUID.
pub fn uuid<'a>(bytes: &[u8], out: &'a mut String) -> Option<&'a str> {
    let stored: [u8; 16] = restore(bytes)?;
    let uuid = in_order(stored);
    out.clear();
    for (n, byte) in uuid.iter().enumerate() {
        if matches!(n, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        write!(out, "{byte:02x}").ok()?;
    }
    Some(out)
}

/// So that UUIDs of time sort by time, the server stores the five groups of most versions last one first.
fn in_order(stored: [u8; 16]) -> [u8; 16] {
    let [n0, n1, n2, n3, n4, n5, c0, c1, h0, h1, m0, m1, l0, l1, l2, l3] = stored;
    [l0, l1, l2, l3, m0, m1, h0, h1, c0, c1, n0, n1, n2, n3, n4, n5]
}

/// The text of an IPv4 address.
pub fn inet4<'a>(bytes: &[u8], out: &'a mut String) -> Option<&'a str> {
    let octets: [u8; 4] = restore(bytes)?;
    out.clear();
    write!(out, "{}", Ipv4Addr::from(octets)).ok()?;
    Some(out)
}

/// The text of an IPv6 address: the longest run of zero groups is `::`, an IPv4 address inside keeps its dots.
pub fn inet6<'a>(bytes: &[u8], out: &'a mut String) -> Option<&'a str> {
    let octets: [u8; 16] = restore(bytes)?;
    out.clear();
    write!(out, "{}", std::net::Ipv6Addr::from(octets)).ok()?;
    Some(out)
}
