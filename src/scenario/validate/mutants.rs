//! The rules of the mutants that a scenario brings along.

use std::collections::HashMap;

use super::{empty_list, kebab_case};
use crate::diagnostic::{Diagnostic, Problems};
use crate::mutation::custom::CustomMutant;
use crate::scenario::check::CODES;
use crate::yaml::{Span, Spanned};

/// Adds whatever is wrong with them.
pub(super) fn mutants(mutants: &[Spanned<CustomMutant>], problems: &mut Problems) {
    let mut first: HashMap<&str, Span> = HashMap::new();
    for mutant in mutants {
        let id = &mutant.id;
        kebab_case("the id", id, problems);
        if let Some(earlier) = first.insert(&id.value, id.span) {
            let message = format!("two mutants have the id `{}`", id.value);
            let problem = Diagnostic::new("duplicate-id", message).at(id.span);
            problems.push(problem.label(earlier, "first here"));
        }
        if mutant.text.trim().is_empty() {
            let message = format!("`text` of the mutant `{}` is empty", id.value);
            problems.push(Diagnostic::new("empty-text", message).at(id.span));
        }
        rules(mutant, problems);
    }
}

fn rules(mutant: &Spanned<CustomMutant>, problems: &mut Problems) {
    let id = &mutant.id;
    let whole = !problems.any_within(mutant.span);
    let lists = [("services", mutant.services.is_empty()), ("breaks", mutant.breaks.is_empty())];
    for (key, _) in lists.into_iter().filter(|(_, empty)| *empty && whole) {
        let message = format!("the mutant `{}` has no `{key}`", id.value);
        problems.push(empty_list(&message, id.span));
    }
    if whole && mutant.change.is_empty() && mutant.dockerfile.is_empty() {
        let message = format!("the mutant `{}` changes nothing", id.value);
        let problem = Diagnostic::new("empty-list", message).at(id.span);
        problems.push(problem.hint("say what with `change` or `dockerfile`"));
    }
    for code in mutant.breaks.iter().chain(&mutant.also) {
        if !CODES.contains(&code.value.as_str()) {
            let message = format!("unknown check `{}`", code.value);
            let unknown = Diagnostic::new("unknown-value", message).at(code.span);
            problems.push(unknown.suggest(&code.value, &CODES));
        }
    }
}
