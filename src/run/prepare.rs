//! What comes before the stack: the environment for its files, and the scenario's commands.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use crate::engine::Endpoint;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::run_id::RunId;
use crate::scenario::Scenario;
use crate::stack::command::{CutShort, Invocation};
use crate::stack::reaper::RUN_VARIABLE;

/// The scenario's environment with the engine's facts put in.
pub(super) fn environment(
    scenario: &Scenario,
    endpoint: &Endpoint,
    run: &RunId,
) -> Result<Vec<(String, String)>, Failure> {
    scenario
        .env
        .iter()
        .map(|(name, value)| {
            let value = value.replace("${run.id}", run.as_str());
            Ok((name.clone(), with_engine(&value, endpoint)?))
        })
        .collect()
}

fn with_engine(value: &str, endpoint: &Endpoint) -> Result<String, Failure> {
    let socket = endpoint.socket_on_host();
    let mut value = value.replace("${engine.socket}", &socket.to_string_lossy());
    if value.contains("${engine.socket_gid}") {
        let gid = match endpoint {
            Endpoint::Unix(path) => {
                std::fs::metadata(path).map(|meta| meta.gid()).map_err(|error| Failure::System {
                    doing: format!("find the group of the engine's socket {}", path.display()),
                    cause: error.to_string(),
                })?
            }
            Endpoint::Tcp(address) => {
                return Err(Failure::System {
                    doing: format!("find the group of the engine's socket behind tcp://{address}"),
                    cause: "it is on another host; write the number into the scenario's `env`"
                        .to_owned(),
                });
            }
        };
        value = value.replace("${engine.socket_gid}", &gid.to_string());
    }
    Ok(value)
}

/// Runs the scenario's commands, one after another.
pub(super) async fn commands(
    scenario: &Scenario,
    folder: &Path,
    env: &[(String, String)],
    run: &RunId,
    within: Duration,
    interrupt: &Interrupt,
    mut line: impl FnMut(&str),
) -> Result<(), Failure> {
    for command in &scenario.prepare {
        let mut set = env.to_vec();
        set.push((RUN_VARIABLE.to_owned(), run.to_string()));
        let invocation = Invocation {
            argv: argv(command, folder),
            folder: folder.to_path_buf(),
            set,
            unset: vec![],
            within,
            max_stdout: 0,
        };
        let failed =
            |how: String, tail: String| Failure::Prepare { command: command.join(" "), how, tail };
        let ended = invocation
            .run(interrupt, &mut line)
            .await
            .map_err(|error| failed(error.to_string(), String::new()))?;
        if ended.cut_short == Some(CutShort::Interrupted) {
            return Err(Failure::Interrupted(crate::interrupt::Interrupted));
        }
        if !ended.succeeded() {
            return Err(failed(ended.how(), ended.tail.join("\n")));
        }
    }
    Ok(())
}

/// A program with a slash in its name is relative to the scenario's folder, as a reader of the
/// scenario expects; the system would look from our own folder.
fn argv(command: &[String], folder: &Path) -> Vec<OsString> {
    let mut argv: Vec<OsString> = command.iter().map(OsString::from).collect();
    if let Some(program) = command.first()
        && program.contains('/')
    {
        argv[0] = folder.join(program).into_os_string();
    }
    argv
}
