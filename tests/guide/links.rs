//! The links between pages: each leads to a file, and to a heading of it.

use crate::pages;
use std::path::{Path, PathBuf};

/// The links of a text, without those to other sites.
fn links(text: &str) -> Vec<&str> {
    let ends = text.split("](").skip(1);
    let links = ends.filter_map(|rest| rest.split_once(')'));
    links
        .map(|(link, _)| link)
        .filter(|link| !link.contains("://"))
        .collect()
}

/// What a link to this heading has behind its `#`.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The links of a page that lead nowhere.
fn broken(page: &Path, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    for link in links(text) {
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let target = match file {
            "" => page.to_owned(),
            _ => page.parent().unwrap().join(file),
        };
        let headings = |text: String| {
            let outside: Vec<_> = text.split("```").step_by(2).map(str::to_owned).collect();
            let lines = outside.iter().flat_map(|part| part.lines());
            lines
                .filter(|l| l.starts_with('#'))
                .map(anchor)
                .collect::<Vec<_>>()
        };
        let there = match heading {
            "" => target.exists(),
            _ => std::fs::read_to_string(&target)
                .is_ok_and(|text| headings(text).iter().any(|one| one == heading)),
        };
        if !there {
            broken.push(format!("{}: {link}", page.display()));
        }
    }
    broken
}

#[test]
fn links_lead_to_a_page_and_a_heading() {
    let broken: Vec<String> = pages::all()
        .iter()
        .flat_map(|page| broken(page, &pages::read(page)))
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn readme_leads_to_each_page() {
    let readme = pages::read(Path::new("README.md"));
    let links = links(&readme);
    let missing: Vec<PathBuf> = pages::all()
        .into_iter()
        .filter(|page| page.starts_with("docs"))
        .filter(|page| !links.contains(&page.to_str().unwrap()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(readme.lines().count() <= 150);
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let text = "[a](none.md) [b](README.md#none) [c](https://x.org/y) [d](#own-heading)\n\
                # Own *heading*!\n";
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("page.md");
    let found = broken(&page, text);
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(anchor("### Exit code 127 or 126"), "exit-code-127-or-126");
    assert_eq!(anchor("## Own *heading*!"), "own-heading");
}
