//! The form of a verdict that CI servers read, by the schemas of Ant and of Jenkins.
//!
//! Both are others' files: what they say of these elements is a table here.
//! [JUnit.xsd](https://github.com/windyroad/JUnit-Schema/blob/master/JUnit.xsd) of Ant's task has an order of elements and attributes
//! that are required; [junit-10.xsd](https://github.com/jenkinsci/xunit-plugin/tree/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd)
//! of Jenkins's plugin xUnit allows some that the other one doesn't.

use std::{fs, path::Path};

use quick_xml::{Reader, events::Event};
use sspcache_tests::program::{Ran, fixture, sspcache};

use crate::schema::journals;

/// An element of a document.
#[derive(Debug)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
}

/// What both schemas say of an element: its attributes in Ant's, which are all required but for `message`; those of Jenkins's; its
/// children, in order.
struct Rule {
    name: &'static str,
    ant: &'static [&'static str],
    jenkins: &'static [&'static str],
    children: &'static [&'static str],
}

const SUITE: &[&str] =
    &["name", "package", "id", "timestamp", "hostname", "tests", "failures", "errors", "skipped", "time"];

const RULES: &[Rule] = &[
    Rule {
        name: "testsuites",
        ant: &[],
        jenkins: &["name", "time", "tests", "failures", "errors"],
        children: &["testsuite"],
    },
    Rule {
        name: "testsuite",
        ant: SUITE,
        jenkins: &[
            "name",
            "tests",
            "failures",
            "errors",
            "group",
            "time",
            "skipped",
            "timestamp",
            "hostname",
            "id",
            "package",
            "file",
            "log",
            "url",
        ],
        children: &["properties", "testcase", "system-out", "system-err"],
    },
    Rule { name: "properties", ant: &[], jenkins: &[], children: &[] },
    Rule {
        name: "testcase",
        ant: &["name", "classname", "time"],
        jenkins: &["name", "time", "classname", "group"],
        children: &["error", "failure"],
    },
    Rule { name: "failure", ant: &["message", "type"], jenkins: &["type", "message"], children: &[] },
    Rule { name: "error", ant: &["message", "type"], jenkins: &["type", "message"], children: &[] },
    Rule { name: "system-out", ant: &[], jenkins: &[], children: &[] },
    Rule { name: "system-err", ant: &[], jenkins: &[], children: &[] },
];

fn parse(text: &str) -> Element {
    let utf8 = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut open = vec![Element { name: String::new(), attributes: Vec::new(), children: Vec::new() }];
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error}: {text}")) {
            Event::Start(start) => {
                let attributes = start.attributes().map(|attribute| {
                    let attribute = attribute.unwrap();
                    (utf8(attribute.key.as_ref()), utf8(&attribute.value))
                });
                let (name, attributes) = (utf8(start.name().as_ref()), attributes.collect());
                open.push(Element { name, attributes, children: Vec::new() });
            }
            Event::End(_) => {
                let element = open.pop().unwrap();
                open.last_mut().unwrap().children.push(element);
            }
            Event::Eof => return open.remove(0).children.remove(0),
            _ => {}
        }
    }
}

impl Element {
    fn attribute(&self, name: &str) -> &str {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("{} has no {name}", self.name)).1
    }

    /// What is wrong with it by one of the schemas.
    fn error(&self) -> Option<String> {
        let error = |text: String| Some(format!("{}: {text}", self.name));
        let Some(rule) = RULES.iter().find(|rule| rule.name == self.name) else {
            return error("no such element".to_owned());
        };
        for (name, value) in &self.attributes {
            if !rule.ant.contains(&name.as_str()) || !rule.jenkins.contains(&name.as_str()) {
                return error(format!("no attribute {name}"));
            }
            let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let fits = match name.as_str() {
                "tests" | "failures" | "errors" | "skipped" | "id" => is_digits(value),
                // A decimal number, in the schema of Jenkins without a sign.
                "time" => {
                    value.split_once('.').is_some_and(|(whole, rest)| is_digits(whole) && is_digits(rest))
                }
                "timestamp" => {
                    let shape: String =
                        value.chars().map(|it| if it.is_ascii_digit() { '0' } else { it }).collect();
                    shape == "0000-00-00T00:00:00"
                }
                _ => !value.is_empty(),
            };
            if !fits {
                return error(format!("{name} is {value}"));
            }
        }
        if let Some(missing) = rule.ant.iter().find(|name| self.attributes.iter().all(|(it, _)| it != *name))
        {
            return error(format!("{missing} is missing"));
        }
        let places =
            self.children.iter().map(|child| rule.children.iter().position(|name| *name == child.name));
        let Some(places) = places.collect::<Option<Vec<_>>>() else {
            return error("a child that may not be there".to_owned());
        };
        if !places.is_sorted() {
            return error("the order of its children".to_owned());
        }
        let number = |name: &str| self.children.iter().filter(|child| child.name == name).count();
        let once: &[&str] =
            if self.name == "testsuite" { &["properties", "system-out", "system-err"] } else { &[] };
        if once.iter().any(|name| number(name) != 1) || (self.name == "testcase" && self.children.len() > 1) {
            return error("the number of its children".to_owned());
        }
        self.children.iter().find_map(Self::error)
    }
}

/// The report on journals.
pub(crate) fn report(journals: &Path, options: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.xml");
    let mut check = sspcache();
    check.args(["journal", "check", "--junit"]).arg(&report).args(options).arg(journals);
    Ran::of(&mut check);
    fs::read_to_string(report).unwrap()
}

#[test]
fn each_report_is_valid_by_both_schemas_and_its_numbers_add_up() {
    for journal in journals() {
        for options in [&[][..], &["--check=left,leaks,misuse"], &["--check=leaks", "--allow-unused"]] {
            let text = report(&journal, options);
            let document = parse(&text);
            assert_eq!(document.error(), None, "{}: {text}", journal.display());
            let suite = &document.children[0];
            let cases: Vec<&Element> = suite.children.iter().filter(|it| it.name == "testcase").collect();
            let failed =
                |name| cases.iter().filter(|case| case.children.iter().any(|it| it.name == name)).count();
            for (attribute, number) in
                [("tests", cases.len()), ("failures", failed("failure")), ("errors", failed("error"))]
            {
                assert_eq!(suite.attribute(attribute), number.to_string(), "{attribute}: {text}");
            }
        }
    }
}

#[test]
fn what_one_of_the_schemas_refuses_is_found() {
    let valid = report(&fixture("journal/tree"), &[]);
    for (from, to, error) in [
        ("<testsuites>", "<testsuites name=\"sspcache\">", "testsuites: no attribute name"),
        (" hostname=\"localhost\"", "", "testsuite: hostname is missing"),
        ("<properties/>", "", "testsuite: the number of its children"),
        (
            "    <properties/>\n",
            "    <system-out></system-out><properties/>\n",
            "testsuite: the order of its children",
        ),
        (" type=\"left\"", "", "failure: type is missing"),
        ("T00:", "T00:00:", "testsuite: timestamp is "),
    ] {
        let changed = valid.replacen(from, to, 1);
        assert_ne!(changed, valid, "{from}");
        let found = parse(&changed).error().unwrap_or_default();
        assert!(found.starts_with(error), "{from}: {found}");
    }
}

/// CI servers follow a test case by its name.
#[test]
fn a_test_case_has_the_name_of_its_program_whatever_ran_before_it() {
    let names = |journal: &str| -> Vec<String> {
        let document = parse(&report(&fixture("journal").join(journal), &[]));
        let cases = document.children[0].children.iter().filter(|it| it.name == "testcase");
        cases.map(|case| case.attribute("name").to_owned()).collect()
    };
    assert_eq!(names("tree"), ["server", "worker.exe"]);
    assert_eq!(names("unused"), ["client", "sign-in"]);
}
