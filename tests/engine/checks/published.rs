//! `no-published-on-all-interfaces`: where a port is declared to be bound, and where it is.

use stackproof::verdict::Verdict::{Broken, Held, Inconclusive};
use testcontainers::ImageExt;
use testcontainers::core::IntoContainerPort;

use super::stage::{Configure, Request, Stage};

/// Publishes port 80 on any free port of an address.
fn publish(c: Request, address: &'static str) -> Request {
    c.with_network("bridge").with_mapped_port(0, 80.tcp()).with_host_config_modifier(move |host| {
        let bindings = host.port_bindings.iter_mut().flat_map(|ports| ports.values_mut());
        for binding in bindings.flatten().flatten() {
            binding.host_ip = Some(address.to_owned());
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_is_judged_where_it_is_declared_and_where_it_is_bound() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 6] = [
        ("unpublished", |c| c),
        ("loopback", |c| publish(c, "127.0.0.1")),
        ("bound-elsewhere", |c| publish(c, "0.0.0.0")),
        ("everywhere", |c| publish(c, "")),
        ("declared-everywhere", |c| c),
        ("net-of-the-host", |c| c.with_network("host")),
    ];
    stage.start(services).await;
    stage.create("never-started", &["--publish=127.0.0.1::80"]);
    stage.declare("scaled-to-none", "ports: [\"127.0.0.1::80\"]");
    stage.declare("loopback", "ports: [\"127.0.0.1::80\"]");
    stage.declare("bound-elsewhere", "ports: [\"127.0.0.1::80\"]");
    stage.declare("everywhere", "ports: [\"80\"]");
    stage.declare("declared-everywhere", "ports: [\"[::]:0:80\"]");
    stage.declare("declared-on-the-host", "network_mode: host");
    for (service, verdict, reason) in [
        ("unpublished", Held, "no port is published on all interfaces"),
        ("loopback", Held, "no port is published on all interfaces"),
        ("bound-elsewhere", Broken, "published on all interfaces: 0.0.0.0 80/tcp (running)"),
        ("everywhere", Broken, "published on all interfaces: *:any->80/tcp"),
        ("declared-everywhere", Broken, "published on all interfaces: :::0->80/tcp"),
        ("declared-on-the-host", Broken, "all, by network_mode: host"),
        ("net-of-the-host", Broken, "all, by the host's network (running)"),
        ("never-started", Inconclusive, "no container of the service runs"),
        ("scaled-to-none", Inconclusive, "no container of the service runs"),
    ] {
        stage.expect(service, "no-published-on-all-interfaces", verdict, reason);
    }
    stage.judge();
}
