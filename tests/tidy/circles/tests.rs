//! The checker of circles on made-up folders.

use super::*;
use crate::source::{plain, without_tests};

fn folder(files: &[(&str, &str)]) -> Folder {
    let program = |text: &str| without_tests(&plain(text));
    files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), program(text)))
        .collect()
}

#[track_caller]
fn assert_circle(files: &[(&str, &str)], expected: &[&str]) {
    let uses = uses("house", &folder(files), &BTreeSet::new());
    let mut found = circle(&uses).unwrap_or_default();
    found.sort();
    assert_eq!(found, expected, "{uses:?}");
}

#[test]
fn files_that_import_each_other_are_a_circle() {
    for back in [
        "use super::a::f;",
        "use super::{c, a};",
        "use crate::house::a::f;",
        "use crate::{other, house::{c, a::{f, g}}};",
        "fn h() { super::a::f(); }",
    ] {
        assert_circle(
            &[("a", "use super::b::T;"), ("b", back), ("c", "")],
            &["a", "b"],
        );
    }
    let long = [
        ("a", "use super::b::T;"),
        ("b", "use super::c::T;"),
        ("c", "use super::d::T;"),
        ("d", "use super::b::U;"),
    ];
    assert_circle(&long, &["b", "c", "d"]);
}

#[test]
fn what_mod_has_from_a_file_is_that_files() {
    let files = [
        (
            "mod",
            "mod a; mod b; pub use self::a::T; use crate::elsewhere::U;",
        ),
        ("a", "use super::b::X;"),
        ("b", "use super::T; use super::U;"),
    ];
    assert_circle(&files, &["a", "b"]);
    let functions = [
        ("mod", "mod a; use self::a::T; fn helper() {}"),
        ("a", "use super::helper;"),
    ];
    assert_circle(&functions, &["a", "mod"]);
}

#[test]
fn parts_of_one_type_that_call_each_other_are_a_circle() {
    let first = "use super::T; impl T { pub(super) fn one(&mut self) { self.two(); } }";
    for second in [
        "use super::T; impl T { pub(super) fn two(&mut self) { self.one(); } }",
        "use super::T; impl T { pub(super) fn two(&mut self) { x.map(Self::one) } }",
        "use super::T; impl<'a> T { pub fn two(&self) {} fn three(x: &T) { x.one(); } }",
        "use super::T; impl T { pub fn two(&self) {} }
         impl Drop for T { fn drop(&mut self) { self.one(); } }",
        "use super::T; impl T { pub fn two(&self) {} } fn four(x: T) { x.lent.one(); }",
    ] {
        let files = [("mod", "struct T { n: u8 }"), ("a", first), ("b", second)];
        assert_circle(&files, &["a", "b"]);
    }
    // And with mod.rs, whose private methods its children may call.
    let files = [
        (
            "mod",
            "struct T; impl T { fn turn(&self) { self.part(); } fn rest(&self) {} }",
        ),
        (
            "a",
            "impl super::T { pub(super) fn part(&self) { self.rest() } }",
        ),
    ];
    assert_circle(&files, &["a", "mod"]);
}

#[test]
fn a_method_of_a_field_is_that_of_its_type() {
    let files = |field: &str| {
        [
            ("mod", format!("struct T {{ part: {field} }}")),
            (
                "a",
                "pub(super) struct P; impl P { pub(super) fn set(&self) { b::go() } }".into(),
            ),
            (
                "b",
                "impl super::T { pub(super) fn go(&self) { self.part.set(); } }".into(),
            ),
            (
                "c",
                "use super::a::P; impl super::T { fn x(&self) { self.go(); } }".into(),
            ),
            ("a2", "use super::b::Q;".into()),
        ]
    };
    let uses_of_b = |field: &str| {
        let files = files(field);
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| (*name, &text[..]))
            .collect();
        let mut all = uses("house", &folder(&files), &BTreeSet::new());
        all.remove("b").unwrap().into_keys().collect::<Vec<_>>()
    };
    assert_eq!(uses_of_b("Option<P>"), ["a"]);
    assert_eq!(uses_of_b("Elsewhere"), [""; 0]);
}

#[test]
fn what_only_looks_like_a_circle_is_none() {
    let files = [
        (
            "mod",
            "mod a; mod b; use self::a::P; struct T; impl T { fn turn(&self) { self.go(); } }",
        ),
        // A type of mod.rs is no call; a comment, a text and a test are nothing.
        (
            "a",
            "use super::T; pub struct P;
          // use super::b::f;
          const X: &str = \"super::b::f\";
          #[cfg(test)]\nmod tests { use super::super::b::f; fn t() { crate::house::b::f() } }",
        ),
        (
            "b",
            "use super::{T, a::P}; impl T { pub(super) fn go(&self) { self.own(); } fn own(&self) {} }",
        ),
        // Its private method of the same name is its own.
        (
            "c",
            "use super::b::f; impl Other { fn own(&self) { self.own(); x.own(); } }",
        ),
    ];
    assert_circle(&files, &[]);
    let uses = uses("house", &folder(&files), &BTreeSet::new());
    assert_eq!(uses["mod"].keys().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn a_name_that_could_be_anybodys_says_nothing() {
    let files = [
        (
            "a",
            "use super::b::T; struct A; impl A { pub(super) fn ready(&self) {} }",
        ),
        ("b", "pub struct T; fn f() { x.ready(); }"),
    ];
    assert_circle(&files, &["a", "b"]);
    let others = methods("impl B { fn ready() {} } trait C { fn other() {} }");
    assert_eq!(others.iter().collect::<Vec<_>>(), ["ready"]);
    assert_eq!(circle(&uses("house", &folder(&files), &others)), None);
    // Of two the one that is called by its own name, not by `self`.
    let files = [
        (
            "mod",
            "struct S; impl S { fn timeout(&self) { self.part(); } }",
        ),
        (
            "a",
            "use super::S; impl S { pub(super) fn part(&self) { permit.timeout(); } }",
        ),
        (
            "b",
            "pub struct Permit; impl Permit { pub(super) fn timeout(&self) {} }",
        ),
    ];
    assert_circle(&files, &[]);
}

#[test]
fn a_circle_is_described_with_what_is_used() {
    let files = [("a", "use super::b::T;"), ("b", "use super::a::f;")];
    let uses = uses("house", &folder(&files), &BTreeSet::new());
    let circle = circle(&uses).unwrap();
    assert_eq!(describe(&circle, &uses), "a uses T of b; b uses f of a");
}
