//! The checks that a claim can ask for, with their parameters.

use schemars::JsonSchema;
use serde::Deserialize;

use super::amount::Seconds;
use crate::yaml::Spanned;

mod access;
mod act;
mod capacity;
mod codes;
mod confinement;
mod image;
mod limit;
mod load;
mod order;
mod watch;

pub use access::{DockerAccessVia, NoDockerAccess};
pub use act::{CpuLimitEnforced, OomBlastRadius, OomContained, PidsLimitEnforced, Stress};
pub use capacity::{CapacityTotals, HostCapacity, WhenSmall};
pub use codes::CODES;
pub use confinement::{Apparmor, Capabilities, Namespaces, NoEnv, ReadOnlyRoot, RunsAs};
pub use image::{Baseline, ImageSize, NoBuildTools, NoSecretsInImage, SingleDependencySource};
pub use limit::{
    CpuLimit, LogRotation, MemoryLimit, PidsLimit, Reservation, SwapLimit, TmpfsBounded,
};
pub use load::{Load, Shape};
pub use order::StartsInAnyOrder;
pub use watch::{LatencyBudget, Watch};

/// The services that a check is about: names, or `"*"` for every service of the stack.
pub type Services = Vec<Spanned<String>>;

/// The services of a check that is about the stack as a whole.
static NO_SERVICES: Services = Vec::new();

/// One check, written as a mapping with its code as the only key. A closed list.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum CheckSpec {
    /// Every process of the service runs as the declared user and none as root.
    RunsAs(RunsAs),
    /// The service has no way to any container engine.
    NoDockerAccess(NoDockerAccess),
    /// The service reaches the engine through the named proxy and in no other way.
    DockerAccessVia(DockerAccessVia),
    /// No process holds or can regain a capability beyond the allowed ones.
    Capabilities(Capabilities),
    /// No process can gain privileges by executing a file.
    NoNewPrivileges(Target),
    /// A seccomp filter is in force and refuses what the engine's default profile refuses.
    Seccomp(Target),
    /// Every process is confined by the AppArmor profile.
    Apparmor(Apparmor),
    /// The root file system is read-only, and nothing undeclared is writable.
    ReadOnlyRoot(ReadOnlyRoot),
    /// The service shares no namespace with the host or with another container.
    Namespaces(Namespaces),
    /// The memory limit is declared, configured and enforced.
    MemoryLimit(MemoryLimit),
    /// The CPU limit is declared, configured and enforced.
    CpuLimit(CpuLimit),
    /// The limit on processes is declared, configured and enforced.
    PidsLimit(PidsLimit),
    /// The service cannot swap beyond its memory limit.
    SwapLimit(SwapLimit),
    /// Running out of memory kills inside the service only, and the service recovers.
    OomContained(OomContained),
    /// While a service runs out of memory, every other one goes on as before.
    OomBlastRadius(OomBlastRadius),
    /// A service that computes without end is kept at its CPU limit.
    CpuLimitEnforced(CpuLimitEnforced),
    /// A service that forks without end is refused at its limit, and its neighbours still fork.
    PidsLimitEnforced(PidsLimitEnforced),
    /// The service bears a load within its limits, and its neighbours do not notice.
    Load(Load),
    /// The image is as small as claimed.
    ImageSize(ImageSize),
    /// No layer of the image holds build tools.
    NoBuildTools(NoBuildTools),
    /// No layer of the image, nor its configuration, holds a secret.
    NoSecretsInImage(NoSecretsInImage),
    /// The image's dependencies come from one file.
    SingleDependencySource(SingleDependencySource),
    /// A real health check passes, and fails when the service is stopped.
    Healthy(Healthy),
    /// The Compose model mounts no engine socket into the service.
    NoRawSocketMount(Target),
    /// The Compose model publishes no port of the service on all interfaces.
    NoPublishedOnAllInterfaces(Target),
    /// A variable is set nowhere: not in the model, the image, the container or a process.
    NoEnv(NoEnv),
    /// What is reserved is declared, and configured and asked of the kernel where that is done.
    Reservation(Reservation),
    /// The service is started again as declared, and does not have to be.
    RestartPolicy(RestartPolicy),
    /// The engine bounds the log of the service.
    LogRotation(LogRotation),
    /// Every file system in memory has a size.
    TmpfsBounded(TmpfsBounded),
    /// The limits of all containers sum up to what the document states.
    CapacityTotals(CapacityTotals),
    /// The engine's host is as large as the document asks for.
    HostCapacity(HostCapacity),
    /// The service waits for a dependency that comes late, and does not crash.
    StartsInAnyOrder(StartsInAnyOrder),
}

/// Parameters of a check that needs nothing but the services.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
}

/// Parameters of `healthy`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Healthy {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// Whether the service is stopped to see its health check fail. This makes the check
    /// intrusive.
    #[serde(default = "yes")]
    pub when_stopped: bool,
    /// How soon the stopped service must be reported unhealthy, and healthy when it continues.
    #[serde(default = "Seconds::for_recovery")]
    pub within: Seconds,
}

/// Parameters of `restart-policy`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestartPolicy {
    /// The services, or `"*"`.
    pub services: Services,
    /// Services left out of `"*"`.
    #[serde(default)]
    pub except: Services,
    /// The policy as Compose files write it, such as `unless-stopped` or `on-failure:5`.
    pub policy: Spanned<String>,
}

fn yes() -> bool {
    true
}

impl CheckSpec {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            CheckSpec::RunsAs(_) => "runs-as",
            CheckSpec::NoDockerAccess(_) => "no-docker-access",
            CheckSpec::DockerAccessVia(_) => "docker-access-via",
            CheckSpec::Capabilities(_) => "capabilities",
            CheckSpec::NoNewPrivileges(_) => "no-new-privileges",
            CheckSpec::Seccomp(_) => "seccomp",
            CheckSpec::Apparmor(_) => "apparmor",
            CheckSpec::ReadOnlyRoot(_) => "read-only-root",
            CheckSpec::Namespaces(_) => "namespaces",
            CheckSpec::MemoryLimit(_) => "memory-limit",
            CheckSpec::CpuLimit(_) => "cpu-limit",
            CheckSpec::PidsLimit(_) => "pids-limit",
            CheckSpec::SwapLimit(_) => "swap-limit",
            CheckSpec::OomContained(_) => "oom-contained",
            CheckSpec::OomBlastRadius(_) => "oom-blast-radius",
            CheckSpec::CpuLimitEnforced(_) => "cpu-limit-enforced",
            CheckSpec::PidsLimitEnforced(_) => "pids-limit-enforced",
            CheckSpec::Load(_) => "load",
            CheckSpec::ImageSize(_) => "image-size",
            CheckSpec::NoBuildTools(_) => "no-build-tools",
            CheckSpec::NoSecretsInImage(_) => "no-secrets-in-image",
            CheckSpec::SingleDependencySource(_) => "single-dependency-source",
            CheckSpec::Healthy(_) => "healthy",
            CheckSpec::NoRawSocketMount(_) => "no-raw-socket-mount",
            CheckSpec::NoPublishedOnAllInterfaces(_) => "no-published-on-all-interfaces",
            CheckSpec::NoEnv(_) => "no-env",
            CheckSpec::Reservation(_) => "reservation",
            CheckSpec::RestartPolicy(_) => "restart-policy",
            CheckSpec::LogRotation(_) => "log-rotation",
            CheckSpec::TmpfsBounded(_) => "tmpfs-bounded",
            CheckSpec::CapacityTotals(_) => "capacity-totals",
            CheckSpec::HostCapacity(_) => "host-capacity",
            CheckSpec::StartsInAnyOrder(_) => "starts-in-any-order",
        }
    }

    /// Whether the check is about the stack as a whole and so names no services.
    #[must_use]
    pub fn is_about_the_stack(&self) -> bool {
        matches!(self, CheckSpec::CapacityTotals(_) | CheckSpec::HostCapacity(_))
    }

    /// The services named, and those left out.
    #[must_use]
    pub fn services(&self) -> (&Services, &[Spanned<String>]) {
        match self {
            CheckSpec::RunsAs(check) => (&check.services, &check.except),
            CheckSpec::NoDockerAccess(check) => (&check.services, &check.except),
            CheckSpec::DockerAccessVia(check) => (&check.services, &[]),
            CheckSpec::Capabilities(check) => (&check.services, &check.except),
            CheckSpec::Apparmor(check) => (&check.services, &check.except),
            CheckSpec::ReadOnlyRoot(check) => (&check.services, &check.except),
            CheckSpec::Namespaces(check) => (&check.services, &check.except),
            CheckSpec::MemoryLimit(check) => (&check.services, &check.except),
            CheckSpec::CpuLimit(check) => (&check.services, &check.except),
            CheckSpec::PidsLimit(check) => (&check.services, &check.except),
            CheckSpec::SwapLimit(check) => (&check.services, &check.except),
            CheckSpec::OomContained(check) => (&check.services, &check.except),
            CheckSpec::OomBlastRadius(check) => (&check.services, &check.except),
            CheckSpec::CpuLimitEnforced(check) => (&check.services, &check.except),
            CheckSpec::PidsLimitEnforced(check) => (&check.services, &check.except),
            CheckSpec::Load(check) => (&check.services, &check.except),
            CheckSpec::ImageSize(check) => (&check.services, &check.except),
            CheckSpec::NoBuildTools(check) => (&check.services, &check.except),
            CheckSpec::NoSecretsInImage(check) => (&check.services, &check.except),
            CheckSpec::SingleDependencySource(check) => (&check.services, &check.except),
            CheckSpec::Healthy(check) => (&check.services, &check.except),
            CheckSpec::NoEnv(check) => (&check.services, &check.except),
            CheckSpec::Reservation(check) => (&check.services, &check.except),
            CheckSpec::RestartPolicy(check) => (&check.services, &check.except),
            CheckSpec::LogRotation(check) => (&check.services, &check.except),
            CheckSpec::TmpfsBounded(check) => (&check.services, &check.except),
            CheckSpec::StartsInAnyOrder(check) => (&check.services, &check.except),
            CheckSpec::CapacityTotals(_) | CheckSpec::HostCapacity(_) => (&NO_SERVICES, &[]),
            CheckSpec::NoNewPrivileges(target)
            | CheckSpec::Seccomp(target)
            | CheckSpec::NoRawSocketMount(target)
            | CheckSpec::NoPublishedOnAllInterfaces(target) => (&target.services, &target.except),
        }
    }

    /// Whether the check stresses, stops or kills something.
    #[must_use]
    pub fn is_intrusive(&self) -> bool {
        match self {
            CheckSpec::OomContained(_)
            | CheckSpec::OomBlastRadius(_)
            | CheckSpec::CpuLimitEnforced(_)
            | CheckSpec::PidsLimitEnforced(_)
            | CheckSpec::Load(_)
            | CheckSpec::StartsInAnyOrder(_) => true,
            CheckSpec::Healthy(check) => check.when_stopped,
            CheckSpec::RunsAs(_)
            | CheckSpec::NoDockerAccess(_)
            | CheckSpec::DockerAccessVia(_)
            | CheckSpec::Capabilities(_)
            | CheckSpec::NoNewPrivileges(_)
            | CheckSpec::Seccomp(_)
            | CheckSpec::Apparmor(_)
            | CheckSpec::ReadOnlyRoot(_)
            | CheckSpec::Namespaces(_)
            | CheckSpec::MemoryLimit(_)
            | CheckSpec::CpuLimit(_)
            | CheckSpec::PidsLimit(_)
            | CheckSpec::SwapLimit(_)
            | CheckSpec::ImageSize(_)
            | CheckSpec::NoBuildTools(_)
            | CheckSpec::NoSecretsInImage(_)
            | CheckSpec::SingleDependencySource(_)
            | CheckSpec::NoRawSocketMount(_)
            | CheckSpec::NoPublishedOnAllInterfaces(_)
            | CheckSpec::NoEnv(_)
            | CheckSpec::Reservation(_)
            | CheckSpec::RestartPolicy(_)
            | CheckSpec::LogRotation(_)
            | CheckSpec::TmpfsBounded(_)
            | CheckSpec::CapacityTotals(_)
            | CheckSpec::HostCapacity(_) => false,
        }
    }
}
