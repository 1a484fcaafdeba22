//! What the documents promise exists: each test that `docs/semantics.md` names, and each file that a page links to.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every file below a folder whose name ends so, without what was built.
fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_string_lossy().into_owned();
        if entry.is_dir() {
            if !name.starts_with('.') && !name.starts_with("target") && name != "dist" {
                files(&entry, ending, found);
            }
        } else if name.ends_with(ending) {
            found.push(entry);
        }
    }
}

/// The names of all test functions in the sources.
fn tests() -> BTreeSet<String> {
    let mut sources = Vec::new();
    files(&root(), ".rs", &mut sources);
    let mut names = BTreeSet::new();
    for source in sources {
        let text = fs::read_to_string(&source).unwrap();
        let mut marked = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[test]") {
                marked = true;
            } else if let Some(name) = line.strip_prefix("fn ").filter(|_| marked) {
                names.insert(name.split('(').next().unwrap().to_owned());
                marked = false;
            }
        }
    }
    names
}

/// The clauses of `docs/semantics.md`, each with the tests named under it.
fn clauses() -> Vec<(String, Vec<String>)> {
    let text = fs::read_to_string(root().join("docs/semantics.md")).unwrap();
    let mut clauses: Vec<(String, Vec<String>)> = Vec::new();
    for paragraph in text.split("\n\n") {
        if let Some(rest) = paragraph.trim_start().strip_prefix("**") {
            let heading = rest.split("**").next().unwrap().trim_end_matches('.').to_owned();
            let later = paragraph.contains("*Later");
            clauses.push((if later { format!("{heading} later") } else { heading }, Vec::new()));
        } else if let Some(list) = paragraph.trim_start().strip_prefix("Tests:") {
            let names = list.split('`').skip(1).step_by(2).map(str::to_owned);
            clauses.last_mut().expect("tests stand under a clause").1.extend(names);
        }
    }
    clauses
}

#[test]
fn every_test_that_a_clause_names_exists() {
    let tests = tests();
    assert!(tests.contains("every_test_that_a_clause_names_exists"), "the search for tests finds this one");
    for (clause, named) in clauses() {
        for name in named {
            assert!(tests.contains(&name), "docs/semantics.md, {clause}: there is no test `{name}`");
        }
    }
}

#[test]
fn every_clause_that_is_not_for_later_names_a_test() {
    let clauses = clauses();
    assert!(clauses.len() > 30, "the clauses are found: {}", clauses.len());
    let bare: Vec<_> =
        clauses.iter().filter(|(clause, named)| named.is_empty() && !clause.ends_with("later")).collect();
    assert!(bare.is_empty(), "docs/semantics.md: no test under {bare:?}");
}

#[test]
fn every_link_of_a_page_leads_to_a_file() {
    let mut pages = Vec::new();
    files(&root(), ".md", &mut pages);
    assert!(pages.len() > 3);
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            assert!(page.parent().unwrap().join(path).exists(), "{}: {link} leads nowhere", page.display());
        }
    }
}
