//! The figures of each rule.

use super::text::{Text, quoted};
use crate::server::Server;
use crate::server::guard::InForce;

impl Server {
    /// The figures of each rule in force. Requests under a rule are complete, so none is malformed.
    pub(super) fn rule_metrics(&self, text: &mut Text) {
        let rules: Vec<_> = self.guard.in_force().collect();
        if rules.is_empty() {
            return;
        }
        let labels: Vec<_> = rules.iter().map(|rule| quoted(rule.title)).collect();
        let mut gauge = |name: &str, help: &str, value: &dyn Fn(&InForce<'_>) -> Option<u64>| {
            text.head(name, "gauge", help);
            for (rule, label) in rules.iter().zip(&labels) {
                if let Some(value) = value(rule) {
                    text.value(name, &format!("{{rule={label}}}"), value as f64);
                }
            }
        };
        gauge(
            "rule_programs_running",
            "Programs that run, or are about to, by rule.",
            &|rule| Some(self.schedule.under(rule.quota).0),
        );
        gauge(
            "rule_programs_max",
            "Programs that may run at once, by rule, if it has a limit.",
            &|rule| rule.max_jobs.map(u64::from),
        );
        gauge(
            "rule_requests_waiting",
            "Requests that wait for other programs of the same rule.",
            &|rule| Some(self.schedule.under(rule.quota).1 as u64),
        );
        let name = "rule_requests_total";
        text.head(
            name,
            "counter",
            "Requests that a rule decided about, by how they ended; refused are also those that it \
             allows with other arguments.",
        );
        for (rule, label) in rules.iter().zip(&labels) {
            let outcomes = self.statistics.rules.get(rule.title).cloned();
            for (outcome, count) in outcomes.unwrap_or_default().each() {
                if outcome != "malformed" {
                    let labels = format!("{{rule={label},outcome=\"{outcome}\"}}");
                    text.value(name, &labels, count as f64);
                }
            }
        }
    }
}
