//! The checks: what each expects, and how it judges what was seen. A closed list, one file each.
//! Judging is pure and total: it reads the world and makes a finding, whatever is missing.

use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::CheckSpec;
use crate::verdict::Verdict;
use crate::world::{Sight, World};

pub mod finding;
pub mod limits;
pub mod neighbours;

mod apparmor;
mod capabilities;
mod capacity_totals;
mod cpu_limit;
mod cpu_limit_enforced;
mod docker_access_via;
mod healthy;
mod host_capacity;
mod image_size;
mod load;
mod log_rotation;
mod memory_limit;
mod namespaces;
mod no_build_tools;
mod no_docker_access;
mod no_env;
mod no_new_privileges;
mod no_published_on_all_interfaces;
mod no_raw_socket_mount;
mod no_secrets_in_image;
mod oom_blast_radius;
mod oom_contained;
mod pids_limit;
mod pids_limit_enforced;
mod read_only_root;
mod reservation;
mod restart_policy;
mod runs_as;
mod search;
mod seccomp;
mod single_dependency_source;
mod swap_limit;
mod tmpfs_bounded;
mod way;

pub use docker_access_via::{canary_list, forbidden};
pub use finding::Finding;
pub use healthy::worth_stopping;
pub use read_only_root::TRIED as WRITE_TRIED;

/// Judges one check of one service.
pub fn judge(spec: &CheckSpec, service: &str, world: &World) -> Finding {
    match spec {
        CheckSpec::RunsAs(check) => runs_as::judge(check, service, world),
        CheckSpec::NoDockerAccess(_) => no_docker_access::judge(service, world),
        CheckSpec::DockerAccessVia(check) => docker_access_via::judge(check, service, world),
        CheckSpec::Capabilities(check) => capabilities::judge(check, service, world),
        CheckSpec::NoNewPrivileges(_) => no_new_privileges::judge(service, world),
        CheckSpec::Seccomp(_) => seccomp::judge(service, world),
        CheckSpec::Apparmor(check) => apparmor::judge(check, service, world),
        CheckSpec::ReadOnlyRoot(check) => read_only_root::judge(check, service, world),
        CheckSpec::Namespaces(check) => namespaces::judge(check, service, world),
        CheckSpec::MemoryLimit(check) => memory_limit::judge(check, service, world),
        CheckSpec::CpuLimit(check) => cpu_limit::judge(check, service, world),
        CheckSpec::PidsLimit(check) => pids_limit::judge(check, service, world),
        CheckSpec::SwapLimit(check) => swap_limit::judge(check, service, world),
        CheckSpec::OomContained(check) => oom_contained::judge(check, service, world),
        CheckSpec::OomBlastRadius(check) => oom_blast_radius::judge(check, service, world),
        CheckSpec::CpuLimitEnforced(check) => cpu_limit_enforced::judge(check, service, world),
        CheckSpec::PidsLimitEnforced(_) => pids_limit_enforced::judge(service, world),
        CheckSpec::Load(check) => load::judge(check, service, world),
        CheckSpec::ImageSize(check) => image_size::judge(check, service, world),
        CheckSpec::NoBuildTools(check) => no_build_tools::judge(check, service, world),
        CheckSpec::NoSecretsInImage(check) => no_secrets_in_image::judge(check, service, world),
        CheckSpec::SingleDependencySource(check) => {
            single_dependency_source::judge(check, service, world)
        }
        CheckSpec::Healthy(check) => healthy::judge(check, service, world),
        CheckSpec::NoRawSocketMount(_) => no_raw_socket_mount::judge(service, world),
        CheckSpec::NoPublishedOnAllInterfaces(_) => {
            no_published_on_all_interfaces::judge(service, world)
        }
        CheckSpec::NoEnv(check) => no_env::judge(check, service, world),
        CheckSpec::Reservation(check) => reservation::judge(check, service, world),
        CheckSpec::RestartPolicy(check) => restart_policy::judge(check, service, world),
        CheckSpec::LogRotation(check) => log_rotation::judge(check, service, world),
        CheckSpec::TmpfsBounded(check) => tmpfs_bounded::judge(check, service, world),
        CheckSpec::CapacityTotals(check) => capacity_totals::judge(check, world),
        CheckSpec::HostCapacity(check) => host_capacity::judge(check, world),
    }
}

/// Judges every container of a service and gives the worst finding with the evidence of all. A
/// service without containers is inconclusive: there was nothing to look at.
fn each_container(
    service: &str,
    world: &World,
    expected: &str,
    judge: impl Fn(&Sight) -> Finding,
) -> Finding {
    let sights = world.sights(service);
    let Some((first, rest)) = sights.split_first() else {
        let seen = Observation::now(Vantage::Engine, "containers of the service", 0);
        return Finding::new(Verdict::Inconclusive, expected, Evidence::one(seen))
            .observed("no container")
            .message(format!("service {service} has no container"));
    };
    rest.iter().map(&judge).fold(judge(first), Finding::worse)
}
