//! The engine's host, seen from a container of our own in its namespaces: addresses and
//! listeners. The namespaces themselves are in every header.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::json::{Json, object};
use crate::processes::read;

pub fn host() -> Result<Json, String> {
    Ok(object([
        ("addresses", list(addresses())),
        ("listening", list(listening("/proc/net"))),
        ("unix", list(unix_listeners())),
    ]))
}

fn list(texts: BTreeSet<String>) -> Json {
    Json::List(texts.into_iter().map(Json::text).collect())
}

/// The host's own IPv4 addresses: proc(5), `net/fib_trie`, where they are marked LOCAL.
fn addresses() -> BTreeSet<String> {
    let text = read("/proc/net/fib_trie").unwrap_or_default();
    let mut addresses = BTreeSet::new();
    let mut last = "";
    for line in text.lines() {
        if let Some(address) = line.trim().strip_prefix("|-- ") {
            last = address;
        } else if line.contains("/32 host LOCAL") {
            addresses.insert(last.to_owned());
        }
    }
    addresses
}

/// What listens in the network namespaces of processes, `PID,PID,…`. Whoever sees a process may
/// read the tables of its network namespace: proc(5), `/proc/PID/net`.
pub fn listeners(pids: &str) -> Json {
    let told = pids.split(',').map(|pid| {
        let folder = format!("/proc/{pid}/net");
        // Without that table the process is gone, or hidden from us.
        let seen = read(&format!("{folder}/tcp")).map(|_| list(listening(&folder)));
        (pid.to_owned(), seen.unwrap_or(Json::Null))
    });
    Json::Object(told.collect())
}

/// Listening TCP sockets as `address:port`: proc(5), `net/tcp`, state 0A.
fn listening(folder: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        let text = read(&format!("{folder}/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields.get(3) != Some(&"0A") {
                continue;
            }
            let Some((address, port)) = fields.get(1).and_then(|local| local.split_once(':')) else {
                continue;
            };
            let Ok(port) = u16::from_str_radix(port, 16) else { continue };
            found.insert(match address_of(address) {
                None => format!("{address}:{port}"),
                Some(address) if address.is_unspecified() => format!("*:{port}"),
                Some(address) => std::net::SocketAddr::new(address, port).to_string(),
            });
        }
    }
    found
}

/// An address as the kernel prints it: hexadecimal words of four bytes in the host's order.
fn address_of(words: &str) -> Option<IpAddr> {
    let bytes: Vec<u8> = (0..words.len() / 8)
        .map(|word| u32::from_str_radix(words.get(8 * word..8 * word + 8)?, 16).ok())
        .collect::<Option<Vec<u32>>>()?
        .into_iter()
        .flat_map(u32::to_ne_bytes)
        .collect();
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        // What is mapped into version 6 is reached by version 4 as well.
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical()),
        _ => None,
    }
}

/// The paths of listening Unix sockets: proc(5), `net/unix`, flag 0x10000.
fn unix_listeners() -> BTreeSet<String> {
    let text = read("/proc/net/unix").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            (fields.get(3) == Some(&"00010000")).then(|| (*fields.get(7).unwrap_or(&"")).to_owned())
        })
        .filter(|path| !path.is_empty())
        .collect()
}
