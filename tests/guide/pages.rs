//! The pages for readers, and their parts.

use std::fs;
use std::path::{Path, PathBuf};

/// The pages: README, those in `docs`, and others that these lead to.
pub fn all() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = [
        "README.md",
        "SECURITY.md",
        "ARCHITECTURE.md",
        "lua/README.md",
    ]
    .map(PathBuf::from)
    .into();
    let docs = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap();
    let names = docs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.filter(|name| name.ends_with(".md"));
    pages.extend(names.map(|name| Path::new("docs").join(name)));
    pages.sort_unstable();
    pages
}

pub fn read(page: &Path) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The blocks of a page: the word behind the fence, and the text. A block in a list is moved to the
/// left.
pub fn blocks(page: &Path) -> Vec<(String, String)> {
    let text = read(page);
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut inside = None;
    for line in text.lines() {
        let indented = line.trim_start();
        match (indented.strip_prefix("```"), inside) {
            (Some(kind), None) => {
                blocks.push((kind.to_owned(), String::new()));
                inside = Some(line.len() - indented.len());
            }
            (Some(_), Some(_)) => inside = None,
            (None, Some(indent)) => {
                let (_, block) = blocks.last_mut().unwrap();
                *block += line.get(indent..).unwrap_or_default();
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// The words between backticks outside of blocks.
pub fn spans(page: &Path) -> Vec<String> {
    let text = read(page);
    let outside: Vec<&str> = text.split("```").step_by(2).collect();
    let outside = outside.join("\n");
    let spans = outside.split('`').skip(1).step_by(2);
    spans.map(|span| span.replace('\n', " ")).collect()
}
