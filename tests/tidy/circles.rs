//! Which file of a folder uses which, by what it imports and by the methods that it calls.
//!
//! An import of a type from a file above all others of the folder, its `mod.rs`, counts for
//! nothing: a file that has a part of a type's methods has to name it. What counts is what is
//! called. A method is looked up by the type where that can be seen: in `self.name()` and
//! `Self::name` it is the type of the block, in `self.field.name()` that of the field, in
//! `Type::name` it stands there. Else its name alone decides, unless types from elsewhere have one of
//! that name too; and where a type of one file has it, it is not that of one whose methods are
//! in many, which is called by `self`.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{block, is_name, is_word, paths, tokens};

/// Names that say nothing where the type is not seen, because types of the standard library and
/// of others have such methods.
const COMMON: [&str; 101] = [
    "all",
    "and_then",
    "any",
    "append",
    "as_bytes",
    "as_deref",
    "as_mut",
    "as_ref",
    "as_str",
    "borrow",
    "chain",
    "clear",
    "clone",
    "cloned",
    "close",
    "cmp",
    "collect",
    "contains",
    "copied",
    "count",
    "deref",
    "drain",
    "drop",
    "end",
    "ends_with",
    "entry",
    "eq",
    "err",
    "extend",
    "filter",
    "find",
    "find_map",
    "first",
    "flat_map",
    "flush",
    "fmt",
    "fold",
    "from",
    "get",
    "get_mut",
    "hash",
    "insert",
    "into",
    "is_empty",
    "is_err",
    "is_none",
    "is_ok",
    "is_some",
    "iter",
    "iter_mut",
    "keys",
    "kill",
    "last",
    "len",
    "load",
    "map",
    "max",
    "min",
    "name",
    "new",
    "next",
    "ok",
    "open",
    "or",
    "or_else",
    "parse",
    "pop",
    "pop_front",
    "position",
    "push",
    "push_back",
    "put",
    "read",
    "remove",
    "replace",
    "resize",
    "retain",
    "rev",
    "set",
    "split",
    "split_at",
    "starts_with",
    "store",
    "sum",
    "swap",
    "take",
    "take_while",
    "then",
    "then_some",
    "to_owned",
    "to_string",
    "trim",
    "truncate",
    "unwrap_or",
    "unwrap_or_default",
    "unwrap_or_else",
    "values",
    "wait",
    "with",
    "write",
    "zip",
];

/// The files of a folder by their names, `mod` for its `mod.rs`, each as plain program text. What
/// is in a folder below counts as one file.
pub type Folder = BTreeMap<String, String>;

/// For each file those that it uses, with what of them.
pub type Uses = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// A type by the file that defines it and its name: two files may have one of the same name.
type TypeId = (String, String);

/// Names of values, and the types that they may have.
type Types = BTreeMap<String, BTreeSet<TypeId>>;

/// A method that other files can call.
#[derive(Debug)]
struct Method {
    of: TypeId,
    name: String,
    file: String,
    open: bool,
}

/// A block of methods: the type, and the text.
struct Block<'a> {
    of: String,
    inherent: bool,
    text: &'a str,
}

/// What the files of a folder use of each other. `name` is the path of the folder in the
/// crate, such as `server`; `elsewhere` are methods of types that are not in it.
pub fn uses(name: &str, folder: &Folder, elsewhere: &BTreeSet<String>) -> Uses {
    let house = House::new(name, folder, elsewhere);
    let mut all = Uses::new();
    for (file, text) in folder {
        let mut found = BTreeMap::<String, BTreeSet<String>>::new();
        let mut put = |other: &str, what: &str| {
            if other != file {
                let of_other = found.entry(other.to_owned()).or_default();
                of_other.insert(what.to_owned());
            }
        };
        for path in &house.paths[&file[..]] {
            if let Some((other, what)) = house.resolve(file, path) {
                put(&other, &what);
            }
        }
        for call in calls(text) {
            for method in house.called(&call, file) {
                put(&method.file, &method.name);
            }
        }
        all.insert(file.clone(), found);
    }
    all
}

/// A folder, read.
struct House<'a> {
    name: Vec<&'a str>,
    folder: &'a Folder,
    elsewhere: &'a BTreeSet<String>,
    /// The paths in each file.
    paths: BTreeMap<&'a str, Vec<Vec<String>>>,
    /// What `mod.rs` has from other files of the folder, by name.
    exports: BTreeMap<String, String>,
    /// The types that each file defines, with the text of those that have fields.
    types: BTreeMap<TypeId, Option<&'a str>>,
    methods: Vec<Method>,
    /// The fields of each type, and in place of a type's name nothing: all of a file's values.
    fields: BTreeMap<TypeId, Types>,
}

impl<'a> House<'a> {
    fn new(name: &'a str, folder: &'a Folder, elsewhere: &'a BTreeSet<String>) -> Self {
        let mut house = Self {
            name: name.split('/').collect(),
            folder,
            elsewhere,
            paths: BTreeMap::new(),
            exports: BTreeMap::new(),
            types: BTreeMap::new(),
            methods: Vec::new(),
            fields: BTreeMap::new(),
        };
        for (file, text) in folder {
            let mut found = paths(text, &|token| file == "mod" && folder.contains_key(token));
            for path in &mut found {
                // In mod.rs a name of a file needs no word before it.
                if folder.contains_key(&path[0]) {
                    path.insert(0, "self".to_owned());
                }
            }
            if file == "mod" {
                for path in &found {
                    if let [first, file, .., name] = &path[..] {
                        if first == "self" && folder.contains_key(file) {
                            house.exports.insert(name.clone(), file.clone());
                        }
                    }
                }
            }
            house.paths.insert(file, found);
            for (name, fields) in definitions(text) {
                house.types.insert((file.clone(), name), fields);
            }
        }
        for (file, text) in folder {
            let found = house.methods_in(file, text);
            house.methods.extend(found);
            let values = house.values_in(file, text);
            house.fields.insert((file.clone(), String::new()), values);
        }
        for ((file, name), text) in house.types.clone() {
            let values = text.map(|text| house.values_in(&file, text));
            house
                .fields
                .insert((file, name), values.unwrap_or_default());
        }
        house
    }

    /// The file of the folder that a path leads to, and what it names there. A type of `mod.rs`
    /// is nowhere.
    fn resolve(&self, file: &str, path: &[String]) -> Option<(String, String)> {
        let inside = self.inside(file, path)?;
        let first = inside.first()?;
        let last = inside.last()?.clone();
        if self.folder.contains_key(first) && first != "mod" {
            return Some((first.clone(), last));
        }
        if let Some(file) = self.exports.get(first) {
            return Some((file.clone(), last));
        }
        let function = format!("fn {first}");
        let in_mod = self.folder.get("mod")?;
        let defined = in_mod.match_indices(&function).any(|(at, _)| {
            let after = in_mod.as_bytes().get(at + function.len());
            !after.is_some_and(|&byte| is_word(byte))
        });
        defined.then(|| ("mod".to_owned(), last))
    }

    /// What a path in this file has behind the folder's own name.
    fn inside<'p>(&self, file: &str, path: &'p [String]) -> Option<&'p [String]> {
        match &path[0][..] {
            "super" if file != "mod" && path[1] != "super" => Some(&path[1..]),
            "self" if file == "mod" => Some(&path[1..]),
            "crate" => {
                let (head, rest) = path[1..].split_at_checked(self.name.len())?;
                (head == self.name).then_some(rest)
            }
            _ => None,
        }
    }

    /// The type of this name, as this file sees it; `None` for one from elsewhere.
    fn type_of(&self, file: &str, name: &str) -> Option<TypeId> {
        let at = |file: &str| {
            let id = (file.to_owned(), name.to_owned());
            self.types.contains_key(&id).then_some(id)
        };
        if let Some(own) = at(file) {
            return Some(own);
        }
        let imports = self.paths.get(file)?.iter();
        let mut imports = imports.filter(|path| path.last().is_some_and(|last| last == name));
        if let Some(path) = imports.next() {
            self.inside(file, path)?;
            return match self.resolve(file, path) {
                Some((file, _)) => at(&file),
                None => at("mod"),
            };
        }
        let mut all = self.types.keys().filter(|(_, other)| other == name);
        all.next().filter(|_| all.next().is_none()).cloned()
    }

    /// The methods of the types of the folder that stand in this file.
    fn methods_in(&self, file: &str, text: &str) -> Vec<Method> {
        let mut methods = Vec::new();
        for block in blocks(text).into_iter().filter(|block| block.inherent) {
            let Some(of) = self.type_of(file, &block.of) else {
                continue;
            };
            let tokens = tokens(block.text);
            let mut open = false;
            for pair in tokens.windows(2) {
                match pair {
                    ["pub", _] => open = true,
                    ["fn", name] => {
                        methods.push(Method {
                            of: of.clone(),
                            name: (*name).to_owned(),
                            file: file.to_owned(),
                            // What is private in mod.rs is not so for the other files.
                            open: open || file == "mod",
                        });
                        open = false;
                    }
                    [";" | "}" | "{", _] => open = false,
                    _ => {}
                }
            }
        }
        methods
    }

    /// The values with a name and a type in this text of a file. A value that has a type from
    /// elsewhere has a set without any.
    fn values_in(&self, file: &str, text: &str) -> Types {
        let mut values = Types::new();
        for (name, types) in annotated(text) {
            let known = values.entry(name).or_default();
            known.extend(types.iter().filter_map(|name| self.type_of(file, name)));
        }
        values
    }

    /// The methods that a call in this file may mean.
    fn called(&self, call: &Call, file: &str) -> Vec<&Method> {
        let named = self
            .methods
            .iter()
            .filter(|method| method.name == call.name && (method.open || method.file == file));
        let known = match &call.on {
            On::Type(name) => Some(self.type_of(file, name).into_iter().collect()),
            On::TypeIn(other, name) => Some(BTreeSet::from([(other.clone(), name.clone())])),
            On::Field(of, field) => {
                let of = self.type_of(file, of);
                of.and_then(|of| self.fields.get(&of)?.get(field)).cloned()
            }
            On::SomeField(field) => {
                let all = self.fields.values().filter_map(|of| of.get(field));
                all.cloned().reduce(|all, types| &all | &types)
            }
            On::Value(name) => {
                let values = &self.fields[&(file.to_owned(), String::new())];
                values.get(name).cloned()
            }
            On::Something => None,
        };
        match known {
            Some(types) => named.filter(|method| types.contains(&method.of)).collect(),
            None if COMMON.contains(&&call.name[..]) || self.elsewhere.contains(&call.name) => {
                Vec::new()
            }
            None => {
                let (one_file, many): (Vec<_>, Vec<_>) =
                    named.partition(|method| !self.is_split(&method.of));
                match one_file.is_empty() {
                    true => many,
                    false => one_file,
                }
            }
        }
    }

    /// Whether the methods of a type are in many files.
    fn is_split(&self, of: &TypeId) -> bool {
        let files: BTreeSet<&str> = self
            .methods
            .iter()
            .filter(|method| method.of == *of)
            .map(|method| &method.file[..])
            .collect();
        files.len() > 1
    }
}

/// The names of the methods of all types in a program text.
pub fn methods(text: &str) -> BTreeSet<String> {
    let blocks = blocks(text).into_iter().filter(|block| block.inherent);
    let tokens: Vec<&str> = blocks.flat_map(|block| tokens(block.text)).collect();
    let names = tokens.windows(2).filter(|pair| pair[0] == "fn");
    names.map(|pair| pair[1].to_owned()).collect()
}

/// A circle of files, if there is one: each uses the next, and the last the first.
pub fn circle(uses: &Uses) -> Option<Vec<String>> {
    fn walk<'a>(uses: &'a Uses, way: &mut Vec<&'a str>, over: &mut BTreeSet<&'a str>) -> bool {
        let file = *way.last().expect("a way begins somewhere");
        for next in uses.get(file).into_iter().flat_map(BTreeMap::keys) {
            if let Some(at) = way.iter().position(|before| before == next) {
                way.drain(..at);
                return true;
            }
            if over.contains(&next[..]) {
                continue;
            }
            way.push(next);
            if walk(uses, way, over) {
                return true;
            }
            way.pop();
        }
        over.insert(file);
        false
    }
    let mut over = BTreeSet::new();
    uses.keys().find_map(|file| {
        let mut way = vec![&file[..]];
        let found = walk(uses, &mut way, &mut over);
        found.then(|| way.into_iter().map(str::to_owned).collect())
    })
}

/// A circle with what each file uses of the next, for people.
pub fn describe(circle: &[String], uses: &Uses) -> String {
    let next = circle.iter().cycle().skip(1);
    let steps = circle.iter().zip(next).map(|(file, next)| {
        let what: Vec<_> = uses[file][next].iter().map(String::as_str).collect();
        format!("{file} uses {} of {next}", what.join(", "))
    });
    steps.collect::<Vec<_>>().join("; ")
}

/// The blocks of methods of a file.
fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("impl").map(|at| from + at) {
        from = at + 4;
        let after = text[from..].chars().next();
        // In a signature something else stands before it.
        let before = text[..at].trim_end().trim_end_matches("unsafe").trim_end();
        let item = before.is_empty() || before.ends_with([';', '{', '}', ']']);
        if !item || !after.is_some_and(|c| c == '<' || c.is_whitespace()) {
            continue;
        }
        let Some(open) = text[from..].find('{').map(|open| from + open) else {
            break;
        };
        let head = without_parameters(&text[from..open]);
        let head = head.split(" where").next().unwrap_or_default();
        let (inherent, of) = match head.split_once(" for ") {
            Some((_, of)) => (false, of),
            None => (true, head),
        };
        let of = tokens(of).into_iter().rfind(|token| is_name(token));
        let text = block(&text[open..]);
        blocks.push(Block {
            of: of.unwrap_or_default().to_owned(),
            inherent,
            text,
        });
        from = open + text.len();
    }
    blocks
}

/// The text without what stands between angle brackets.
fn without_parameters(text: &str) -> String {
    let mut depth = 0;
    let mut left = String::new();
    for c in text.chars() {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ if depth == 0 => left.push(c),
            _ => {}
        }
    }
    left
}

/// The types that a text defines, with the text of those that have fields.
fn definitions(text: &str) -> Vec<(String, Option<&str>)> {
    let mut found = Vec::new();
    for word in ["struct ", "enum ", "type ", "trait "] {
        for (at, _) in text.match_indices(word) {
            let rest = &text[at + word.len()..];
            let name: String = rest
                .chars()
                .take_while(|&c| c.is_alphanumeric() || c == '_')
                .collect();
            let begins = at == 0 || !is_word(text.as_bytes()[at - 1]);
            if !begins || !name.starts_with(|c: char| c.is_ascii_uppercase()) {
                continue;
            }
            let body = rest.find(['{', ';', '(']).filter(|_| word == "struct ");
            let fields = body.and_then(|open| match rest.as_bytes()[open] {
                b'{' => Some(block(&rest[open..])),
                b'(' => rest[open..].split(';').next(),
                _ => None,
            });
            found.push((name, fields));
        }
    }
    found
}

/// Each name that has a type behind it, `name: Type`, with the names in that; and the fields of a
/// tuple by their numbers.
fn annotated(text: &str) -> Vec<(String, Vec<&str>)> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        if pair[1] == ":" && is_name(pair[0]) {
            let types = types(&tokens[at + 2..]);
            if !types.is_empty() {
                found.push((pair[0].to_owned(), types));
            }
        }
    }
    if tokens.first() == Some(&"(") {
        let mut rest = &tokens[1..];
        for number in 0.. {
            let types = types(rest);
            found.push((number.to_string(), types));
            match rest.iter().position(|&token| token == ",") {
                Some(comma) => rest = &rest[comma + 1..],
                None => break,
            }
        }
    }
    found
}

/// The names of types up to the end of one.
fn types<'a>(tokens: &[&'a str]) -> Vec<&'a str> {
    let mut depth = 0;
    let mut types = Vec::new();
    for token in tokens {
        match *token {
            "<" | "(" | "[" => depth += 1,
            ">" | ")" | "]" if depth > 0 => depth -= 1,
            ")" | "]" | ";" | "=" | "{" | "}" | "|" => break,
            "," if depth == 0 => break,
            name if name.starts_with(|c: char| c.is_ascii_uppercase()) => types.push(name),
            _ => {}
        }
    }
    types
}

/// A call of a method.
#[derive(Debug)]
struct Call {
    name: String,
    on: On,
}

/// What a method is called on, as far as it can be seen.
#[derive(Debug)]
enum On {
    /// A value of this type, or the type itself.
    Type(String),
    /// The type of this file.
    TypeIn(String, String),
    /// A field of a type.
    Field(String, String),
    /// A field of this name.
    SomeField(String),
    /// A value of this name.
    Value(String),
    Something,
}

/// The calls of methods in a file.
fn calls(text: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut rest = text;
    for block in blocks(text) {
        // Where the block begins in what is left.
        let at = block.text.as_ptr() as usize - rest.as_ptr() as usize;
        find_calls(&rest[..at], None, &mut calls);
        find_calls(block.text, Some(&block.of), &mut calls);
        rest = &rest[at + block.text.len()..];
    }
    find_calls(rest, None, &mut calls);
    calls
}

fn find_calls(text: &str, of: Option<&str>, calls: &mut Vec<Call>) {
    let tokens = tokens(text);
    let token = |at: usize| tokens.get(at).copied().unwrap_or_default();
    for at in 2..tokens.len() {
        let (before, separator, name) = (tokens[at - 2], tokens[at - 1], tokens[at]);
        if !is_name(name) {
            continue;
        }
        let is_call = token(at + 1) == "(" || (token(at + 1) == "::" && token(at + 2) == "<");
        let on = match (separator, before) {
            ("::", "Self") => of.map(|of| On::Type(of.to_owned())),
            ("::", _) if before.starts_with(|c: char| c.is_ascii_uppercase()) => Some(
                match at.checked_sub(4).map(|at| (token(at), token(at + 1))) {
                    Some((file, "::")) => On::TypeIn(file.to_owned(), before.to_owned()),
                    _ => On::Type(before.to_owned()),
                },
            ),
            (".", "self") if is_call => of.map(|of| On::Type(of.to_owned())),
            (".", field) if is_call && at > 3 && tokens[at - 3] == "." => {
                match of.filter(|_| tokens[at - 4] == "self") {
                    Some(of) => Some(On::Field(of.to_owned(), field.to_owned())),
                    None => Some(On::SomeField(field.to_owned())),
                }
            }
            (".", value) if is_call && is_name(value) => Some(On::Value(value.to_owned())),
            (".", _) if is_call => Some(On::Something),
            _ => None,
        };
        if let Some(on) = on {
            calls.push(Call {
                name: name.to_owned(),
                on,
            });
        }
    }
}

#[cfg(test)]
#[path = "circles/tests.rs"]
mod tests;
