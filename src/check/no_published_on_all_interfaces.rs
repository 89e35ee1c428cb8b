//! `no-published-on-all-interfaces`: no port of the service is published on every address of
//! the host. A port without a host address is, on IPv4 and IPv6, and it bypasses the host's
//! firewall (CIS 5.14).

use serde_json::json;

use super::Finding;
use crate::compose::Port;
use crate::observation::{Evidence, Observation, Vantage};
use crate::verdict::Verdict;
use crate::world::World;

const EXPECTED: &str = "every published port is bound to a named host address";

pub(super) fn judge(service: &str, world: &World) -> Finding {
    let Some(declared) = world.model.services.get(service) else {
        return Finding::could_not_observe(EXPECTED, format!("the model has no service {service}"));
    };
    let ports: Vec<String> = declared.ports.iter().map(describe).collect();
    let mut evidence =
        Evidence::one(Observation::now(Vantage::Model, "published ports", json!(ports)));
    let mut open: Vec<String> =
        declared.ports.iter().filter(|port| is_everywhere(&port.host_ip)).map(describe).collect();
    // In a stack of our own every published port was moved to loopback, so only somebody else's
    // stack says something about what runs.
    let mut unseen = None;
    if world.attached {
        let running = world.sights(service).iter().filter(|sight| sight.container.is_running());
        if running.clone().next().is_none() {
            unseen = Some("no container of the service runs, so what it binds is unknown");
        }
        for sight in running {
            let bound = bindings(sight);
            evidence.extend([Observation::now(Vantage::Engine, "port bindings", json!(bound))]);
            open.extend(
                bound
                    .into_iter()
                    .filter(|(host, _)| is_everywhere(host))
                    .map(|(host, port)| format!("{host} {port} (running)")),
            );
            if sight.container.host_config.network_mode.as_deref() == Some("host") {
                open.push("all, by the host's network (running)".to_owned());
            }
        }
    }
    if declared.network_mode.as_deref() == Some("host") {
        open.push("all, by network_mode: host".to_owned());
    }
    let reproduce = "docker compose config --format json | jq '.services[].ports'";
    if let (true, Some(why)) = (open.is_empty(), unseen) {
        return Finding::new(Verdict::Inconclusive, EXPECTED, evidence)
            .observed("no container that runs")
            .message(why)
            .reproduce(reproduce);
    }
    if open.is_empty() {
        let observed =
            if ports.is_empty() { "no published port".to_owned() } else { ports.join(", ") };
        return Finding::new(Verdict::Held, EXPECTED, evidence)
            .observed(observed)
            .message("no port is published on all interfaces")
            .reproduce(reproduce);
    }
    Finding::new(Verdict::Broken, EXPECTED, evidence)
        .observed(open.join(", "))
        .message(format!("published on all interfaces: {}", open.join(", ")))
        .reproduce(reproduce)
}

fn bindings(sight: &crate::world::Sight) -> Vec<(String, String)> {
    let settings = sight.container.network_settings.as_ref();
    let ports = settings.and_then(|settings| settings.ports.as_ref());
    ports
        .into_iter()
        .flatten()
        .flat_map(|(port, bindings)| {
            bindings
                .iter()
                .flatten()
                .map(move |binding| (binding.host_ip.clone().unwrap_or_default(), port.clone()))
        })
        .collect()
}

/// Empty, `0.0.0.0` and `::` are every address, however they are written.
fn is_everywhere(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.is_empty()
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_unspecified())
}

fn describe(port: &Port) -> String {
    let host = if port.host_ip.is_empty() { "*" } else { &port.host_ip };
    let published = if port.published.is_empty() { "any" } else { &port.published };
    format!("{host}:{published}->{}/{}", port.target, port.protocol)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", true)]
    #[case("0.0.0.0", true)]
    #[case("::", true)]
    #[case("[::]", true)]
    #[case("0:0:0:0:0:0:0:0", true)]
    #[case("::ffff:0.0.0.0", true)]
    #[case("127.0.0.1", false)]
    #[case("::1", false)]
    #[case("192.0.2.1", false)]
    fn every_spelling_of_all_interfaces_is_known(#[case] host: &str, #[case] everywhere: bool) {
        assert_eq!(is_everywhere(host), everywhere);
    }
}
