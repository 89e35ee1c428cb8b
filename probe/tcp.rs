//! Ways over TCP: every target is connected to at once, with one wait for all, and whoever
//! accepts is asked whether it is an engine. Names are resolved meanwhile, and then connected to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::dialogue;
use crate::dns;
use crate::environ;
use crate::exchange::{Address, End, Heard, exchange};
use crate::http;
use crate::json::{Json, object};

const MAX_TARGETS: usize = 2048;

struct Target<'w> {
    /// As it was asked for.
    name: &'w str,
    host: &'w str,
    port: u16,
    /// Whether only /etc/hosts is looked into.
    hosts_only: bool,
    /// None until its name was asked for.
    address: Option<Result<IpAddr, String>>,
}

impl Target<'_> {
    fn socket(&self) -> Option<SocketAddr> {
        let address = self.address.as_ref()?.as_ref().ok()?;
        Some(SocketAddr::new(*address, self.port))
    }

    fn address(&self) -> Option<Address> {
        self.socket().map(Address::Tcp)
    }
}

/// `WAIT_MS:TARGET,TARGET,…`. A target is `host:port`; `gateway:port` is every default gateway,
/// `env` is every TCP address in an environment's `DOCKER_HOST`. The name in `hosts/host:port` is
/// not asked of a name server.
pub fn tcp(about: &str) -> Result<Json, String> {
    let (wait, list) = about.split_once(':').ok_or("the question has no wait")?;
    let wait = Duration::from_millis(wait.parse().map_err(|_| "the wait is no number")?);
    let mut words = Vec::new();
    for word in list.split(',') {
        expand(word, &mut words);
    }
    let mut targets: Vec<Target> = words
        .iter()
        .filter_map(|word| {
            let (name, hosts_only) = match word.strip_prefix("hosts/") {
                Some(name) => (name, true),
                None => (word.as_str(), false),
            };
            let (host, port) = split(name)?;
            Some(Target { name, host, port, hosts_only, address: dns::literal(host).map(Ok) })
        })
        .collect();
    let truncated = targets.len() > MAX_TARGETS;
    targets.truncate(MAX_TARGETS);
    // A name server that does not know a name may say nothing, and nobody waits for that before
    // connecting to an address.
    let (mut named, literal): (Vec<_>, Vec<_>) =
        targets.into_iter().partition(|target| target.address.is_none());
    let answers = std::thread::scope(|scope| {
        let named = scope.spawn(|| {
            let asked = named.iter().filter(|target| !target.hosts_only);
            let names = dns::resolve_all(asked.map(|target| target.host));
            for target in &mut named {
                target.address = match target.hosts_only {
                    true => Some(dns::by_hosts(target.host)),
                    false => names.get(target.host).cloned(),
                };
            }
            connect(&named, wait)
        });
        let mut answers = connect(&literal, wait);
        answers.extend(named.join().unwrap_or_default());
        answers
    });
    Ok(object([("targets", Json::List(answers)), ("truncated", Json::Bool(truncated))]))
}

/// Connects to every target that has an address.
fn connect(targets: &[Target], wait: Duration) -> Vec<Json> {
    let addresses: Vec<Option<Address>> = targets.iter().map(Target::address).collect();
    let known: Vec<&Address> = addresses.iter().flatten().collect();
    let mut heard = dialogue::ask(&known, wait).into_iter();
    targets
        .iter()
        .map(|target| match &target.address {
            None => told(target, "no-such-host", 0, vec![]),
            Some(Err(error)) => told(target, error, 0, vec![]),
            Some(Ok(_)) => match heard.next() {
                Some((heard, further)) => {
                    let ms = heard.connected_after.as_millis() as u64;
                    told(target, class(&heard), ms, further)
                }
                None => told(target, "not tried", 0, vec![]),
            },
        })
        .collect()
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

fn told(target: &Target, class: &str, ms: u64, further: Vec<(String, Json)>) -> Json {
    let address = target.socket();
    let mut told = vec![
        ("target".to_owned(), Json::text(target.name)),
        ("address".to_owned(), address.map_or(Json::Null, |at| Json::text(at.to_string()))),
        ("class".to_owned(), Json::text(class)),
        ("ms".to_owned(), Json::from(ms)),
    ];
    told.extend(further);
    Json::Object(told)
}

/// What connecting came to.
fn class(heard: &Heard) -> &str {
    match &heard.end {
        End::NoConnection(why) => refusal(why),
        _ => "open",
    }
}

fn refusal(errno: &str) -> &str {
    match errno {
        "ECONNREFUSED" => "refused",
        "ENETUNREACH" | "EHOSTUNREACH" | "EADDRNOTAVAIL" | "ENETDOWN" => "unreachable",
        "ETIMEDOUT" => "time-out",
        "EPERM" | "EACCES" => "permission",
        other => other,
    }
}

/// `HOST:PORT/PATH`, or `unix:/SOCKET:/PATH`: one GET with the whole answer.
pub fn get(about: &str) -> Result<Json, String> {
    let (address, path) = if let Some(rest) = about.strip_prefix("unix:") {
        let (socket, path) = rest.split_once(':').ok_or("the question has no path")?;
        (Address::Path(socket.into()), path)
    } else {
        let slash = about.find('/').ok_or("the question has no path")?;
        let (host, path) = about.split_at(slash);
        let (host, port) = split(host).ok_or("the question has no port")?;
        match dns::resolve(host) {
            Ok(address) => (Address::Tcp(SocketAddr::new(address, port)), path),
            Err(error) => return Ok(http::unanswered(path, &error)),
        }
    };
    let attempt = dialogue::get(&address, path);
    let Some(heard) = exchange(&[attempt], dialogue::ANSWER).pop() else {
        return Err("nothing was tried".to_owned());
    };
    Ok(match http::parse(&heard.bytes) {
        Some(answer) => http::told(path, &answer, usize::MAX, heard.is_truncated()),
        None => http::unanswered(path, refusal(dialogue::outcome(&heard))),
    })
}
