//! `no-build-tools`.

use super::archive::{Image, Layer};
use super::project::{Project, assert_verdicts};

/// A program that holds what gives GCC's driver away, whatever it is called.
const GCC: &[u8] = b"\x7fELF\x02\x01\x01 %{!fsyntax-only:%{!c: COLLECT_GCC_OPTIONS ";
const PACKED: &[u8] =
    b"\x7fELF\x02\x01\x01 $Info: This file is packed with the UPX executable packer ";

fn program(path: &str, data: &[u8]) -> Image {
    Image::new().layer(Layer::default().program(path, data))
}

#[test]
fn a_build_tool_is_found_in_whatever_layer_and_under_whatever_name() {
    let status = "Package: gcc-12\nStatus: install ok installed\nVersion: 12.2.0-14\n\n";
    let long_status = "Description: a\n".repeat((33 << 20) / 15);
    let services = [
        ("none", program("usr/bin/python3", b"\x7fELF")),
        ("declared", program("usr/bin/curl", b"\x7fELF")),
        (
            "removed",
            program("usr/bin/gcc", b"\x7fELF").layer(Layer::default().without("usr/bin/gcc")),
        ),
        ("renamed", program("usr/bin/curl", GCC)),
        ("listed", Image::new().layer(Layer::default().file("var/lib/dpkg/status", status))),
        ("aside", program("opt/tools/bin/git", b"\x7fELF")),
        ("packed", program("usr/bin/app", PACKED)),
        ("long", Image::new().layer(Layer::default().file("var/lib/dpkg/status", long_status))),
        ("gone", program("usr/bin/python3", b"\x7fELF").env("A=gone")),
    ];
    let project = Project::up(&services, |_| {});
    project.lose_image("gone");
    let found = project.judge(&[
        ("none", "no-build-tools", ""),
        ("declared", "no-build-tools", ", allowed: [curl, wget]"),
        ("removed", "no-build-tools", ", allowed: [curl]"),
        ("renamed", "no-build-tools", ", allowed: [curl]"),
        ("listed", "no-build-tools", ""),
        ("aside", "no-build-tools", ""),
        ("packed", "no-build-tools", ""),
        ("long", "no-build-tools", ""),
        ("gone", "no-build-tools", ""),
    ]);
    assert_verdicts(
        &found,
        &[
            ("none", "held", "2 files in 2 layers, none a build tool"),
            ("declared", "held", "none a build tool; allowed but not there: wget"),
            (
                "removed",
                "broken",
                "gcc (/usr/bin/gcc) in layer 1, hidden by layer 2; 1 files in all; allowed but not \
             there: curl",
            ),
            ("renamed", "broken", "gcc (/usr/bin/curl) in layer 1; 1 files in all"),
            ("listed", "broken", "gcc (/var/lib/dpkg/status) in layer 1"),
            ("aside", "broken", "git (/opt/tools/bin/git) in layer 1"),
            ("packed", "inconclusive", "layer 1: /usr/bin/app: packed program"),
            ("long", "inconclusive", "/var/lib/dpkg/status: metadata too long to be read"),
            ("gone", "inconclusive", "no such image"),
        ],
    );
}
