//! Tools by the name of their file.

use crate::image::tools::ToolClass::{self, *};

/// Every name that is a tool. A name stands here without triplet and version.
pub(crate) const NAMES: &[(ToolClass, &[&str])] = &[
    (
        Compiler,
        &[
            "gcc",
            "g++",
            "cc",
            "c++",
            "c89",
            "c99",
            "cpp",
            "cc1",
            "cc1plus",
            "cc1obj",
            "lto1",
            "lto-wrapper",
            "lto-dump",
            "f951",
            "gnat",
            "gnat1",
            "gfortran",
            "gdc",
            "gccgo",
            "d21",
            "clang",
            "clang++",
            "clang-cpp",
            "clang-cl",
            "icx",
            "icpx",
            "nvcc",
            "tcc",
            "pcc",
            "chibicc",
            "gcov",
            "fpc",
            "ghc",
            "ldc2",
            "dmd",
            "bison",
            "yacc",
            "flex",
            "lex",
            "swig",
            "c2m",
            "sccache",
            "ccache",
        ],
    ),
    (
        Linker,
        &[
            "ld",
            "ld.bfd",
            "ld.gold",
            "ld.lld",
            "ld.mold",
            "gold",
            "lld",
            "ld64.lld",
            "wasm-ld",
            "mold",
            "collect2",
            "ar",
            "ranlib",
            "objcopy",
            "strip",
            "dlltool",
            "gcc-ar",
            "gcc-ranlib",
            "llvm-ar",
            "llvm-link",
            "llvm-objcopy",
            "llvm-strip",
            "patchelf",
        ],
    ),
    (Assembler, &["as", "gas", "nasm", "yasm", "llvm-as", "llvm-mc"]),
    (
        BuildSystem,
        &[
            "make",
            "gmake",
            "bmake",
            "cmake",
            "cpack",
            "ctest",
            "ninja",
            "samu",
            "meson",
            "scons",
            "bazel",
            "bazelisk",
            "autoconf",
            "automake",
            "autoreconf",
            "aclocal",
            "autoheader",
            "libtoolize",
            "pkg-config",
            "pkgconf",
            "ant",
            "mvn",
            "gradle",
            "sbt",
            "dpkg-buildpackage",
            "debuild",
            "rpmbuild",
            "abuild",
            "maturin",
            "cython",
            "cythonize",
            "node-gyp",
            "gyp",
            "waf",
            "rake",
        ],
    ),
    (
        VersionControl,
        &[
            "git",
            "git-shell",
            "git-upload-pack",
            "git-remote-http",
            "git-remote-https",
            "git-lfs",
            "scalar",
            "hg",
            "svn",
            "svnadmin",
            "bzr",
            "brz",
            "fossil",
            "darcs",
            "cvs",
            "gh",
            "glab",
        ],
    ),
    (
        LanguageToolchain,
        &[
            "cargo",
            "rustc",
            "rustup",
            "rustup-init",
            "rustdoc",
            "go",
            "gofmt",
            "javac",
            "jar",
            "jlink",
            "jshell",
            "kotlinc",
            "scalac",
            "npm",
            "npx",
            "yarn",
            "yarnpkg",
            "pnpm",
            "corepack",
            "bun",
            "deno",
            "tsc",
            "esbuild",
            "gem",
            "bundle",
            "bundler",
            "composer",
            "cabal",
            "rebar3",
            "dotnet",
            "csc",
            "zig",
            "nim",
            "nimble",
            "dub",
            "luarocks",
            "cpanm",
            "opam",
            "swift",
            "swiftc",
            "nix",
        ],
    ),
    (
        PythonInstaller,
        &[
            "pip",
            "pipx",
            "uv",
            "uvx",
            "poetry",
            "pdm",
            "hatch",
            "rye",
            "pixi",
            "pipenv",
            "pip-compile",
            "pip-sync",
            "easy_install",
            "conda",
            "mamba",
            "micromamba",
            "virtualenv",
            "shiv",
            "pex",
        ],
    ),
    (
        PackageManager,
        &[
            "apt", "apt-get", "aptitude", "dpkg", "dpkg-deb", "dselect", "apk", "yum", "dnf",
            "microdnf", "tdnf", "rpm", "zypper", "pacman", "emerge", "opkg", "snap", "flatpak",
            "brew",
        ],
    ),
    (
        NetworkClient,
        &[
            "curl",
            "wget",
            "wget2",
            "aria2c",
            "nc",
            "ncat",
            "netcat",
            "nc.openbsd",
            "nc.traditional",
            "socat",
            "ssh",
            "scp",
            "sftp",
            "sshd",
            "dropbear",
            "dbclient",
            "telnet",
            "ftp",
            "lftp",
            "tftp",
            "rsync",
            "nmap",
            "masscan",
            "hping3",
            "busybox",
            "toybox",
            "openvpn",
            "chisel",
            "ngrok",
            "mosh",
        ],
    ),
    (
        Debugger,
        &[
            "gdb",
            "gdbserver",
            "lldb",
            "lldb-server",
            "strace",
            "ltrace",
            "perf",
            "bpftrace",
            "tcpdump",
            "tshark",
            "dumpcap",
            "nsenter",
            "valgrind",
            "dlv",
            "py-spy",
            "objdump",
            "readelf",
            "nm",
            "llvm-objdump",
            "llvm-readelf",
            "llvm-nm",
            "radare2",
            "r2",
            "frida",
        ],
    ),
    (
        ContainerClient,
        &[
            "docker",
            "dockerd",
            "docker-compose",
            "docker-proxy",
            "containerd",
            "containerd-shim-runc-v2",
            "ctr",
            "nerdctl",
            "runc",
            "crun",
            "podman",
            "buildah",
            "buildctl",
            "buildkitd",
            "skopeo",
            "kubectl",
            "k3s",
            "oc",
            "crictl",
            "helm",
            "minikube",
            "umoci",
            "kaniko",
        ],
    ),
];

/// Folders below which an executable is not a program of that name: init scripts, completions and
/// hooks are named after the program that they serve.
const NOT_PROGRAMS: &[&str] = &[
    "etc/init.d",
    "etc/cron.d",
    "etc/cron.daily",
    "etc/cron.weekly",
    "etc/cron.monthly",
    "etc/logrotate.d",
    "etc/bash_completion.d",
    "etc/apparmor.d",
    "etc/kernel",
    // Transports of apt.
    "usr/lib/apt/methods",
    "usr/share/bash-completion",
    "usr/share/zsh",
    "usr/share/fish",
    "usr/share/bug",
    "usr/share/doc",
    "usr/share/lintian",
    "usr/share/initramfs-tools",
    "usr/share/apport",
    "usr/share/vim",
    "usr/share/nano",
];

/// Folders whose links are programs. A link elsewhere can be anything.
const PROGRAM_FOLDERS: &[&str] = &["bin", "sbin", "libexec", "alternatives", "busybox"];

/// What a program of this name is.
pub(crate) fn class_of(name: &str) -> Option<(&'static str, ToolClass)> {
    let exact = |wanted: &str| {
        NAMES.iter().find_map(|(class, names)| {
            names.iter().find(|name| **name == wanted).map(|name| (*name, *class))
        })
    };
    let bare = without_triplet(name);
    exact(name)
        .or_else(|| exact(bare))
        .or_else(|| exact(without_version(bare)))
        .or_else(|| exact(without_version(bare).strip_prefix("python3-")?))
        .or_else(|| exact(without_version(bare).strip_prefix("python-")?))
}

/// Whether an executable file at this path would be run by its name.
pub(crate) fn is_program_path(path: &str) -> bool {
    !NOT_PROGRAMS.iter().any(|folder| crate::image::path::is_within(path, folder))
}

/// Whether a link at this path is a program.
pub(crate) fn is_program_link(path: &str) -> bool {
    let folder = crate::image::path::name(crate::image::path::parent(path));
    PROGRAM_FOLDERS.contains(&folder)
}

/// `x86_64-linux-gnu-gcc-12` to `gcc-12`.
fn without_triplet(name: &str) -> &str {
    for system in ["-linux-gnu", "-linux-musl", "-linux-uclibc", "-w64-mingw32", "-none-eabi"] {
        if let Some(at) = name.find(system) {
            let rest = &name[at + system.len()..];
            // The ABI may follow at once, as in gnueabihf.
            if let Some((abi, tool)) = rest.split_once('-')
                && abi.bytes().all(|byte| byte.is_ascii_alphanumeric())
            {
                return tool;
            }
        }
    }
    name
}

/// `gcc-12` and `pip3.11` to `gcc` and `pip`; `clang++-14` to `clang++`.
fn without_version(name: &str) -> &str {
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if bare.len() == name.len() {
        return name;
    }
    bare.strip_suffix('-').unwrap_or(bare)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("gcc", "gcc", Compiler)]
    #[case("gcc-12", "gcc", Compiler)]
    #[case("x86_64-linux-gnu-gcc-12", "gcc", Compiler)]
    #[case("arm-linux-gnueabihf-g++", "g++", Compiler)]
    #[case("clang++-14", "clang++", Compiler)]
    #[case("x86_64-linux-gnu-ld.bfd", "ld.bfd", Linker)]
    #[case("x86_64-linux-gnu-gcc-ar-12", "gcc-ar", Linker)]
    #[case("as", "as", Assembler)]
    #[case("pip3.11", "pip", PythonInstaller)]
    #[case("python3-pip", "pip", PythonInstaller)]
    #[case("nc.openbsd", "nc.openbsd", NetworkClient)]
    fn names_are_known_with_triplet_and_version(
        #[case] name: &str,
        #[case] tool: &str,
        #[case] class: ToolClass,
    ) {
        assert_eq!(class_of(name), Some((tool, class)));
    }

    #[rstest]
    #[case("python3.11")]
    #[case("node")]
    #[case("perl")]
    #[case("ld.so")]
    #[case("ld-linux-x86-64.so.2")]
    #[case("ldd")]
    #[case("ldconfig")]
    #[case("sh")]
    #[case("redis-server")]
    #[case("haproxy")]
    #[case("installer")]
    #[case("7")]
    #[case("")]
    fn runtimes_and_the_loader_are_no_tools(#[case] name: &str) {
        assert_eq!(class_of(name), None);
    }

    #[test]
    fn no_name_stands_in_two_classes() {
        let mut all: Vec<&str> =
            NAMES.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn an_init_script_is_not_the_program_it_starts() {
        assert!(!is_program_path("etc/init.d/ssh"));
        assert!(is_program_path("usr/bin/ssh"));
        assert!(is_program_path("opt/ssh"));
    }
}
