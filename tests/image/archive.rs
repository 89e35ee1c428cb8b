//! An image as `docker load` takes it: layers and configuration just as a test wants them.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The label on what a test makes itself, so that it can be told from what a run makes.
const LABEL: &str = "dev.stackproof.test";

/// One layer: paths with their modes and data, in order.
#[derive(Clone, Default)]
pub(crate) struct Layer(Vec<(String, u32, Vec<u8>)>);

/// An image whose lowest layer holds the probe, as what runs in it.
#[derive(Clone)]
pub(crate) struct Image {
    layers: Vec<Layer>,
    env: Vec<String>,
    history: Vec<String>,
}

impl Layer {
    pub(crate) fn file(self, path: &str, data: impl AsRef<[u8]>) -> Layer {
        self.entry(path, 0o644, data)
    }

    pub(crate) fn program(self, path: &str, data: impl AsRef<[u8]>) -> Layer {
        self.entry(path, 0o755, data)
    }

    /// Says that a path of a lower layer is gone.
    pub(crate) fn without(self, path: &str) -> Layer {
        let (folder, name) = path.rsplit_once('/').unwrap();
        self.file(&format!("{folder}/.wh.{name}"), "")
    }

    fn entry(mut self, path: &str, mode: u32, data: impl AsRef<[u8]>) -> Layer {
        self.0.push((path.to_owned(), mode, data.as_ref().to_vec()));
        self
    }

    fn tar(&self) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, mode, data) in &self.0 {
            let mut header = tar::Header::new_gnu();
            header.set_size(data.len() as u64);
            header.set_mode(*mode);
            archive.append_data(&mut header, path, data.as_slice()).unwrap();
        }
        archive.into_inner().unwrap()
    }
}

impl Image {
    pub(crate) fn new() -> Image {
        let base = Layer::default().program("probe", stackproof::probe::BINARY);
        Image { layers: vec![base], env: Vec::new(), history: vec!["COPY /probe".to_owned()] }
    }

    /// One more layer, the result of an ordinary instruction.
    pub(crate) fn layer(self, layer: Layer) -> Image {
        self.made_by("COPY . /", layer)
    }

    /// One more layer, the result of this instruction.
    pub(crate) fn made_by(mut self, instruction: &str, layer: Layer) -> Image {
        self.layers.push(layer);
        self.history.push(instruction.to_owned());
        self
    }

    pub(crate) fn env(mut self, variable: &str) -> Image {
        self.env.push(variable.to_owned());
        self
    }

    /// Brings the image into the engine under this name.
    pub(crate) fn load(&self, name: &str) {
        let tars: Vec<Vec<u8>> = self.layers.iter().map(Layer::tar).collect();
        let diff_ids: Vec<String> = tars.iter().map(|tar| format!("sha256:{}", hex(tar))).collect();
        let steps = self.history.iter().map(|step| json!({"created_by": step}));
        let config = json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": {
                "Labels": {LABEL: "1"}, "Env": self.env, "Entrypoint": ["/probe", "hold"],
            },
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": steps.collect::<Vec<Value>>(),
        });
        let paths: Vec<String> = (0..tars.len()).map(|at| format!("{at}/layer.tar")).collect();
        let config = config.to_string();
        let config_path = format!("{}.json", hex(config.as_bytes()));
        let manifest = json!([
            {"Config": config_path, "RepoTags": [format!("{name}:latest")], "Layers": paths}
        ]);
        let mut archive = Layer::default().file(&config_path, config);
        for (path, tar) in paths.iter().zip(&tars) {
            archive = archive.file(path, tar);
        }
        let archive = archive.file("manifest.json", manifest.to_string()).tar();
        let mut load = Command::new("docker")
            .args(["load", "--quiet"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        load.stdin.take().unwrap().write_all(&archive).unwrap();
        assert!(load.wait().unwrap().success(), "the engine refused {name}");
    }
}

fn hex(data: &[u8]) -> String {
    Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}
