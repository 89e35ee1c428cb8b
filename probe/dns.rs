//! Names to addresses, without the C library's resolver, which a static program cannot carry.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

const WITHIN: Duration = Duration::from_millis(1000);

/// The IPv4 address of a name by /etc/hosts, else by the first name server.
pub fn resolve(name: &str) -> Result<IpAddr, String> {
    if let Ok(address) = name.parse() {
        return Ok(address);
    }
    if let Some(address) = from_hosts(name) {
        return Ok(address);
    }
    ask(name).map(IpAddr::V4)
}

fn from_hosts(name: &str) -> Option<IpAddr> {
    fs::read_to_string("/etc/hosts").ok()?.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?;
        words.any(|word| word == name).then(|| address.parse().ok())?
    })
}

/// One A query: RFC 1035, section 4.
fn ask(name: &str) -> Result<Ipv4Addr, String> {
    let server = fs::read_to_string("/etc/resolv.conf")
        .ok()
        .and_then(|text| {
            text.lines().find_map(|line| {
                line.strip_prefix("nameserver")?.trim().parse::<IpAddr>().ok()
            })
        })
        .ok_or("no-such-host: no name server is configured")?;
    let failed = |error: std::io::Error| format!("no-such-host: {}", crate::kernel::error_name(&error));
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).map_err(failed)?;
    socket.set_read_timeout(Some(WITHIN)).map_err(failed)?;
    socket.connect((server, 53)).map_err(failed)?;
    let id = (std::process::id() as u16).to_be_bytes();
    let mut query = vec![id[0], id[1], 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length));
        query.push(length.ok_or("no-such-host: not a name")?);
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(&[0, 0, 1, 0, 1]);
    socket.send(&query).map_err(failed)?;
    let mut answer = [0; 1500];
    let count = socket.recv(&mut answer).map_err(failed)?;
    let answer = &answer[..count];
    if answer.len() < 12 || answer[..2] != id {
        return Err("no-such-host: not an answer".to_owned());
    }
    match answer[3] & 15 {
        0 => first_address(answer, query.len())
            .ok_or_else(|| "no-such-host: no address".to_owned()),
        code => Err(format!("no-such-host: rcode {code}")),
    }
}

fn first_address(answer: &[u8], mut at: usize) -> Option<Ipv4Addr> {
    let count = u16::from_be_bytes([*answer.get(6)?, *answer.get(7)?]);
    for _ in 0..count {
        // A name is labels ended by zero, or by a pointer of two bytes.
        loop {
            let length = usize::from(*answer.get(at)?);
            if length >= 0xc0 {
                at += 2;
                break;
            }
            at += 1 + length;
            if length == 0 {
                break;
            }
        }
        let kind = [*answer.get(at)?, *answer.get(at + 1)?];
        let length = usize::from(u16::from_be_bytes([*answer.get(at + 8)?, *answer.get(at + 9)?]));
        let data = answer.get(at + 10..at + 10 + length)?;
        if kind == [0, 1] {
            return Some(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?));
        }
        at += 10 + length;
    }
    None
}
