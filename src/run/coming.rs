//! A stack on its way up: the scenario's commands, the builds, the start.

use std::path::PathBuf;

use super::{Clock, Emit, prepare};
use crate::compose::isolate::{baseline_tag, isolate};
use crate::engine::Engine;
use crate::event::Phase;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::run_id::RunId;
use crate::scenario::CheckSpec;
use crate::scenario::check::Baseline;
use crate::scenario::load::Loaded;
use crate::stack::Stack;
use crate::stack::compose_tool::ComposeTool;
use crate::stack::runs;

/// What bringing a stack up works with.
pub(super) struct Coming<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) engine: &'a Engine,
    pub(super) run: &'a RunId,
    pub(super) interrupt: &'a Interrupt,
    pub(super) emit: Emit<'a>,
    pub(super) stack: &'a Stack,
    pub(super) env: &'a [(String, String)],
}

impl Coming<'_> {
    /// Runs the scenario's own commands.
    pub(super) async fn prepare(&self) -> Result<(), Failure> {
        let scenario = &self.loaded.scenario;
        if scenario.prepare.is_empty() {
            return Ok(());
        }
        let phase = Clock::start(Phase::Prepare, self.emit);
        let within = scenario.build_within.0;
        let folder = &self.loaded.folder;
        let prepared = prepare::commands(
            scenario,
            folder,
            self.env,
            self.run,
            within,
            self.interrupt,
            |line| {
                phase.progress(line);
            },
        )
        .await;
        phase.end(prepared)
    }

    /// Builds the stack's images.
    pub(super) async fn build(&self) -> Result<(), Failure> {
        let phase = Clock::start(Phase::Build, self.emit);
        let within = self.loaded.scenario.build_within.0;
        let built = self.stack.build(within, self.interrupt, |line| phase.progress(line)).await;
        phase.end(built.map_err(Failure::from))
    }

    /// Builds the images that those of the stack are compared with. The stack needs none of them,
    /// so this can be done while it comes up.
    pub(super) async fn build_baselines(&self, tool: &ComposeTool) -> Result<(), Failure> {
        let baselines = self.baselines();
        if baselines.is_empty() {
            return Ok(());
        }
        let phase = Clock::start(Phase::Baseline, self.emit);
        let mut built = Ok(());
        for (file, services) in baselines {
            built = built.and(self.build_baseline(tool, file, &services, &phase).await);
        }
        phase.end(built)
    }

    async fn build_baseline(
        &self,
        tool: &ComposeTool,
        file: PathBuf,
        services: &[String],
        phase: &Clock<'_>,
    ) -> Result<(), Failure> {
        let within = self.loaded.scenario.build_within.0;
        let project = format!("{}-baseline", self.stack.project);
        let tool = ComposeTool { files: vec![file], profiles: vec![], ..tool.clone() };
        let model = tool.resolve(&project, self.interrupt).await?;
        let isolated = isolate(&model.raw, &project, self.run, &baseline_tag(self.run));
        let written = write(self.run, &isolated.raw.to_string())?;
        let tool = ComposeTool { files: vec![written], ..tool };
        let line = |line: &str| phase.progress(line);
        Ok(tool.build(&project, services, within, self.interrupt, line).await?)
    }

    /// Starts the stack and waits until it is healthy.
    pub(super) async fn up(&self) -> Result<(), Failure> {
        let phase = Clock::start(Phase::Up, self.emit);
        let within = self.loaded.scenario.healthy_within.0;
        let up = self.stack.up(self.engine, within, self.interrupt, |line| phase.progress(line));
        let up = up.await.map_err(Failure::from);
        phase.end(up)
    }

    /// The Compose files that build baselines, with the services to build in each.
    fn baselines(&self) -> Vec<(PathBuf, Vec<String>)> {
        let mut files: Vec<(PathBuf, Vec<String>)> = Vec::new();
        for baseline in baselines(self.loaded) {
            let file = self.loaded.folder.join(&baseline.compose.value);
            let service = baseline.service.value.clone();
            match files.iter_mut().find(|(known, _)| *known == file) {
                Some((_, services)) if services.contains(&service) => {}
                Some((_, services)) => services.push(service),
                None => files.push((file, vec![service])),
            }
        }
        files
    }
}

/// The baselines that the scenario compares images with.
pub(super) fn baselines(loaded: &Loaded) -> impl Iterator<Item = &Baseline> {
    let checks = loaded.scenario.claims.iter().flat_map(|claim| &claim.checks);
    checks.filter_map(|check| match &check.value {
        CheckSpec::ImageSize(size) => size.baseline.as_ref(),
        _ => None,
    })
}

/// The tag under which the image of a baseline was built for `owner`.
pub(super) async fn baseline_image(
    tool: &ComposeTool,
    file: PathBuf,
    service: &str,
    owner: &RunId,
    interrupt: &Interrupt,
) -> Result<String, Failure> {
    let project = format!("stackproof-baseline-{owner}");
    let tool = ComposeTool { files: vec![file.clone()], profiles: vec![], ..tool.clone() };
    let model = tool.resolve(&project, interrupt).await?;
    let isolated = isolate(&model.raw, &project, owner, &baseline_tag(owner));
    let image = isolated.raw.pointer(&format!("/services/{service}/image"));
    let named = image.and_then(serde_json::Value::as_str).map(str::to_owned);
    named.ok_or_else(|| Failure::System {
        doing: format!("find the baseline {service} of {}", file.display()),
        cause: "the service has no `image`, so the built image cannot be named".to_owned(),
    })
}

fn write(run: &RunId, model: &str) -> Result<PathBuf, Failure> {
    let write = || {
        let path = runs::folder_of(run)?.join("baseline.json");
        std::fs::write(&path, model)?;
        Ok(path)
    };
    write().map_err(|error: std::io::Error| Failure::System {
        doing: "write the model of the baseline".to_owned(),
        cause: error.to_string(),
    })
}
