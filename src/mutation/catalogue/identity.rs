//! Who the processes of a service are.

use serde_json::{Value, json};

use super::{mutant, text_file};
use crate::mutation::landing::Kernel;
use crate::mutation::subject::Subject;
use crate::mutation::{Mutant, Sign};
use crate::scenario::CheckSpec;

/// What a service that was not made for root needs, so that as root it starts at all: root
/// without capabilities may not even read the files of others.
const AS_ROOT: [&str; 5] = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"];
/// A copy of a program that only passes on what it is given, owned by root and setuid.
const SETUID: &str = "/stackproof-setuid";
/// Starts a service under, or beside, a process whose effective uid is root's. The C library takes
/// TMPDIR away from a setuid program, and a shell gives such a uid up unless it is told to be
/// privileged, so the service itself has its own uid and environment.
const START: &str = r#"#!/bin/sh
step=$1
shift
case $step in
    first)
        STACKPROOF_TMPDIR=$TMPDIR exec /stackproof-setuid /bin/sh -p /stackproof-start second "$@"
        ;;
    second)
        /bin/sh /stackproof-start third "$@" &
        wait
        ;;
    third)
        if [ -n "$STACKPROOF_TMPDIR" ]; then export TMPDIR="$STACKPROOF_TMPDIR"; fi
        exec "$@"
        ;;
    beside)
        /stackproof-setuid sleep 2147483647 &
        exec "$@"
        ;;
esac
"#;
/// Checks that a root process with capabilities may break besides. With the first version of cgroups
/// it can write to the engine's own file system in memory, which has no size.
const ROOTS: [&str; 4] = ["capabilities", "seccomp", "no-docker-access", "tmpfs-bounded"];

/// The mutants of one service.
pub(super) fn of(subject: &Subject) -> Vec<Mutant> {
    let mut capabilities: Vec<Value> =
        subject.raw.get("cap_add").and_then(Value::as_array).cloned().unwrap_or_default();
    capabilities.extend(AS_ROOT.map(|name| json!(name)));
    let as_root = json!({"user": "0:0", "cap_add": capabilities});
    let root = |weakness: &str, text: &str| {
        mutant(subject, weakness, text)
            .patch(&as_root)
            .sign(Sign::Configured("/Config/User".to_owned(), json!("0:0")))
            .sign(Sign::Kernel(Kernel::Uid(0)))
            .breaks("runs-as", "root")
            .also(&ROOTS)
    };
    let mut mutants = vec![root("root", "every process runs as root")];
    let user = subject.spec(|spec| match spec {
        CheckSpec::RunsAs(check) => check.user.clone(),
        _ => None,
    });
    if let Some(user) = &user {
        mutants.push(
            root("root-with-fake-whoami", "runs as root, and a `whoami` of its own denies it")
                .layer(
                    &[
                        "USER 0:0",
                        "COPY --chmod=0755 whoami /usr/local/bin/whoami",
                        "COPY --chmod=0755 whoami /usr/bin/whoami",
                    ],
                    vec![text_file("whoami", &format!("#!/bin/sh\necho {user}\n"))],
                ),
        );
        let alias =
            format!(r#"RUN ["/bin/sh", "-c", "sed -i '1i {user}:x:0:0::/:/bin/sh' /etc/passwd"]"#);
        mutants.push(
            mutant(subject, "root-by-passwd-alias", format!("the name {user} stands for uid 0"))
                .patch(&json!({"user": user, "cap_add": capabilities}))
                .layer(&["USER 0:0", &alias], vec![])
                .sign(Sign::Configured("/Config/User".to_owned(), json!(user)))
                .sign(Sign::Kernel(Kernel::Uid(0)))
                .breaks("runs-as", "")
                .also(&ROOTS),
        );
    }
    let unprivileged = subject.identity.is_some_and(|(uid, _)| uid != 0);
    if unprivileged && !subject.argv().is_empty() {
        mutants.extend(setuid(subject));
    }
    if let Some((uid, gid)) = subject.identity.filter(|(uid, _)| *uid != 0) {
        mutants.push(
            mutant(subject, "root-group", "the group of every process is root's")
                .patch(&json!({"user": format!("{uid}:0"), "group_add": subject.with_groups(&[])}))
                .sign(Sign::Kernel(Kernel::Gid(0)))
                .breaks("runs-as", "root's gid"),
        );
        mutants.push(
            mutant(subject, "root-supplementary-group", "every process is in root's group, too")
                .patch(&json!({
                    "user": format!("{uid}:{gid}"), "group_add": subject.with_groups(&[0]),
                }))
                .sign(Sign::Kernel(Kernel::Group(0)))
                .breaks("runs-as", "root's group"),
        );
    }
    mutants
}

/// Processes that an exec does not see as root: who executes is the configured user.
fn setuid(subject: &Subject) -> Vec<Mutant> {
    let options: Vec<Value> = subject
        .declared
        .security_opt
        .iter()
        .filter(|option| !option.starts_with("no-new-privileges"))
        .map(|option| json!(option))
        .collect();
    let copy =
        format!(r#"RUN ["/bin/sh", "-c", "cp $(command -v env) {SETUID} && chmod 4755 {SETUID}"]"#);
    let back = subject.own_user();
    let argv = subject.argv();
    let started = |weakness: &str, text: &str, first: &[&str]| {
        let words: Vec<&str> =
            first.iter().copied().chain(argv.iter().map(String::as_str)).collect();
        let instructions = ["USER 0:0", &copy, "COPY --chmod=0755 start /stackproof-start", &back];
        mutant(subject, weakness, text)
            .patch(&json!({"security_opt": options, "entrypoint": words, "command": null}))
            .layer(&instructions, vec![text_file("start", START)])
            .sign(Sign::Kernel(Kernel::Uid(0)))
            .breaks("runs-as", "root's uid")
            .breaks("no-new-privileges", "")
            .also(&ROOTS)
    };
    vec![
        started(
            "setuid-first-process",
            "the first process is a setuid program, whose effective uid is root's",
            &["/bin/sh", "/stackproof-start", "first"],
        ),
        started(
            "root-helper",
            "a helper process beside the service runs as root",
            &["/bin/sh", "/stackproof-start", "beside"],
        ),
    ]
}
