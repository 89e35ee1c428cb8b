//! The verification proper: build, up, control, observe, judge, act, and what the document's own
//! commands say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::coming::{self, Coming};
use super::ledger::{Ledger, Place};
use super::{Clock, Findings, Mode, Request};
use super::{layers, secrets, sources};
use crate::check;
use crate::documented::Reader;
use crate::engine::Engine;
use crate::engine::container::Container;
use crate::engine::image::ImageInfo;
use crate::event::{Event, Listener, Phase};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::observe::Observer;
use crate::observe::controls::Controls;
use crate::observe::kit::Kit;
use crate::observe::lent::Lending;
use crate::plan::Plan;
use crate::record::{DocumentedRecord, ImageRecord};
use crate::redact::DiscreetListener;
use crate::run_id::RunId;
use crate::scenario::CheckSpec;
use crate::stack::Stack;
use crate::stack::compose_tool::ComposeTool;
use crate::timeline::Recorder;
use crate::world::{Blind, World};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join, join_all, ready};

/// Everything that a verification works with.
pub(super) struct Verification<'a> {
    pub(super) request: &'a Request,
    pub(super) engine: &'a Engine,
    pub(super) run: &'a RunId,
    pub(super) interrupt: &'a Interrupt,
    pub(super) emit: &'a DiscreetListener<'a>,
    pub(super) stack: &'a Stack,
    pub(super) kit: &'a Kit,
    pub(super) canary: &'a str,
    pub(super) tool: &'a ComposeTool,
    pub(super) plan: &'a Plan<'a>,
    pub(super) env: &'a [(String, String)],
    /// Whether services are stopped all at once, and not one after another. A service that misses
    /// another one then fails its own check earlier, so this is for where that has been ruled out.
    pub(super) stops_at_once: bool,
}

impl Verification<'_> {
    /// Runs it. What was judged is in the findings even when this ends early.
    pub(super) async fn run(
        &self,
        findings: &mut Findings,
        controls: BoxFuture<'_, Controls>,
    ) -> Result<(), Failure> {
        let own = self.request.mode == Mode::Own;
        let coming = Coming {
            loaded: &self.request.loaded,
            engine: self.engine,
            run: self.run,
            interrupt: self.interrupt,
            emit: self.emit,
            stack: self.stack,
            env: self.env,
        };
        if own {
            coming.prepare().await?;
            coming.build().await?;
        }
        let observer =
            Observer { engine: self.engine, kit: self.kit, stack: self.stack, plan: self.plan };
        let mut lending = Lending::new(&observer);
        let (up, controls) = if own {
            let up = lending.beside(coming.up());
            let up = join(up, coming.build_baselines(self.tool));
            let ((up, baselines), controls) = join(up, self.interrupt.or(controls)).await;
            baselines?;
            (up, ready(controls?).boxed())
        } else {
            (Ok(()), controls)
        };
        // A container that this kernel cannot start is judged as it was created; the rest of the
        // stack is judged as it runs.
        let not_up = match up {
            Err(failure) if self.can_be_judged(&failure) => Some(failure),
            Err(failure) => return Err(failure),
            Ok(()) => None,
        };
        let phase = Clock::start(Phase::Observe, self.emit);
        let loans = self.interrupt.or(lending.finish()).await?;
        let containers = self.interrupt.or(self.stack.containers(self.engine)).await??;
        findings.recorder = Some(Recorder::start(self.engine, &containers));
        findings.secrets.extend(secrets::of_containers(containers.values().flatten()));
        self.emit.learn(findings.secrets.clone());
        let document = self.follow_document(&containers);
        let look = observer.look(containers.clone(), loans, controls, self.canary, document);
        let (looked, baselines) = self.interrupt.or(join(look, self.baselines())).await?;
        let (mut world, sidecars, documented) = looked?;
        world.baselines = baselines;
        self.interrupt.or(self.look_at_images(&mut world)).await?;
        findings.images = images(&world);
        phase.finish(format!("{} containers", world.services.values().flatten().count()));
        if let Some(ledger) = &mut findings.ledger {
            for (claim, record) in documented {
                ledger.document(claim, record);
            }
        }
        self.judge(&world, findings, |spec| !spec.is_intrusive());
        if self.plan.asked().any(|check| check.spec.is_intrusive()) {
            // They would be in the way of a service that is stressed; else they go with the run.
            self.interrupt.or(self.kit.remove(&sidecars)).await?;
        }
        self.intrude(self.kit, &mut world, findings).await?;
        findings.sidecars = sidecars;
        findings.world = Some(world);
        not_up.map_or(Ok(()), Err)
    }

    /// Reads layers, and the files that they are compared with.
    async fn look_at_images(&self, world: &mut World) {
        let mut codes = vec!["no-build-tools", "no-secrets-in-image", "single-dependency-source"];
        if world.about.containerd_store {
            codes.push("image-size");
        }
        let services: BTreeSet<String> = self
            .plan
            .services()
            .into_iter()
            .filter(|service| self.plan.asks_of(service, &codes))
            .collect();
        if !services.is_empty() {
            world.layers = layers::layers(self.engine, &world.images, &services).await;
        }
        for service in &services {
            if self.plan.asks_of(service, &["single-dependency-source"]) {
                let declared = self.stack.model.services.get(service);
                let source = match declared.and_then(|declared| declared.build.as_ref()) {
                    Some(build) => sources::read(build),
                    None => Err(format!("the model does not say how {service} is built")),
                };
                world.sources.insert(service.clone(), source);
            }
        }
    }

    /// The images that others are compared with.
    async fn baselines(&self) -> BTreeMap<(String, String), Result<ImageInfo, Blind>> {
        let mut found = BTreeMap::new();
        if !self.plan.asks(&["image-size"]) {
            return found;
        }
        let owner = self.request.mode.owner(self.run);
        for baseline in coming::baselines(&self.request.loaded) {
            let key = (baseline.compose.value.clone(), baseline.service.value.clone());
            if found.contains_key(&key) {
                continue;
            }
            let image = match &self.request.mode {
                Mode::Attached(_) => Err("not asked: --attach builds nothing".to_owned()),
                Mode::Own | Mode::Shared(_) => {
                    let file = self.request.loaded.folder.join(&key.0);
                    let tag =
                        coming::baseline_image(self.tool, file, &key.1, owner, self.interrupt);
                    let image =
                        async { self.engine.image(&tag.await?).await.map_err(Failure::from) };
                    image.await.map_err(|failure| failure.to_string())
                }
            };
            found.insert(key, image);
        }
        found
    }

    /// Whether the stack stands although it did not come up whole: a container exists that the
    /// kernel refused to start.
    fn can_be_judged(&self, failure: &Failure) -> bool {
        matches!(
            failure,
            Failure::Stack(crate::stack::StackError::NotHealthy { not_startable: true, .. })
        )
    }

    /// Judges the asked checks that `which` accepts.
    fn judge(&self, world: &World, findings: &mut Findings, which: impl Fn(&CheckSpec) -> bool) {
        let Some(ledger) = &mut findings.ledger else { return };
        for (claim, planned) in self.plan.claims.iter().enumerate() {
            for (index, check) in planned.checks.iter().enumerate() {
                if check.not_asked.is_some() || !which(check.spec) {
                    continue;
                }
                let place = Place { claim, check: index };
                self.judge_one(world, ledger, place, Instant::now());
            }
        }
    }

    pub(super) fn judge_one(
        &self,
        world: &World,
        ledger: &mut Ledger,
        place: Place,
        since: Instant,
    ) {
        let planned = &self.plan.claims[place.claim];
        let check = &planned.checks[place.check];
        let finding = check::judge(check.spec, &check.service, world);
        let took = since.elapsed();
        self.emit.hear(Event::CheckFinished {
            claim: planned.claim.id.value.clone(),
            code: check.spec.code().to_owned(),
            service: check.service.clone(),
            verdict: finding.verdict,
            took,
        });
        ledger.fill(place, finding, took);
    }

    /// Runs the asked claims' documented commands, all at once.
    async fn follow_document(
        &self,
        containers: &BTreeMap<String, Vec<Container>>,
    ) -> Vec<(usize, DocumentedRecord)> {
        let reader = self.reader(containers);
        let commands: Vec<_> = self
            .plan
            .claims
            .iter()
            .enumerate()
            .filter(|(_, planned)| planned.is_asked())
            .filter_map(|(index, planned)| Some((index, planned.claim.documented.as_ref()?)))
            .collect();
        if commands.is_empty() {
            return vec![];
        }
        let phase = Clock::start(Phase::Documented, self.emit);
        let followed = commands.into_iter().map(|(index, documented)| {
            let reader = &reader;
            async move { (index, reader.follow(documented, self.interrupt).await) }
        });
        let followed = join_all(followed).await;
        phase.finish(format!("{} commands of the document", followed.len()));
        followed
    }

    fn reader(&self, containers: &BTreeMap<String, Vec<Container>>) -> Reader {
        let fixed = self.stack.isolated.as_ref().map(|isolated| &isolated.container_names);
        let names = fixed
            .into_iter()
            .flatten()
            .filter_map(|(name, service)| {
                let container = containers.get(service)?.first()?;
                Some((name.clone(), container.short_name().to_owned()))
            })
            .collect::<BTreeMap<_, _>>();
        Reader {
            folder: self.request.loaded.folder.clone(),
            endpoint: self.engine.endpoint().clone(),
            project: self.stack.project.clone(),
            files: self.stack.files().to_vec(),
            run: self.run.clone(),
            names,
        }
    }
}

fn images(world: &World) -> Vec<ImageRecord> {
    world
        .images
        .iter()
        .filter_map(|(service, image)| {
            let image = image.as_ref().ok()?;
            let declared = world.model.services.get(service).and_then(|s| s.image.clone());
            Some(ImageRecord {
                service: service.clone(),
                reference: declared.or_else(|| image.tags.first().cloned()).unwrap_or_default(),
                id: image.id.clone(),
                size_bytes: image.size,
            })
        })
        .collect()
}
