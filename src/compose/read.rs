//! From the JSON of the Compose tool to typed services. Unknown keys are left alone: the tool
//! has validated the file, and the checks rest on what runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::{Build, Mount, NotUnderstood, Port, Service};

pub(super) fn services(raw: &Value) -> Result<BTreeMap<String, Service>, NotUnderstood> {
    let services = raw
        .get("services")
        .and_then(Value::as_object)
        .ok_or_else(|| NotUnderstood("it has no services".to_owned()))?;
    Ok(services.iter().map(|(name, value)| (name.clone(), service(raw, value))).collect())
}

fn service(model: &Value, value: &Value) -> Service {
    let limits = value.pointer("/deploy/resources/limits");
    // As Compose does it, a limit under `deploy` wins over the older key.
    let limit = |new: &str, old: &str| limits.and_then(|l| l.get(new)).or_else(|| value.get(old));
    let reserved = value.pointer("/deploy/resources/reservations");
    let mut mounts: Vec<Mount> =
        list(value, "volumes").iter().map(|entry| mount(model, entry)).collect();
    mounts.extend(files(model, value, "secrets", "secret", "/run/secrets/"));
    mounts.extend(files(model, value, "configs", "config", "/"));
    Service {
        image: text(value.get("image")),
        build: value.get("build").and_then(build),
        container_name: text(value.get("container_name")),
        user: text(value.get("user")),
        read_only: value.get("read_only").and_then(Value::as_bool).unwrap_or(false),
        memory: limit("memory", "mem_limit").and_then(integer).and_then(|n| n.try_into().ok()),
        memory_swap: value.get("memswap_limit").and_then(integer),
        cpus: limit("cpus", "cpus").and_then(float),
        reserved_memory: reserved
            .and_then(|reserved| reserved.get("memory"))
            .or_else(|| value.get("mem_reservation"))
            .and_then(integer)
            .and_then(|n| n.try_into().ok()),
        reserved_cpus: reserved.and_then(|reserved| reserved.get("cpus")).and_then(float),
        pids: limit("pids", "pids_limit").and_then(integer),
        security_opt: texts(value, "security_opt"),
        mounts,
        tmpfs: tmpfs(value),
        ports: list(value, "ports").iter().map(port).collect(),
        networks: object(value.get("networks"))
            .map(|map| map.keys().cloned().collect())
            .unwrap_or_default(),
        environment: environment(value),
        restart: restart(value),
        is_meant_to_run: is_meant_to_run(value),
        volumes_from: texts(value, "volumes_from"),
        network_mode: text(value.get("network_mode")),
    }
}

/// As Compose does it, `restart` wins over `deploy.restart_policy`.
fn restart(service: &Value) -> String {
    if let Some(restart) = text(service.get("restart")) {
        return restart;
    }
    let Some(policy) = service.pointer("/deploy/restart_policy") else { return "no".to_owned() };
    match policy.get("condition").and_then(Value::as_str) {
        Some("none") => "no".to_owned(),
        Some("on-failure") => match policy.get("max_attempts").and_then(integer) {
            Some(count) => format!("on-failure:{count}"),
            None => "on-failure".to_owned(),
        },
        _ => "always".to_owned(),
    }
}

/// As Compose does it, `scale` wins over `deploy.replicas`.
fn is_meant_to_run(service: &Value) -> bool {
    let replicas = service.get("scale").or_else(|| service.pointer("/deploy/replicas"));
    replicas.and_then(integer) != Some(0)
}

fn build(value: &Value) -> Option<Build> {
    let dockerfile = text(value.get("dockerfile")).unwrap_or_else(|| "Dockerfile".to_owned());
    Some(Build {
        context: PathBuf::from(text(value.get("context"))?),
        dockerfile: PathBuf::from(dockerfile),
        target: text(value.get("target")),
    })
}

fn mount(model: &Value, value: &Value) -> Mount {
    let kind = text(value.get("type")).unwrap_or_default();
    let named = text(value.get("source"));
    let source = if kind == "volume" { named.and_then(|name| device(model, &name)) } else { named };
    Mount {
        kind,
        source,
        target: text(value.get("target")).unwrap_or_default(),
        read_only: value.get("read_only").and_then(Value::as_bool).unwrap_or(false),
    }
}

/// The host path that a named volume binds by its driver options, if it does.
fn device(model: &Value, volume: &str) -> Option<String> {
    text(model.get("volumes")?.get(volume)?.get("driver_opts")?.get("device"))
}

/// Secrets and configs with a `file` are binds in all but name.
fn files(model: &Value, service: &Value, key: &str, kind: &str, folder: &str) -> Vec<Mount> {
    list(service, key)
        .iter()
        .filter_map(|entry| {
            let name = text(entry.get("source"))?;
            let source = text(model.get(key)?.get(&name)?.get("file"));
            let target = text(entry.get("target")).unwrap_or(name);
            let target = if target.starts_with('/') { target } else { format!("{folder}{target}") };
            Some(Mount { kind: kind.to_owned(), source, target, read_only: true })
        })
        .collect()
}

fn tmpfs(service: &Value) -> Vec<String> {
    let short = match service.get("tmpfs") {
        Some(Value::String(one)) => vec![one.clone()],
        _ => texts(service, "tmpfs"),
    };
    let long = list(service, "volumes")
        .iter()
        .filter(|volume| volume.get("type").and_then(Value::as_str) == Some("tmpfs"))
        .filter_map(|volume| text(volume.get("target")));
    // The short form carries options behind a colon.
    short
        .iter()
        .map(|entry| entry.split(':').next().unwrap_or(entry).to_owned())
        .chain(long)
        .collect()
}

fn port(value: &Value) -> Port {
    Port {
        host_ip: text(value.get("host_ip")).unwrap_or_default(),
        published: text(value.get("published")).unwrap_or_default(),
        target: value.get("target").and_then(integer).and_then(|n| n.try_into().ok()).unwrap_or(0),
        protocol: text(value.get("protocol")).unwrap_or_else(|| "tcp".to_owned()),
    }
}

fn environment(service: &Value) -> BTreeMap<String, String> {
    object(service.get("environment"))
        .map(|map| {
            map.iter()
                .map(|(name, value)| {
                    (name.clone(), unescape(&text(Some(value)).unwrap_or_default()))
                })
                .collect()
        })
        .unwrap_or_default()
}

/// The tool escapes `$` so that its output can be its input.
fn unescape(value: &str) -> String {
    value.replace("$$", "$")
}

fn object(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value.and_then(Value::as_object)
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    list(value, key).iter().filter_map(|entry| text(Some(entry))).collect()
}

/// Scalars come as strings or as numbers, depending on the key and on the tool's version.
fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn float(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}
