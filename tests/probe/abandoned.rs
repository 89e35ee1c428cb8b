//! What was begun in the engine and nobody waits for any more.

use std::time::Duration;

use stackproof::engine::object::Object;
use stackproof::probe::Question;
use stackproof::run_id::LABEL;
use tokio::time::timeout;

use super::lab::Lab;

/// The engine makes what it was asked for, whoever has gone away. A run that is cut short while
/// the control starts waits for that before it removes what there is.
#[tokio::test]
async fn a_container_that_nobody_waits_for_any_more_is_made_before_the_removal_begins() {
    let lab = Lab::new().await;
    let starting = lab.kit.start_host(&[Question::Host]);
    assert!(timeout(Duration::from_millis(5), starting).await.is_err(), "it was too fast");
    lab.engine.nothing_is_made(Duration::from_secs(30)).await;
    let made = lab.engine.labelled(LABEL, Some(lab.run.as_str())).await.unwrap();
    let is_container = |object: &Object| matches!(object, Object::Container(..));
    assert!(made.iter().any(|(object, _)| is_container(object)), "{made:?}");
}
