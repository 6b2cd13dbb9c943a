//! MariaDB's UUID and INET columns: their bytes in a row image as the server prints them. The server cuts trailing zero
//! bytes off, like those of BINARY.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

fn restore<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let mut whole = [0; N];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(whole)
}

/// The text of a UUID. In its own files the server keeps some versions in another order, never in the binlog.
pub fn uuid<'a>(bytes: &[u8], out: &'a mut String) -> Option<&'a str> {
    let uuid: [u8; 16] = restore(bytes)?;
    out.clear();
    for (n, byte) in uuid.iter().enumerate() {
        if matches!(n, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        write!(out, "{byte:02x}").ok()?;
    }
    Some(out)
}

/// The text of an IPv4 address.
pub fn inet4<'a>(bytes: &[u8], out: &'a mut String) -> Option<&'a str> {
    let octets: [u8; 4] = restore(bytes)?;
    out.clear();
    write!(out, "{}", Ipv4Addr::from(octets)).ok()?;
    Some(out)
}

/// The text of an IPv6 address as the server writes it: the first longest run of zero groups is `::`, be it one group
/// only; an IPv4 address behind five or six of them has dots.
pub fn inet6<'a>(bytes: &[u8], out: &'a mut String) -> Option<&'a str> {
    let octets: [u8; 16] = restore(bytes)?;
    let groups = Ipv6Addr::from(octets).segments();
    let (gap, len) = longest_zeros(&groups);
    let dotted = gap == 0 && (len == 6 || len == 5 && groups[5] == 0xffff);
    out.clear();
    let mut n = 0;
    while n < 8 {
        if len > 0 && n == gap {
            out.push_str("::");
            n += len;
            continue;
        }
        if n > 0 && !out.ends_with(':') {
            out.push(':');
        }
        if dotted && n == 6 {
            write!(out, "{}", Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15])).ok()?;
            break;
        }
        write!(out, "{:x}", groups[n]).ok()?;
        n += 1;
    }
    Some(out)
}

/// Where the first longest run of zeros begins, and how long it is.
fn longest_zeros(groups: &[u16; 8]) -> (usize, usize) {
    let mut best = (0, 0);
    let mut begin = 0;
    for (n, group) in groups.iter().enumerate() {
        if *group != 0 {
            begin = n + 1;
        } else if n + 1 - begin > best.1 {
            best = (begin, n + 1 - begin);
        }
    }
    best
}
