//! Whether a job is one that an operator asks for.

use super::JobRecord;

impl JobRecord {
    /// Whether its client's user is this one: a name, or a number.
    pub fn is_of_user(&self, user: &str) -> bool {
        self.names.client.as_deref() == Some(user)
            || self.peer.uid().map(|uid| uid.to_string()).as_deref() == Some(user)
    }

    /// Whether its program was called like this. A name without a slash is also that of a path's
    /// last part.
    pub fn is_of_program(&self, program: &str) -> bool {
        let called = self.summary.excerpt.program();
        let last = called.rsplit(|&byte| byte == b'/').next();
        called == program.as_bytes() || last == Some(program.as_bytes())
    }

    /// Whether the rule of this title has decided about it.
    pub fn is_by_rule(&self, title: &str) -> bool {
        self.rule.as_deref() == Some(title)
    }
}
