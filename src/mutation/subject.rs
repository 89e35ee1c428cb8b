//! What is known of the unmutated stack when mutants are made of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::compose::Service;
use crate::engine::About;
use crate::plan::Plan;
use crate::scenario::CheckSpec;
use crate::world::{Sight, World};

/// The unmutated stack.
#[derive(Debug)]
pub struct Ground {
    /// The resolved model.
    pub raw: Value,
    /// What the engine says of itself and its host.
    pub about: About,
    /// The engine's socket on its host.
    pub socket: String,
    /// The group of that socket.
    pub socket_gid: u32,
    /// A folder of the run on the engine's host, for files that mutants mount.
    pub folder: String,
    /// The image with the relay that stands in for a person's `socat`.
    pub relay_image: String,
    /// The codes of the checks that are asked of the stack as a whole.
    pub of_stack: BTreeSet<String>,
    /// The services.
    pub subjects: BTreeMap<String, Subject>,
}

/// One service of the unmutated stack.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The service.
    pub name: String,
    /// What is declared of it.
    pub declared: Service,
    /// The same as the Compose tool printed it.
    pub raw: Value,
    /// Uid and gid of what the engine executes in it.
    pub identity: Option<(u32, u32)>,
    /// The supplementary groups of its first process.
    pub groups: Vec<u32>,
    /// Whether its processes have the variables that it was started with, as far as that was seen.
    pub keeps_environment: bool,
    /// Whether its image has a shell, which some weaknesses are written for.
    pub has_shell: bool,
    /// The configuration of its image.
    pub image: Value,
    /// The size of its image in bytes.
    pub size: u64,
    /// The checks that are asked of it.
    pub asked: Vec<CheckSpec>,
}

/// A service may start its processes with an environment of their own; then nothing that is set for
/// its first program is set for them.
fn keeps_environment(sight: &Sight) -> bool {
    let Ok(environ) = sight.own().and_then(|reply| reply.environ()) else { return true };
    let given: BTreeSet<&str> = sight
        .container
        .config
        .env
        .iter()
        .flatten()
        .filter_map(|variable| Some(variable.split_once('=')?.0))
        .collect();
    let keeps = |names: &Vec<String>| given.iter().all(|name| names.iter().any(|is| is == name));
    environ.environ.iter().filter_map(|process| process.names.as_ref()).any(keeps)
}

impl Ground {
    /// Reads the world of a run in which all claims held. `shells` are the services whose images
    /// have a shell.
    #[must_use]
    pub fn of(
        world: &World,
        plan: &Plan<'_>,
        shells: &BTreeSet<String>,
        folder: String,
        relay_image: String,
    ) -> Ground {
        let subjects = world
            .services
            .iter()
            .filter_map(|(name, sights)| {
                let sight = sights.first()?;
                let image = world.images.get(name).and_then(|image| image.as_ref().ok());
                let asked = plan.asked().filter(|planned| planned.service == *name);
                let processes = sight.own().and_then(|reply| reply.processes()).ok();
                let first =
                    processes.as_ref().and_then(|all| all.of_service().ok()?.first().copied());
                let subject = Subject {
                    keeps_environment: keeps_environment(sight),
                    has_shell: shells.contains(name),
                    groups: first.map(|process| process.status.groups.clone()).unwrap_or_default(),
                    name: name.clone(),
                    declared: sight.declared.clone(),
                    raw: world.model.raw.pointer(&format!("/services/{name}"))?.clone(),
                    identity: sight
                        .inside
                        .first()
                        .map(|seen| (seen.identity.uid, seen.identity.gid)),
                    image: image.map(|image| image.config.clone()).unwrap_or_default(),
                    size: image.map_or(0, |image| image.size),
                    asked: asked.map(|planned| planned.spec.clone()).collect(),
                };
                Some((name.clone(), subject))
            })
            .collect();
        Ground {
            raw: world.model.raw.clone(),
            about: world.about.clone(),
            socket: world.engine_socket.to_string_lossy().into_owned(),
            socket_gid: world.engine_socket_gid.unwrap_or(0),
            folder,
            relay_image,
            of_stack: plan
                .asked()
                .filter(|planned| planned.spec.is_about_the_stack())
                .map(|planned| planned.spec.code().to_owned())
                .collect(),
            subjects,
        }
    }

    /// Services that are asked for a check with this code.
    pub fn asked(&self, code: &str) -> impl Iterator<Item = &Subject> {
        self.subjects.values().filter(move |subject| subject.is_asked(code))
    }
}

impl Subject {
    /// Whether a check with this code holds of it.
    #[must_use]
    pub fn is_asked(&self, code: &str) -> bool {
        self.asked.iter().any(|spec| spec.code() == code)
    }

    /// The first check that `which` picks.
    #[must_use]
    pub fn spec<'a, T>(&'a self, which: impl Fn(&'a CheckSpec) -> Option<T>) -> Option<T> {
        self.asked.iter().find_map(which)
    }

    /// A list of the resolved service with one entry more.
    #[must_use]
    pub fn appended(&self, key: &str, entry: Value) -> Value {
        let mut list = self.raw.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        list.push(entry);
        Value::Array(list)
    }

    /// The groups that a process has which is given its user by numbers: what the image's own
    /// files add to a user is lost then and has to be given as well.
    #[must_use]
    pub fn with_groups(&self, more: &[u32]) -> Value {
        let own = self.raw.get("group_add").and_then(Value::as_array);
        let declared = own.into_iter().flatten().filter_map(|group| group.as_str());
        let gid = self.identity.map(|(_, gid)| gid);
        let numbers = self.groups.iter().chain(&gid).chain(more).map(ToString::to_string);
        let groups: BTreeSet<String> = declared.map(str::to_owned).chain(numbers).collect();
        groups.into_iter().map(Value::String).collect()
    }

    /// The user of the image as a Dockerfile's instruction, for after what root had to do.
    #[must_use]
    pub fn own_user(&self) -> String {
        let user = self.image.get("User").and_then(Value::as_str).unwrap_or_default();
        if user.is_empty() { String::new() } else { format!("USER {user}") }
    }

    /// What the engine starts: the entrypoint and the command, from the model or the image.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        let texts = |value: Option<&Value>| -> Option<Vec<String>> {
            let list = value?.as_array()?;
            Some(list.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect())
        };
        // A model is written with `$` escaped, and an image is not.
        let of_image = |key: &str| {
            let words = texts(self.image.get(key))?;
            Some(words.iter().map(|word| word.replace('$', "$$")).collect::<Vec<_>>())
        };
        let entrypoint = texts(self.raw.get("entrypoint"));
        // As the engine does it, an entrypoint of the model takes the image's command away.
        let image_command = || if entrypoint.is_some() { None } else { of_image("Cmd") };
        let command = texts(self.raw.get("command")).or_else(image_command).unwrap_or_default();
        let first = entrypoint.clone().or_else(|| of_image("Entrypoint"));
        first.unwrap_or_default().into_iter().chain(command).collect()
    }
}
