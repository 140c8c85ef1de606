//! Go's rules, as `archive/tar` of Go 1.24 has them in `reader.go`, `strconv.go` and `format.go`:
//! written down once more, without anything of the library that is judged by them.

use std::collections::BTreeMap;

use super::{Line, Parts};

/// Up to its first NUL.
fn string(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0);
    &field[..end.unwrap_or(field.len())]
}

/// `parseNumeric`: base-256 by the first bit, else octal with blanks and NULs around it.
fn number(field: &[u8]) -> i64 {
    if field[0] & 0x80 != 0 {
        let inverted = if field[0] & 0x40 != 0 { 0xff } else { 0 };
        let value = field.iter().enumerate().fold(0_u64, |value, (at, byte)| {
            let byte = (byte ^ inverted) & if at == 0 { 0x7f } else { 0xff };
            value << 8 | u64::from(byte)
        });
        return if inverted == 0 {
            value as i64
        } else {
            !(value as i64)
        };
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !is_blank(byte));
    let text = string(&field[start.unwrap_or(field.len())..]);
    let text = std::str::from_utf8(text).unwrap().trim_end_matches(' ');
    match text {
        "" => 0,
        text => i64::from_str_radix(text, 8).unwrap(),
    }
}

fn records(mut payload: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut records = Vec::new();
    while !payload.is_empty() {
        let space = payload.iter().position(|byte| *byte == b' ').unwrap();
        let length: usize = std::str::from_utf8(&payload[..space])
            .unwrap()
            .parse()
            .unwrap();
        let record = payload[space + 1..length].strip_suffix(b"\n").unwrap();
        let equals = record.iter().position(|byte| *byte == b'=').unwrap();
        records.push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
        payload = &payload[length..];
    }
    records
}

/// `parsePAX`: the later of two counts, but for the map of format 0.0, which becomes that of 0.1.
fn pax(payload: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut map: Vec<Vec<u8>> = Vec::new();
    for (key, value) in records(payload) {
        let key = String::from_utf8(key).unwrap();
        match &key[..] {
            "GNU.sparse.offset" | "GNU.sparse.numbytes" => map.push(value),
            _ => drop(found.insert(key, value)),
        }
    }
    if !map.is_empty() {
        found.insert("GNU.sparse.map".to_owned(), map.join(&b","[..]));
    }
    found
}

fn decimal(text: &[u8]) -> i64 {
    std::str::from_utf8(text).unwrap().parse().unwrap()
}

fn time(text: &[u8]) -> (i64, u32) {
    let text = std::str::from_utf8(text).unwrap();
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanoseconds = format!("{fraction:0<9}")[..9].parse().unwrap();
    (seconds.parse().unwrap(), nanoseconds)
}

fn spread(extents: &[i64], size: i64, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; size as usize];
    let mut at = 0;
    for pair in extents.chunks(2) {
        let (offset, length) = (pair[0] as usize, pair[1] as usize);
        bytes[offset..offset + length].copy_from_slice(&data[at..at + length]);
        at += length;
    }
    bytes
}

/// All entries of a tar that Go reads without an error.
pub fn read(tar: &[u8]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut at = 0;
    let mut records = BTreeMap::new();
    let (mut long_name, mut long_link) = (None, None);
    while let Some(header) = tar.get(at..at + 512) {
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        at += 512;
        let is_gnu = header[257..265] == *b"ustar  \0";
        let is_ustar = header[257..263] == *b"ustar\0";
        let flag = header[156];
        let mut size = number(&header[124..136]);
        if let b'x' | b'L' | b'K' = flag {
            let payload = &tar[at..at + size as usize];
            at += (size as usize).next_multiple_of(512);
            match flag {
                b'x' => records = pax(payload),
                b'L' => long_name = Some(string(payload).to_vec()),
                _ => long_link = Some(string(payload).to_vec()),
            }
            continue;
        }
        let own = std::mem::take(&mut records);
        let get = |key: &str| own.get(key).filter(|value| !value.is_empty());
        let mut name = string(&header[..100]).to_vec();
        let prefix = string(&header[345..500]);
        if is_ustar && !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
        name = get("path").cloned().unwrap_or(name);
        name = long_name.take().unwrap_or(name);
        let mut target = string(&header[157..257]).to_vec();
        target = get("linkpath").cloned().unwrap_or(target);
        target = long_link.take().unwrap_or(target);
        size = get("size").map_or(size, |value| decimal(value));
        let kind = match flag {
            0 if name.ends_with(b"/") => 'd',
            b'1' => 'h',
            b'2' => 'l',
            b'3' => 'c',
            b'4' => 'b',
            b'5' => 'd',
            b'6' => 'p',
            b'g' => 'g',
            b'V' => 'V',
            _ => '-',
        };
        // Those have no data, whatever they say.
        if matches!(kind, 'h' | 'l' | 'c' | 'b' | 'd' | 'p') {
            size = 0;
        }
        let (mut extents, mut real_size) = (None, size);
        if flag == b'S' && is_gnu {
            real_size = number(&header[483..495]);
            let mut map = Vec::new();
            let mut part = header[386..482].to_vec();
            let mut goes_on = header[482] != 0;
            loop {
                let used = part
                    .chunks(24)
                    .take_while(|pair| pair[0] != 0 && pair[12] != 0);
                map.extend(used.flat_map(|pair| [number(&pair[..12]), number(&pair[12..])]));
                if !goes_on {
                    break;
                }
                part = tar[at..at + 504].to_vec();
                goes_on = tar[at + 504] != 0;
                at += 512;
            }
            extents = Some(map);
        }
        let end = at + (size as usize).next_multiple_of(512);
        let mut data = &tar[at..at + size as usize];
        at = end;
        let numbers = |text: &[u8], by: u8| -> Vec<i64> {
            text.split(|byte| *byte == by).map(decimal).collect()
        };
        if own
            .get("GNU.sparse.major")
            .is_some_and(|major| major == b"1")
        {
            let lines: Vec<_> = data.split(|byte| *byte == b'\n').collect();
            let wanted = 2 * decimal(lines[0]) as usize;
            extents = Some(lines[1..=wanted].iter().map(|line| decimal(line)).collect());
            let length: usize = lines[..=wanted].iter().map(|line| line.len() + 1).sum();
            data = &data[length.next_multiple_of(512)..];
        } else if let Some(map) = own.get("GNU.sparse.map") {
            extents = Some(numbers(map, b','));
        }
        if extents.is_some() && flag != b'S' {
            let said = get("GNU.sparse.size").or_else(|| get("GNU.sparse.realsize"));
            real_size = decimal(said.unwrap());
            name = get("GNU.sparse.name").cloned().unwrap_or(name);
        }
        let content = match &extents {
            Some(extents) => spread(extents, real_size, data),
            None => data.to_vec(),
        };
        let device = |field: &[u8]| {
            if is_gnu || is_ustar {
                number(field) as u64
            } else {
                0
            }
        };
        let parts = Parts {
            kind,
            mode: number(&header[100..108]) as u64,
            owner: (
                get("uid").map_or_else(|| number(&header[108..116]), |value| decimal(value)),
                get("gid").map_or_else(|| number(&header[116..124]), |value| decimal(value)),
            ),
            mtime: get("mtime").map_or_else(|| (number(&header[136..148]), 0), |value| time(value)),
            path: &name,
            target: &target,
            device: (device(&header[329..337]), device(&header[337..345])),
            content: Some(content),
        };
        lines.push(parts.line());
    }
    lines
}
