//! A Compose project of images that a test made, and what the program says of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use stackproof::run_id::RunId;
use tempfile::TempDir;

use super::archive::Image;

/// The engine's socket.
pub(crate) const ENGINE: &str = "/var/run/docker.sock";

/// A project that is up. It is taken down and its images are removed when the test ends, however
/// it ends.
pub(crate) struct Project {
    folder: TempDir,
    name: String,
    services: Vec<String>,
    /// The ids of images that another one took the name of.
    lost: RefCell<Vec<String>>,
}

/// Verdict and message by claim.
pub(crate) type Verdicts = BTreeMap<String, (String, String)>;

impl Project {
    /// Brings up one service for each image. Where a folder of the service's name is made in the
    /// project's folder by `sources`, the model says that the service is built from it.
    pub(crate) fn up(services: &[(&str, Image)], sources: impl Fn(&Path)) -> Project {
        let name = format!("stackproof-test-{}", RunId::fresh().unwrap());
        let folder = tempfile::tempdir().unwrap();
        sources(folder.path());
        let names = services.iter().map(|(service, _)| (*service).to_owned()).collect();
        let project = Project { folder, name, services: names, lost: RefCell::default() };
        let mut compose = "services:\n".to_owned();
        for (service, image) in services {
            image.load(&project.image(service));
            compose.push_str(&format!("  {service}:\n    image: {}\n", project.image(service)));
            compose.push_str("    network_mode: none\n    stop_grace_period: 0s\n");
            if project.folder.path().join(service).exists() {
                compose.push_str(&format!("    build: {{context: {service}}}\n"));
            }
        }
        std::fs::write(project.compose_file(), compose).unwrap();
        project.compose(&["up", "--detach", "--no-build", "--pull", "never"]);
        project
    }

    /// What the program says of it, a check of one service as a claim of its own: the service, the
    /// check's code and its parameters beside the service.
    pub(crate) fn judge(&self, checks: &[(&str, &str, &str)]) -> Verdicts {
        self.judge_by(Path::new(ENGINE), checks)
    }

    /// The same, by another way to the engine.
    pub(crate) fn judge_by(&self, socket: &Path, checks: &[(&str, &str, &str)]) -> Verdicts {
        let mut scenario = "name: images\ncompose: [compose.yaml]\nclaims:\n".to_owned();
        for (service, code, parameters) in checks {
            scenario.push_str(&format!(
                "  - id: {service}\n    text: It holds.\n    severity: high\n    source: test\n    \
                 checks:\n      - {code}: {{services: [{service}]{parameters}}}\n"
            ));
        }
        std::fs::write(self.folder.path().join("images.yaml"), scenario).unwrap();
        let arguments = ["images.yaml", "--attach", &self.name];
        verdicts(&stackproof(self.folder.path(), socket, &arguments))
    }

    /// Everything that the last run wrote.
    pub(crate) fn written(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("r.json")).unwrap()
    }

    /// Starts a second container of a service, from another image of the same name.
    pub(crate) fn add(&self, service: &str, image: &Image) {
        let name = self.image(service);
        self.lost.borrow_mut().push(docker(&["image", "inspect", "--format", "{{.Id}}", &name]));
        image.load(&name);
        let scale = format!("{service}=2");
        let up = ["up", "--detach", "--no-build", "--no-recreate", "--scale", &scale, service];
        self.compose(&up);
    }

    /// Removes the image under a container that has stopped.
    pub(crate) fn lose_image(&self, service: &str) {
        self.compose(&["stop", "--timeout", "0", service]);
        docker(&["image", "rm", "--force", &self.image(service)]);
    }

    fn image(&self, service: &str) -> String {
        format!("{}-{service}", self.name)
    }

    fn compose_file(&self) -> String {
        self.folder.path().join("compose.yaml").to_string_lossy().into_owned()
    }

    fn compose(&self, arguments: &[&str]) {
        let file = self.compose_file();
        let fixed = ["compose", "--project-name", &self.name, "--file", &file];
        docker(&[&fixed[..], arguments].concat());
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        self.compose(&["down", "--volumes", "--timeout", "0"]);
        let images: Vec<String> = self.services.iter().map(|name| self.image(name)).collect();
        let images = images.iter().map(String::as_str);
        docker(&["image", "rm", "--force"].into_iter().chain(images).collect::<Vec<_>>());
        // An image whose name another one took has only its id.
        for image in self.lost.borrow().iter() {
            docker(&["image", "rm", "--force", image]);
        }
    }
}

/// Runs the program in a folder and gives the record. Layers are not known from other runs.
pub(crate) fn stackproof(folder: &Path, socket: &Path, arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_stackproof"))
        .arg("run")
        .args(arguments)
        .args(["--json", "r.json"])
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .output()
        .unwrap();
    let record = std::fs::read(folder.join("r.json"));
    assert!(record.is_ok(), "no record: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&record.unwrap()).unwrap()
}

/// Verdict and message of the one check of each claim.
pub(crate) fn verdicts(record: &Value) -> Verdicts {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let claims = record["claims"].as_array().unwrap().iter();
    claims
        .map(|claim| {
            let checks = claim["checks"].as_array().unwrap();
            assert_eq!(checks.len(), 1, "{claim}");
            (text(&claim["id"]), (text(&checks[0]["verdict"]), text(&checks[0]["message"])))
        })
        .collect()
}

/// Compares with what is expected: the verdict, and what the message must hold.
pub(crate) fn assert_verdicts(found: &Verdicts, expected: &[(&str, &str, &str)]) {
    assert_eq!(found.len(), expected.len());
    let wrong: Vec<String> = expected
        .iter()
        .filter_map(|(claim, verdict, part)| {
            let (found, message) = &found[*claim];
            let fits = found == verdict && message.contains(part);
            (!fits).then(|| format!("{claim}: not {verdict} with {part:?}: {found}, {message}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs the Docker CLI and gives what it printed.
fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
