//! The claims and checks of a scenario, for the verb `list`. Nothing has run.

use unicode_width::UnicodeWidthStr;

use super::{FIELD, Page, Role, Style, name, pad, wrap};
use crate::redact::{bounded, one_line};
use crate::scenario::check::Services;
use crate::scenario::{CheckSpec, Claim, Scenario, Severity};
use crate::verdict::Verdict;
use crate::yaml::Spanned;

/// Columns of `critical` and a gap.
const SEVERITY: usize = 10;
/// Columns of `document` and a gap.
const LABEL: usize = 10;

/// The claims of a scenario with severity, source, checks, the document's command, and why a
/// claim is pending or waived.
#[must_use]
pub fn list(scenario: &Scenario, style: &Style) -> String {
    let mut page = Page { style, text: String::new() };
    let title = style.paint(Role::Title, &name(&scenario.name));
    let claims = scenario.claims.len();
    let checks: usize = scenario.claims.iter().map(|claim| claim.checks.len()).sum();
    let mut facts = format!("{claims} claims, {checks} checks");
    if let Some(document) = &scenario.document {
        facts = format!("{facts}, from {}", one_line(&bounded(document, FIELD)));
    }
    page.line(&format!("{title}  {}", style.paint(Role::Aside, &facts)));
    for claim in &scenario.claims {
        page.line("");
        entry(&mut page, claim);
    }
    page.text
}

fn entry(page: &mut Page<'_>, claim: &Claim) {
    let style = page.style;
    let role = match claim.severity {
        Severity::Critical | Severity::High => Role::Verdict(Verdict::Broken),
        Severity::Medium => Role::Verdict(Verdict::Inconclusive),
        Severity::Low => Role::Aside,
    };
    let severity = style.paint(role, &pad(claim.severity.word(), SEVERITY));
    let id = style.paint(Role::Title, &name(&claim.id));
    page.line(&format!("{severity}{id}"));
    let text = one_line(&bounded(&claim.text, FIELD));
    for line in wrap(&text, style.width.saturating_sub(SEVERITY)) {
        page.line(&format!("{}{line}", " ".repeat(SEVERITY)));
    }
    labelled(page, "source", &claim.source);
    let codes = claim.checks.iter().map(|check| check.code().width()).max().unwrap_or(0) + 2;
    for (at, check) in claim.checks.iter().enumerate() {
        let label = if at == 0 { "checks" } else { "" };
        labelled(page, label, &line_of(check, codes));
    }
    if let Some(reason) = &claim.pending {
        labelled(page, "pending", reason);
    }
    if let Some(waiver) = &claim.waived {
        labelled(page, "waived", &format!("until {}: {}", waiver.until.value, waiver.reason));
    }
    if let Some(documented) = &claim.documented {
        labelled(page, "document", &documented.command);
        labelled(page, "", &format!("expects: {}", documented.expected));
    }
}

/// `no-docker-access  every service but docker-proxy`, with a word where it stresses or stops
/// something.
fn line_of(check: &CheckSpec, codes: usize) -> String {
    let (services, except) = check.services();
    let mut line = format!("{}{}", pad(check.code(), codes), target(services, except));
    if check.is_intrusive() {
        line.push_str("  (intrusive)");
    }
    line
}

fn target(services: &Services, except: &[Spanned<String>]) -> String {
    let names = |services: &[Spanned<String>]| {
        services.iter().map(|service| service.value.as_str()).collect::<Vec<_>>().join(", ")
    };
    let target = match services.as_slice() {
        [] => "the stack as a whole".to_owned(),
        [all] if all.value == "*" => "every service".to_owned(),
        services => names(services),
    };
    if except.is_empty() { target } else { format!("{target} but {}", names(except)) }
}

fn labelled(page: &mut Page<'_>, label: &str, text: &str) {
    let indent = SEVERITY + LABEL;
    let text = crate::redact::printable(&bounded(text.trim(), FIELD));
    let mut label = pad(label, LABEL);
    for line in wrap(&text, page.style.width.saturating_sub(indent)) {
        let aside = page.style.paint(Role::Aside, &label);
        page.line(&format!("{}{aside}{line}", " ".repeat(SEVERITY)));
        label = " ".repeat(LABEL);
    }
}
