//! Builds the probe: a static program of its own, which needs neither a crate nor an image.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=probe");
    println!("cargo:rerun-if-env-changed=STACKPROOF_PROBE_BIN");
    let out = PathBuf::from(variable("OUT_DIR")).join("probe");
    if let Some(given) = std::env::var_os("STACKPROOF_PROBE_BIN") {
        println!("cargo:rerun-if-changed={}", given.display());
        if let Err(error) = std::fs::copy(&given, &out) {
            fail(&format!("cannot copy the probe from {}: {error}", given.display()));
        }
        return;
    }
    let arch = variable("CARGO_CFG_TARGET_ARCH");
    if !["x86_64", "aarch64"].contains(&arch.as_str()) {
        fail(&format!("the probe knows the system calls of x86_64 and aarch64, not of {arch}"));
    }
    // The musl target is self-contained; where it is not installed, the C library's static
    // archive has to be there (libc6-dev on Debian, glibc-static on Fedora).
    let musl = build(&out, &["--target", &format!("{arch}-unknown-linux-musl")]);
    let Err(no_musl) = musl else { return };
    let gnu = format!("{arch}-unknown-linux-gnu");
    let Err(no_gnu) = build(&out, &["--target", &gnu, "-C", "target-feature=+crt-static"]) else {
        return;
    };
    fail(&format!(
        "cannot build the static probe, neither for musl nor for gnu; install the musl target \
         (`rustup target add {arch}-unknown-linux-musl`) or the C library's static archive \
         (libc6-dev, glibc-static)\nmusl: {no_musl}\ngnu: {no_gnu}"
    ));
}

fn build(out: &Path, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(variable("RUSTC"))
        .args(["--edition", "2024", "--crate-name", "probe", "--crate-type", "bin"])
        .args(["-C", "opt-level=z", "-C", "panic=abort", "-C", "lto=fat"])
        .args(["-C", "codegen-units=1", "-C", "strip=symbols"])
        .args(arguments)
        .arg("-o")
        .arg(out)
        .arg(Path::new(&variable("CARGO_MANIFEST_DIR")).join("probe/main.rs"))
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| fail(&format!("cargo did not set {name}")))
}

fn fail(message: &str) -> ! {
    for line in message.lines() {
        println!("cargo:error={line}");
    }
    std::process::exit(1);
}
