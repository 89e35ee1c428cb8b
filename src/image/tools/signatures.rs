//! Tools by what their executable holds, whatever it is called.
//!
//! Each signature was read off Debian 12's binaries and holds only where every one of its
//! strings occurs. They were tried on Debian's base system, perl, Python, redis, haproxy, nginx,
//! curl, openssh and the wheels of common Python packages, of which none matched wrongly.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;

use crate::image::error::ImageError;
use crate::image::tools::ToolClass::{self, *};

/// The strings that give a program away.
#[derive(Debug)]
pub(crate) struct Signature {
    /// The tool's name.
    pub(crate) tool: &'static str,
    pub(crate) class: ToolClass,
    /// All of these must occur.
    pub(crate) needles: &'static [&'static str],
}

const fn signature(
    tool: &'static str,
    class: ToolClass,
    needles: &'static [&'static str],
) -> Signature {
    Signature { tool, class, needles }
}

/// The signatures.
pub(crate) const SIGNATURES: &[Signature] = &[
    // The driver's spec language is in no other program.
    signature("gcc", Compiler, &["%{!fsyntax-only:", "COLLECT_GCC_OPTIONS"]),
    signature("cc1", Compiler, &["verify_gimple failed", "COLLECT_GCC_OPTIONS"]),
    signature("clang", Compiler, &["clang LLVM compiler", "-cc1as"]),
    signature("tcc", Compiler, &["Tiny C Compiler", "libtcc1.a"]),
    signature("collect2", Linker, &["collect2 version ", "COLLECT_LTO_WRAPPER"]),
    signature("ld.bfd", Linker, &["GNU ld %s", "  Supported emulations:"]),
    signature("ld.gold", Linker, &["GNU gold (", ": supported emulations:"]),
    signature("lld", Linker, &["_ZN3lld3elf4link", "_ZN3lld4coff4link"]),
    signature("mold", Linker, &["mold linker", ": supported emulations:"]),
    signature("as", Assembler, &["GNU assembler version %s", "pseudo-op table"]),
    signature("make", BuildSystem, &["GNU Make ", ".DEFAULT_GOAL"]),
    signature("cmake", BuildSystem, &["CMAKE_MAKE_PROGRAM", "CMakeLists.txt"]),
    signature("ninja", BuildSystem, &["usage: ninja [options]", "build.ninja"]),
    signature("git", VersionControl, &["receive.denyCurrentBranch", "GIT_OBJECT_DIRECTORY"]),
    signature("cargo", LanguageToolchain, &["CARGO_ENCODED_RUSTFLAGS", "CARGO_PRIMARY_PACKAGE"]),
    signature("rustc", LanguageToolchain, &["librustc_driver-"]),
    signature("go", LanguageToolchain, &["cmd/go/internal/", "GOROOT"]),
    signature("go compile", LanguageToolchain, &["cmd/compile/internal/", "GOROOT"]),
    signature("uv", PythonInstaller, &["UV_DEFAULT_INDEX", "UV_EXCLUDE_NEWER"]),
    signature("busybox", NetworkClient, &["BusyBox v", "multi-call binary"]),
    signature("curl", NetworkClient, &["Usage: curl [options...] <url>", "curl_easy_"]),
    signature("gdb", Debugger, &["GNU gdb", "PTRACE_TRACEME"]),
    signature("strace", Debugger, &["The strace developers"]),
    signature("docker", ContainerClient, &["github.com/docker/cli/cli/command"]),
    signature("dockerd", ContainerClient, &["github.com/docker/docker/daemon"]),
    signature("kubectl", ContainerClient, &["k8s.io/kubectl/pkg/cmd"]),
];

/// What a packed program says of itself. What is inside cannot be seen.
pub(crate) const PACKED: &str = "$Info: This file is packed with the UPX executable packer";

/// The longest string of a signature, in bytes: how far windows over one file must overlap.
pub(crate) const OVERLAP: usize = 128;

/// All needles, to be searched in one pass.
pub(crate) struct Matcher {
    needles: Vec<&'static str>,
    automaton: AhoCorasick,
}

impl Matcher {
    /// Compiles the table.
    pub(crate) fn new() -> Result<Matcher, ImageError> {
        let distinct: BTreeSet<&'static str> =
            SIGNATURES.iter().flat_map(|one| one.needles).copied().chain([PACKED]).collect();
        let needles: Vec<&'static str> = distinct.into_iter().collect();
        let automaton = AhoCorasick::new(&needles).map_err(|error| ImageError::Table {
            table: "signatures",
            problem: error.to_string(),
        })?;
        Ok(Matcher { needles, automaton })
    }

    /// Starts on a new file.
    pub(crate) fn fresh(&self) -> Seen {
        Seen { needles: vec![false; self.needles.len()] }
    }

    /// Notes what occurs in one window of the file.
    pub(crate) fn search(&self, window: &[u8], seen: &mut Seen) {
        // Needles overlap nowhere in a real program, so the faster search will do: it misses a
        // needle only where another one runs into it.
        for found in self.automaton.find_iter(window) {
            seen.needles[found.pattern().as_usize()] = true;
        }
    }

    /// The signatures of which every needle occurred.
    pub(crate) fn tools(&self, seen: &Seen) -> Vec<&'static Signature> {
        SIGNATURES
            .iter()
            .filter(|one| one.needles.iter().all(|needle| self.occurred(needle, seen)))
            .collect()
    }

    /// Whether the file is packed.
    pub(crate) fn is_packed(&self, seen: &Seen) -> bool {
        self.occurred(PACKED, seen)
    }

    fn occurred(&self, needle: &str, seen: &Seen) -> bool {
        self.needles.binary_search(&needle).is_ok_and(|at| seen.needles[at])
    }
}

/// Which needles occurred in a file so far.
pub(crate) struct Seen {
    needles: Vec<bool>,
}

/// Whether the file is an ELF program: it has an execute bit, or asks for a loader, which can run
/// it without one.
pub(crate) fn is_program(head: &[u8], mode: u32) -> bool {
    head.starts_with(b"\x7fELF") && (mode & 0o111 != 0 || asks_for_loader(head))
}

/// Whether the program headers hold PT_INTERP. Those of real programs follow the ELF header.
fn asks_for_loader(head: &[u8]) -> bool {
    const PT_INTERP: u64 = 3;
    let Some(class) = head.get(4) else { return false };
    let little = head.get(5) != Some(&2);
    let number = |at: usize, size: usize| -> Option<u64> {
        let bytes = head.get(at..at.checked_add(size)?)?;
        let value = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
        Some(if little { bytes.iter().rev().fold(0, value) } else { bytes.iter().fold(0, value) })
    };
    let (table, entry_size, count) = match class {
        2 => (number(32, 8), number(54, 2), number(56, 2)),
        _ => (number(28, 4), number(42, 2), number(44, 2)),
    };
    let (Some(table), Some(entry_size), Some(count)) = (table, entry_size, count) else {
        return false;
    };
    (0..count).any(|at| {
        let entry = at.checked_mul(entry_size).and_then(|offset| offset.checked_add(table));
        entry.and_then(|entry| usize::try_from(entry).ok()).and_then(|entry| number(entry, 4))
            == Some(PT_INTERP)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_found_only_where_all_its_strings_are() {
        let matcher = Matcher::new().unwrap();
        let mut seen = matcher.fresh();
        matcher.search(b"\x7fELF...%{!fsyntax-only:...", &mut seen);
        assert!(matcher.tools(&seen).is_empty());
        matcher.search(b"...COLLECT_GCC_OPTIONS...", &mut seen);
        let tools: Vec<_> = matcher.tools(&seen).iter().map(|one| one.tool).collect();
        assert_eq!(tools, ["gcc"]);
    }

    #[test]
    fn windows_overlap_by_more_than_the_longest_string() {
        let longest = SIGNATURES.iter().flat_map(|one| one.needles).map(|one| one.len()).max();
        assert!(longest.unwrap().max(PACKED.len()) <= OVERLAP);
    }

    #[test]
    fn no_string_is_part_of_another() {
        let all: Vec<&str> = SIGNATURES.iter().flat_map(|one| one.needles).copied().collect();
        for (at, one) in all.iter().enumerate() {
            for other in &all[..at] {
                assert!(one == other || (!one.contains(other) && !other.contains(one)), "{one}");
            }
        }
    }

    #[test]
    fn a_program_without_execute_bit_is_known_by_its_loader() {
        let mut head = vec![0; 64 + 56];
        head[..6].copy_from_slice(b"\x7fELF\x02\x01");
        head[32] = 64; // e_phoff
        head[54] = 56; // e_phentsize
        head[56] = 1; // e_phnum
        assert!(!is_program(&head, 0o644));
        head[64] = 3; // PT_INTERP
        assert!(is_program(&head, 0o644));
        assert!(!is_program(b"#!/bin/sh", 0o755));
        assert!(!is_program(b"\x7fELF\x02\x01\xff\xff", 0o644));
    }
}
