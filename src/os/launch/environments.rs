//! The environments of programs: each is made once, when it is first needed, and kept.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::execution::{Account, Execution};
use crate::os::environment::Environment;

/// The number of environments that are kept besides the general one. Of several users there is one
/// for each, and each rule of its own.
const KEPT_MAX: usize = 64;

/// An environment, and what it is for. That stays in place, so its address is not another's.
#[derive(Debug)]
struct Own {
    execution: Rc<Execution>,
    account: Option<Rc<Account>>,
    environment: Rc<Environment>,
}

impl Own {
    fn is_for(&self, execution: &Rc<Execution>, account: Option<&Rc<Account>>) -> bool {
        let account = match (&self.account, account) {
            (Some(own), Some(account)) => Rc::ptr_eq(own, account),
            (own, account) => own.is_none() && account.is_none(),
        };
        account && Rc::ptr_eq(&self.execution, execution)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Environments {
    general: Rc<Environment>,
    /// The oldest first.
    own: VecDeque<Own>,
}

impl Environments {
    pub(super) fn new(general: Environment) -> Self {
        Self {
            general: Rc::new(general),
            own: VecDeque::new(),
        }
    }

    /// The one of programs without any changes.
    pub(super) fn general(&self) -> &Environment {
        &self.general
    }

    /// The one of programs that are executed like this and as this user.
    pub(super) fn of(
        &mut self,
        execution: &Rc<Execution>,
        account: Option<&Rc<Account>>,
    ) -> Rc<Environment> {
        let is_changed = !execution.environment.is_empty() || execution.directory.is_some();
        if !is_changed && account.is_none() {
            return Rc::clone(&self.general);
        }
        if let Some(own) = self.own.iter().find(|own| own.is_for(execution, account)) {
            return Rc::clone(&own.environment);
        }
        let environment = Rc::new(self.general.of(execution, account.map(Rc::as_ref)));
        if self.own.len() >= KEPT_MAX {
            self.own.pop_front();
        }
        self.own.push_back(Own {
            execution: Rc::clone(execution),
            account: account.cloned(),
            environment: Rc::clone(&environment),
        });
        environment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_made_once_and_their_number_is_bounded() {
        let mut all = Environments::new(Environment::inherited());
        let plain = Rc::new(Execution::default());
        let general = Rc::clone(&all.general);
        assert!(Rc::ptr_eq(&all.of(&plain, None), &general));
        let other = |name: &str| {
            Rc::new(Execution {
                environment: vec![(name.into(), "1".into())],
                ..Execution::default()
            })
        };
        let (a, b) = (other("A"), other("B"));
        let of_a = all.of(&a, None);
        assert!(!Rc::ptr_eq(&of_a, &all.of(&b, None)));
        assert!(Rc::ptr_eq(&of_a, &all.of(&a, None)));
        for _ in 0..2 * KEPT_MAX {
            all.of(&other("C"), None);
        }
        assert_eq!(all.own.len(), KEPT_MAX);
        // It was made again, and the old one is not used for another.
        assert!(!Rc::ptr_eq(&of_a, &all.of(&a, None)));
    }

    #[test]
    fn two_users_of_one_rule_have_their_own() {
        let mut all = Environments::new(Environment::inherited());
        let rule = Rc::new(Execution::default());
        let user = |name: &str| {
            Rc::new(Account {
                name: name.into(),
                uid: 7,
                gid: 7,
                groups: Vec::new(),
                home: Vec::new(),
                shell: Vec::new(),
            })
        };
        let (a, b) = (user("a"), user("b"));
        let of_a = all.of(&rule, Some(&a));
        assert!(!Rc::ptr_eq(&of_a, &all.of(&rule, Some(&b))));
        assert!(Rc::ptr_eq(&of_a, &all.of(&rule, Some(&a))));
        let general = Rc::clone(&all.general);
        assert!(Rc::ptr_eq(&all.of(&rule, None), &general));
    }
}
