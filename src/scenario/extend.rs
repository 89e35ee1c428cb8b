//! What a scenario file takes over from the one that it extends, and the scenario that comes of
//! it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::amount::Seconds;
use super::check::CheckSpec;
use super::file::ScenarioFile;
use super::{Claim, Scenario};
use crate::diagnostic::{Diagnostic, Problems};
use crate::yaml::Spanned;

impl ScenarioFile {
    /// Makes the paths of a file relative to another folder, from which `folder` leads here.
    #[must_use]
    pub(super) fn moved(mut self, folder: &Path) -> ScenarioFile {
        let moved = |path: &mut String| {
            *path = folder.join(&path).to_string_lossy().into_owned();
        };
        for file in self.compose.iter_mut().flatten() {
            moved(&mut file.value);
        }
        for command in self.prepare.iter_mut().flatten() {
            // A program without a slash is looked for where programs are.
            if let Some(program) = command.value.first_mut().filter(|path| path.contains('/')) {
                moved(program);
            }
        }
        let claims = self.claims.iter_mut().flatten();
        for check in claims.flat_map(|claim| &mut claim.value.checks) {
            if let CheckSpec::ImageSize(size) = &mut check.value
                && let Some(baseline) = &mut size.baseline
            {
                moved(&mut baseline.compose.value);
            }
        }
        self
    }

    /// Takes over from `base` what is not stated here. Both must have their paths relative to the
    /// same folder.
    #[must_use]
    pub(super) fn over(self, base: ScenarioFile, problems: &mut Problems) -> ScenarioFile {
        let inherits = base.claims.is_some();
        let inherited = self.left(base.claims.unwrap_or_default(), problems);
        let claims = match self.claims {
            Some(own) => Some(replaced(inherited, own)),
            None => inherits.then_some(inherited),
        };
        let mut env = base.env;
        env.extend(self.env);
        let mut mutants = base.mutants;
        mutants.extend(self.mutants);
        let mut stated = self.stated;
        stated.keys.extend(base.stated.keys);
        ScenarioFile {
            extends: self.extends,
            without: Vec::new(),
            name: self.name.or(base.name),
            document: self.document.or(base.document),
            compose: self.compose.or(base.compose),
            profiles: self.profiles.or(base.profiles),
            env,
            prepare: self.prepare.or(base.prepare),
            build_within: self.build_within.or(base.build_within),
            healthy_within: self.healthy_within.or(base.healthy_within),
            claims,
            mutants,
            stated,
        }
    }

    /// What `without` leaves of the claims.
    fn left(
        &self,
        mut claims: Vec<Spanned<Claim>>,
        problems: &mut Problems,
    ) -> Vec<Spanned<Claim>> {
        // A claim of the base that could not be read must not look like one that does not exist.
        let whole = !problems.any_outside(self.stated.span.source);
        let known: BTreeSet<String> = claims.iter().map(|claim| claim.id.value.clone()).collect();
        for id in &self.without {
            if whole && !known.contains(&id.value) {
                let message = format!("no claim `{}` is taken over", id.value);
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let unknown = Diagnostic::new("unknown-claim", message).at(id.span);
                problems.push(unknown.suggest(&id.value, &known));
            }
        }
        let dropped: BTreeSet<&str> = self.without.iter().map(|id| id.value.as_str()).collect();
        claims.retain(|claim| !dropped.contains(claim.id.value.as_str()));
        claims
    }

    /// The scenario that the file states once nothing is left to take over. What could not be
    /// read or is missing is stood in for, so that the rules about the rest can be tried: only a
    /// scenario without problems is whole.
    #[must_use]
    pub(super) fn resolve(self, problems: &mut Problems) -> Scenario {
        let extends = self.extends.is_some();
        let mut missing = |key: &str| {
            // A value that was stated but not read has its problem already.
            if !self.stated.keys.contains(key) || problems.is_empty() {
                let message = format!("missing key `{key}`");
                let missing = Diagnostic::new("missing-key", message).at(self.stated.span);
                problems.push(if extends {
                    missing.hint("neither this file nor what it extends states it")
                } else {
                    missing
                });
            }
        };
        if self.name.is_none() {
            missing("name");
        }
        if self.compose.is_none() {
            missing("compose");
        }
        if self.claims.is_none() {
            missing("claims");
        }
        let unnamed = Spanned { value: "unnamed".to_owned(), span: self.stated.span };
        Scenario {
            name: self.name.unwrap_or(unnamed),
            document: self.document,
            compose: self.compose.unwrap_or_default(),
            profiles: self.profiles.unwrap_or_default(),
            env: self.env,
            prepare: self.prepare.into_iter().flatten().map(|command| command.value).collect(),
            build_within: self.build_within.unwrap_or_else(Seconds::for_build),
            healthy_within: self.healthy_within.unwrap_or_else(Seconds::for_up),
            claims: self.claims.unwrap_or_default(),
            mutants: self.mutants,
        }
    }
}

/// The inherited claims with those replaced that are stated again, then the new ones.
fn replaced(mut claims: Vec<Spanned<Claim>>, own: Vec<Spanned<Claim>>) -> Vec<Spanned<Claim>> {
    let ids = claims.iter().enumerate().map(|(place, claim)| (claim.id.value.clone(), place));
    let mut places: BTreeMap<String, usize> = ids.collect();
    for claim in own {
        // An id that is stated twice here replaces once; the second stays to be found as such.
        match places.remove(&claim.id.value).and_then(|place| claims.get_mut(place)) {
            Some(inherited) => *inherited = claim,
            None => claims.push(claim),
        }
    }
    claims
}
