//! Where a list goes on: `Link` (RFC 8288), and what registries and proxies make of it.

use super::http;

/// What is wrong with a header that leads somewhere, nobody knows where.
pub(super) type Unreadable = &'static str;

/// One of the links of a header.
#[derive(Debug, PartialEq, Eq)]
struct Link {
    target: String,
    /// The words of its first `rel`, where it has one.
    relations: Option<Vec<String>>,
}

/// The target of the link to the next page among all `Link` headers: the one that says so, or else one
/// that does not say what it is, as distribution's specification has it.
///
/// # Errors
/// For a header that cannot be understood: the next page might have been in it.
pub(super) fn next<'a>(
    headers: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Option<String>, Unreadable> {
    let mut links = Vec::new();
    for header in headers {
        let text = std::str::from_utf8(header).map_err(|_| "no text in UTF-8")?;
        parse(text, &mut links)?;
    }
    let is_next = |link: &Link| {
        let mut relations = link.relations.iter().flatten();
        relations.any(|relation| relation.eq_ignore_ascii_case("next"))
    };
    let at = links
        .iter()
        .position(is_next)
        .or_else(|| links.iter().position(|link| link.relations.is_none()));
    Ok(at.map(|at| links.swap_remove(at).target))
}

fn parse(header: &str, links: &mut Vec<Link>) -> Result<(), Unreadable> {
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Ok(());
        }
        let (target, parameters) = target(rest)?;
        let (relations, after) = relations(parameters)?;
        links.push(Link {
            target: target.to_owned(),
            relations,
        });
        rest = after;
    }
}

/// What is in brackets; without them, as some proxies have it, all up to the first parameter.
fn target(text: &str) -> Result<(&str, &str), Unreadable> {
    match text.strip_prefix('<') {
        Some(text) => text.split_once('>').ok_or("a < without a >"),
        None => {
            let (target, parameters) = text.split_at(text.find(';').unwrap_or(text.len()));
            Ok((target.trim_end(), parameters))
        }
    }
}

/// The relations among a link's parameters, and what follows these.
fn relations(text: &str) -> Result<(Option<Vec<String>>, &str), Unreadable> {
    let mut found = None;
    let mut rest = text.trim_start();
    while let Some(parameter) = rest.strip_prefix(';') {
        let parameter = parameter.trim_start();
        let end = parameter.find(['=', ';', ',']).unwrap_or(parameter.len());
        let (name, after) = parameter.split_at(end);
        let (value, after) = match after.strip_prefix('=') {
            Some(value) => value_of(value.trim_start())?,
            None => (String::new(), after),
        };
        if found.is_none() && name.trim().eq_ignore_ascii_case("rel") {
            found = Some(value.split_whitespace().map(str::to_owned).collect());
        }
        rest = after.trim_start();
    }
    match rest.strip_prefix(',') {
        Some(rest) => Ok((found, rest)),
        None if rest.is_empty() => Ok((found, rest)),
        None => Err("something else than ; or , after a link"),
    }
}

fn value_of(text: &str) -> Result<(String, &str), Unreadable> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return Ok((value.trim_end().to_owned(), rest));
    };
    http::quoted(quoted).ok_or("a \" without another")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(headers: &[&str]) -> Result<Option<String>, Unreadable> {
        super::next(headers.iter().map(|header| header.as_bytes()))
    }

    /// Several relations in one, no relation, no brackets: the list then ended after its first page, and
    /// nobody was told (found by forms that registries and their proxies send).
    #[test]
    fn the_next_page_is_found_however_it_is_written() {
        for (headers, target) in [
            (
                &[r#"</v2/a/tags/list?last=x&n=2>; rel="next""#][..],
                "/v2/a/tags/list?last=x&n=2",
            ),
            (&["<x>; rel=next"], "x"),
            (&["<x>;rel=next"], "x"),
            (&["<x> ; REL = \"Next\""], "x"),
            (&["<x>; rel=\"next last\""], "x"),
            (&["<x>; rel=\"prev  next\""], "x"),
            (&["<x>; rel=\"ne\\xt\""], "x"),
            (&["<x>; title=\"a, <b>; rel=prev\"; rel=next"], "x"),
            (&["<a>; rel=\"prev\", <b>; title=\"t\"; rel=\"next\""], "b"),
            (&["<a>; rel=help", "<b>; rel=next"], "b"),
            (&["<a>, <b>; rel=next"], "b"),
            (&["<a?x=1,2;3>; rel=next; n"], "a?x=1,2;3"),
            (&["<x>;; rel=next;"], "x"),
            (&[", <x>; rel=next ,"], "x"),
            (&["<x>"], "x"),
            (&["<x>; title=next"], "x"),
            (&["/v2/a?n=1; rel=\"next\""], "/v2/a?n=1"),
            (&["/v2/a?n=1"], "/v2/a?n=1"),
            (&["<x>; rel=next; rel=prev"], "x"),
        ] {
            assert_eq!(
                next(headers).unwrap().as_deref(),
                Some(target),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn links_to_something_else_lead_nowhere_and_what_is_no_link_is_told() {
        for headers in [
            &[][..],
            &[""],
            &[" , "],
            &["<a>; rel=prev"],
            &["<a>; rel=\"prev\", <b>; rel=help"],
            &["<a>; rel=prev; rel=next"],
            &["<a>; rel=nextish"],
            &["<a>; rel=\"\""],
        ] {
            assert_eq!(next(headers), Ok(None), "{headers:?}");
        }
        for header in [
            "<",
            "<a; rel=next",
            "<a>; rel=\"next",
            "<a> rel=next",
            "<a>; rel=\"next\" x",
        ] {
            assert!(next(&[header]).is_err(), "{header}");
        }
        assert!(super::next([&b"<\xff>; rel=next"[..]]).is_err());
    }
}
