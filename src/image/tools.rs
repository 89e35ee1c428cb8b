//! Build tools and other programs that an attacker would be glad of, in every layer.
//!
//! A tool counts wherever it lies: by the name of an executable, by the package that brings it,
//! by what its ELF holds when it was renamed, and in layers whose files a later layer hides.
//!
//! Three cases are decided here. A pip wheel that ensurepip keeps for later is not counted unless
//! the policy asks for it: every Debian and official Python holds one, and it takes a deliberate
//! step to install. pip itself counts by its script, its package folder and its dist-info, so
//! taking one of them away hides nothing. setuptools and wheel are libraries and no tools: they
//! fetch nothing and compile nothing without a compiler, which counts by itself.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use crate::image::glob::Glob;
use crate::image::layer::UnreadReason;
use crate::image::packages::Package;
use crate::image::{Image, Layer, path};

pub(crate) mod names;
pub(crate) mod packages;
pub(crate) mod signatures;

/// How many findings of one image are kept.
const MAX_FINDINGS: usize = 10_000;

/// What a tool is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToolClass {
    /// Makes machine code of source, or source of grammars.
    Compiler,
    /// Makes programs and libraries of machine code.
    Linker,
    /// Makes machine code of assembly.
    Assembler,
    /// Drives compilers.
    BuildSystem,
    /// Fetches and keeps source.
    VersionControl,
    /// Builds or installs programs of one language.
    LanguageToolchain,
    /// Installs Python packages.
    PythonInstaller,
    /// Installs packages of the distribution. Base images hold one.
    PackageManager,
    /// Fetches from, or connects to, anywhere.
    NetworkClient,
    /// Looks into processes, programs or traffic.
    Debugger,
    /// Talks to a container engine or cluster.
    ContainerClient,
}

impl ToolClass {
    /// Every class.
    pub const ALL: [ToolClass; 11] = [
        ToolClass::Compiler,
        ToolClass::Linker,
        ToolClass::Assembler,
        ToolClass::BuildSystem,
        ToolClass::VersionControl,
        ToolClass::LanguageToolchain,
        ToolClass::PythonInstaller,
        ToolClass::PackageManager,
        ToolClass::NetworkClient,
        ToolClass::Debugger,
        ToolClass::ContainerClient,
    ];

    /// The classes that "build tools" means unless a policy says otherwise.
    pub const BUILD: [ToolClass; 7] = [
        ToolClass::Compiler,
        ToolClass::Linker,
        ToolClass::Assembler,
        ToolClass::BuildSystem,
        ToolClass::VersionControl,
        ToolClass::LanguageToolchain,
        ToolClass::PythonInstaller,
    ];

    /// The word used in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ToolClass::Compiler => "compiler",
            ToolClass::Linker => "linker",
            ToolClass::Assembler => "assembler",
            ToolClass::BuildSystem => "build-system",
            ToolClass::VersionControl => "version-control",
            ToolClass::LanguageToolchain => "language-toolchain",
            ToolClass::PythonInstaller => "python-installer",
            ToolClass::PackageManager => "package-manager",
            ToolClass::NetworkClient => "network-client",
            ToolClass::Debugger => "debugger",
            ToolClass::ContainerClient => "container-client",
        }
    }
}

/// How a tool gave itself away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToolSign {
    /// An executable file has its name.
    Name,
    /// A link has its name and leads here.
    Link(String),
    /// An ELF program holds its strings, whatever the file is called.
    Signature,
    /// The folder of a Python package, which `python -m` runs.
    PythonModule,
    /// A script starts it.
    Launcher,
    /// A wheel that ensurepip or virtualenv can install without a network.
    BundledWheel,
    /// The installed package of this name and version brings it.
    Package(String),
    /// The Python distribution of this name and version is installed.
    PythonDistribution(String),
}

/// A tool in a layer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolHit {
    /// The file, without a leading slash.
    pub path: String,
    /// The tool's plain name, such as `gcc` for `x86_64-linux-gnu-gcc-12`.
    pub tool: String,
    /// What it is for.
    pub class: ToolClass,
    /// How it was found.
    pub sign: ToolSign,
    /// The file's permission bits.
    pub mode: u32,
}

/// Which tools count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolPolicy {
    /// The classes that count.
    pub classes: BTreeSet<ToolClass>,
    /// What may be there: the name of a tool or of the package that brings it (`curl`), or a glob
    /// over paths, which holds a slash (`/usr/lib/git-core/**`). A name allows what is that tool:
    /// not another one that goes by its name.
    pub allowed: Vec<String>,
    /// Whether wheels bundled for later installation count.
    pub bundled_wheels: bool,
}

impl Default for ToolPolicy {
    fn default() -> Self {
        ToolPolicy {
            classes: ToolClass::BUILD.into_iter().collect(),
            allowed: Vec::new(),
            bundled_wheels: false,
        }
    }
}

/// A tool that the policy does not allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolFinding {
    /// The index of the layer, the lowest being 0.
    pub layer: usize,
    /// The digest of the uncompressed layer.
    pub diff_id: String,
    /// The file, without a leading slash. For a package, the database that lists it.
    pub path: String,
    /// The tool's plain name.
    pub tool: String,
    /// What it is for.
    pub class: ToolClass,
    /// Every way in which it gave itself away.
    pub signs: Vec<ToolSign>,
    /// The layer that hides the file again, where one does. It still counts: whoever has the image
    /// has the layer.
    pub hidden_in: Option<usize>,
}

/// What the search for tools came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ToolReport {
    /// Tools that count and are not allowed, by layer and path.
    pub findings: Vec<ToolFinding>,
    /// How many more findings there were than were kept.
    pub dropped: u64,
    /// Entries of the allow list that nothing matched.
    pub unmatched: Vec<String>,
    /// What could not be looked into: where this is not empty, no finding does not mean no tool.
    pub unread: Vec<String>,
}

/// Looks for tools in every layer of an image.
#[must_use]
pub fn find(image: &Image, policy: &ToolPolicy) -> ToolReport {
    let mut matched = BTreeSet::new();
    let mut report = ToolReport::default();
    let mut listed = HashSet::new();
    for (layer, one) in image.layers.iter().enumerate() {
        let facts = &one.facts;
        let mut found: BTreeMap<(String, String), ToolFinding> = BTreeMap::new();
        for hit in facts.tools.kept.iter().cloned().chain(packaged(one, &mut listed)) {
            // Asked first: an entry that allows what would not count has matched all the same.
            let allowed = allows(policy, &hit, &mut matched);
            let counts = policy.classes.contains(&hit.class)
                && (policy.bundled_wheels || hit.sign != ToolSign::BundledWheel);
            if !counts || allowed {
                continue;
            }
            if report.findings.len() + found.len() >= MAX_FINDINGS {
                report.dropped += 1;
                continue;
            }
            let finding =
                found.entry((hit.path.clone(), hit.tool.clone())).or_insert_with(|| ToolFinding {
                    layer,
                    diff_id: facts.diff_id.clone(),
                    hidden_in: image.hidden_in(layer, &hit.path),
                    path: hit.path,
                    tool: hit.tool,
                    class: hit.class,
                    signs: Vec::new(),
                });
            finding.signs.push(hit.sign);
        }
        report.findings.extend(found.into_values());
        if facts.tools.dropped > 0 {
            report.unread.push(format!("layer {layer}: {} further tools", facts.tools.dropped));
        }
        report.unread.extend(one.unread(layer, UnreadReason::hides_tools));
    }
    report.unmatched = policy
        .allowed
        .iter()
        .enumerate()
        .filter(|(at, _)| !matched.contains(at))
        .map(|(_, entry)| entry.clone())
        .collect();
    report
}

/// Tools that a layer's package databases and Python distributions list. `listed` holds what the
/// databases of lower layers list.
fn packaged<'a>(layer: &'a Layer, listed: &mut HashSet<(&'a str, &'a Package)>) -> Vec<ToolHit> {
    let facts = &layer.facts;
    let mut hits = Vec::new();
    for database in &facts.packages {
        for package in database.packages.iter().filter(|package| package.is_installed()) {
            let Some((tool, class)) = packages::class_of(&package.name) else { continue };
            // A later layer copies the whole database: its entry of a package that came with a
            // lower layer says nothing new.
            if listed.insert((&database.path, package)) {
                hits.push(ToolHit {
                    path: database.path.clone(),
                    tool: tool.to_owned(),
                    class,
                    sign: ToolSign::Package(format!("{} {}", package.name, package.version)),
                    mode: 0,
                });
            }
        }
    }
    for dist in &facts.dists {
        let Some(metadata) = &dist.metadata else { continue };
        if let Some((tool, class @ ToolClass::PythonInstaller)) = names::class_of(&metadata.name)
            && !dist.is_vendored()
        {
            hits.push(ToolHit {
                path: dist.path.clone(),
                tool: tool.to_owned(),
                class,
                sign: ToolSign::PythonDistribution(format!(
                    "{} {}",
                    metadata.name, metadata.version
                )),
                mode: 0,
            });
        }
    }
    hits
}

fn allows(policy: &ToolPolicy, hit: &ToolHit, matched: &mut BTreeSet<usize>) -> bool {
    let mut allowed = false;
    for (at, entry) in policy.allowed.iter().enumerate() {
        let matches = if entry.contains('/') {
            Glob::new(entry).matches(&hit.path)
        } else {
            // What it is called counts only where that is how it was found: a compiler that was
            // renamed to `curl` is found by what it holds.
            let also = match &hit.sign {
                ToolSign::Package(package) => package.split(' ').next().unwrap_or_default(),
                ToolSign::Name | ToolSign::Link(_) => path::name(&hit.path),
                ToolSign::Signature
                | ToolSign::PythonModule
                | ToolSign::Launcher
                | ToolSign::BundledWheel
                | ToolSign::PythonDistribution(_) => hit.tool.as_str(),
            };
            *entry == hit.tool || entry == also
        };
        if matches {
            matched.insert(at);
            allowed = true;
        }
    }
    allowed
}

/// What the name and place of an entry say, before its data is read. `link` is the target of a
/// symbolic or hard link.
pub(crate) fn hit_by_name(entry_path: &str, mode: u32, link: Option<&str>) -> Option<ToolHit> {
    let hit = |tool: &str, class, sign| {
        Some(ToolHit { path: entry_path.to_owned(), tool: tool.to_owned(), class, sign, mode })
    };
    let name = path::name(entry_path);
    if let Some(link) = link {
        let (tool, class) = names::class_of(name)?;
        let program = names::is_program_link(entry_path) && names::is_program_path(entry_path);
        return if program { hit(tool, class, ToolSign::Link(link.to_owned())) } else { None };
    }
    if name == "__main__.py" && path::name(path::parent(entry_path)) == "pip" {
        return hit("pip", ToolClass::PythonInstaller, ToolSign::PythonModule);
    }
    if name.ends_with(".whl") {
        let tool = name.split('-').next().unwrap_or_default();
        return match names::class_of(tool) {
            Some((tool, class @ ToolClass::PythonInstaller)) => {
                hit(tool, class, ToolSign::BundledWheel)
            }
            _ => None,
        };
    }
    if mode & 0o111 == 0 || !names::is_program_path(entry_path) {
        return None;
    }
    let (tool, class) = names::class_of(name)?;
    hit(tool, class, ToolSign::Name)
}

/// Whether an executable text file is a launcher of pip, under whatever name.
pub(crate) fn launches_pip(text: &[u8]) -> bool {
    let head = &text[..text.len().min(4096)];
    head.starts_with(b"#!")
        && [&b"from pip._internal"[..], b"from pip import main"]
            .iter()
            .any(|needle| head.windows(needle.len()).any(|window| window == *needle))
}
