//! What keeps the processes of a service in.

use serde_json::{Value, json};

use super::{mutant, text_file};
use crate::mutation::landing::Kernel;
use crate::mutation::subject::{Ground, Subject};
use crate::mutation::{Mutant, Sign};

/// The mutants of one service.
pub(super) fn of(ground: &Ground, subject: &Subject) -> Vec<Mutant> {
    let mut mutants = privileges(ground, subject);
    mutants.extend(namespaces(ground, subject));
    mutants.push(
        mutant(subject, "writable-root", "the root file system is writable")
            .patch(&json!({"read_only": false}))
            .sign(Sign::Configured("/HostConfig/ReadonlyRootfs".to_owned(), json!(false)))
            .sign(Sign::Kernel(Kernel::WritableRoot))
            .breaks("read-only-root", "read-write"),
    );
    mutants.push(
        mutant(subject, "undeclared-volume", "the image brings a writable volume along")
            .layer(
                &["COPY --chmod=0777 keep /stackproof-data/keep", "VOLUME /stackproof-data"],
                vec![text_file("keep", "")],
            )
            .sign(Sign::Kernel(Kernel::Mounted("/stackproof-data".to_owned())))
            .breaks("read-only-root", "/stackproof-data"),
    );
    mutants
}

/// The service's security options without those that begin so, and with one more.
fn options(subject: &Subject, without: &str, with: Option<String>) -> Value {
    let kept = subject.declared.security_opt.iter().filter(|option| !option.starts_with(without));
    json!(kept.cloned().chain(with).collect::<Vec<_>>())
}

fn privileges(ground: &Ground, subject: &Subject) -> Vec<Mutant> {
    let added = |name: &str| json!({"cap_add": subject.appended("cap_add", json!(name))});
    let nnp = "no-new-privileges";
    // Some programs set it for themselves, so the kernel may say that it is set all the same; what
    // is executed in the container is free of it then.
    let option = "/HostConfig/SecurityOpt".to_owned();
    let mut mutants = vec![
        mutant(subject, "new-privileges", "no-new-privileges is not set")
            .patch(&json!({"security_opt": options(subject, nnp, None)}))
            .sign(Sign::NoConfiguredText(option.clone(), nnp.to_owned()))
            .breaks(nnp, ""),
        mutant(subject, "new-privileges-false", "no-new-privileges is there and says false")
            .patch(&json!({"security_opt": options(subject, nnp, Some(format!("{nnp}:false")))}))
            .sign(Sign::ConfiguredText(option, "false".to_owned()))
            .breaks(nnp, ""),
        mutant(subject, "capability-sys-admin", "the capability to administer the system is added")
            .patch(&added("SYS_ADMIN"))
            .sign(Sign::ConfiguredText("/HostConfig/CapAdd".to_owned(), "SYS_ADMIN".to_owned()))
            .sign(Sign::Kernel(Kernel::Bounding("SYS_ADMIN")))
            .breaks("capabilities", "SYS_ADMIN")
            .also(&["seccomp"]),
        mutant(subject, "capability-net-raw", "the capability to send any packet is added")
            .patch(&added("NET_RAW"))
            .sign(Sign::Kernel(Kernel::Bounding("NET_RAW")))
            .breaks("capabilities", "NET_RAW"),
        mutant(subject, "capabilities-kept", "the engine's default capabilities are not dropped")
            .patch(&json!({"cap_drop": null}))
            .sign(Sign::Unconfigured("/HostConfig/CapDrop".to_owned()))
            .sign(Sign::Kernel(Kernel::Bounding("SETUID")))
            .breaks("capabilities", "SETUID"),
        mutant(subject, "privileged", "the container is privileged")
            .patch(&json!({"privileged": true}))
            .sign(Sign::Configured("/HostConfig/Privileged".to_owned(), json!(true)))
            .breaks("capabilities", "privileged")
            .also(&["seccomp", "namespaces", "read-only-root", "healthy", "restart-policy"])
            .may_be_refused(),
        mutant(subject, "seccomp-unconfined", "no system call is filtered")
            .patch(&json!({
                "security_opt": options(subject, "seccomp", Some("seccomp:unconfined".to_owned())),
            }))
            .sign(Sign::Kernel(Kernel::Seccomp(0)))
            .breaks("seccomp", "no filter"),
        mutant(subject, "seccomp-allows-all", "a filter is there that lets every call through")
            .patch(&json!({"security_opt": options(
                subject, "seccomp", Some(format!("seccomp:{}/allow-all.json", ground.folder)),
            )}))
            .sign(Sign::ConfiguredText(
                "/HostConfig/SecurityOpt".to_owned(),
                "SCMP_ACT_ALLOW".to_owned(),
            ))
            .sign(Sign::Kernel(Kernel::Seccomp(2)))
            .breaks("seccomp", ""),
    ];
    if ground.about.has_apparmor() {
        mutants.push(
            mutant(subject, "apparmor-unconfined", "no AppArmor profile confines it")
                .patch(&json!({"security_opt": options(
                    subject, "apparmor", Some("apparmor:unconfined".to_owned()),
                )}))
                .sign(Sign::ConfiguredText(
                    "/HostConfig/SecurityOpt".to_owned(),
                    "apparmor".to_owned(),
                ))
                .breaks("apparmor", ""),
        );
    }
    mutants
}

fn namespaces(ground: &Ground, subject: &Subject) -> Vec<Mutant> {
    let configured =
        |key: &str, value: &str| Sign::Configured(format!("/HostConfig/{key}"), json!(value));
    let mut mutants = vec![
        mutant(subject, "host-pid", "it sees and can signal the processes of the host")
            .patch(&json!({"pid": "host"}))
            .sign(configured("PidMode", "host"))
            .breaks("namespaces", "pid")
            // The processes of the host are not the service's, and what they are says nothing.
            .also(&[
                "runs-as",
                "capabilities",
                "no-new-privileges",
                "seccomp",
                "no-env",
                "apparmor",
                "no-docker-access",
                "docker-access-via",
                "tmpfs-bounded",
            ])
            .may_be_refused(),
        mutant(subject, "host-ipc", "it shares the host's shared memory and semaphores")
            .patch(&json!({"ipc": "host"}))
            .sign(configured("IpcMode", "host"))
            .breaks("namespaces", "ipc")
            .also(&["read-only-root", "tmpfs-bounded"]),
        mutant(subject, "host-uts", "it shares the host's name")
            .patch(&json!({"uts": "host"}))
            .sign(configured("UTSMode", "host"))
            .breaks("namespaces", "uts"),
    ];
    let other = ground.subjects.values().find(|other| {
        // A service that depends on this one cannot be there before it.
        let depends = other.raw.pointer(&format!("/depends_on/{}", subject.name)).is_some();
        other.name != subject.name && !depends && other.raw.get("depends_on").is_none()
    });
    if let Some(other) = other {
        let shared = format!("service:{}", other.name);
        mutants.push(
            mutant(
                subject,
                "shared-ipc",
                format!("it shares memory and semaphores with {}", other.name),
            )
            .patch(&json!({"ipc": shared}))
            .patch_model(json!({"services": {other.name.as_str(): {"ipc": "shareable"}}}))
            .sign(Sign::ConfiguredText("/HostConfig/IpcMode".to_owned(), "container:".to_owned()))
            .breaks("namespaces", "ipc with")
            .also(&["read-only-root", "tmpfs-bounded"]),
        );
        if let Some(mutant) = mutants.last_mut() {
            // The other one shares it just as well.
            mutant.breaks.push(crate::mutation::Expected {
                code: "namespaces".to_owned(),
                service: other.name.clone(),
                because: "ipc with".to_owned(),
                one_is_enough: false,
            });
        }
    }
    mutants
}
