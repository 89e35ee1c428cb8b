//! `single-dependency-source`.

use std::fs;

use super::archive::{Image, Layer};
use super::project::{Project, assert_verdicts};

const PYPROJECT: &str = "[project]\nname = \"app\"\ndependencies = [\"redis>=5\"]\n";
const DOCKERFILE: &str = "FROM scratch\nWORKDIR /app\nCOPY pyproject.toml .\n";

/// A distribution as an installer leaves it.
fn installed(layer: Layer, name: &str) -> Layer {
    let site = "usr/lib/python3.11/site-packages";
    let info = format!("{site}/{name}-5.0.0.dist-info");
    layer
        .file(&format!("{site}/{name}/__init__.py"), "")
        .file(&format!("{info}/METADATA"), format!("Name: {name}\nVersion: 5.0.0\n\n"))
        .file(&format!("{info}/RECORD"), format!("{name}/__init__.py,,\n"))
        .file(&format!("{info}/INSTALLER"), "pip\n")
}

#[test]
fn a_second_source_of_dependencies_is_found_in_context_dockerfile_and_image() {
    let redis = || installed(Layer::default(), "redis");
    let services: Vec<(&str, Image)> = [
        "one",
        "beside",
        "inline",
        "variable",
        "both",
        "unreadable",
        "undeclared",
        "empty",
        "long",
    ]
    .into_iter()
    .map(|service| {
        let layer = match service {
            "undeclared" => installed(redis(), "leftover"),
            "empty" => Layer::default().file("app/main.py", ""),
            "long" => {
                let info = "usr/lib/python3.11/site-packages/leftover-1.egg-info";
                redis().file(&format!("{info}/PKG-INFO"), "a\n".repeat(3 << 20))
            }
            _ => redis(),
        };
        (service, Image::new().layer(layer).env(&format!("SERVICE={service}")))
    })
    .collect();
    let project = Project::up(&services, |folder| {
        for (service, _) in &services {
            let context = folder.join(service);
            fs::create_dir(&context).unwrap();
            fs::write(context.join("pyproject.toml"), PYPROJECT).unwrap();
            let more: &[u8] = match *service {
                "inline" => b"RUN pip install requests\n",
                "variable" | "both" => b"ARG EXTRA\nRUN pip install $EXTRA\n",
                "unreadable" => b"RUN echo \xff\n",
                _ => b"RUN pip install .\n",
            };
            let dockerfile = [DOCKERFILE.as_bytes(), more].concat();
            fs::write(context.join("Dockerfile"), dockerfile).unwrap();
            if matches!(*service, "beside" | "both") {
                fs::write(context.join("requirements.txt"), "redis>=4\n").unwrap();
            }
        }
    });
    let checks: Vec<(&str, &str, &str)> = services
        .iter()
        .map(|(service, _)| (*service, "single-dependency-source", ", file: pyproject.toml"))
        .collect();
    assert_verdicts(
        &project.judge(&checks),
        &[
            ("one", "held", "1 distributions in the image, all follow from pyproject.toml"),
            ("beside", "broken", "requirements.txt: a list of requirements"),
            ("inline", "broken", "Dockerfile:4: requests"),
            ("variable", "inconclusive", "Dockerfile:5: $EXTRA"),
            ("both", "broken", "requirements.txt: a list of requirements"),
            ("unreadable", "inconclusive", "unreadable/Dockerfile: it is not UTF-8"),
            ("undeclared", "broken", "leftover 5.0.0 is installed and does not follow from it"),
            ("empty", "broken", "redis>=5 is not installed"),
            ("long", "inconclusive", "/PKG-INFO: metadata too long to be read"),
        ],
    );
}
