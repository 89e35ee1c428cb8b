//! stub
use super::Finding;
use crate::scenario::check::NoSecretsInImage;
use crate::world::World;
pub(super) fn judge(_check: &NoSecretsInImage, _service: &str, _world: &World) -> Finding {
    Finding::could_not_observe("", "stub")
}
