//! From the scenario's files to the stack that is verified, while the engine is busy already.

use std::future::poll_fn;
use std::pin::{Pin, pin};

use futures_util::future::{MaybeDone, join};

use super::{Mode, Request};
use crate::compose::Model;
use crate::compose::isolate::project_name;
use crate::engine::Engine;
use crate::interrupt::Interrupt;
use crate::run_id::RunId;
use crate::stack::compose_tool::{ComposeError, ComposeTool};
use crate::stack::{Stack, StackError};

/// The tool's version, and the model of the files as the project that is verified. A tool that is
/// missing or too old fails at resolving, too, but its version says why.
pub(super) async fn resolve(
    request: &Request,
    tool: &ComposeTool,
    run: &RunId,
    interrupt: &Interrupt,
) -> Result<(String, String, Model), ComposeError> {
    let project = match &request.mode {
        Mode::Attached(project) => project.clone(),
        Mode::Own => project_name(&request.loaded.scenario.name, run),
        Mode::Shared(owner) => project_name(&request.loaded.scenario.name, owner),
    };
    let (version, model) = join(tool.version(), tool.resolve(&project, interrupt)).await;
    Ok((version?, project, model?))
}

/// Awaits `work` while another future goes on, too.
pub(super) async fn beside<T, F: Future>(
    work: impl Future<Output = T>,
    mut other: Pin<&mut MaybeDone<F>>,
) -> T {
    let mut work = pin!(work);
    poll_fn(|context| {
        let _ = other.as_mut().poll(context);
        work.as_mut().poll(context)
    })
    .await
}

/// The stack that is verified.
pub(super) async fn stack_of(
    request: &Request,
    engine: &Engine,
    tool: &ComposeTool,
    project: String,
    model: Model,
    run: &RunId,
) -> Result<Stack, StackError> {
    match &request.mode {
        Mode::Attached(_) => Stack::attach(tool.clone(), model, engine, &project).await,
        Mode::Own | Mode::Shared(_) => {
            Stack::prepare(tool.clone(), model, project, request.mode.owner(run))
        }
    }
}
