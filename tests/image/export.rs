//! An export that does not arrive whole.

use super::archive::{Image, Layer};
use super::project::{Project, assert_verdicts};
use super::relay::Relay;

#[test]
fn an_export_that_is_cut_off_leaves_every_check_of_layers_without_an_answer() {
    let image = Image::new().layer(Layer::default().program("usr/bin/gcc", b"\x7fELF"));
    let project = Project::up(&[("tools", image.clone()), ("secrets", image)], |_| {});
    let checks = [("tools", "no-build-tools", ""), ("secrets", "no-secrets-in-image", "")];
    let cut = Relay::start(100_000);
    assert_verdicts(
        &project.judge_by(&cut.socket(), &checks),
        &[("tools", "inconclusive", "export"), ("secrets", "inconclusive", "export")],
    );
    // The relay itself is not to blame.
    let whole = Relay::start(u64::MAX);
    assert_verdicts(
        &project.judge_by(&whole.socket(), &checks),
        &[("tools", "broken", "gcc (/usr/bin/gcc) in layer 1"), ("secrets", "held", "no secret")],
    );
}
