//! The limits of this process, which those of its programs cannot exceed.

use nix::sys::resource::{Resource as Number, getrlimit};

use crate::execution::Resource;

/// The kernel's number of a resource.
pub(in crate::os) fn number(resource: Resource) -> Number {
    match resource {
        Resource::Cpu => Number::RLIMIT_CPU,
        Resource::Memory => Number::RLIMIT_AS,
        Resource::FileSize => Number::RLIMIT_FSIZE,
        Resource::Processes => Number::RLIMIT_NPROC,
        Resource::OpenFiles => Number::RLIMIT_NOFILE,
        Resource::Core => Number::RLIMIT_CORE,
    }
}

/// The hard limit of a resource, if there is one.
pub fn hard(resource: Resource) -> Option<u64> {
    let (_, hard) = getrlimit(number(resource)).ok()?;
    Some(hard).filter(|&hard| hard != libc::RLIM_INFINITY)
}
