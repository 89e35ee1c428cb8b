//! Tools by the package that brings them.

use crate::image::tools::ToolClass::{self, *};

/// Packages of Debian, Ubuntu and Alpine by their names without version.
pub(crate) const PACKAGES: &[(ToolClass, &[&str])] = &[
    (
        Compiler,
        &[
            "build-essential",
            "build-base",
            "gcc",
            "g++",
            "cpp",
            "clang",
            "tcc",
            "gfortran",
            "gnat",
            "gdc",
            "gccgo",
            "llvm",
            "ccache",
            "bison",
            "flex",
            "libc-dev",
            "musl-dev",
            "libc6-dev",
            "linux-libc-dev",
            "linux-headers",
            "libstdc++-dev",
            "libgcc-dev",
            "libstdc++",
            "crossbuild-essential-amd64",
            "crossbuild-essential-arm64",
        ],
    ),
    (Linker, &["binutils", "lld", "mold", "patchelf"]),
    (Assembler, &["nasm", "yasm"]),
    (
        BuildSystem,
        &[
            "make",
            "cmake",
            "ninja-build",
            "ninja",
            "samurai",
            "meson",
            "scons",
            "autoconf",
            "automake",
            "libtool",
            "pkg-config",
            "pkgconf",
            "dpkg-dev",
            "debhelper",
            "ant",
            "maven",
            "gradle",
            "node-gyp",
            "abuild",
            "rpm-build",
            "cython",
            "cython3",
        ],
    ),
    (
        VersionControl,
        &[
            "git",
            "git-core",
            "git-lfs",
            "mercurial",
            "subversion",
            "bzr",
            "brz",
            "cvs",
            "fossil",
            "gh",
        ],
    ),
    (
        LanguageToolchain,
        &[
            "cargo",
            "rustc",
            "rustup",
            "rust",
            "golang",
            "golang-go",
            "go",
            "default-jdk",
            "default-jdk-headless",
            "openjdk-jdk",
            "openjdk-jdk-headless",
            "npm",
            "yarn",
            "yarnpkg",
            "python3-dev",
            "python-dev",
            "libpython-dev",
            "libpython3-dev",
            "ruby-dev",
            "composer",
            "ghc",
            "opam",
            "luarocks",
            "dotnet-sdk",
        ],
    ),
    (
        PythonInstaller,
        &[
            "python3-pip",
            "py3-pip",
            "pipx",
            "pipenv",
            "python3-poetry",
            "poetry",
            "uv",
            "py3-uv",
            "python3-venv",
            "python-venv",
            "virtualenv",
            "python3-virtualenv",
        ],
    ),
    (PackageManager, &["apt", "aptitude", "dpkg", "apk-tools", "yum", "dnf", "rpm", "snapd"]),
    (
        NetworkClient,
        &[
            "curl",
            "wget",
            "wget2",
            "aria2",
            "netcat",
            "netcat-openbsd",
            "netcat-traditional",
            "ncat",
            "nmap",
            "socat",
            "openssh-client",
            "openssh-server",
            "openssh",
            "dropbear",
            "telnet",
            "ftp",
            "lftp",
            "rsync",
            "busybox",
            "busybox-static",
        ],
    ),
    (
        Debugger,
        &[
            "gdb",
            "gdbserver",
            "lldb",
            "strace",
            "ltrace",
            "tcpdump",
            "tshark",
            "bpftrace",
            "valgrind",
        ],
    ),
    (
        ContainerClient,
        &[
            "docker.io",
            "docker-cli",
            "docker-ce",
            "docker-ce-cli",
            "docker-compose",
            "docker-compose-plugin",
            "docker",
            "containerd",
            "containerd.io",
            "runc",
            "podman",
            "buildah",
            "skopeo",
            "kubectl",
            "kubernetes-client",
        ],
    ),
];

/// What a package of this name brings. Versions in the name do not count: `gcc-12`,
/// `golang-1.19-go` and `python3.11-dev` are known by `gcc`, `golang-go` and `python-dev`.
pub(crate) fn class_of(package: &str) -> Option<(&'static str, ToolClass)> {
    // Every Debian image holds gcc-12-base, which is a changelog; and libstdc++6 and libgcc-s1 are
    // libraries.
    if package.ends_with("-base") && package != "build-base" {
        return None;
    }
    let exact = |wanted: &str| {
        PACKAGES.iter().find_map(|(class, names)| {
            names.iter().find(|name| **name == wanted).map(|name| (*name, *class))
        })
    };
    if let Some(found) = exact(package) {
        // Alpine's libstdc++ is the library; the name is in the table only for its versions' sake.
        return (found.0 != "libstdc++").then_some(found);
    }
    let parts: Vec<&str> = package
        .split('-')
        .filter_map(|part| {
            let bare = part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
            (!bare.is_empty()).then_some(bare)
        })
        .collect();
    let bare = parts.join("-");
    if bare == package || bare == "libstdc++" {
        return None;
    }
    exact(&bare).or_else(|| {
        // binutils-x86-64-linux-gnu, gcc-12-x86-64-linux-gnu and the like.
        ["binutils-", "gcc-", "g++-", "cpp-"].iter().find_map(|prefix| {
            (package.starts_with(prefix) && package.contains("-linux-"))
                .then(|| exact(prefix.trim_end_matches('-')))
                .flatten()
        })
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("build-essential", Compiler)]
    #[case("gcc-12", Compiler)]
    #[case("g++-12", Compiler)]
    #[case("libc6-dev", Compiler)]
    #[case("libstdc++-12-dev", Compiler)]
    #[case("libgcc-12-dev", Compiler)]
    #[case("clang-14", Compiler)]
    #[case("binutils", Linker)]
    #[case("binutils-x86-64-linux-gnu", Linker)]
    #[case("golang-1.19-go", LanguageToolchain)]
    #[case("openjdk-17-jdk-headless", LanguageToolchain)]
    #[case("python3.11-dev", LanguageToolchain)]
    #[case("libpython3.11-dev", LanguageToolchain)]
    #[case("python3-pip", PythonInstaller)]
    #[case("python3.11-venv", PythonInstaller)]
    #[case("git", VersionControl)]
    #[case("dpkg", PackageManager)]
    fn packages_are_known_with_their_versions(#[case] package: &str, #[case] class: ToolClass) {
        assert_eq!(class_of(package).map(|found| found.1), Some(class));
    }

    #[rstest]
    #[case("gcc-12-base")]
    #[case("libgcc-s1")]
    #[case("libstdc++6")]
    #[case("libstdc++")]
    #[case("libcurl4")]
    #[case("libpython3.11-stdlib")]
    #[case("python3.11-minimal")]
    #[case("python3-requests")]
    #[case("libapt-pkg6.0")]
    #[case("libgit2-1.5")]
    #[case("nodejs")]
    #[case("openjdk-17-jre-headless")]
    fn libraries_and_runtimes_are_no_tools(#[case] package: &str) {
        assert_eq!(class_of(package), None);
    }
}
