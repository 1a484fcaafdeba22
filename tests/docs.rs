//! What the pages say of the sources holds: the clauses of `docs/semantics.md` have tests, and paths and links exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every file and folder below a folder, as a path with slashes from the root, without what is built, and without what only
/// this machine has.
fn tree(folder: &Path, path: &str, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_string_lossy();
        let is_hidden = name.starts_with('.') && ![".cargo", ".ci", ".github"].contains(&&*name);
        if is_hidden || name.starts_with("target") || (path.is_empty() && name == "dist") {
            continue;
        }
        let path = if path.is_empty() { name.to_string() } else { format!("{path}/{name}") };
        if entry.is_dir() {
            tree(&entry, &path, found);
        }
        found.insert(path);
    }
}

fn paths() -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    tree(&root(), "", &mut paths);
    paths
}

/// The files whose names end so, and what is in them.
fn texts(paths: &BTreeSet<String>, ending: &str) -> BTreeMap<String, String> {
    let files = paths.iter().filter(|path| path.ends_with(ending));
    files.map(|path| (path.clone(), fs::read_to_string(root().join(path)).unwrap())).collect()
}

/// A letter and a number, and perhaps a letter that tells it from the clause before: `Q1a`.
fn is_clause(word: &str) -> bool {
    let (letter, number) = word.split_at_checked(1).unwrap_or_default();
    let number = number.strip_suffix(|last: char| last.is_ascii_lowercase()).unwrap_or(number);
    letter.chars().all(|letter| letter.is_ascii_uppercase()) && number.parse::<u8>().is_ok()
}

/// The clauses of the page.
fn clauses() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("docs/semantics.md")).unwrap();
    let headings = text.lines().filter_map(|line| line.strip_prefix("**")?.split_once(".**"));
    headings.map(|(heading, _)| heading.to_owned()).filter(|heading| is_clause(heading)).collect()
}

/// The clauses that a doc comment begins with: `M4`, or `C4, L2: what is shown of them`.
fn cited(doc: &str) -> impl Iterator<Item = &str> {
    let mut goes_on = true;
    doc.split_whitespace().map_while(move |word| {
        let clause = word.trim_end_matches([',', ':', '.']);
        (std::mem::replace(&mut goes_on, word.ends_with(',')) && is_clause(clause)).then_some(clause)
    })
}

/// Finds the test functions among tokens, inside modules and macros, too: each name, and the first line of its doc comment.
fn tests(tokens: TokenStream, found: &mut Vec<(String, String)>) {
    let (mut doc, mut is_test) = (None, false);
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                let Some(TokenTree::Group(attribute)) = tokens.peek() else { continue };
                let mut words = attribute.stream().into_iter().map(|word| word.to_string());
                match words.next().as_deref() {
                    Some("test") => is_test = true,
                    Some("doc") => doc = doc.or(words.last()),
                    _ => {}
                }
                tokens.next();
            }
            TokenTree::Ident(word) if word == "fn" => {
                let doc = doc.take().unwrap_or_default();
                if std::mem::take(&mut is_test) {
                    let name = tokens.next().expect("a function has a name").to_string();
                    // A comment comes as a literal, in quotes.
                    found.push((name, doc.trim_start_matches('r').trim_matches(['#', '"']).to_owned()));
                }
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => (doc, is_test) = (None, false),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                (doc, is_test) = (None, false);
                tests(group.stream(), found);
            }
            _ => {}
        }
    }
}

/// Each clause that a test cites, and the tests that do, with their files.
fn cited_by_tests() -> BTreeMap<String, Vec<String>> {
    let mut by_clause = BTreeMap::<_, Vec<_>>::new();
    let with_tests = texts(&paths(), ".rs").into_iter().filter(|(_, text)| text.contains("#[test]"));
    for (file, text) in with_tests {
        let mut found = Vec::new();
        tests(TokenStream::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}")), &mut found);
        for (name, doc) in found {
            for clause in cited(&doc) {
                by_clause.entry(clause.to_owned()).or_default().push(format!("{file}: {name}"));
            }
        }
    }
    by_clause
}

#[test]
fn each_clause_has_a_test_that_cites_it() {
    let cited = cited_by_tests();
    let clauses = clauses();
    assert!(clauses.len() > 40, "the clauses are found: {clauses:?}");
    let bare: Vec<_> = clauses.iter().filter(|clause| !cited.contains_key(*clause)).collect();
    assert!(bare.is_empty(), "docs/semantics.md: no test has a doc comment that begins with {bare:?}");
}

#[test]
fn each_clause_that_a_test_cites_is_on_the_page() {
    let clauses = clauses();
    let cited = cited_by_tests();
    assert!(cited.values().map(Vec::len).sum::<usize>() > 500, "the tests are found");
    let unknown: Vec<_> = cited.iter().filter(|(clause, _)| !clauses.contains(*clause)).collect();
    assert!(unknown.is_empty(), "docs/semantics.md has no such clause: {unknown:?}");
}

#[test]
fn tests_are_found_with_the_clauses_that_their_comments_begin_with() {
    let source = r##"
        /// M4
        #[test]
        fn first() { let of_another = "#[test] fn none() {}"; }
        mod inside {
            #[test]
            /// C4, L2: what follows is M5.
            #[should_panic]
            fn second() {}
            /// M6
            fn no_test() {}
        }
        proptest! {
            /** M7. M8 */
            #[test]
            fn third(number in 0..5) {}
            #[test]
            fn bare() {}
        }
    "##;
    let mut found = Vec::new();
    tests(source.parse().unwrap(), &mut found);
    let found: Vec<_> = found.iter().map(|(name, doc)| (name.as_str(), cited(doc).collect())).collect();
    let expected =
        [("first", vec!["M4"]), ("second", vec!["C4", "L2"]), ("third", vec!["M7"]), ("bare", vec![])];
    assert_eq!(found, expected);
}

#[test]
fn each_link_of_a_page_leads_to_a_file() {
    let pages = texts(&paths(), ".md");
    assert!(pages.len() > 3);
    let mut broken = Vec::new();
    for (page, text) in pages {
        let folder = root().join(&page).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap();
            let leads = path.is_empty() || path.contains("://") || folder.join(path).exists();
            if !leads {
                broken.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "these links lead nowhere: {broken:#?}");
}

/// What is built, installed, or found at run time: none of it is in the sources.
const BUILT: &[&str] = &[".systems", ".tools", ".wine", ".wines", "dist", "fuzz/artifacts", "lib", "target"];

/// What the name of a file of the sources ends with.
const ENDINGS: &[&str] = &[".c", ".h", ".hpp", ".json", ".md", ".py", ".rs", ".toml", ".txt", ".yml"];

/// What a page has between backticks on one line, outside of blocks of code.
fn quoted(page: &str) -> impl Iterator<Item = &str> {
    let prose = page.split("\n```").step_by(2);
    prose.flat_map(str::lines).flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Whether a page means a file or folder of the sources: from the root, or the end of a path.
fn is_path(quoted: &str, paths: &BTreeSet<String>) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let begins = |folder: &&str| Path::new(quoted).starts_with(folder);
    let below_the_root = quoted.split_once('/').is_some_and(|(first, _)| paths.contains(first));
    quoted.contains(char::is_alphanumeric)
        && quoted.chars().all(is_name)
        && !BUILT.iter().any(begins)
        && (below_the_root || quoted.ends_with('/') || ENDINGS.iter().any(|ending| quoted.ends_with(ending)))
}

#[test]
fn each_path_that_a_page_quotes_is_in_the_sources() {
    let paths = paths();
    let is_page = |page: &str| page.starts_with("docs/") || ["CONTRIBUTING.md", "README.md"].contains(&page);
    let (mut missing, mut count) = (Vec::new(), 0);
    for (page, text) in texts(&paths, ".md").iter().filter(|(page, _)| is_page(page)) {
        for path in quoted(text).filter(|quoted| is_path(quoted, &paths)) {
            let end = path.trim_end_matches('/');
            let is_end =
                |of: &String| of.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
            count += 1;
            if !paths.iter().any(is_end) {
                missing.push(format!("{page}: {path}"));
            }
        }
    }
    assert!(count > 30, "the paths are found: {count}");
    assert!(missing.is_empty(), "there are no such files: {missing:#?}");
}

/// Each row of the tables in `tests/real/fetched` is made by a function of `runs.rs`.
#[test]
fn the_clients_page_has_the_number_of_runs() {
    let makes = ["clean(", "kept(", "refused(", "silent(", "refused_silently("];
    let sources = texts(&paths(), ".rs");
    let tables = sources.iter().filter(|(path, _)| path.starts_with("tests/real/fetched/"));
    let words = tables.flat_map(|(_, text)| text.split(|it: char| it.is_whitespace() || "[.".contains(it)));
    let runs = words.filter(|word| makes.iter().any(|make| word.starts_with(make))).count();
    assert!(runs > 40, "the tables are found: {runs}");
    let page = fs::read_to_string(root().join("docs/clients.md")).unwrap();
    assert!(page.contains(&format!("\nAll {runs} runs ")), "the tables have {runs} runs");
    let assurance = fs::read_to_string(root().join("docs/assurance.md")).unwrap();
    assert!(assurance.contains(&format!("| {runs} runs")), "the tables have {runs} runs");
}
