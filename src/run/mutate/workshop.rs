//! Where mutants are made: the files that they mount, and their images.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::mutation::subject::Ground;
use crate::mutation::{Content, File, Mutant};
use crate::run::verify::Verification;
use crate::run_id::{LABEL, RunId};
use crate::scenario::Seconds;
use crate::stack::compose_tool::ComposeTool;
use crate::stack::runs;
use crate::world::Blind;

/// How many images are built at once. The builder's own work is what takes the time.
const AT_ONCE: usize = 6;

/// The folder of a run's mutants, and the tools to build their images.
#[derive(Debug)]
pub(super) struct Workshop<'a> {
    folder: PathBuf,
    run: &'a RunId,
    tool: &'a ComposeTool,
    project: String,
    within: Seconds,
    interrupt: &'a Interrupt,
    /// The images of the run's own stack, by service.
    images: BTreeMap<String, String>,
    /// How the services are built, as the Compose tool resolved it.
    builds: BTreeMap<String, Value>,
    secrets: Value,
}

/// What was made for the mutants of a round, by their ids.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// The images.
    pub(super) images: BTreeMap<String, String>,
    /// The changed build contexts.
    pub(super) contexts: BTreeMap<String, String>,
    /// Why something could not be made.
    pub(super) failed: BTreeMap<String, Blind>,
}

impl<'a> Workshop<'a> {
    /// Opens it in the run's folder.
    pub(super) fn open(verification: &Verification<'a>) -> Result<Workshop<'a>, Failure> {
        let stack = verification.stack;
        let folder = runs::folder_of(verification.run)
            .map(|folder| folder.join("mutants"))
            .and_then(|folder| fs::create_dir_all(&folder).map(|()| folder))
            .map_err(|error| system("make the folder of the mutants", &error))?;
        // The engine and, for a marker file, a process of the service must get there.
        open_to_all(&folder).map_err(|error| system("open the folder of the mutants", &error))?;
        let raw = stack.isolated.as_ref().map(|isolated| &isolated.raw);
        let services = |key: &str| -> BTreeMap<String, Value> {
            let services = raw.and_then(|raw| raw.get("services")).and_then(Value::as_object);
            services
                .into_iter()
                .flatten()
                .filter_map(|(name, service)| Some((name.clone(), service.get(key)?.clone())))
                .collect()
        };
        let images = services("image").into_iter();
        Ok(Workshop {
            folder,
            run: verification.run,
            tool: verification.tool,
            project: format!("{}-mutants", stack.project),
            within: verification.request.loaded.scenario.build_within,
            interrupt: verification.interrupt,
            images: images
                .filter_map(|(name, image)| Some((name, image.as_str()?.to_owned())))
                .collect(),
            builds: services("build"),
            secrets: raw.and_then(|raw| raw.get("secrets")).cloned().unwrap_or_else(|| json!({})),
        })
    }

    /// The folder, as mutants name it.
    pub(super) fn folder(&self) -> String {
        self.folder.display().to_string()
    }

    /// Puts there what mutants mount.
    pub(super) fn furnish(&self, ground: &Ground) -> Result<(), Failure> {
        let furnish = || {
            let link = self.folder.join("innocent.dat");
            if !link.is_symlink() {
                std::os::unix::fs::symlink(&ground.socket, link)?;
            }
            let allow = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []});
            fs::write(self.folder.join("allow-all.json"), allow.to_string())
        };
        furnish().map_err(|error: io::Error| system("write what mutants mount", &error))
    }

    /// A folder in which a service notes that it has crashed already, empty again.
    pub(super) fn empty_mark(&self, service: &str) -> Result<(), Failure> {
        let folder = self.folder.join(format!("mark-{service}"));
        let make = || {
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            fs::create_dir(&folder)?;
            open_to_all(&folder)
        };
        make().map_err(|error| system("empty the folder of a mutant", &error))
    }

    /// Builds what the mutants need.
    pub(super) async fn make(&self, mutants: &[&Mutant]) -> Result<Made, Failure> {
        let mut made = Made::default();
        let mut wanted: Vec<(&Mutant, Value, String)> = vec![];
        for mutant in mutants.iter().filter(|mutant| mutant.builds()) {
            match self.lay_out(mutant, &mut made) {
                Ok((build, image)) => wanted.push((mutant, build, image)),
                Err(why) => {
                    made.failed.insert(mutant.id.clone(), why);
                }
            }
        }
        for some in wanted.chunks(AT_ONCE) {
            let Err(why) = self.build(some).await? else { continue };
            if let [(mutant, ..)] = some {
                made.failed.insert(mutant.id.clone(), why);
                continue;
            }
            // One of them fails, and it is not told which.
            for one in some.chunks(1) {
                if let (Err(why), [(mutant, ..)]) = (self.build(one).await?, one) {
                    made.failed.insert(mutant.id.clone(), why);
                }
            }
        }
        made.images.extend(wanted.into_iter().map(|(mutant, _, image)| (mutant.id.clone(), image)));
        Ok(made)
    }

    /// Writes the files of one mutant's build, and says how it is built and called.
    fn lay_out(&self, mutant: &Mutant, made: &mut Made) -> Result<(Value, String), Blind> {
        let name = mutant.id.replace('@', "-");
        let context = self.folder.join(&name);
        let image = format!("stackproof-mutant-{name}:{}", self.run).to_lowercase();
        let wrote = |error: io::Error| format!("cannot write {}: {error}", context.display());
        if context.exists() {
            fs::remove_dir_all(&context).map_err(wrote)?;
        }
        fs::create_dir_all(&context).map_err(wrote)?;
        if let Some(layer) = &mutant.change.image {
            let base = self.images.get(&mutant.service);
            let base = base.ok_or_else(|| format!("service {} has no image", mutant.service))?;
            let instructions = layer.instructions.join("\n");
            fs::write(context.join("Dockerfile"), format!("FROM {base}\n{instructions}\n"))
                .map_err(wrote)?;
            put(&layer.files, &context).map_err(wrote)?;
            return Ok((json!({"context": context, "labels": {LABEL: self.run.as_str()}}), image));
        }
        let mut build = self
            .builds
            .get(&mutant.service)
            .cloned()
            .ok_or_else(|| format!("service {} is not built", mutant.service))?;
        let from = build.get("context").and_then(Value::as_str).unwrap_or_default().to_owned();
        copy(Path::new(&from), &context).map_err(wrote)?;
        put(&mutant.change.context, &context).map_err(wrote)?;
        build["context"] = json!(context);
        made.contexts.insert(mutant.id.clone(), context.display().to_string());
        Ok((build, image))
    }

    /// Builds images with one call of the Compose tool.
    async fn build(
        &self,
        wanted: &[(&Mutant, Value, String)],
    ) -> Result<Result<(), Blind>, Failure> {
        let services: Map<String, Value> = wanted
            .iter()
            .enumerate()
            .map(|(index, (_, build, image))| {
                (format!("m{index}"), json!({"build": build, "image": image}))
            })
            .collect();
        let model = json!({"name": self.project, "services": services, "secrets": self.secrets});
        let file = self.folder.join("build.json");
        fs::write(&file, model.to_string())
            .map_err(|error| system("write how the mutants are built", &error))?;
        let tool = ComposeTool { files: vec![file], profiles: vec![], ..self.tool.clone() };
        let built = tool.build(&self.project, &[], self.within.0, self.interrupt, |_| {}).await;
        match built {
            Ok(()) => Ok(Ok(())),
            Err(crate::stack::compose_tool::ComposeError::Interrupted) => {
                Err(Failure::Interrupted(crate::interrupt::Interrupted))
            }
            Err(error) => Ok(Err(error.to_string())),
        }
    }
}

fn put(files: &[File], folder: &Path) -> io::Result<()> {
    for file in files {
        let path = folder.join(&file.path);
        match &file.content {
            Content::Text(text) => fs::write(path, text)?,
            // A sparse file: the engine's layer is what has the size.
            Content::Zeros(bytes) => fs::File::create(path)?.set_len(*bytes)?,
        }
    }
    Ok(())
}

/// Copies a build context. What version control keeps is no part of it.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == ".git" {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            fs::create_dir_all(&target)?;
            copy(&source, &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

fn open_to_all(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777))
}

fn system(doing: &str, error: &io::Error) -> Failure {
    Failure::System { doing: doing.to_owned(), cause: error.to_string() }
}
