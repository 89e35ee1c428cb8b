//! The verb `list`.

use stackproof::report::console::{Style, list};
use stackproof::scenario::check::{Healthy, Target};
use stackproof::scenario::{
    CheckSpec, Claim, Documented, Satisfied, Scenario, Seconds, Severity, Waiver,
};
use stackproof::yaml::{Span, Spanned};

fn spanned<T>(value: T) -> Spanned<T> {
    Spanned { value, span: Span::default() }
}

fn services(names: &[&str]) -> Vec<Spanned<String>> {
    names.iter().map(|&name| spanned(name.to_owned())).collect()
}

fn claim(id: &str, severity: Severity, checks: Vec<CheckSpec>) -> Spanned<Claim> {
    spanned(Claim {
        id: spanned(id.to_owned()),
        text: "No service except the proxy can reach the container engine, by whatever way."
            .to_owned(),
        severity,
        source: "SECURITY.md, section 2".to_owned(),
        documented: None,
        checks: checks.into_iter().map(spanned).collect(),
        pending: None,
        unproven: None,
        waived: None,
    })
}

fn scenario() -> Scenario {
    let sockets = CheckSpec::NoRawSocketMount(Target {
        services: services(&["*"]),
        except: services(&["docker-proxy", "sweeper"]),
    });
    let healthy = CheckSpec::Healthy(Healthy {
        services: services(&["api", "worker"]),
        except: Vec::new(),
        when_stopped: true,
        within: Seconds(std::time::Duration::from_secs(60)),
    });
    let mut first = claim("no-engine-access", Severity::Critical, vec![sockets, healthy]);
    first.value.documented = Some(Documented {
        command: "docker exec otis_api docker ps".to_owned(),
        expected: "permission denied".to_owned(),
        satisfied_when: Satisfied::ExitsNonZero,
    });
    let mut second = claim("audit-log", Severity::Low, Vec::new());
    second.value.pending = Some("the log format is not documented".to_owned());
    let seccomp = CheckSpec::Seccomp(Target { services: services(&["*"]), except: Vec::new() });
    let mut third = claim("seccomp", Severity::Medium, vec![seccomp]);
    third.value.waived = Some(spanned(Waiver {
        until: spanned("2026-12-31".to_owned()),
        reason: "the old base image, accepted by ops\u{1b}[2J".to_owned(),
    }));
    Scenario {
        name: spanned("otis".to_owned()),
        document: Some("SECURITY.md".to_owned()),
        compose: services(&["compose.yaml"]),
        profiles: Vec::new(),
        env: std::collections::BTreeMap::new(),
        prepare: Vec::new(),
        build_within: Seconds(std::time::Duration::from_secs(900)),
        healthy_within: Seconds(std::time::Duration::from_secs(120)),
        claims: vec![first, second, third],
        mutants: Vec::new(),
    }
}

#[test]
fn list_of_a_scenario() {
    let page = list(&scenario(), &Style { width: 72, ..Style::plain() });
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("list", page);
    });
}
