//! The decision about a request with its reasons, for people.

use super::{Aspect, NoRule, Request, Rules};

/// A decision and its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// For each rule before the one that decides, or for all if none does, in order: the aspects
    /// of the request that do not match.
    pub passed_over: Vec<Vec<Aspect>>,
    /// The decision, as in [`Rules::decide`].
    pub decision: Result<Option<usize>, NoRule>,
}

impl Rules {
    /// Decides about a request, with the reasons.
    pub fn explain(&self, request: &Request<'_>) -> Explanation {
        let decision = self.decide(request);
        let decisive = decision.ok().flatten();
        let before = self.iter().take(decisive.unwrap_or(usize::MAX));
        Explanation {
            passed_over: before
                .map(|rule| rule.mismatches(request).collect())
                .collect(),
            decision,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::arguments::ArgumentList;
    use super::super::{Program, Rule, Unmatched};
    use super::Aspect::{Arguments, Client, Label, Program as OfProgram};
    use super::*;

    fn rules(default: Option<Unmatched>) -> Rules {
        let file = |path: &str| vec![Program::File(path.into())];
        let status = vec!["status".parse().unwrap()];
        Rules::new(
            vec![
                Rule {
                    users: vec![0],
                    programs: file("/bin/a"),
                    ..Rule::default()
                },
                Rule {
                    groups: vec![7],
                    programs: file("/bin/b"),
                    arguments: vec![ArgumentList::new(status).unwrap()],
                    labels: vec!["web_t".parse().unwrap()],
                    ..Rule::default()
                },
                Rule {
                    users: vec![33],
                    programs: file("/bin/b"),
                    ..Rule::default()
                },
                Rule {
                    programs: file("/bin/b"),
                    ..Rule::default()
                },
            ],
            default,
        )
    }

    #[test]
    fn each_rule_before_the_one_that_decides_has_all_its_reasons() {
        let status = [&b"status"[..]];
        let request = Request {
            peer: Some((33, &[7])),
            program: b"/bin/b",
            arguments: &status,
            label: None,
        };
        let explanation = rules(None).explain(&request);
        assert_eq!(
            explanation,
            Explanation {
                passed_over: vec![vec![Client, OfProgram], vec![Label]],
                decision: Ok(Some(2)),
            }
        );
        let labelled = Request {
            label: Some(b"web_t"),
            ..request
        };
        let explanation = rules(None).explain(&labelled);
        assert_eq!(explanation.decision, Ok(Some(1)));
        assert_eq!(explanation.passed_over, [[Client, OfProgram]]);
    }

    #[test]
    fn without_a_rule_that_decides_all_have_their_reasons() {
        let request = Request {
            peer: None,
            program: b"/bin/c",
            ..Request::default()
        };
        let reasons = [
            vec![Client, OfProgram],
            vec![Client, Label, OfProgram, Arguments],
            vec![Client, OfProgram],
            vec![OfProgram],
        ];
        for (default, decision) in [
            (None, Err(NoRule::AtAll)),
            (Some(Unmatched::Deny), Err(NoRule::AtAll)),
            (Some(Unmatched::Allow), Ok(None)),
        ] {
            let explanation = rules(default).explain(&request);
            assert_eq!(explanation.passed_over, reasons);
            assert_eq!(explanation.decision, decision);
        }
        let explanation = Rules::default().explain(&request);
        assert_eq!(
            (explanation.passed_over.len(), explanation.decision),
            (0, Ok(None))
        );
    }
}
