//! Worlds made by hand, for what this machine cannot show: the probe's replies are written as it
//! would print them, and judged by the checks themselves.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::{Value, json};
use stackproof::check::{Finding, judge};
use stackproof::compose::Model;
use stackproof::engine::About;
use stackproof::engine::container::Container;
use stackproof::observe::account::Identity;
use stackproof::probe::{Question, Reply};
use stackproof::scenario::CheckSpec;
use stackproof::world::{Control, Seen, Sight, World};

const NONCE: &str = "abcdefghij";
/// The id of the one container of `web`.
pub(crate) const WEB: &str = "0a1b2c";

/// The credentials of a hardened process, as the probe tells them.
pub(crate) fn status() -> Value {
    json!({
        "uid": [1234, 1234, 1234, 1234], "gid": [1234, 1234, 1234, 1234], "groups": [],
        "no_new_privs": 1, "seccomp": 2, "cap_inh": "0", "cap_prm": "0", "cap_eff": "0",
        "cap_bnd": "0", "cap_amb": "0",
    })
}

/// One process of a container, under an AppArmor profile.
pub(crate) fn processes(apparmor: &[&str]) -> Value {
    let processes: Vec<Value> = apparmor
        .iter()
        .enumerate()
        .map(|(index, profile)| {
            json!({
                "pid": index + 1, "ppid": index, "name": "web", "state": "S", "started": 1,
                "ours": false, "status": status(), "threads_apart": [], "ns": {},
                "apparmor": profile,
            })
        })
        .collect();
    json!({"processes": processes, "truncated": false, "uid_map": "", "kernel": "6.1"})
}

/// A reply of the probe with these answers.
pub(crate) fn reply(answers: &[(Question, Value)]) -> Reply {
    let header = json!({
        "stackproof": 1, "nonce": NONCE, "pid": 9, "status": status(), "ns": {}, "proc": "ok",
    });
    let mut printed = format!("{header}\n");
    for (question, answer) in answers {
        let line = json!({"q": question.word(), "ms": 1, "a": answer});
        printed.push_str(&format!("{line}\n"));
    }
    let end = json!({"end": true, "nonce": NONCE, "answers": answers.len()});
    printed.push_str(&format!("{end}\n"));
    let asked: Vec<Question> = answers.iter().map(|(question, _)| question.clone()).collect();
    Reply::parse(printed.as_bytes(), NONCE, &asked).unwrap()
}

/// A stack of one service, `web`, without containers; nothing else was seen.
pub(crate) fn unseen(declared: Value) -> World {
    World {
        model: Model::of(json!({"services": {"web": declared}})).unwrap(),
        attached: true,
        about: About {
            id: None,
            engine: None,
            api: None,
            kernel: None,
            os: None,
            cgroup: None,
            cgroup_driver: None,
            storage: None,
            containerd_store: false,
            security: vec!["name=apparmor".to_owned()],
            cpus: Some(2),
            memory: Some(8 << 30),
        },
        engine_socket: PathBuf::from("/var/run/docker.sock"),
        engine_socket_gid: Some(105),
        canonical: BTreeMap::new(),
        networks: vec![],
        services: BTreeMap::new(),
        control: Err("nothing was seen of the control".to_owned()),
        host: Err("nothing was seen of the host".to_owned()),
        images: BTreeMap::new(),
        layers: BTreeMap::new(),
        baselines: BTreeMap::new(),
        sources: BTreeMap::new(),
        acts: BTreeMap::new(),
    }
}

/// The same with a container that runs, of which the probe saw this.
pub(crate) fn seen(declared: Value, host_config: Value, inside: Reply) -> World {
    let mut world = unseen(declared);
    let container: Container = serde_json::from_value(json!({
        "Id": WEB, "Name": "/web-1", "State": {"Status": "running", "Running": true, "Pid": 77},
        "Config": {"User": "1234:1234"}, "HostConfig": host_config,
    }))
    .unwrap();
    let sight = Sight {
        service: "web".to_owned(),
        declared: world.model.services["web"].clone(),
        container,
        top: Ok(vec![]),
        accounts: Ok((String::new(), String::new())),
        inside: vec![Seen {
            identity: Identity { uid: 1234, gid: 1234 },
            when: Timestamp::now(),
            placement: "by hand".to_owned(),
            reply: Ok(inside),
        }],
        escalation: None,
    };
    world.services.insert("web".to_owned(), vec![sight]);
    world
}

/// A control of which this was seen as root and as a user.
pub(crate) fn control(root: Reply, user: Reply) -> Control {
    Control {
        canary: "canary".to_owned(),
        container: "control".to_owned(),
        root: Ok(root),
        user: Ok(user),
    }
}

/// What a check says of `web`; `parameters` are those beside its services.
pub(crate) fn said(code: &str, parameters: Value, world: &World) -> Finding {
    let mut parameters = parameters;
    parameters["services"] = json!([placed("web")]);
    let spec: CheckSpec = serde_json::from_value(json!({code: parameters})).unwrap();
    judge(&spec, "web", world)
}

/// What a check says of the stack as a whole.
pub(crate) fn said_of_stack(code: &str, parameters: Value, world: &World) -> Finding {
    let spec: CheckSpec = serde_json::from_value(json!({code: parameters})).unwrap();
    judge(&spec, "", world)
}

/// A text with its position: source, start, end and value.
pub(crate) fn placed(text: &str) -> Value {
    json!([0, 0, 0, text])
}
