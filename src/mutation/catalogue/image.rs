//! What is in the image of a service.

use super::{mutant, text_file};
use crate::mutation::subject::Subject;
use crate::mutation::{Content, File, Mutant};
use crate::scenario::CheckSpec;

/// What GNU make says of itself: an executable that holds it is one under whatever name. It is
/// shorter than a real one and stands in for it.
const MAKE: &str = "\u{7f}ELF stand-in: GNU Make 4.3 .DEFAULT_GOAL\n";
/// A private key of the right form, made up.
const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\n\
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n\
QyNTUxOQAAACBK3q7dYf0mC0o0mXfFvM0s9Zk1o8kXnqv7a4m6b1Qx3wAAAJhd0f4uXdH+\n\
-----END OPENSSH PRIVATE KEY-----\n";

/// The mutants of one service.
pub(super) fn of(subject: &Subject) -> Vec<Mutant> {
    let mut mutants = tools(subject);
    mutants.extend(secrets(subject));
    mutants.extend(sizes(subject));
    mutants.extend(dependencies(subject));
    mutants
}

fn tools(subject: &Subject) -> Vec<Mutant> {
    let file = || text_file("tool", MAKE);
    let record = "Package: build-essential\nStatus: install ok installed\nVersion: 12.9\n\
                  Architecture: amd64\n";
    vec![
        mutant(subject, "build-tool", "a compiler is in the final layer")
            .layer(&["COPY --chmod=0755 tool /usr/bin/gcc"], vec![file()])
            .breaks("no-build-tools", "gcc"),
        mutant(
            subject,
            "build-tool-removed-later",
            "a compiler is in a layer, and the next removes it",
        )
        .layer(
            &[
                "USER 0:0",
                "COPY --chmod=0755 tool /usr/bin/gcc",
                r#"RUN ["/bin/sh", "-c", "rm /usr/bin/gcc"]"#,
                &subject.own_user(),
            ],
            vec![file()],
        )
        .breaks("no-build-tools", "gcc"),
        mutant(subject, "build-tool-renamed", "a build system is in the image under another name")
            .layer(&["COPY --chmod=0755 tool /usr/local/bin/assistant"], vec![file()])
            .breaks("no-build-tools", "assistant"),
        mutant(subject, "build-package", "a package of build tools is recorded as installed")
            .layer(
                &["COPY record /var/lib/dpkg/status.d/build-essential"],
                vec![text_file("record", record)],
            )
            .breaks("no-build-tools", "build-essential"),
    ]
}

fn secrets(subject: &Subject) -> Vec<Mutant> {
    // Made up and put together here, so that no scanner takes this file for a leak.
    let token = format!("ghp_{}", "x7Qm2VtB9sLk4RzN6WcJ1yHd8FgT3aPu5EoZ");
    vec![
        mutant(subject, "secret-in-layer", "a private key is in the final layer")
            .layer(&["COPY key /opt/deploy/id_ed25519"], vec![text_file("key", KEY)])
            .breaks("no-secrets-in-image", "id_ed25519"),
        mutant(
            subject,
            "secret-removed-later",
            "a private key is in a layer, and the next removes it",
        )
        .layer(
            &[
                "USER 0:0",
                "COPY key /opt/deploy/id_ed25519",
                r#"RUN ["/bin/sh", "-c", "rm -r /opt/deploy"]"#,
                &subject.own_user(),
            ],
            vec![text_file("key", KEY)],
        )
        .breaks("no-secrets-in-image", "id_ed25519"),
        mutant(subject, "secret-in-environment", "a token is in the environment of the image")
            .layer(&[&format!("ENV GITHUB_TOKEN={token}")], vec![])
            .breaks("no-secrets-in-image", ""),
    ]
}

fn sizes(subject: &Subject) -> Vec<Mutant> {
    // In one bound or by comparison, every claim of a size is broken by an image of this size.
    let bounds = subject.asked.iter().filter_map(|spec| match spec {
        CheckSpec::ImageSize(check) => Some(check.max.map_or(2 * subject.size, |max| max.0)),
        _ => None,
    });
    let Some(bound) = bounds.max() else { return vec![] };
    let zeros = bound.saturating_sub(subject.size) + (64 << 20);
    vec![
        mutant(subject, "bloated-image", "the image holds what nobody needs")
            .layer(
                &["COPY ballast /opt/ballast"],
                vec![File { path: "ballast".to_owned(), content: Content::Zeros(zeros) }],
            )
            .breaks("image-size", ""),
    ]
}

fn dependencies(subject: &Subject) -> Vec<Mutant> {
    let Some(file) = subject.spec(|spec| match spec {
        CheckSpec::SingleDependencySource(check) => Some(&check.file.value),
        _ => None,
    }) else {
        return vec![];
    };
    // A second list that is written and never used drifts just as well as one that is used.
    let mut second = mutant(
        subject,
        "second-dependency-file",
        format!("requirements.txt lists dependencies beside {file}"),
    )
    .breaks("single-dependency-source", "requirements.txt");
    second.change.context = vec![text_file("requirements.txt", "leftpad==0.1.2\n")];
    let metadata = "Metadata-Version: 2.1\nName: leftpad\nVersion: 0.1.2\n";
    let folder = "/usr/local/lib/python3.11/site-packages/leftpad-0.1.2.dist-info";
    vec![
        second,
        mutant(subject, "undeclared-dependency", "a package is installed that nothing declares")
            .layer(
                &[
                    &format!("COPY METADATA RECORD {folder}/"),
                    "COPY leftpad.py /usr/local/lib/python3.11/site-packages/leftpad.py",
                ],
                vec![
                    text_file("METADATA", metadata),
                    text_file("RECORD", "leftpad.py,,\nleftpad-0.1.2.dist-info/METADATA,,\nleftpad-0.1.2.dist-info/RECORD,,\n"),
                    text_file("leftpad.py", "def leftpad(text, width):\n    return text.rjust(width)\n"),
                ],
            )
            .breaks("single-dependency-source", "leftpad"),
    ]
}
