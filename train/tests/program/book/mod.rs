//! The book (`docs/`) and the README: every page is in the table of contents, every link leads somewhere, every message that
//! is explained is one of the program's, and every command does what it is there for.

#[cfg(unix)]
mod commands;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The repository's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The pages of the book, and those beside it.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md"), root().join("CONTRIBUTING.md")];
    let files = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    pages.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    assert!(pages.len() > 15);
    pages
}

fn read(page: &Path) -> String {
    fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

/// What stands in brackets behind `](`, without code blocks.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().filter(|line| !line.starts_with("    "));
    lines.flat_map(|line| line.split("](").skip(1).filter_map(|rest| rest.split(')').next()))
}

/// The anchors that mdBook and GitHub give headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | ' ');
    headings.map(|heading| heading.to_lowercase().replace(|letter| !kept(letter), "").replace(' ', "-")).collect()
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let contents = read(&root().join("docs/SUMMARY.md"));
    let listed: BTreeSet<&str> = links(&contents).collect();
    let there = pages().into_iter().filter(|page| page.starts_with(root().join("docs")));
    let names: BTreeSet<String> = there.map(|page| page.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    let names: BTreeSet<&str> = names.iter().map(String::as_str).filter(|name| *name != "SUMMARY.md").collect();
    assert_eq!(listed, names);
}

#[test]
fn links_lead_somewhere() {
    for page in pages() {
        let text = read(&page);
        for link in links(&text).filter(|link| !link.starts_with("http")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link}: there is no such file", page.display());
            if !anchor.is_empty() {
                assert!(anchors(&read(&target)).contains(anchor), "{}: {link}: no such heading", page.display());
            }
        }
    }
}

/// The messages in the first column of the tables of troubleshooting, a piece at a time between what is different each time.
#[test]
fn messages_are_those_of_the_program() {
    let mut sources = String::new();
    for part in ["train/src", "data/src"] {
        collect(&root().join(part), &mut sources);
    }
    // A string goes on in the next line behind a backslash.
    let sources = sources.lines().map(str::trim_start).collect::<Vec<_>>().join("\n").replace("\\\n", "");
    let page = read(&root().join("docs/troubleshooting.md"));
    let mut pieces = 0;
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let message = row.split(" | ").next().unwrap();
        for part in message.trim_start_matches("| ").split("` or `").flat_map(|part| part.split('…')) {
            let part = part.trim_matches(|letter: char| matches!(letter, '`' | ' ' | ',' | ':' | ';'));
            if part.len() >= 5 && part != "No space left on device" {
                assert!(sources.contains(part), "{message}: nothing in the sources says {part:?}");
                pieces += 1;
            }
        }
    }
    assert!(pieces > 30, "{pieces}");
}

fn collect(folder: &Path, sources: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&read(&path));
        }
    }
}
