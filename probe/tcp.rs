//! Ways over TCP: every target is connected to at once, with one wait for all, and whoever
//! accepts is asked whether it is an engine.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::dns;
use crate::environ;
use crate::http;
use crate::json::{Json, object};
use crate::kernel;

/// How long an accepted connection may take to answer.
const ANSWER: Duration = Duration::from_millis(1500);
const MAX_TARGETS: usize = 2048;
/// Connections that are open at once: well below the usual limit on descriptors.
const AT_ONCE: usize = 400;

struct Target {
    name: String,
    address: Result<SocketAddr, String>,
}

/// `WAIT_MS:TARGET,TARGET,…`. A target is `host:port`; `gateway:port` is every default gateway,
/// `env` is every TCP address in an environment's `DOCKER_HOST`.
pub fn tcp(about: &str) -> Result<Json, String> {
    let (wait, list) = about.split_once(':').ok_or("the question has no wait")?;
    let wait = Duration::from_millis(wait.parse().map_err(|_| "the wait is no number")?);
    let mut words = Vec::new();
    for word in list.split(',') {
        expand(word, &mut words);
    }
    let names = dns::resolve_all(words.iter().filter_map(|word| Some(split(word)?.0)));
    let mut targets: Vec<Target> = words
        .iter()
        .filter_map(|word| {
            let (host, port) = split(word)?;
            let address = names.get(host)?.clone().map(|address| SocketAddr::new(address, port));
            Some(Target { name: word.clone(), address })
        })
        .collect();
    let truncated = targets.len() > MAX_TARGETS;
    targets.truncate(MAX_TARGETS);
    let mut answers = Vec::new();
    for batch in targets.chunks(AT_ONCE) {
        answers.extend(connect_all(batch, wait));
    }
    Ok(object([("targets", Json::List(answers)), ("truncated", Json::Bool(truncated))]))
}

/// Puts what a word stands for into `words`: each is `host:port`.
fn expand(word: &str, words: &mut Vec<String>) {
    if word == "env" {
        for host in environ::engine_hosts() {
            if let Some(address) = host.strip_prefix("tcp://") {
                words.push(address.trim_end_matches('/').to_owned());
            }
        }
    } else if let Some(port) = word.strip_prefix("gateway:") {
        words.extend(gateways().iter().map(|gateway| format!("{gateway}:{port}")));
    } else {
        words.push(word.to_owned());
    }
}

fn split(word: &str) -> Option<(&str, u16)> {
    let (host, port) = word.rsplit_once(':')?;
    Some((host.trim_matches(['[', ']']), port.parse().ok()?))
}

/// The default gateways: proc(5), `net/route`, addresses in host byte order.
fn gateways() -> Vec<Ipv4Addr> {
    let Ok(text) = std::fs::read_to_string("/proc/net/route") else { return vec![] };
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let default = *fields.get(1)? == "00000000";
            let gateway = u32::from_str_radix(fields.get(2)?, 16).ok()?;
            (default && gateway != 0).then(|| Ipv4Addr::from(gateway.to_ne_bytes()))
        })
        .collect()
}

fn connect_all(batch: &[Target], wait: Duration) -> Vec<Json> {
    let started = Instant::now();
    let mut pending: Vec<(usize, RawFd)> = Vec::new();
    let mut classes: Vec<(String, u128)> = Vec::new();
    for (index, target) in batch.iter().enumerate() {
        let class = match &target.address {
            Err(error) => error.clone(),
            Ok(address) => match kernel::connect_without_waiting(address) {
                Ok(fd) => {
                    pending.push((index, fd));
                    String::new()
                }
                Err(errno) => class(&errno),
            },
        };
        classes.push((class, 0));
    }
    while !pending.is_empty() {
        let left = wait.saturating_sub(started.elapsed());
        let mut fds: Vec<kernel::PollFd> = pending
            .iter()
            .map(|(_, fd)| kernel::PollFd { fd: *fd, events: kernel::POLLOUT, revents: 0 })
            .collect();
        let timeout = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
        if left.is_zero() || kernel::poll(&mut fds, timeout) == 0 {
            break;
        }
        let mut waiting = Vec::new();
        for ((index, fd), polled) in pending.into_iter().zip(&fds) {
            if polled.revents == 0 {
                waiting.push((index, fd));
                continue;
            }
            let outcome = kernel::connected(fd);
            kernel::close_fd(fd);
            let class = outcome.map_or_else(|errno| class(&errno), |()| "open".to_owned());
            classes[index] = (class, started.elapsed().as_millis());
        }
        pending = waiting;
    }
    for (index, fd) in pending {
        kernel::close_fd(fd);
        classes[index] = ("time-out".to_owned(), started.elapsed().as_millis());
    }
    batch.iter().zip(classes).map(|(target, (class, ms))| told(target, &class, ms)).collect()
}

fn told(target: &Target, class: &str, ms: u128) -> Json {
    let mut told = vec![
        ("target".to_owned(), Json::text(&target.name)),
        (
            "address".to_owned(),
            target.address.as_ref().map_or(Json::Null, |address| Json::text(address.to_string())),
        ),
        ("class".to_owned(), Json::text(class)),
        ("ms".to_owned(), Json::from(ms as u64)),
    ];
    if let ("open", Ok(address)) = (class, &target.address) {
        told.push(("http".to_owned(), http::identify(|| open(address), ANSWER)));
    }
    Json::Object(told)
}

fn open(address: &SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect_timeout(address, ANSWER)
        .map_err(|error| kernel::error_name(&error))?;
    let _ = stream.set_read_timeout(Some(ANSWER));
    let _ = stream.set_write_timeout(Some(ANSWER));
    Ok(stream)
}

fn class(errno: &str) -> String {
    match errno {
        "ECONNREFUSED" => "refused",
        "ENETUNREACH" | "EHOSTUNREACH" | "EADDRNOTAVAIL" | "ENETDOWN" => "unreachable",
        "ETIMEDOUT" => "time-out",
        "EPERM" | "EACCES" => "permission",
        other => other,
    }
    .to_owned()
}

/// `HOST:PORT/PATH`, or `unix:/SOCKET:/PATH`: one GET with the whole answer.
pub fn get(about: &str) -> Result<Json, String> {
    let refused = |class: String| Ok(object([("class", Json::text(class))]));
    if let Some(rest) = about.strip_prefix("unix:") {
        let (socket, path) = rest.split_once(':').ok_or("the question has no path")?;
        let mut stream = match UnixStream::connect(socket) {
            Ok(stream) => stream,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return refused("permission".to_owned());
            }
            Err(error) => return refused(kernel::error_name(&error)),
        };
        let _ = stream.set_read_timeout(Some(ANSWER));
        return http::get(&mut stream, path, ANSWER).map_or_else(refused, |a| Ok(http::told(a)));
    }
    let slash = about.find('/').ok_or("the question has no path")?;
    let (host, path) = about.split_at(slash);
    let (host, port) = host.rsplit_once(':').ok_or("the question has no port")?;
    let port = port.parse().map_err(|_| "the port is no number")?;
    let address = match dns::resolve(host.trim_matches(['[', ']'])) {
        Ok(address) => SocketAddr::new(address, port),
        Err(error) => return refused(error),
    };
    match open(&address) {
        Ok(mut stream) => {
            http::get(&mut stream, path, ANSWER).map_or_else(refused, |answer| Ok(http::told(answer)))
        }
        Err(errno) => refused(class(&errno)),
    }
}
