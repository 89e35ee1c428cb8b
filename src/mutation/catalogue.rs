//! The catalogue of weaknesses, and for each service the mutants that fit it. A mutant fits where
//! something is claimed that it would break.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::subject::{Ground, Subject};
use super::{Change, Expected, File, Layer, Mutant, Sign, Update};

mod access;
mod confinement;
mod identity;
mod image;
mod limit;
mod service;

/// Every mutant of the catalogue that fits the stack, by service and weakness.
#[must_use]
pub fn catalogue(ground: &Ground) -> Vec<Mutant> {
    let mut mutants = access::of_stack(ground);
    for subject in ground.subjects.values() {
        let fitting = access::of(ground, subject)
            .into_iter()
            .chain(identity::of(subject))
            .chain(confinement::of(ground, subject))
            .chain(limit::of(ground, subject))
            .chain(image::of(subject))
            .chain(service::of(ground, subject))
            .filter(|mutant| subject.has_shell || !needs_shell(mutant));
        mutants.extend(fitting);
    }
    mutants.into_iter().filter_map(|mutant| fitted(mutant, ground)).collect()
}

/// Whether a change needs a shell in the service's image, by what it executes there.
fn needs_shell(mutant: &Mutant) -> bool {
    let in_image = mutant.change.image.iter().flat_map(|layer| &layer.instructions);
    let words = ["\"/bin/sh", "\"CMD-SHELL\"", "\"CMD\",\"true\""];
    let in_model = mutant.change.model.iter().any(|patch| {
        let patch = patch.to_string();
        words.iter().any(|word| patch.contains(word))
    });
    in_model || in_image.into_iter().any(|line| line.contains("/bin/sh"))
}

/// A mutant without what nobody claims; none where nobody claims any of what it breaks.
pub(super) fn fitted(mut mutant: Mutant, ground: &Ground) -> Option<Mutant> {
    mutant.breaks.retain(|expected| match ground.subjects.get(&expected.service) {
        Some(subject) => subject.is_asked(&expected.code),
        None => expected.service.is_empty() && ground.of_stack.contains(&expected.code),
    });
    (!mutant.breaks.is_empty()).then_some(mutant)
}

/// A mutant of a service that changes nothing yet.
fn mutant(subject: &Subject, weakness: &str, text: impl Into<String>) -> Mutant {
    Mutant {
        id: format!("{weakness}@{}", subject.name),
        weakness: weakness.to_owned(),
        text: text.into(),
        service: subject.name.clone(),
        change: Change::default(),
        breaks: vec![],
        also: BTreeSet::new(),
        landed: vec![],
        alone: false,
        may_be_refused: false,
    }
}

impl Mutant {
    /// Changes the service in the model by a merge patch (RFC 7396).
    fn patch(self, patch: &Value) -> Mutant {
        let patch = json!({"services": {self.service.as_str(): patch}});
        self.patch_model(patch)
    }

    /// Changes the service by several patches, one after another.
    fn patches(self, patches: &[Value]) -> Mutant {
        patches.iter().fold(self, Mutant::patch)
    }

    /// Changes the model beyond the service.
    fn patch_model(mut self, patch: Value) -> Mutant {
        self.change.model.push(patch);
        self
    }

    /// Puts a layer on the service's image.
    fn layer(mut self, instructions: &[&str], files: Vec<File>) -> Mutant {
        let instructions = instructions.iter().map(ToString::to_string).collect();
        self.change.image = Some(Layer { instructions, files });
        self.landed.push(Sign::Image);
        self
    }

    /// Changes limits of the running container, which the model then does not show.
    fn update(mut self, update: Update) -> Mutant {
        self.change.update = Some(update);
        self
    }

    /// Expects a check of the service to turn red, with this in its message.
    fn breaks(mut self, code: &str, because: impl Into<String>) -> Mutant {
        let service = self.service.clone();
        self.breaks.push(Expected {
            code: code.to_owned(),
            service,
            because: because.into(),
            one_is_enough: false,
        });
        self
    }

    /// Takes it as no surprise if checks of these codes turn red, too.
    fn also(mut self, codes: &[&str]) -> Mutant {
        self.also.extend(codes.iter().map(ToString::to_string));
        self
    }

    fn sign(mut self, sign: Sign) -> Mutant {
        self.landed.push(sign);
        self
    }

    fn may_be_refused(mut self) -> Mutant {
        self.may_be_refused = true;
        self
    }

    fn alone(mut self) -> Mutant {
        self.alone = true;
        self
    }
}

fn text_file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), content: super::Content::Text(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::compose::Model;
    use crate::diagnostic::Problems;
    use crate::engine::About;
    use crate::scenario::ScenarioFile;
    use crate::scenario::check::CODES;

    /// Every check, with parameters that a stack of two services can keep.
    const CHECKS: &str = "
- runs-as: {services: [api], user: otis}
- no-docker-access: {services: [api]}
- capabilities: {services: [api]}
- no-new-privileges: {services: [api]}
- seccomp: {services: [api]}
- apparmor: {services: [api]}
- read-only-root: {services: [api]}
- namespaces: {services: [api]}
- memory-limit: {services: [api], limit: 64MiB}
- cpu-limit: {services: [api]}
- pids-limit: {services: [api]}
- swap-limit: {services: [api]}
- oom-contained: {services: [api]}
- oom-blast-radius: {services: [api]}
- cpu-limit-enforced: {services: [api]}
- pids-limit-enforced: {services: [api]}
- load: {services: [api], port: 80, path: /}
- image-size: {services: [api], max: 100MB}
- no-build-tools: {services: [api]}
- no-secrets-in-image: {services: [api]}
- single-dependency-source: {services: [api], file: pyproject.toml}
- healthy: {services: [api]}
- no-raw-socket-mount: {services: [api]}
- no-published-on-all-interfaces: {services: [api]}
- no-env: {services: [api], names: [C_FORCE_ROOT]}
- reservation: {services: [api], memory: 32MiB}
- restart-policy: {services: [api], policy: always}
- log-rotation: {services: [api]}
- tmpfs-bounded: {services: [api]}
- starts-in-any-order: {services: [api], delayed: [proxy]}
- docker-access-via: {services: [runner], via: proxy}
";

    fn specs() -> Vec<crate::scenario::CheckSpec> {
        let checks = CHECKS.replace('\n', "\n      ");
        let text = format!(
            "name: x\ncompose: [c.yaml]\nclaims:\n  - id: a\n    text: t\n    severity: low\n    source: s\n    checks:{checks}\n"
        );
        let mut problems = Problems::default();
        let file = ScenarioFile::read(&text, 0, &mut problems).unwrap();
        assert!(problems.is_empty(), "{:?}", problems.into_sorted());
        let claims = file.claims.unwrap();
        claims[0].checks.iter().map(|check| check.value.clone()).collect()
    }

    fn ground() -> Ground {
        let raw = json!({"services": {
            "api": {"mem_limit": "67108864", "mem_reservation": "33554432", "cpus": 0.5,
                "pids_limit": 32, "networks": {"web": null}, "cap_drop": ["ALL"],
                "build": {"context": "/x"}, "command": ["serve"]},
            "runner": {"networks": {"docker": null}, "depends_on": {"proxy": {}}},
            "proxy": {"networks": {"docker": null}},
        }});
        let model = Model::of(raw.clone()).unwrap();
        let subjects: BTreeMap<String, Subject> = model
            .services
            .iter()
            .map(|(name, declared)| {
                let own = |spec: &crate::scenario::CheckSpec| {
                    spec.services().0.iter().any(|service| service.value == *name)
                };
                let subject = Subject {
                    name: name.clone(),
                    declared: declared.clone(),
                    raw: raw["services"][name].clone(),
                    identity: Some((1000, 1000)),
                    groups: vec![1000],
                    has_shell: true,
                    keeps_environment: true,
                    image: json!({"Cmd": ["serve"]}),
                    size: 50_000_000,
                    asked: specs().into_iter().filter(own).collect(),
                };
                (name.clone(), subject)
            })
            .collect();
        let about = About {
            id: None,
            engine: None,
            api: None,
            kernel: None,
            os: None,
            cgroup: Some("1".to_owned()),
            cgroup_driver: None,
            storage: None,
            containerd_store: false,
            security: vec!["name=apparmor".to_owned()],
            cpus: Some(2),
            memory: Some(8 << 30),
        };
        Ground {
            raw,
            about,
            socket: "/run/docker.sock".to_owned(),
            socket_gid: 103,
            folder: "/tmp/x".to_owned(),
            relay_image: "probe".to_owned(),
            of_stack: BTreeSet::from(["capacity-totals".to_owned()]),
            subjects,
        }
    }

    #[test]
    fn every_check_of_a_service_has_a_weakness_that_must_break_it() {
        let mutants = catalogue(&ground());
        let broken: BTreeSet<&str> =
            mutants.iter().flat_map(|m| &m.breaks).map(|one| one.code.as_str()).collect();
        let unbroken: Vec<&str> = CODES.into_iter().filter(|code| !broken.contains(code)).collect();
        // No change of a stack makes its host smaller.
        assert_eq!(unbroken, ["host-capacity"]);
    }

    #[test]
    fn the_ids_of_all_mutants_differ() {
        let mutants = catalogue(&ground());
        let ids: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.id.as_str()).collect();
        assert_eq!(ids.len(), mutants.len());
        assert!(ids.len() > 60, "{}", ids.len());
    }

    #[test]
    fn every_mutant_has_a_sign_by_which_it_is_known_to_have_landed() {
        let unsigned: Vec<String> = catalogue(&ground())
            .into_iter()
            .filter(|mutant| mutant.landed.is_empty())
            .map(|mutant| mutant.id)
            .collect();
        // The context of a build is what a check reads, and its image is built from it; a limit
        // that the host does not have is refused or is seen by its check.
        assert_eq!(unsigned, ["cpu-limit-beyond-host@api", "second-dependency-file@api"]);
    }

    #[test]
    fn what_nobody_claims_has_no_mutants() {
        let mut ground = ground();
        for subject in ground.subjects.values_mut() {
            subject.asked.clear();
        }
        assert_eq!(catalogue(&ground), []);
    }
}
