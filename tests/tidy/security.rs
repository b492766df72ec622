//! The claims of SECURITY.md: each names the tests that show it.

use crate::{pages, source};
use std::path::Path;

/// A claim, and the names of its tests.
pub type Claim = (String, Vec<String>);

/// The rows of the table below this heading, without the table's own heading.
pub fn claims(text: &str, heading: &str) -> Vec<Claim> {
    let (_, rest) = text.split_once(heading).expect("the heading");
    let section = rest.split("\n## ").next().unwrap_or(rest);
    let rows = pages::rows(section).into_iter().skip(2);
    let names = |cell: &str| {
        let names = pages::quoted(cell).into_iter();
        names.map(str::to_owned).collect()
    };
    rows.map(|cells| match cells[..] {
        [claim, tests] => (claim.to_owned(), names(tests)),
        _ => (cells.join(" "), Vec::new()),
    })
    .collect()
}

/// What is wrong with these claims.
pub fn faults(claims: &[Claim]) -> Vec<String> {
    let mut faults = Vec::new();
    for (claim, tests) in claims {
        if tests.is_empty() {
            faults.push(format!("no test: {claim}"));
        }
        let missing = tests.iter().filter(|name| !exists(name));
        faults.extend(missing.map(|name| format!("there is no {name}")));
    }
    faults
}

/// Whether there is such a test: `system: SCENARIO`, or `TARGET::FILE::NAME`.
fn exists(name: &str) -> bool {
    if let Some(scenario) = name.strip_prefix("system: ") {
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system/scenarios");
        return scenarios.join(scenario).is_file();
    }
    let Some((file, test)) = name.rsplit_once("::") else {
        return false;
    };
    let path = format!("tests/{}.rs", file.replace("::", "/"));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(&path);
    file.is_file() && source::read(&path).contains(&format!("#[test]\nfn {test}() {{"))
}

#[test]
fn a_claim_without_a_test_that_exists_is_found() {
    let text = "x\n## C\n\n| claim | by |\n| --- | --- |\n| a | `tidy::security::none` |\n| b | |\n\
                | c | `system: none`, `rules::programs::what_no_rule_allows_is_refused_with_the_reason_and_a_line` |\n\
                \n## D\n| d | |\n";
    let claims = claims(text, "\n## C\n");
    let wanted = [
        "there is no tidy::security::none",
        "no test: b",
        "there is no system: none",
    ];
    assert_eq!(faults(&claims), wanted);
}
