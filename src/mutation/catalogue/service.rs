//! How a service is run: health checks, restarts, ports, logs, file systems in memory, variables.

use serde_json::{Value, json};

use super::mutant;
use crate::mutation::landing::Kernel;
use crate::mutation::subject::{Ground, Subject};
use crate::mutation::{Mutant, Sign};
use crate::scenario::CheckSpec;

/// The mutants of one service.
pub(super) fn of(ground: &Ground, subject: &Subject) -> Vec<Mutant> {
    let mut mutants = health(ground, subject);
    mutants.extend(ports(subject));
    mutants.extend(variables(subject));
    mutants.extend(bounds(subject));
    mutants.extend(restarts(ground, subject));
    mutants
}

/// Those that wait for a service that has no health check any more wait for its start.
fn waiting(ground: &Ground, subject: &Subject) -> Value {
    let services = ground.raw.get("services").and_then(Value::as_object);
    let waiting = services.into_iter().flatten().filter(|(_, service)| {
        let condition = format!("/depends_on/{}/condition", subject.name);
        service.pointer(&condition).and_then(Value::as_str) == Some("service_healthy")
    });
    let patch: serde_json::Map<String, Value> = waiting
        .map(|(name, _)| {
            let started =
                json!({"depends_on": {subject.name.as_str(): {"condition": "service_started"}}});
            (name.clone(), started)
        })
        .collect();
    json!({"services": patch})
}

fn health(ground: &Ground, subject: &Subject) -> Vec<Mutant> {
    let probed = subject.asked.iter().any(|spec| match spec {
        CheckSpec::Healthy(check) => check.when_stopped,
        _ => false,
    });
    let test = |words: &[&str]| json!({"healthcheck": {"test": words}});
    let configured =
        |words: &[&str]| Sign::Configured("/Config/Healthcheck/Test".to_owned(), json!(words));
    let mut mutants = vec![
        mutant(subject, "no-health-check", "the health check is switched off")
            .patch(&json!({"healthcheck": null}))
            .patch(&json!({"healthcheck": {"disable": true}}))
            .patch_model(waiting(ground, subject))
            .sign(configured(&["NONE"]))
            .breaks("healthy", "no health check")
            .also(&["starts-in-any-order"]),
        mutant(
            subject,
            "health-check-asks-nothing",
            "the health check is a program that always succeeds",
        )
        .patch(&test(&["CMD", "true"]))
        .sign(configured(&["CMD", "true"]))
        .breaks("healthy", "asks nothing")
        .also(&["starts-in-any-order"]),
    ];
    if probed {
        let words = ["CMD-SHELL", "test -e /proc/self/status"];
        let mut of_a_file = mutant(
            subject,
            "health-check-of-a-file",
            "the health check looks at a file that is always there",
        )
        .patch(&test(&words))
        .sign(configured(&words))
        .breaks("healthy", "still passed")
        .also(&["starts-in-any-order"]);
        // A claim that does not stop the service cannot see it.
        of_a_file.breaks.iter_mut().for_each(|expected| expected.one_is_enough = true);
        mutants.push(of_a_file);
    }
    mutants
}

fn ports(subject: &Subject) -> Vec<Mutant> {
    let target = subject.declared.ports.first().map_or(8080, |port| port.target);
    let published = |address: Option<&str>| {
        let mut port =
            json!({"mode": "ingress", "target": target, "published": "18973", "protocol": "tcp"});
        if let Some(address) = address {
            port["host_ip"] = json!(address);
        }
        json!({"ports": subject.appended("ports", port)})
    };
    let last = subject.declared.ports.len();
    // A run moves every port to loopback, so that this one never opens; the claim is about what is
    // declared.
    let declared = |key: &str, value: Value| {
        Sign::Declared(format!("/services/{}/ports/{last}/{key}", subject.name), value)
    };
    let code = "no-published-on-all-interfaces";
    vec![
        mutant(subject, "published-everywhere", "a port is published without an address")
            .patch(&published(None))
            .sign(declared("published", json!("18973")))
            .breaks(code, "18973"),
        mutant(subject, "published-on-ipv6", "a port is published on every IPv6 address")
            .patch(&published(Some("::")))
            .sign(declared("host_ip", json!("::")))
            .breaks(code, "18973"),
    ]
}

fn variables(subject: &Subject) -> Vec<Mutant> {
    let Some(name) = subject.spec(|spec| match spec {
        CheckSpec::NoEnv(check) => check.names.first().map(|name| &name.value),
        _ => None,
    }) else {
        return vec![];
    };
    let mut mutants = vec![
        mutant(subject, "variable-in-compose", format!("the Compose file sets {name}"))
            .patch(&json!({"environment": {name.as_str(): "1"}}))
            .sign(Sign::ConfiguredText("/Config/Env".to_owned(), format!("\"{name}=1\"")))
            .breaks("no-env", "the Compose model sets"),
        mutant(subject, "variable-in-image", format!("the image sets {name}"))
            .layer(&[&format!("ENV {name}=1")], vec![])
            .breaks("no-env", "the image sets"),
    ];
    let argv = subject.argv();
    if !argv.is_empty() && subject.keeps_environment {
        let export = format!("export {name}=1; exec \"$$@\"");
        let words: Vec<&str> = ["/bin/sh", "-c", &export, "sh"]
            .into_iter()
            .chain(argv.iter().map(String::as_str))
            .collect();
        mutants.push(
            mutant(subject, "variable-in-entrypoint", format!("the entrypoint exports {name}"))
                .patch(&json!({"entrypoint": words, "command": null}))
                .sign(Sign::ConfiguredText("/Config/Entrypoint".to_owned(), "export".to_owned()))
                .breaks("no-env", "pid"),
        );
    }
    mutants
}

fn bounds(subject: &Subject) -> Vec<Mutant> {
    let tmpfs = |entry: &str| json!({"tmpfs": subject.appended("tmpfs", json!(entry))});
    let mounted = |point: &str| Sign::Kernel(Kernel::Mounted(point.to_owned()));
    let mut mutants = vec![
        mutant(subject, "tmpfs-without-size", "a file system in memory has no size")
            .patch(&tmpfs("/stackproof-tmp:mode=1777"))
            .sign(mounted("/stackproof-tmp"))
            .breaks("tmpfs-bounded", "/stackproof-tmp"),
        mutant(subject, "log-without-end", "the log has no bound")
            .patch(&json!({"logging": null}))
            .patch(&json!({"logging": {"driver": "json-file"}}))
            .sign(Sign::ConfiguredText("/HostConfig/LogConfig".to_owned(), "json-file".to_owned()))
            // An engine may have a bound of its own for logs that have none.
            .breaks("log-rotation", ""),
    ];
    let states_size = subject.spec(|spec| match spec {
        CheckSpec::LogRotation(check) => check.max,
        _ => None,
    });
    if states_size.is_some() {
        mutants.push(
            mutant(subject, "log-larger-than-stated", "the log may grow to 10 GB")
                .patch(&json!({"logging": {"driver": "json-file",
                    "options": {"max-size": "1g", "max-file": "10"}}}))
                .sign(Sign::ConfiguredText("/HostConfig/LogConfig".to_owned(), "1g".to_owned()))
                .breaks("log-rotation", "not"),
        );
    }
    let states_most = subject.spec(|spec| match spec {
        CheckSpec::TmpfsBounded(check) => check.max,
        _ => None,
    });
    if states_most.is_some() {
        mutants.push(
            mutant(subject, "tmpfs-larger-than-stated", "a file system in memory holds 8 GiB")
                .patch(&tmpfs("/stackproof-tmp:size=8g,mode=1777"))
                .sign(mounted("/stackproof-tmp"))
                .breaks("tmpfs-bounded", "/stackproof-tmp"),
        );
    }
    mutants
}

fn restarts(ground: &Ground, subject: &Subject) -> Vec<Mutant> {
    let mut mutants = vec![
        mutant(subject, "never-restarted", "it is not started again when it ends")
            .patch(&json!({"restart": "no"}))
            .sign(Sign::Configured("/HostConfig/RestartPolicy/Name".to_owned(), json!("no")))
            .breaks("restart-policy", "")
            .also(&["starts-in-any-order", "oom-contained"]),
    ];
    let argv = subject.argv();
    if argv.is_empty() {
        return mutants;
    }
    let wrapped = |script: &str| {
        let words: Vec<&str> = ["/bin/sh", "-c", script, "sh"]
            .into_iter()
            .chain(argv.iter().map(String::as_str))
            .collect();
        json!({"entrypoint": words, "command": null})
    };
    let mark = json!({"type": "bind", "source": format!("{}/mark-{}", ground.folder, subject.name),
        "target": "/stackproof-mark", "bind": {"create_host_path": false}});
    mutants.push(
        mutant(subject, "crash-hidden-by-restart", "it crashes, and the restart policy hides that")
            .patch(&wrapped(
                "test -e /stackproof-mark/x && exec \"$$@\"; : > /stackproof-mark/x; exit 3",
            ))
            .patch(&json!({"volumes": subject.appended("volumes", mark)}))
            .sign(Sign::ConfiguredText("/Config/Entrypoint".to_owned(), "exit 3".to_owned()))
            .breaks("restart-policy", "started again"),
    );
    let delayed = subject.spec(|spec| match spec {
        CheckSpec::StartsInAnyOrder(check) => check.delayed.first().map(|name| &name.value),
        _ => None,
    });
    if let Some(delayed) = delayed {
        mutants.push(
            mutant(
                subject,
                "ends-without-dependency",
                format!("it ends at once where {delayed} is not there"),
            )
            .patch(&wrapped(&format!(
                "timeout 2 getent hosts {delayed} > /dev/null || exit 1; exec \"$$@\""
            )))
            .sign(Sign::ConfiguredText("/Config/Entrypoint".to_owned(), "getent".to_owned()))
            .breaks("starts-in-any-order", "did not wait"),
        );
    }
    mutants
}
