//! JSON as Go's `encoding/json` reads it: what is null or absent is empty. Docker, containerd and
//! their kin write a list or a map without elements as null, and leave out what has no value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The values of a field of an object, in whatever case its name is; one spelt as here comes first.
pub fn fields<'a>(object: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a Value> {
    let own = object.get(name);
    let others = object
        .iter()
        .filter(move |(found, _)| *found != name && found.eq_ignore_ascii_case(name));
    own.into_iter().chain(others.map(|(_, value)| value))
}

/// A value; null is the empty one.
pub fn or_default<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A list; null is one without elements, and an element that is null is empty.
pub fn list<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Default + Deserialize<'de>,
{
    filtered(deserializer, Some::<T>)
}

/// A list of what `keep` makes of its elements, one after the other: what it takes none of costs no
/// memory.
pub fn filtered<'de, D, T, U>(
    deserializer: D,
    keep: impl Fn(T) -> Option<U>,
) -> Result<Vec<U>, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    struct Elements<T, U, F>(F, PhantomData<fn() -> (T, U)>);

    impl<'de, T, U, F> Visitor<'de> for Elements<T, U, F>
    where
        T: Default + Deserialize<'de>,
        F: Fn(T) -> Option<U>,
    {
        type Value = Vec<U>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_unit<E>(self) -> Result<Vec<U>, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<U>, A::Error> {
            let mut list = Vec::new();
            while let Some(element) = elements.next_element::<Option<T>>()? {
                list.extend((self.0)(element.unwrap_or_default()));
            }
            Ok(list)
        }
    }

    deserializer.deserialize_any(Elements(keep, PhantomData))
}

/// A map; null is one without elements, and a value that is null is empty.
pub fn map<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    T: Default + Deserialize<'de>,
{
    let map: BTreeMap<String, Option<T>> = or_default(deserializer)?;
    let filled = map
        .into_iter()
        .map(|(key, value)| (key, value.unwrap_or_default()));
    Ok(filled.collect())
}

/// The keys of an object whose values mean nothing, as Go writes a set.
pub fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<String>, D::Error> {
    let set: BTreeMap<String, IgnoredAny> = or_default(deserializer)?;
    Ok(set.into_keys().collect())
}

/// A list of words, or a single one, as docker once wrote it.
pub fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        List(Vec<Option<String>>),
        One(String),
    }
    Ok(match Option::deserialize(deserializer)? {
        Some(Words::List(list)) => list.into_iter().map(Option::unwrap_or_default).collect(),
        Some(Words::One(word)) => vec![word],
        None => Vec::new(),
    })
}
