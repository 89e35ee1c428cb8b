//! `docker-access-via`: the service reaches the engine through the named proxy, sees what it
//! should see there, is refused what it should be refused, and has no other way.

use std::collections::BTreeSet;

use serde_json::json;

use super::way::{self, Way};
use super::{Finding, each_container};
use crate::observation::{Evidence, Observation, Vantage};
use crate::observe::kit::CANARY;
use crate::probe::Reply;
use crate::probe::answer::HttpAnswer;
use crate::scenario::check::DockerAccessVia;
use crate::verdict::Verdict;
use crate::world::{Blind, Control, Sight, World};

pub(super) fn judge(check: &DockerAccessVia, service: &str, world: &World) -> Finding {
    let expected = format!("access to the engine through {} and in no other way", check.via.value);
    each_container(service, world, &expected, |sight| judge_one(check, &expected, sight, world))
}

/// What is fetched to see the canary in the proxy's list.
#[must_use]
pub fn canary_list(check: &DockerAccessVia, canary: &str) -> String {
    // {"label":["key=value"]} with its braces, quotes and brackets percent-encoded.
    let filter = format!("%7B%22label%22%3A%5B%22{CANARY}%3D{canary}%22%5D%7D");
    format!("{}:{}/containers/json?filters={filter}", check.via.value, check.port)
}

/// What is fetched to see a path refused.
#[must_use]
pub fn forbidden(check: &DockerAccessVia, path: &str) -> String {
    format!("{}:{}/{}", check.via.value, check.port, path.trim_start_matches('/'))
}

fn judge_one(check: &DockerAccessVia, expected: &str, sight: &Sight, world: &World) -> Finding {
    let name = sight.container.short_name();
    let via = format!("{}:{}", check.via.value, check.port);
    let reproduce = format!(
        "pid=$(docker inspect {name} --format '{{{{.State.Pid}}}}'); \
         sudo nsenter -t $pid -n curl http://$(docker inspect {} --format \
         '{{{{range .NetworkSettings.Networks}}}}{{{{.IPAddress}}}}{{{{end}}}}'):{}/containers/json",
        world
            .sights(&check.via)
            .first()
            .map_or(check.via.as_str(), |proxy| proxy.container.short_name()),
        check.port
    );
    let Look { list, refused, ways, control } = match look(check, sight, world) {
        Ok(seen) => seen,
        Err(why) => return Finding::could_not_observe(expected, why).reproduce(reproduce),
    };
    let mut evidence = Evidence::one(Observation::now(
        Vantage::Inside,
        format!("the list of containers through {via}, filtered to the canary"),
        json!({"class": list.class, "status": list.status, "server": list.server}),
    ))
    .and(Observation::now(
        Vantage::Inside,
        format!("paths that {via} must refuse: status and server"),
        refused
            .iter()
            .map(|(path, f)| json!([path, f.class, f.status, f.server]))
            .collect::<Vec<_>>(),
    ));
    evidence.extend(ways.observations.clone());
    let finding = |verdict, text: String| {
        Finding::new(verdict, expected, evidence.clone())
            .observed(text.clone())
            .message(text)
            .reproduce(reproduce.clone())
    };
    if list.class != "open" || list.status != Some(200) {
        let status = list.status.map_or_else(|| list.class.clone(), |status| status.to_string());
        return finding(Verdict::Broken, format!("{via} does not list containers: {status}"));
    }
    if !lists(&list, &control.container) {
        let text = format!("{via} answers, but not with this engine's containers");
        return finding(Verdict::Broken, text);
    }
    let allowed: Vec<String> = refused
        .iter()
        .filter(|(_, fetched)| fetched.status != Some(403))
        .map(|(path, fetched)| {
            let status = fetched.status.map_or_else(|| fetched.class.clone(), |s| s.to_string());
            format!("{path} came to {status}")
        })
        .collect();
    if !allowed.is_empty() {
        return finding(Verdict::Broken, format!("{via} does not refuse: {}", allowed.join(", ")));
    }
    let addresses = addresses_of(check, world);
    let others: Vec<&Way> = ways.reached().filter(|way| !is_via(way, &addresses, check)).collect();
    if !others.is_empty() {
        let text = others.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        return finding(Verdict::Broken, format!("there is another way: {text}"));
    }
    let unclear: Vec<String> = ways.unclear_ones().map(ToString::to_string).collect();
    if !unclear.is_empty() {
        let text = format!("another way cannot be ruled out: {}", unclear.join("; "));
        return finding(Verdict::Inconclusive, text);
    }
    if let Err(why) = way::control(world) {
        let text = format!("no refusal counts, because the control failed: {why}");
        return finding(Verdict::Inconclusive, text);
    }
    let refusals = if refused.is_empty() {
        String::new()
    } else {
        format!(", {} paths are refused", refused.len())
    };
    finding(
        Verdict::Held,
        format!(
            "{via} lists the canary{refusals}; {} other ways tried, none open",
            ways.ways.len()
        ),
    )
}

struct Look<'w> {
    list: HttpAnswer,
    refused: Vec<(String, HttpAnswer)>,
    ways: way::Ways,
    control: &'w Control,
}

fn look<'w>(
    check: &DockerAccessVia,
    sight: &'w Sight,
    world: &'w World,
) -> Result<Look<'w>, Blind> {
    let control = world.control.as_ref().map_err(Clone::clone)?;
    let reply: &Reply = sight.own()?;
    let list = reply.fetched(&canary_list(check, &control.canary))?;
    let refused = check
        .forbidden
        .iter()
        .map(|path| Ok((path.clone(), reply.fetched(&forbidden(check, path))?)))
        .collect::<Result<Vec<_>, Blind>>()?;
    Ok(Look { list, refused, ways: way::ways(sight, world)?, control })
}

/// Whether the answer is the list with just the canary. A proxy that ignores the filter lists
/// more, which is still this engine's list.
fn lists(fetched: &HttpAnswer, canary: &str) -> bool {
    let Ok(serde_json::Value::Array(containers)) = serde_json::from_str(&fetched.body) else {
        return false;
    };
    containers
        .iter()
        .any(|container| container.get("Id").and_then(|id| id.as_str()) == Some(canary))
}

/// The addresses at which the proxy is expected.
fn addresses_of(check: &DockerAccessVia, world: &World) -> BTreeSet<String> {
    world
        .sights(&check.via)
        .iter()
        .filter_map(|proxy| proxy.container.network_settings.as_ref()?.networks.as_ref())
        .flat_map(std::collections::BTreeMap::values)
        .flat_map(|endpoint| {
            [endpoint.ip_address.as_deref(), endpoint.global_ipv6_address.as_deref()]
        })
        .flatten()
        .filter(|address| !address.is_empty())
        .map(str::to_owned)
        .collect()
}

fn is_via(way: &Way, addresses: &BTreeSet<String>, check: &DockerAccessVia) -> bool {
    let Some(address) = way.address.as_deref() else { return false };
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    port == check.port.to_string() && addresses.contains(host.trim_matches(['[', ']']))
}
