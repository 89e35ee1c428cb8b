//! `no-env`: a variable is set nowhere. It may come from the Compose model, from the image, from
//! how the container was made, or from an entrypoint that sets it for what it starts, so all of
//! them are looked at; only the last one counts for a process.

use serde_json::{Value, json};

use super::{Finding, each_container};
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::check::NoEnv;
use crate::verdict::Verdict;
use crate::world::{Sight, World};

pub(super) fn judge(check: &NoEnv, service: &str, world: &World) -> Finding {
    let names: Vec<&str> = check.names.iter().map(|name| name.value.as_str()).collect();
    let expected = format!("nothing sets {}", names.join(" or "));
    each_container(service, world, &expected, |sight| judge_one(&names, &expected, sight, world))
}

fn judge_one(names: &[&str], expected: &str, sight: &Sight, world: &World) -> Finding {
    let name = sight.container.short_name();
    let reproduce = format!(
        "docker inspect {name} --format '{{{{.Config.Env}}}}'; docker top {name} -eo pid,comm; \
         sudo cat /proc/HOST_PID/environ, for each pid"
    );
    let (mut table, mut unread) = (Vec::new(), Vec::new());
    let image = match world.images.get(&sight.service) {
        Some(Ok(image)) => set_by_image(&image.config),
        Some(Err(why)) => {
            unread.push(why.clone());
            Vec::new()
        }
        None => {
            unread.push("the image is unknown".to_owned());
            Vec::new()
        }
    };
    let container = names_of(sight.container.config.env.iter().flatten().map(String::as_str));
    let declared: Vec<String> = sight.declared.environment.keys().cloned().collect();
    let mut found: Vec<String> = Vec::new();
    let places =
        [("the Compose model", &declared), ("the image", &image), ("the container", &container)];
    for (place, set) in places {
        found.extend(named(names, set).map(|name| format!("{place} sets {name}")));
    }
    match sight.own().and_then(|reply| reply.environ()) {
        Ok(answer) => {
            for process in answer.environ.iter().filter(|one| !one.is_in_flight()) {
                match &process.names {
                    Some(set) => {
                        let hits: Vec<&str> = named(names, set).collect();
                        table.push(json!([process.pid, set.len(), hits]));
                        found.extend(
                            hits.iter().map(|hit| format!("pid {} has {hit}", process.pid)),
                        );
                    }
                    None => {
                        let why = process.errno.as_deref().unwrap_or("no answer");
                        unread.push(format!("pid {}: {why}", process.pid));
                    }
                }
            }
            if table.is_empty() && unread.is_empty() {
                unread.push("no process was seen".to_owned());
            }
        }
        Err(why) => unread.push(why),
    }
    let evidence = Evidence::one(Observation::now(
        Vantage::Engine,
        format!("variables set for {name}, names only"),
        json!({"model": declared, "image": image, "container": container}),
    ))
    .and(Observation::now(
        Vantage::Inside,
        "pid, how many variables it has, those that must not be there",
        table.clone(),
    ));
    let (verdict, text) = if !found.is_empty() {
        (Verdict::Broken, found.join("; "))
    } else if !unread.is_empty() {
        (Verdict::Inconclusive, format!("not every environment was read: {}", unread.join("; ")))
    } else {
        (Verdict::Held, format!("set by nothing, and by none of {} processes", table.len()))
    };
    Finding::new(verdict, expected, evidence)
        .observed(text.clone())
        .message(text)
        .reproduce(reproduce)
}

fn named<'s>(names: &[&str], set: &'s [String]) -> impl Iterator<Item = &'s str> {
    set.iter().map(String::as_str).filter(move |name| names.contains(name))
}

fn set_by_image(config: &Value) -> Vec<String> {
    let variables = config.get("Env").and_then(Value::as_array);
    names_of(variables.into_iter().flatten().filter_map(Value::as_str))
}

fn names_of<'v>(variables: impl Iterator<Item = &'v str>) -> Vec<String> {
    variables.map(|variable| variable.split('=').next().unwrap_or(variable).to_owned()).collect()
}
