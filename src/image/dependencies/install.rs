//! What the commands of a Dockerfile install, and whether that follows from the source.

use std::collections::BTreeSet;

use crate::image::dependencies::dockerfile::{
    InstallFinding, InstallKind, InstallReport, Instruction,
};
use crate::image::dependencies::shell::{Command, Word};
use crate::image::dependencies::{
    BOOTSTRAP, BUILDERS, is_requirements_name, leading_name, normalise_name,
};
use crate::image::path;
use crate::image::secrets;

mod arguments;
mod installer;

use arguments::{Arguments, option, verb};

/// Reads instruction after instruction and remembers where the project and what is derived from it
/// went.
pub(crate) struct Survey {
    source: String,
    project: Option<String>,
    workdir: String,
    /// Files in the image that are the source or derived from it.
    derived: BTreeSet<String>,
    /// Folders in the image that hold the project.
    project_folders: BTreeSet<String>,
    /// Folders of wheels built of the project and what it declares.
    wheel_folders: BTreeSet<String>,
    locks: Vec<String>,
    report: InstallReport,
}

impl Survey {
    pub(crate) fn new(source: &str, project: Option<&str>, locks: &[String]) -> Survey {
        Survey {
            source: source.trim_start_matches("./").to_owned(),
            project: project.map(normalise_name),
            workdir: String::new(),
            derived: BTreeSet::new(),
            project_folders: BTreeSet::new(),
            wheel_folders: BTreeSet::new(),
            locks: locks.to_vec(),
            report: InstallReport::default(),
        }
    }

    pub(crate) fn report(mut self) -> InstallReport {
        self.report.findings.sort();
        self.report.findings.dedup();
        self.report
    }

    pub(crate) fn instruction(&mut self, instruction: &Instruction) {
        match instruction.keyword.as_str() {
            "FROM" => self.workdir.clear(),
            "WORKDIR" => self.workdir = self.absolute(instruction.text.trim()),
            "COPY" | "ADD" => self.copy(instruction),
            "ENV" => self.variables(instruction),
            "RUN" => {
                self.mounts(instruction);
                let workdir = self.workdir.clone();
                for command in instruction.commands() {
                    self.command(&command);
                }
                self.workdir = workdir;
            }
            _ => {}
        }
    }

    fn copy(&mut self, instruction: &Instruction) {
        let words = instruction
            .json()
            .unwrap_or_else(|| instruction.text.split_whitespace().map(str::to_owned).collect());
        let Some((destination, sources)) = words.split_last() else { return };
        let from_stage = instruction.flags.iter().any(|flag| flag.starts_with("--from="));
        let into = self.absolute(destination);
        if sources.iter().any(|source| source.starts_with("<<")) && is_requirements_name(&into) {
            self.found(instruction.line, InstallKind::CopiedRequirements, destination, "COPY");
        }
        for source in sources.iter().filter(|source| *source != "\\" && !source.starts_with("<<")) {
            let source = source.trim_start_matches("./");
            let name = path::name(source);
            let inside = if destination.ends_with('/') || sources.len() > 1 || destination == "." {
                join(&into, name)
            } else {
                into.clone()
            };
            if from_stage {
                let copied = self.absolute(&format!("/{source}"));
                self.carry_over(&copied, &into, &inside);
                let known = self.derived.contains(&copied);
                if is_requirements_name(source) && !known {
                    self.found(
                        instruction.line,
                        InstallKind::CopiedRequirements,
                        source,
                        &instruction.text,
                    );
                }
                continue;
            }
            let is_source = source == self.source;
            let is_whole = matches!(source, "" | "." | "/" | "*")
                || path::is_within(&self.source, source.trim_end_matches('/'));
            if is_source
                || is_whole
                || name == "pyproject.*"
                || source.starts_with("pyproject.toml")
            {
                let folder = if is_source || !is_whole { path::parent(&inside) } else { &into };
                self.project_folders.insert(folder.to_owned());
                self.project_folders.insert(into.clone());
                self.derived.insert(inside.clone());
                self.derived.insert(join(&into, path::name(&self.source)));
                let locks = self.locks.clone();
                self.derived.extend(locks.iter().map(|lock| join(&into, lock)));
            }
            if self.locks.iter().any(|lock| lock == source) {
                self.derived.insert(inside);
            } else if is_requirements_name(&source.replace('*', "")) {
                self.found(
                    instruction.line,
                    InstallKind::CopiedRequirements,
                    source,
                    &instruction.text,
                );
            }
        }
    }

    /// What another stage derived stays derived under its new name.
    fn carry_over(&mut self, from: &str, folder: &str, file: &str) {
        for places in [&mut self.derived, &mut self.wheel_folders, &mut self.project_folders] {
            let moved: Vec<String> = places
                .iter()
                .filter_map(|place| {
                    let rest = place.strip_prefix(from)?;
                    match rest.strip_prefix('/') {
                        Some(rest) => Some(join(folder, rest)),
                        None => rest.is_empty().then(|| file.to_owned()),
                    }
                })
                .collect();
            places.extend(moved);
        }
        // `COPY --from=b /wheels/*.whl /wheels/`
        if from.contains('*') && self.wheel_folders.contains(path::parent(from)) {
            self.wheel_folders.insert(folder.to_owned());
        }
    }

    /// A bind mount puts the context, or a file of it, into one command.
    fn mounts(&mut self, instruction: &Instruction) {
        for flag in &instruction.flags {
            let Some(mount) = flag.strip_prefix("--mount=") else { continue };
            let field = |names: &[&str]| {
                mount.split(',').find_map(|field| {
                    let (name, value) = field.split_once('=')?;
                    names.contains(&name).then_some(value)
                })
            };
            if field(&["type"]).unwrap_or("bind") != "bind" || field(&["from"]).is_some() {
                continue;
            }
            let source = field(&["source", "src"]).unwrap_or("").trim_start_matches("./");
            let target = self.absolute(field(&["target", "dst", "destination"]).unwrap_or("."));
            if source.is_empty() || source == "." {
                self.derived.insert(join(&target, &self.source));
                self.project_folders.insert(target);
            } else if source == self.source || self.locks.iter().any(|lock| lock == source) {
                self.project_folders.insert(path::parent(&target).to_owned());
                self.derived.insert(target);
            }
        }
    }

    /// pip and uv take options from variables too.
    fn variables(&mut self, instruction: &Instruction) {
        const NAMES: &[&str] = &[
            "PIP_REQUIREMENT",
            "PIP_CONSTRAINT",
            "UV_CONSTRAINT",
            "UV_OVERRIDE",
            "UV_BUILD_CONSTRAINT",
        ];
        for name in NAMES.iter().filter(|name| instruction.text.contains(**name)) {
            let kind = InstallKind::RequirementsFile;
            self.found(instruction.line, kind, name, &instruction.text);
        }
    }

    fn command(&mut self, command: &Command) {
        if command.program() == "cd"
            && let Some(folder) = command.words.get(1)
        {
            self.workdir = self.absolute(&folder.text);
            return;
        }
        let Some((tool, rest)) = installer::of(command) else { return };
        let first = verb(rest, 0);
        let verbs: Vec<&str> = first
            .into_iter()
            .chain(first.and_then(|_| verb(rest, 1)))
            .map(|at| rest[at].text.as_str())
            .collect();
        let skip = |count: usize| &rest[verb(rest, count - 1).map_or(rest.len(), |at| at + 1)..];
        match (tool, verbs.first().copied(), verbs.get(1).copied()) {
            ("pip", Some("install" | "download" | "wheel"), _) => self.install(command, skip(1)),
            ("uv", Some("pip"), Some("install")) => self.install(command, skip(2)),
            ("uv", Some("pip"), Some("sync")) => self.synced(command, skip(2)),
            ("uv", Some("pip"), Some("compile")) => self.compiled(command, skip(2)),
            ("uv", Some("tool"), Some("install" | "run")) => self.install(command, skip(2)),
            ("uv" | "poetry" | "pdm" | "pipenv" | "hatch", Some("add" | "install"), _)
                if !(tool != "pipenv" && verbs[0] == "install") =>
            {
                self.install(command, skip(1));
            }
            ("pipx", Some("install" | "run" | "inject"), _) => self.install(command, skip(1)),
            ("uvx" | "easy_install", ..) => self.install(command, rest),
            ("uv" | "poetry" | "pdm", Some("export"), _) => self.exported(command, rest),
            ("uv", Some("run"), _) => self.with(command, rest),
            ("pip-compile", ..) => self.compiled(command, rest),
            ("pip-sync", ..) => self.synced(command, rest),
            ("conda" | "mamba" | "micromamba", Some("install" | "create" | "env"), _) => {
                let shown = command.shown();
                self.found(command.line, InstallKind::OtherManager, tool, &shown);
            }
            ("uv", Some("build"), _) => {
                let folder = option(rest, &["-o", "--out-dir"]).unwrap_or("dist".to_owned());
                self.wheel_folders.insert(self.absolute(&folder));
            }
            _ => {}
        }
    }

    fn install(&mut self, command: &Command, arguments: &[Word]) {
        let before = self.report.findings.len();
        let arguments = Arguments::of(arguments);
        for list in &arguments.lists {
            self.list(command, list);
        }
        for package in &arguments.packages {
            self.package(command, package);
        }
        // `pip wheel . -w /wheels` makes wheels of what follows from the source.
        if let Some(folder) = arguments.wheel_folder
            && self.report.findings.len() == before
        {
            self.wheel_folders.insert(self.absolute(&folder));
        }
    }

    fn list(&mut self, command: &Command, list: &Word) {
        let file = self.absolute(&list.text);
        let is_derived = self.derived.contains(&file)
            || path::name(&file) == path::name(&self.source)
                && self.project_folders.contains(path::parent(&file));
        if !is_derived {
            let kind =
                if list.expands { InstallKind::Unreadable } else { InstallKind::RequirementsFile };
            self.found(command.line, kind, &list.text, &command.shown());
        }
    }

    fn package(&mut self, command: &Command, word: &Word) {
        let text = word.text.as_str();
        let kind = if text.contains("://") {
            InstallKind::Url
        } else if text.starts_with(['.', '/', '~']) || text.contains('/') || text.ends_with(".whl")
        {
            let bare = text.split('[').next().unwrap_or(text);
            let file = self.absolute(bare);
            let is_wheel = file.contains('*') || file.ends_with(".whl") || file.ends_with(".gz");
            let known = self.project_folders.contains(&file)
                || is_wheel && self.wheel_folders.contains(path::parent(&file));
            match (known, word.expands) {
                (true, _) => return,
                (false, true) => InstallKind::Unreadable,
                (false, false) => InstallKind::LocalPath,
            }
        } else {
            match leading_name(text) {
                Some(name) if Some(&name) == self.project.as_ref() => return,
                Some(name) if BOOTSTRAP.contains(&name.as_str()) => {
                    self.report.bootstrap.push(name);
                    return;
                }
                Some(name) if BUILDERS.contains(&name.as_str()) => {
                    self.report.bootstrap.push(name);
                    return;
                }
                Some(_) => InstallKind::Package,
                None => InstallKind::Unreadable,
            }
        };
        self.found(command.line, kind, text, &command.shown());
    }

    /// `uv pip sync` and `pip-sync` take lists as arguments.
    fn synced(&mut self, command: &Command, arguments: &[Word]) {
        let arguments = Arguments::of(arguments);
        for list in arguments.packages.into_iter().chain(&arguments.lists) {
            self.list(command, list);
        }
    }

    /// A list that is compiled of the source is derived from it; of another list it is not.
    fn compiled(&mut self, command: &Command, arguments: &[Word]) {
        let before = self.report.findings.len();
        self.synced(command, arguments);
        if self.report.findings.len() == before {
            self.exported(command, arguments);
        }
    }

    fn exported(&mut self, command: &Command, arguments: &[Word]) {
        let output = Arguments::of(arguments).output;
        for file in output.iter().chain(&command.outputs) {
            self.derived.insert(self.absolute(file));
        }
    }

    /// `uv run --with` installs for one run.
    fn with(&mut self, command: &Command, arguments: &[Word]) {
        for pair in arguments.windows(2).filter(|pair| pair[0].text == "--with") {
            self.package(command, &pair[1]);
        }
    }

    fn found(&mut self, line: usize, kind: InstallKind, argument: &str, command: &str) {
        self.report.findings.push(InstallFinding {
            line,
            kind,
            argument: shown(argument),
            command: shown(command),
        });
    }

    /// A path in the image without a leading slash.
    fn absolute(&self, given: &str) -> String {
        let given = given.trim_matches(['"', '\'']);
        let whole = if given.starts_with('/') {
            given.to_owned()
        } else {
            format!("{}/{given}", self.workdir)
        };
        path::normalise(whole.as_bytes()).unwrap_or(whole)
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Bounded, and without secrets. Where that cannot be had, nothing is shown.
fn shown(text: &str) -> String {
    let redacted = secrets::redact(text).unwrap_or_default();
    redacted.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use crate::image::dependencies::dockerfile::{InstallKind, installs};

    #[rstest]
    #[case("RUN pip install requests", InstallKind::Package)]
    #[case("RUN pip3.11 install --no-cache-dir 'requests>=2' \\\n  && true", InstallKind::Package)]
    #[case("RUN python3 -m pip --no-cache-dir install requests", InstallKind::Package)]
    #[case("RUN /opt/venv/bin/pip install -U requests", InstallKind::Package)]
    #[case("RUN uv pip install --system requests", InstallKind::Package)]
    #[case("RUN uv --directory /a pip install requests", InstallKind::Package)]
    #[case("RUN pipx install httpie", InstallKind::Package)]
    #[case("RUN poetry add requests", InstallKind::Package)]
    #[case("RUN uv add requests", InstallKind::Package)]
    #[case("RUN uv tool install httpie", InstallKind::Package)]
    #[case("RUN uv run --with requests x", InstallKind::Package)]
    #[case("RUN sh -c 'pip install requests'", InstallKind::Package)]
    #[case("RUN if true; then pip install requests; fi", InstallKind::Package)]
    #[case("RUN [\"pip\", \"install\", \"requests\"]", InstallKind::Package)]
    #[case("RUN <<EOF\npip install requests\nEOF", InstallKind::Package)]
    #[case("ONBUILD RUN pip install requests", InstallKind::Package)]
    #[case("RUN pip install -r reqs.in", InstallKind::RequirementsFile)]
    #[case("RUN pip install -rreqs.in", InstallKind::RequirementsFile)]
    #[case("RUN pip install --requirement=/tmp/x .", InstallKind::RequirementsFile)]
    #[case("RUN pip install -c limits.txt .", InstallKind::RequirementsFile)]
    #[case("RUN uv pip sync other.txt", InstallKind::RequirementsFile)]
    #[case("RUN uv pip compile reqs.in -o out.txt", InstallKind::RequirementsFile)]
    #[case("ENV PIP_CONSTRAINT=/c.txt", InstallKind::RequirementsFile)]
    #[case("RUN pip install git+https://h/x", InstallKind::Url)]
    #[case("RUN pip install https://h/x.whl", InstallKind::Url)]
    #[case("RUN pip install /vendor/x.whl", InstallKind::LocalPath)]
    #[case("RUN pip install ./other", InstallKind::LocalPath)]
    #[case("RUN pip install -e ./other", InstallKind::LocalPath)]
    #[case("RUN pip install $PKGS", InstallKind::Unreadable)]
    #[case("RUN cat x | xargs pip install", InstallKind::Unreadable)]
    #[case("RUN conda install requests", InstallKind::OtherManager)]
    #[case("COPY requirements.txt .", InstallKind::CopiedRequirements)]
    #[case("COPY requirements*.txt ./", InstallKind::CopiedRequirements)]
    #[case("ADD [\"requirements.txt\", \"/x/\"]", InstallKind::CopiedRequirements)]
    #[case("COPY <<EOF /x/requirements.txt\nrequests\nEOF", InstallKind::CopiedRequirements)]
    fn what_the_source_does_not_name_is_found(#[case] text: &str, #[case] kind: InstallKind) {
        let text = format!("FROM a\nWORKDIR /app\nCOPY pyproject.toml ./\n{text}\n");
        let report = installs(&text, "pyproject.toml", Some("otis"), &[]);
        let kinds: Vec<_> = report.findings.iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, [kind], "{report:?}");
    }

    #[rstest]
    #[case("RUN pip install .")]
    #[case("RUN pip install --no-cache-dir '.[prod]'")]
    #[case("RUN pip install -e .")]
    #[case("RUN pip install /app")]
    #[case("RUN cd / && pip install ./app")]
    #[case("RUN pip install --upgrade pip setuptools wheel 'uv==0.5'")]
    #[case("RUN pip install uv==${UV} && uv sync --frozen --no-dev")]
    #[case("RUN uv pip install --system -r pyproject.toml")]
    #[case("RUN uv export --frozen -o /tmp/lock.txt && pip install -r /tmp/lock.txt")]
    #[case("RUN uv export --frozen > lock.txt\nRUN pip install --require-hashes -r lock.txt")]
    #[case("RUN uv pip compile pyproject.toml -o r.txt && uv pip sync r.txt")]
    #[case("RUN poetry install --only main")]
    #[case(
        "RUN pip wheel --wheel-dir /wheels .\nFROM b\nCOPY --from=0 /wheels /wheels\nRUN pip install /wheels/*.whl"
    )]
    #[case("RUN pip wheel -w /w .\nRUN pip install --no-index --find-links=/w otis")]
    #[case(
        "RUN --mount=type=bind,source=pyproject.toml,target=/b/pyproject.toml cd /b && pip install ."
    )]
    #[case("COPY . /srv\nRUN pip install /srv")]
    #[case("RUN apt-get install -y python3-pip && echo pip install requests")]
    #[case("RUN pip --version && pip check && pip list")]
    #[case("RUN pip uninstall -y pip setuptools")]
    #[case("COPY lock/requirements.txt /x/\nRUN pip install -r /x/requirements.txt")]
    fn what_follows_from_the_source_is_accepted(#[case] text: &str) {
        let text = format!("FROM a\nWORKDIR /app\nCOPY pyproject.toml ./\n{text}\n");
        let locks = ["lock/requirements.txt".to_owned()];
        let report = installs(&text, "pyproject.toml", Some("otis"), &locks);
        assert_eq!(report.findings, [], "{text}");
    }

    #[test]
    fn a_finding_names_the_line_and_hides_the_password() {
        let text = "FROM a\n\nRUN true \\\n && pip install https://u:hunter2x@h/x.whl\n";
        let report = installs(text, "pyproject.toml", None, &[]);
        assert_eq!(report.findings[0].line, 4);
        assert!(!format!("{report:?}").contains("hunter2x"));
    }
}
