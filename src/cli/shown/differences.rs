//! A difference's fields and values, for people and as JSON. Used wherever two listings are held
//! against each other.

use serde_json::{Map, Value, json};

use super::text::{counted, rfc3339};
use crate::error::{escape_path, is_unprintable};
use crate::listing::{Attribute, Body, Difference, Field, Kind, Line, Links};
use crate::units::Hex;

/// Letters of a digest that people are shown.
const SHOWN_DIGITS: usize = 12;
/// Letters of an attribute's value that people are shown.
const SHOWN_VALUE: usize = 40;

/// A path as people and JSON are shown it.
pub fn path(path: &[u8]) -> String {
    format!("/{}", escape_path(path))
}

/// What a field is called for this line: the name in text, in JSON and in `--ignore`.
pub fn field_name(field: Field, line: Option<&Line>) -> &'static str {
    match field {
        Field::Kind => "type",
        Field::Mode => "mode",
        Field::Owner => "owner",
        Field::Mtime => "mtime",
        Field::LinkCount => "link_count",
        Field::Links => "links",
        Field::Size => "size",
        Field::Body => match line.and_then(|line| line.kind) {
            Some(Kind::Symlink) => "target",
            Some(Kind::CharacterDevice | Kind::BlockDevice) => "device",
            _ => "content",
        },
        Field::Xattrs => "xattrs",
        Field::Flags => "flags",
    }
}

/// The names of a difference's fields, in their order.
pub fn field_names(difference: &Difference) -> Vec<&'static str> {
    let line = difference.expected.as_ref();
    let names = difference
        .fields
        .iter()
        .map(|field| field_name(*field, line));
    names.collect()
}

/// The fields with what each side shows, for people: one triple of name, earlier and later value
/// for each, and one for each extended attribute that differs.
pub fn field_values(difference: &Difference) -> Vec<(String, String, String)> {
    let (Some(one), Some(other)) = (&difference.expected, &difference.found) else {
        return Vec::new();
    };
    let mut values = Vec::new();
    for &field in &difference.fields {
        if field == Field::Xattrs {
            values.extend(attribute_values(one, other));
        } else {
            let name = field_name(field, Some(one)).replace('_', " ");
            values.push((name, value(field, one), value(field, other)));
        }
    }
    values
}

/// A field's value for people; `?` where it is unknown.
fn value(field: Field, line: &Line) -> String {
    let known = match field {
        Field::Kind => line.kind.map(|kind| kind.to_string()),
        Field::Mode => line.mode.map(|mode| format!("{mode:04o}")),
        Field::Owner => line.owner.map(|owner| owner.to_string()),
        Field::Mtime => line.mtime.map(rfc3339),
        Field::LinkCount => line.link_count.map(|count| count.to_string()),
        Field::Links => match &line.links {
            Links::Unknown => None,
            Links::Alone => Some("no other name".to_owned()),
            Links::Group(group) if **group == *line.path => {
                Some("the first of several names".to_owned())
            }
            Links::Group(group) => Some(format!("same as {}", path(group))),
        },
        Field::Size => line.size_bytes.map(|size| counted(size, "byte", "bytes")),
        Field::Body => match &line.body {
            Body::Unknown => None,
            Body::Nothing => Some("none".to_owned()),
            Body::Content(digest) => {
                let digest = digest.to_string();
                let end = digest.find(':').map_or(0, |colon| colon + 1) + SHOWN_DIGITS;
                Some(digest.get(..end).unwrap_or(&digest).to_owned())
            }
            Body::Target(target) => Some(escape_path(target)),
            Body::Device { major, minor } => Some(format!("{major}:{minor}")),
        },
        Field::Xattrs => line
            .xattrs
            .as_ref()
            .map(|xattrs| format!("{}", xattrs.len())),
        Field::Flags => line.file_flags.map(|flags| flags.to_string()),
    };
    known.unwrap_or_else(|| "?".to_owned())
}

fn attribute_values(one: &Line, other: &Line) -> Vec<(String, String, String)> {
    let (Some(one), Some(other)) = (&one.xattrs, &other.xattrs) else {
        return vec![("xattrs".to_owned(), "?".to_owned(), "?".to_owned())];
    };
    let find = |attributes: &[Attribute], name: &[u8]| {
        let found = attributes.iter().find(|attribute| *attribute.name == *name);
        found.map_or_else(
            || "absent".to_owned(),
            |found| attribute_value(&found.value),
        )
    };
    let mut names: Vec<_> = one
        .iter()
        .chain(other)
        .map(|attribute| &attribute.name)
        .collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|name| (escape_path(name), find(one, name), find(other, name)))
        .filter(|(_, one, other)| one != other || one.ends_with('…'))
        .collect()
}

/// A value as text where it is one, else in hexadecimal digits.
fn attribute_value(value: &[u8]) -> String {
    let shown = match std::str::from_utf8(value) {
        Ok(text) if !text.contains(is_unprintable) => format!("\"{}\"", escape_path(value)),
        _ => format!("0x{}", Hex(value)),
    };
    match shown.char_indices().nth(SHOWN_VALUE) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

/// A name that only one side has, for people.
pub fn entry(line: &Line) -> String {
    let mut words = vec![
        value(Field::Kind, line),
        value(Field::Mode, line),
        value(Field::Owner, line),
    ];
    match (&line.body, line.size_bytes) {
        (Body::Target(target), _) => words.push(format!("-> {}", escape_path(target))),
        (Body::Device { major, minor }, _) => words.push(format!("{major}:{minor}")),
        (_, Some(size)) => words.push(counted(size, "byte", "bytes")),
        _ => {}
    }
    if let Links::Group(group) = &line.links
        && **group != *line.path
    {
        words.push(format!("same as {}", path(group)));
    }
    words.join(" ")
}

/// A name that only one side has, as JSON: every field that is known, by the keys of `ls --json`.
pub fn entry_json(line: &Line) -> Value {
    let mut entry = Map::new();
    for field in line.known_fields() {
        let key = match field {
            Field::LinkCount => "links",
            Field::Links => "same_as",
            Field::Size => "size_bytes",
            Field::Flags => "file_flags",
            Field::Owner => {
                let owner = line.owner;
                entry.insert("uid".to_owned(), json!(owner.map(|owner| owner.uid)));
                entry.insert("gid".to_owned(), json!(owner.map(|owner| owner.gid)));
                continue;
            }
            field => field_name(field, Some(line)),
        };
        let value = json_value(field, line);
        // As a directory's content, which is none.
        if !value.is_null() {
            entry.insert(key.to_owned(), value);
        }
    }
    Value::Object(entry)
}

/// The differing fields as JSON: an object for each, the sides under the names given.
pub fn fields_json(difference: &Difference, sides: [&str; 2]) -> Vec<Value> {
    let line = difference.expected.as_ref();
    let side = |line: &Option<Line>, field| line.as_ref().map(|line| json_value(field, line));
    let fields = difference.fields.iter().map(|&field| {
        json!({
            "field": field_name(field, line),
            sides[0]: side(&difference.expected, field),
            sides[1]: side(&difference.found, field),
        })
    });
    fields.collect()
}

/// A field's value as JSON: numbers where they are numbers, `null` where it is unknown.
fn json_value(field: Field, line: &Line) -> Value {
    match field {
        Field::Kind => json!(line.kind.map(|kind| kind.to_string())),
        Field::Mode => json!(line.mode.map(|mode| format!("{mode:04o}"))),
        Field::Owner => json!(line.owner.map(|owner| owner.to_string())),
        Field::Mtime => json!(line.mtime.map(rfc3339)),
        Field::LinkCount => json!(line.link_count),
        Field::Links => match &line.links {
            Links::Unknown => Value::Null,
            Links::Alone => json!(path(&line.path)),
            Links::Group(group) => json!(path(group)),
        },
        Field::Size => json!(line.size_bytes),
        Field::Body => match &line.body {
            Body::Unknown | Body::Nothing => Value::Null,
            Body::Content(digest) => json!(digest.to_string()),
            Body::Target(target) => json!(escape_path(target)),
            Body::Device { major, minor } => json!({ "major": major, "minor": minor }),
        },
        Field::Xattrs => {
            let shown = |one: &Attribute| {
                let value_hex = Hex(&one.value).to_string();
                json!({ "name": escape_path(&one.name), "value_hex": value_hex })
            };
            let xattrs = line.xattrs.as_ref();
            let xattrs = xattrs.map(|xattrs| xattrs.iter().map(shown).collect::<Vec<_>>());
            json!(xattrs)
        }
        Field::Flags => json!(
            line.file_flags
                .map(|flags| flags.words().collect::<Vec<_>>())
        ),
    }
}
