//! The Compose plugin as a program of its own. `docker compose` starts the plugin twice, once to
//! ask what it is and once to do the work, and a run calls it half a dozen times.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where the Docker CLI looks for plugins of the whole system, in its order
/// (docker/cli, `cli-plugins/manager/manager_unix.go`).
const SYSTEM: [&str; 4] = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];

/// The words that start Compose: the plugin where the Docker CLI would find it, and `docker
/// compose` where that is for the CLI to say.
#[must_use]
pub fn words() -> Vec<OsString> {
    let through_cli = || vec!["docker".into(), "compose".into()];
    let folder = std::env::var_os("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")));
    let Some(folder) = folder else { return through_cli() };
    find(&folder, &SYSTEM.map(Path::new)).map_or_else(through_cli, |plugin| vec![plugin.into()])
}

/// The plugin, unless the CLI's configuration in `folder` names further places, which come first.
fn find(folder: &Path, system: &[&Path]) -> Option<PathBuf> {
    let configuration = std::fs::read_to_string(folder.join("config.json")).unwrap_or_default();
    if configuration.contains("cliPluginsExtraDirs") {
        return None;
    }
    let own = folder.join("cli-plugins");
    let folders = std::iter::once(own.as_path()).chain(system.iter().copied());
    folders.map(|folder| folder.join("docker-compose")).find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn plugin_in(folder: &Path, mode: u32) -> PathBuf {
        fs::create_dir_all(folder).unwrap();
        let plugin = folder.join("docker-compose");
        fs::write(&plugin, "").unwrap();
        fs::set_permissions(&plugin, fs::Permissions::from_mode(mode)).unwrap();
        plugin
    }

    #[test]
    fn the_users_own_plugin_comes_before_the_systems() {
        let folder = tempfile::tempdir().unwrap();
        let system = folder.path().join("system");
        let of_system = plugin_in(&system, 0o755);
        assert_eq!(find(folder.path(), &[&system]), Some(of_system));
        let own = plugin_in(&folder.path().join("cli-plugins"), 0o755);
        assert_eq!(find(folder.path(), &[&system]), Some(own));
    }

    #[test]
    fn what_cannot_be_executed_is_no_plugin() {
        let folder = tempfile::tempdir().unwrap();
        plugin_in(&folder.path().join("cli-plugins"), 0o644);
        assert_eq!(find(folder.path(), &[]), None);
    }

    #[test]
    fn further_places_of_the_configuration_are_left_to_the_cli() {
        let folder = tempfile::tempdir().unwrap();
        plugin_in(&folder.path().join("cli-plugins"), 0o755);
        let configuration = r#"{"cliPluginsExtraDirs": ["/opt/plugins"]}"#;
        fs::write(folder.path().join("config.json"), configuration).unwrap();
        assert_eq!(find(folder.path(), &[]), None);
    }
}
