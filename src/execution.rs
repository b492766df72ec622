//! How a program is executed: as which user, in what surroundings, within which limits.
//!
//! Each value is optional, because the settings have it for all jobs, and a rule for its own:
//! [`Execution::or`] combines the two.
//!
//! Pure: names were looked up before.

use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

/// A user as which programs run, as the system's databases have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Its own group.
    pub gid: u32,
    /// All its groups, as initgroups(3) sets them.
    pub groups: Vec<u32>,
    /// Its home directory.
    pub home: Vec<u8>,
    /// Its shell.
    pub shell: Vec<u8>,
}

/// The user of a program, where it is not the server's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunAs {
    /// This one.
    User(Rc<Account>),
    /// The client's, by its peer credentials.
    Peer,
}

/// A resource that setrlimit(2) limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Seconds of processor time of each process (`RLIMIT_CPU`).
    Cpu = 0,
    /// Bytes of address space of each process (`RLIMIT_AS`).
    Memory = 1,
    /// Bytes of a file that is written (`RLIMIT_FSIZE`).
    FileSize = 2,
    /// Processes and threads of the program's user (`RLIMIT_NPROC`).
    Processes = 3,
    /// Descriptors of each process (`RLIMIT_NOFILE`).
    OpenFiles = 4,
    /// Bytes of a core file (`RLIMIT_CORE`).
    Core = 5,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Cpu,
        Self::Memory,
        Self::FileSize,
        Self::Processes,
        Self::OpenFiles,
        Self::Core,
    ];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::FileSize => "file-size",
            Self::Processes => "processes",
            Self::OpenFiles => "open-files",
            Self::Core => "core",
        }
    }
}

impl FromStr for Resource {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let mut all = Self::ALL.into_iter();
        all.find(|resource| resource.name() == name).ok_or(())
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The limits of each process of a job, by resource. Without one the server's own applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits([Option<u64>; Resource::ALL.len()]);

impl Limits {
    /// The limit of a resource.
    pub fn get(&self, resource: Resource) -> Option<u64> {
        self.0[resource as usize]
    }

    /// Sets the limit of a resource.
    pub fn set(&mut self, resource: Resource, limit: u64) {
        self.0[resource as usize] = Some(limit);
    }

    fn or(self, general: Self) -> Self {
        let mut all = self;
        for (own, general) in all.0.iter_mut().zip(general.0) {
            *own = own.or(general);
        }
        all
    }
}

/// How a program is executed. `None`: as the server is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Execution {
    /// The user as which it runs.
    pub run_as: Option<RunAs>,
    /// Whether it and everything it starts can gain no privileges by executing a file
    /// (`PR_SET_NO_NEW_PRIVS`).
    pub no_new_privileges: Option<bool>,
    /// Whether it runs in a cgroup of its own, of which nothing is left at its end.
    pub contain: Option<bool>,
    /// Whether processes that it has left in that cgroup may live on when it ends by itself.
    pub detach: Option<bool>,
    /// `memory.max` of its cgroup, in bytes.
    pub memory_max: Option<u64>,
    /// `pids.max` of its cgroup.
    pub tasks_max: Option<u64>,
    /// `cpu.weight` of its cgroup, from 1 to 10000.
    pub cpu_weight: Option<u64>,
    /// The limits of each of its processes.
    pub limits: Limits,
    /// Its niceness, from 0 to 19.
    pub nice: Option<u8>,
    /// Permissions that its files do not get.
    pub umask: Option<u32>,
    /// The directory in which it starts, an absolute path.
    pub directory: Option<Vec<u8>>,
    /// Variables for it, which win over the server's.
    pub environment: Vec<(String, String)>,
    /// Whether it reads what the client sends. If not, its standard input is at its end.
    pub stdin: Option<bool>,
}

impl Execution {
    /// This one, with the values of `general` where it has none. Variables of both apply.
    #[must_use]
    pub fn or(self, general: &Self) -> Self {
        let mut environment = self.environment;
        for (name, value) in &general.environment {
            if environment.iter().all(|(own, _)| own != name) {
                environment.push((name.clone(), value.clone()));
            }
        }
        Self {
            run_as: self.run_as.or_else(|| general.run_as.clone()),
            no_new_privileges: self.no_new_privileges.or(general.no_new_privileges),
            contain: self.contain.or(general.contain),
            detach: self.detach.or(general.detach),
            memory_max: self.memory_max.or(general.memory_max),
            tasks_max: self.tasks_max.or(general.tasks_max),
            cpu_weight: self.cpu_weight.or(general.cpu_weight),
            limits: self.limits.or(general.limits),
            nice: self.nice.or(general.nice),
            umask: self.umask.or(general.umask),
            directory: self.directory.or_else(|| general.directory.clone()),
            environment,
            stdin: self.stdin.or(general.stdin),
        }
    }

    /// Whether no privileges can be gained: unless it is set otherwise, where the program runs as
    /// another user.
    pub fn has_no_new_privileges(&self) -> bool {
        self.no_new_privileges.unwrap_or(self.run_as.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_wins_and_the_settings_fill_the_rest() {
        let mut rule = Execution {
            nice: Some(3),
            environment: vec![("A".into(), "rule".into())],
            ..Execution::default()
        };
        rule.limits.set(Resource::Cpu, 1);
        let mut general = Execution {
            nice: Some(5),
            umask: Some(0o77),
            environment: vec![("A".into(), "all".into()), ("B".into(), "all".into())],
            ..Execution::default()
        };
        general.limits.set(Resource::Cpu, 9);
        general.limits.set(Resource::Core, 0);
        let both = rule.or(&general);
        assert_eq!((both.nice, both.umask), (Some(3), Some(0o77)));
        assert_eq!(both.limits.get(Resource::Cpu), Some(1));
        assert_eq!(both.limits.get(Resource::Core), Some(0));
        assert_eq!(both.limits.get(Resource::Memory), None);
        let variables = [("A", "rule"), ("B", "all")].map(|(n, v)| (n.into(), v.into()));
        assert_eq!(both.environment, variables);
    }

    #[test]
    fn privileges_cannot_be_gained_as_another_user_unless_it_is_set() {
        let mut execution = Execution::default();
        assert!(!execution.has_no_new_privileges());
        execution.run_as = Some(RunAs::Peer);
        assert!(execution.has_no_new_privileges());
        execution.no_new_privileges = Some(false);
        assert!(!execution.has_no_new_privileges());
    }

    #[test]
    fn every_resource_is_known_by_its_name() {
        for resource in Resource::ALL {
            assert_eq!(resource.name().parse(), Ok(resource));
        }
        assert_eq!("CPU".parse::<Resource>(), Err(()));
    }
}
