//! Names to addresses, without the C library's resolver, which a static program cannot carry.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

/// The engine's own name server answers for containers within a millisecond. What it passes on
/// to another server is no name of this stack.
const WITHIN: Duration = Duration::from_millis(400);

/// The addresses of names: literal, by /etc/hosts, or else by the first name server, which is
/// asked for all of them at once with one wait.
pub fn resolve_all<'n>(
    names: impl IntoIterator<Item = &'n str>,
) -> BTreeMap<&'n str, Result<IpAddr, String>> {
    let mut resolved = BTreeMap::new();
    let mut asked: Vec<&str> = Vec::new();
    for name in names {
        if resolved.contains_key(name) || asked.contains(&name) {
            continue;
        }
        match literal(name).or_else(|| from_hosts(name)) {
            Some(address) => {
                resolved.insert(name, Ok(address));
            }
            None => asked.push(name),
        }
    }
    if !asked.is_empty() {
        let answers = ask(&asked);
        for (index, name) in asked.into_iter().enumerate() {
            let answer = match &answers {
                Ok(answers) => answers[index].clone(),
                Err(error) => Err(error.clone()),
            };
            resolved.insert(name, answer.map(IpAddr::V4));
        }
    }
    resolved
}

/// The address that a text is.
pub fn literal(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

/// The address of one name.
pub fn resolve(name: &str) -> Result<IpAddr, String> {
    resolve_all([name]).remove(name).unwrap_or_else(|| Err("no-such-host".to_owned()))
}

/// The address of a name by /etc/hosts alone.
pub fn by_hosts(name: &str) -> Result<IpAddr, String> {
    from_hosts(name).ok_or_else(|| "no-such-host: not in /etc/hosts, and known nowhere else".to_owned())
}

fn from_hosts(name: &str) -> Option<IpAddr> {
    fs::read_to_string("/etc/hosts").ok()?.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?;
        words.any(|word| word == name).then(|| address.parse().ok())?
    })
}

/// One A query for each name: RFC 1035, section 4. The answers are in the order of the names.
fn ask(names: &[&str]) -> Result<Vec<Result<Ipv4Addr, String>>, String> {
    let server = fs::read_to_string("/etc/resolv.conf")
        .ok()
        .and_then(|text| {
            text.lines().find_map(|line| {
                line.strip_prefix("nameserver")?.trim().parse::<IpAddr>().ok()
            })
        })
        .ok_or("no-such-host: no name server is configured")?;
    let failed =
        |error: std::io::Error| format!("no-such-host: {}", crate::kernel::error_name(&error));
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).map_err(failed)?;
    socket.connect((server, 53)).map_err(failed)?;
    let first_id = std::process::id() as u16;
    let mut lengths = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let query = query(name, first_id.wrapping_add(index as u16))?;
        socket.send(&query).map_err(failed)?;
        lengths.push(query.len());
    }
    let mut answers = vec![Err("no-such-host: no answer in time".to_owned()); names.len()];
    let deadline = Instant::now() + WITHIN;
    let mut missing = names.len();
    while missing > 0 {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        socket.set_read_timeout(Some(left)).map_err(failed)?;
        let mut buffer = [0; 1500];
        let Ok(count) = socket.recv(&mut buffer) else { break };
        let answer = &buffer[..count];
        if count < 12 {
            continue;
        }
        let id = u16::from_be_bytes([answer[0], answer[1]]);
        let index = usize::from(id.wrapping_sub(first_id));
        let Some(length) = lengths.get(index) else { continue };
        answers[index] = match answer[3] & 15 {
            0 => first_address(answer, *length)
                .ok_or_else(|| "no-such-host: no address".to_owned()),
            code => Err(format!("no-such-host: rcode {code}")),
        };
        missing -= 1;
    }
    Ok(answers)
}

fn query(name: &str, id: u16) -> Result<Vec<u8>, String> {
    let id = id.to_be_bytes();
    let mut query = vec![id[0], id[1], 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length));
        query.push(length.ok_or("no-such-host: not a name")?);
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(&[0, 0, 1, 0, 1]);
    Ok(query)
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
