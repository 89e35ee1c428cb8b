//! `single-dependency-source`: the image's Python dependencies come from one file: the build
//! context holds no other list, the Dockerfile installs nothing else, and what the image holds is
//! what follows from the file.

use serde_json::json;

use super::Finding;
use crate::image::Image;
use crate::image::dependencies::Declared;
use crate::image::dependencies::closure::{self, ClosureReport};
use crate::image::dependencies::context::{self, SourceReport};
use crate::image::dependencies::dockerfile::{self, InstallReport};
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::check::SingleDependencySource;
use crate::verdict::Verdict;
use crate::world::{Blind, Source, World};

/// How many findings a message names.
const SHOWN: usize = 8;

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
        .cloned()
        .flatten()
        .ok_or_else(|| format!("{file} is not in the build context"))
        .and_then(|text| Declared::from_pyproject(&text).map_err(|error| error.to_string()));
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
    let finding = |verdict, text: String| {
        Finding::new(verdict, expected.clone(), evidence.clone())
            .observed(text.clone())
            .message(text)
            .reproduce(format!(
                "cd {} && ls; grep -nE 'pip|COPY' Dockerfile; docker run --rm --entrypoint sh {} \
                 -c 'find / -name \"*.dist-info\" -maxdepth 8'",
                source.folder,
                image.references.first().unwrap_or(&image.id)
            ))
    };
    let wrong = faults(&context, &installs, declared.as_ref().ok(), closure.as_ref());
    if !wrong.is_empty() {
        let more = wrong.len().saturating_sub(SHOWN);
        let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
        let shown = wrong.into_iter().take(SHOWN).collect::<Vec<_>>().join("; ");
        return finding(Verdict::Broken, format!("{shown}{rest}"));
    }
    let unread = unread(&context, declared.as_ref(), closure.as_ref());
    if !unread.is_empty() {
        let text = format!("not everything could be looked at: {}", unread.join("; "));
        return finding(Verdict::Inconclusive, text);
    }
    let explained = closure.map_or(0, |closure| closure.explained);
    if explained == 0 {
        let text = format!("the image holds no Python distribution that follows from {file}");
        return finding(Verdict::Inconclusive, text);
    }
    finding(
        Verdict::Held,
        format!("{explained} distributions in the image, all follow from {file}; no other source"),
    )
}

fn look<'w>(service: &str, world: &'w World) -> Result<(&'w Source, &'w Image), Blind> {
    let unknown = || Err("the sources of the image are unknown".to_owned());
    let source = match world.sources.get(service) {
        Some(source) => source.as_ref().map_err(Clone::clone)?,
        None => return unknown(),
    };
    match world.layers.get(service) {
        Some(image) => Ok((source, image.as_ref().map_err(Clone::clone)?)),
        None => Err("the layers were not read".to_owned()),
    }
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
    faults.extend(
        installs
            .findings
            .iter()
            .map(|finding| format!("Dockerfile:{}: {}", finding.line, finding.argument)),
    );
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

fn unread(
    context: &SourceReport,
    declared: Result<&Declared, &String>,
    closure: Option<&ClosureReport>,
) -> Vec<String> {
    let mut unread = context.unread.clone();
    match declared {
        Ok(declared) => unread.extend(declared.unread.clone()),
        Err(why) => unread.push(why.clone()),
    }
    unread.extend(closure.into_iter().flat_map(|closure| closure.unread.clone()));
    unread
}
