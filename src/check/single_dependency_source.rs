//! `single-dependency-source`: the image's Python dependencies come from one file: the build
//! context holds no other list, the Dockerfile installs nothing else, and what the image holds is
//! what follows from the file.

use serde_json::json;

use super::Finding;
use super::search::{self, Search};
use crate::image::Image;
use crate::image::dependencies::Declared;
use crate::image::dependencies::closure::{self, ClosureReport};
use crate::image::dependencies::context::{self, SourceReport};
use crate::image::dependencies::dockerfile::{self, InstallFinding, InstallKind, InstallReport};
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::check::SingleDependencySource;
use crate::world::{Blind, Source, World};

pub(super) fn judge(check: &SingleDependencySource, service: &str, world: &World) -> Finding {
    let file = check.file.value.as_str();
    let expected = format!("the image's dependencies come from {file} alone");
    let (source, image) = match look(service, world) {
        Ok(seen) => seen,
        Err(why) => return Finding::could_not_observe(expected, why),
    };
    let paths: Vec<String> = source.files.keys().cloned().collect();
    let context = context::second_sources(&paths, file, |path| {
        source.files.get(path).cloned().flatten().ok_or_else(|| "it was not read".to_owned())
    });
    let declared = source
        .files
        .get(file)
        .ok_or_else(|| format!("{file} is not in the build context"))
        .and_then(|text| text.as_ref().ok_or_else(|| format!("{file} was not read")))
        .and_then(|text| Declared::from_pyproject(text).map_err(|error| error.to_string()));
    let project = declared.as_ref().ok().and_then(|declared| declared.project.clone());
    let installs =
        dockerfile::installs(&source.dockerfile, file, project.as_deref(), &context.locks);
    let closure = declared.as_ref().ok().map(|declared| closure::check(image, declared, &[]));
    let evidence = Evidence::one(Observation::now(
        Vantage::Source,
        format!("the build context and the Dockerfile of {service}"),
        json!({"context": context, "installs": installs}),
    ))
    .and(Observation::now(
        Vantage::Image,
        format!("what is installed in the image of {service}, against {file}"),
        json!(closure),
    ));
    let unread = unread(&context, &installs, declared.as_ref(), closure.as_ref());
    let explained = closure.as_ref().map_or(0, |closure| closure.explained);
    Search {
        reproduce: format!(
            "cd {} && ls; grep -nE 'pip|COPY' Dockerfile; docker run --rm --entrypoint sh {} \
             -c 'find / -name \"*.dist-info\" -maxdepth 8'",
            source.folder,
            image.references.first().unwrap_or(&image.id)
        ),
        wrong: faults(&context, &installs, declared.as_ref().ok(), closure.as_ref()),
        unread,
        held: if explained > 0 {
            let all = "distributions in the image, all follow from";
            Ok(format!("{explained} {all} {file}; no other source"))
        } else {
            Err(format!("the image holds no Python distribution that follows from {file}"))
        },
        notes: Vec::new(),
        expected,
        evidence,
    }
    .judge()
}

fn look<'w>(service: &str, world: &'w World) -> Result<(&'w Source, &'w Image), Blind> {
    let unknown = || Err("the sources of the image are unknown".to_owned());
    let source = match world.sources.get(service) {
        Some(source) => source.as_ref().map_err(Clone::clone)?,
        None => return unknown(),
    };
    Ok((source, search::layers(service, world)?))
}

fn faults(
    context: &SourceReport,
    installs: &InstallReport,
    declared: Option<&Declared>,
    closure: Option<&ClosureReport>,
) -> Vec<String> {
    let mut faults: Vec<String> = context
        .findings
        .iter()
        .map(|finding| format!("{}: {}", finding.path, finding.why))
        .collect();
    faults.extend(installs.findings.iter().filter(|one| !is_unreadable(one)).map(describe));
    faults.extend(declared.into_iter().flat_map(|declared| declared.elsewhere.clone()));
    if let Some(closure) = closure {
        let unexplained = closure.unexplained.iter();
        faults.extend(unexplained.map(|dist| {
            format!("{} {} is installed and does not follow from it", dist.name, dist.version)
        }));
        faults.extend(closure.unclaimed.iter().map(|path| format!("{path} is in no distribution")));
        faults.extend(closure.missing.iter().map(|name| format!("{name} is not installed")));
        faults.extend(closure.unsatisfied.iter().map(|wrong| {
            let installed = &wrong.installed;
            format!("{} is declared, {} is installed", wrong.requirement, installed.version)
        }));
    }
    faults
}

/// Whether only the build knows what is installed: it may be what follows from the file.
fn is_unreadable(finding: &InstallFinding) -> bool {
    finding.kind == InstallKind::Unreadable
}

fn describe(finding: &InstallFinding) -> String {
    format!("Dockerfile:{}: {}", finding.line, finding.argument)
}

fn unread(
    context: &SourceReport,
    installs: &InstallReport,
    declared: Result<&Declared, &String>,
    closure: Option<&ClosureReport>,
) -> Vec<String> {
    let mut unread = context.unread.clone();
    unread.extend(installs.findings.iter().filter(|one| is_unreadable(one)).map(describe));
    // What could not be parsed of the declaration is in the closure's list.
    unread.extend(declared.err().cloned());
    unread.extend(closure.into_iter().flat_map(|closure| closure.unread.clone()));
    unread
}
