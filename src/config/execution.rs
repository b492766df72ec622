//! The execution of programs: the keys that stand above all rules, for all programs, and in a
//! rule, for its own.
//!
//! The user of `run-as` is asked for here, once, with all groups.

use std::ops::Range;
use std::rc::Rc;

use toml::de::{DeTable, DeValue};

use super::document::{Document, Name, in_order, number, scalar};
use super::place::{Accepts, Node, Place, TableKey, keys, one};
use crate::execution::{Execution, Limits, Resource, RunAs};
use crate::os::{accounts, environment};
use crate::settings::Key;
use crate::settings::value::{Kind, Mode, SECONDS_MAX, Stored};

/// Stands for the user of the client.
const PEER: &str = "peer";

const ROOT: &str = "only a rule may name root, so that no other program runs as root";

const KIB: u64 = 1024;

/// The largest number of bytes, as for settings.
const BYTES_MAX: u64 = 1 << 53;

/// The least memory of a cgroup. It must have room for the largest arguments that the kernel takes,
/// 6 MiB: they are charged to the cgroup while the child still has the server's memory. At the limit
/// the kernel would kill the child, and with it all processes that have the same memory (seen on Linux
/// 6.18).
const MEMORY_MAX_MIN: u64 = 16 * 1024 * KIB;

/// The largest number of processes that the kernel knows.
const TASKS_MAX: u64 = 4_194_304;

/// The longest variable with its name that the kernel takes, without its NUL.
const VARIABLE_MAX: usize = 128 * 1024 - 1;

keys! {
    /// The keys of the execution of programs.
    pub static EXECUTION_KEYS: Execution = {
        "run-as", Accepts::User, run_as = run_as;
        "no-new-privileges", Accepts::One(Kind::Bool), no_new_privileges = one;
        "contain", Accepts::One(Kind::Bool), contain = one;
        "detach", Accepts::One(Kind::Bool), detach = one;
        "memory-max", Accepts::One(Kind::Bytes(MEMORY_MAX_MIN, BYTES_MAX)), memory_max = one;
        "tasks-max", Accepts::One(Kind::Number(1, TASKS_MAX)), tasks_max = one;
        "cpu-weight", Accepts::One(Kind::Number(1, 10_000)), cpu_weight = one;
        "limits", Accepts::Limits, limits = limits;
        "nice", Accepts::One(Kind::Number(0, 19)), nice = nice;
        "umask", Accepts::One(Kind::Mode), umask = umask;
        "directory", Accepts::Directory, directory = directory;
        "environment", Accepts::Variables, environment = environment;
        "stdin", Accepts::One(Kind::Bool), stdin = one;
    }
}

/// The accepted limits of a resource.
pub fn limit_of(resource: Resource) -> Kind {
    match resource {
        Resource::Cpu => Kind::Number(1, SECONDS_MAX as u64),
        Resource::Memory => Kind::Bytes(4 * KIB, BYTES_MAX),
        Resource::FileSize | Resource::Core => Kind::Bytes(0, BYTES_MAX),
        Resource::Processes => Kind::Number(1, TASKS_MAX),
        // The program's own three, and one that is open for a moment while it is loaded.
        Resource::OpenFiles => Kind::Number(4, 1 << 30),
    }
}

/// A key of the execution of programs, and its accepted values.
pub fn find(name: &str) -> Option<(&'static str, String)> {
    let key = EXECUTION_KEYS.iter().find(|key| key.name == name)?;
    Some((key.name, key.accepts.accepted()))
}

/// The keys whose values differ.
pub fn changed(new: &Execution, old: &Execution) -> impl Iterator<Item = &'static str> {
    let keys = EXECUTION_KEYS.iter();
    keys.filter(|key| (key.differs)(new, old))
        .map(|key| key.name)
}

/// Collects the values at one place.
pub struct Reader<'a> {
    document: &'a Document<'a>,
    /// The values above all rules, for a rule.
    general: Option<&'a Execution>,
    own: Execution,
    /// Keys that mean nothing without a cgroup, and their places.
    contained: Vec<(&'static str, Range<usize>)>,
}

impl<'a> Reader<'a> {
    /// For a rule, or for the place above all rules if there is no `general` execution.
    pub fn new(document: &'a Document<'a>, general: Option<&'a Execution>) -> Self {
        Self {
            document,
            general,
            own: Execution::default(),
            contained: Vec::new(),
        }
    }

    /// Takes a key, if it is one of these.
    ///
    /// # Errors
    ///
    /// When its value is not accepted.
    pub fn take(&mut self, name: &Name<'_>, value: &Node<'_>) -> Result<bool, String> {
        let mut keys = EXECUTION_KEYS.iter();
        let Some(key) = keys.find(|key| key.name == name.get_ref()) else {
            return Ok(false);
        };
        let place = Place {
            document: self.document,
            key: key.name,
            accepts: key.accepts,
        };
        (key.put)(&mut self.own, &place, value)?;
        match key.name {
            "run-as" if self.general.is_none() && is_root(&self.own) => {
                return Err(place.error(value, ROOT));
            }
            "detach" if self.own.detach == Some(false) => {}
            "detach" | "memory-max" | "tasks-max" | "cpu-weight" => {
                self.contained.push((key.name, name.span()));
            }
            _ => {}
        }
        Ok(true)
    }

    /// The execution, with the general values where this place has none.
    ///
    /// # Errors
    ///
    /// When there are limits of a cgroup, and none is asked for.
    pub fn done(self) -> Result<Execution, String> {
        let mut general = self.general.cloned().unwrap_or_default();
        let contain = self.own.contain.or(general.contain).unwrap_or_default();
        match self.contained.first() {
            Some((key, at)) if !contain => {
                let what = format!("{key}: has no effect without contain = true");
                return Err(self.document.error(at, &what));
            }
            _ => {}
        }
        if !contain {
            general.detach = None;
            general.memory_max = None;
            general.tasks_max = None;
            general.cpu_weight = None;
        }
        Ok(self.own.or(&general))
    }
}

fn nice(place: &Place<'_>, value: &Node<'_>) -> Result<Option<u8>, String> {
    let negative = value.get_ref().as_integer().map(|number| number.as_str());
    if negative.is_some_and(|number| number.starts_with('-')) {
        let what = "not a number from 0 to 19; less would need CAP_SYS_NICE, which the server does not have";
        return Err(place.error(value, what));
    }
    one(place, value)
}

fn umask(place: &Place<'_>, value: &Node<'_>) -> Result<Option<u32>, String> {
    let Mode(mode) = place.stored(value)?;
    Ok(Some(mode))
}

fn directory(place: &Place<'_>, value: &Node<'_>) -> Result<Option<Vec<u8>>, String> {
    let path = value.get_ref().as_str().unwrap_or_default();
    match path.starts_with('/') && !path.contains('\0') {
        true => Ok(Some(path.into())),
        false => Err(place.refusal(value)),
    }
}

/// How programs are executed where the file has no `run-as`, by the value of this option.
///
/// # Errors
///
/// When there is no such user, or it is root.
pub fn by_option(option: &str, name: &str) -> Result<Execution, String> {
    let execution = Execution {
        run_as: Some(user(name).map_err(|what| format!("{option}: {what}"))?),
        ..Execution::default()
    };
    match is_root(&execution) {
        true => Err(format!("{option}: {ROOT}")),
        false => Ok(execution),
    }
}

fn run_as(place: &Place<'_>, value: &Node<'_>) -> Result<Option<RunAs>, String> {
    let name = match value.get_ref() {
        DeValue::String(name) => name.to_string(),
        other => number(other)
            .ok_or_else(|| place.refusal(value))?
            .to_string(),
    };
    let found = user(&name).map_err(|what| place.error(value, &what))?;
    Ok(Some(found))
}

/// The user of this name or number, or the client's.
fn user(name: &str) -> Result<RunAs, String> {
    if name == PEER {
        return Ok(RunAs::Peer);
    }
    let found = match name.parse() {
        Ok(uid) => accounts::account_of(uid),
        Err(_) => accounts::account(name),
    };
    let name = name.escape_debug();
    match found {
        Ok(Some(account)) => Ok(RunAs::User(Rc::new(account))),
        Ok(None) => Err(format!("there is no user \"{name}\"")),
        Err(errno) => Err(format!("user \"{name}\": {}", errno.desc())),
    }
}

pub(super) fn is_root(execution: &Execution) -> bool {
    matches!(&execution.run_as, Some(RunAs::User(account)) if account.uid == 0)
}

/// A table that is not empty: an empty one has no effect, not even on general values.
fn table<'v, 'i>(place: &Place<'_>, value: &'v Node<'i>) -> Result<&'v DeTable<'i>, String> {
    match value.get_ref() {
        DeValue::Table(table) if !table.is_empty() => Ok(table),
        _ => Err(place.refusal(value)),
    }
}

fn limits(place: &Place<'_>, value: &Node<'_>) -> Result<Limits, String> {
    let table = table(place, value)?;
    let mut limits = Limits::default();
    for (name, value) in in_order(table) {
        let Ok(resource) = name.get_ref().parse::<Resource>() else {
            return Err(unknown_limit(place, name));
        };
        let kind = limit_of(resource);
        let limit = scalar(kind, value.get_ref()).and_then(Stored::stored);
        let key = format!("{}.{resource}", place.key);
        limits.set(
            resource,
            limit.ok_or_else(|| place.document.wrong(value, &key, kind))?,
        );
    }
    Ok(limits)
}

/// A line below a header, `[limits]` or `[allow.limits]`, belongs to it, which may surprise.
fn unknown_limit(place: &Place<'_>, name: &Name<'_>) -> String {
    let text = name.get_ref();
    if Key::find(text).is_some() || find(text).is_some() {
        let what = format!(
            "{text}: not one of the {}; it belongs above the header of that table",
            place.key
        );
        return place.document.error(&name.span(), &what);
    }
    place
        .document
        .unknown(name, &Resource::ALL.map(Resource::name))
}

fn environment(place: &Place<'_>, value: &Node<'_>) -> Result<Vec<(String, String)>, String> {
    let table = table(place, value)?;
    let all = in_order(table).into_iter();
    all.map(|(name, value)| variable(place, name, value))
        .collect()
}

fn variable(
    place: &Place<'_>,
    name: &Name<'_>,
    value: &Node<'_>,
) -> Result<(String, String), String> {
    let text = name.get_ref();
    let error = |at: Range<usize>, what: &str| {
        let what = format!("{}: {}: {what}", place.key, text.escape_debug());
        place.document.error(&at, &what)
    };
    if text.is_empty() {
        let what = format!("{}: a variable without a name", place.key);
        return Err(place.document.error(&name.span(), &what));
    }
    if text.contains(['=', '\0']) {
        return Err(error(name.span(), "not the name of a variable"));
    }
    if environment::is_kept_back(text.as_bytes()) {
        return Err(error(
            name.span(),
            "the server sets or removes this variable itself",
        ));
    }
    let Some(string) = value
        .get_ref()
        .as_str()
        .filter(|string| !string.contains('\0'))
    else {
        return Err(error(value.span(), "not a string"));
    };
    if text.len() + 1 + string.len() > VARIABLE_MAX {
        let what = format!("longer than {VARIABLE_MAX} bytes together with its name");
        return Err(error(value.span(), &what));
    }
    Ok((text.to_string(), string.to_owned()))
}
