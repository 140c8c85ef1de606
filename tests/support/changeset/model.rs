//! A second flattening, as plain as can be: whole paths to numbered nodes, every question asked
//! by walking all of them. Slow, recursive, and no line shared with the real one.

use std::collections::BTreeMap;

use super::DEFAULT_TIME;
use super::listing::Listing;
use super::words::{Item, ItemKind, Layer};

/// Why the model refuses does not matter, only that it does.
pub struct Refused;

type Path = Vec<String>;

#[derive(Clone)]
struct Node {
    item: Item,
    layer: usize,
    /// For a link whose target has not come.
    waits: bool,
}

#[derive(Default)]
struct Model {
    names: BTreeMap<Path, usize>,
    nodes: Vec<Node>,
    layer: usize,
}

enum Missing<'a> {
    Stop(&'a dyn Fn(&Path) -> bool),
    Make,
}

/// What the layers show. Names must be UTF-8.
pub fn flatten(layers: &[Layer]) -> Result<Listing, Refused> {
    let mut model = Model::default();
    let mut root = Item::new(b"", ItemKind::Directory);
    root.mtime = DEFAULT_TIME;
    model.put(Path::new(), root, false);
    for (index, layer) in layers.iter().enumerate() {
        model.layer = index;
        let own: Vec<Path> = layer.items.iter().map(|item| clean(&item.path)).collect();
        for path in &own {
            model.whiteout(path, &own)?;
        }
        let mut waiting = Vec::new();
        for (item, path) in layer.items.iter().zip(&own) {
            let is_whiteout = path.last().is_some_and(|name| name.starts_with(".wh."));
            if !is_whiteout {
                waiting.extend(model.entry(item, path)?);
            }
        }
        for path in waiting {
            model.settle(&path, 0)?;
        }
    }
    Ok(model.listing())
}

fn clean(path: &[u8]) -> Path {
    let mut clean = Path::new();
    for component in std::str::from_utf8(path).unwrap().split('/') {
        match component {
            "" | "." => {}
            ".." => drop(clean.pop()),
            other => clean.push(other.to_owned()),
        }
    }
    clean
}

impl Model {
    fn put(&mut self, path: Path, item: Item, waits: bool) {
        self.nodes.push(Node {
            item,
            layer: self.layer,
            waits,
        });
        self.names.insert(path, self.nodes.len() - 1);
    }

    fn at(&self, path: &Path) -> Option<&Node> {
        self.names.get(path).map(|id| &self.nodes[*id])
    }

    fn is_directory(&self, path: &Path) -> bool {
        self.at(path)
            .is_some_and(|node| node.item.kind == ItemKind::Directory)
    }

    fn remove(&mut self, path: &Path) {
        self.names.retain(|name, _| !name.starts_with(path));
    }

    fn whiteout(&mut self, path: &Path, own: &[Path]) -> Result<(), Refused> {
        let Some((name, directory)) = path.split_last() else {
            return Ok(());
        };
        if !name.starts_with(".wh.") {
            return Ok(());
        }
        let stop = |link: &Path| own.contains(link);
        if name != ".wh..wh..opq" {
            if let Some(mut path) = self.resolve(directory, Missing::Stop(&stop))? {
                path.push(name[".wh.".len()..].to_owned());
                self.remove(&path);
            }
            return Ok(());
        }
        let opaque = match directory.split_last() {
            None => Some(Path::new()),
            Some((last, above)) => self.resolve(above, Missing::Stop(&stop))?.map(|mut path| {
                path.push(last.clone());
                path
            }),
        };
        if let Some(path) = opaque {
            self.names
                .retain(|name, _| !name.starts_with(&path) || *name == path);
        }
        Ok(())
    }

    /// Where an entry's directory really is.
    fn resolve(&mut self, directory: &[String], missing: Missing) -> Result<Option<Path>, Refused> {
        let mut path = Path::new();
        let mut todo: Vec<(String, Option<usize>)> = directory
            .iter()
            .enumerate()
            .map(|(index, name)| (name.clone(), Some(index)))
            .rev()
            .collect();
        let mut hops = 0;
        while let Some((name, literal)) = todo.pop() {
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    path.pop();
                    continue;
                }
                _ => path.push(name),
            }
            if self.is_directory(&path) {
                continue;
            }
            let node = self.at(&path).cloned();
            if let Some(Item {
                kind: ItemKind::Symlink(target),
                ..
            }) = node.as_ref().map(|node| &node.item)
            {
                if let Missing::Stop(stop) = missing
                    && let Some(index) = literal
                    && stop(&directory[..=index].to_vec())
                {
                    return Ok(None);
                }
                hops += 1;
                if hops > 255 {
                    return Err(Refused);
                }
                path.pop();
                let target = std::str::from_utf8(target).unwrap();
                if target.starts_with('/') {
                    path.clear();
                }
                todo.extend(target.rsplit('/').map(|name| (name.to_owned(), None)));
                continue;
            }
            if matches!(missing, Missing::Stop(_)) {
                return Ok(None);
            }
            if node.is_some_and(|node| node.layer == self.layer || literal.is_none()) {
                return Err(Refused);
            }
            let mut item = Item::new(b"", ItemKind::Directory);
            item.mtime = DEFAULT_TIME;
            self.put(path.clone(), item, false);
        }
        Ok(Some(path))
    }

    /// Applies an entry; its path where it is a link that has to wait.
    fn entry(&mut self, item: &Item, path: &Path) -> Result<Option<Path>, Refused> {
        let Some((name, directory)) = path.split_last() else {
            if item.kind != ItemKind::Directory {
                return Err(Refused);
            }
            self.nodes[0].item = item.clone();
            return Ok(None);
        };
        let mut path = self.resolve(directory, Missing::Make)?.ok_or(Refused)?;
        path.push(name.clone());
        match &item.kind {
            ItemKind::Directory if self.is_directory(&path) => {
                let id = self.names[&path];
                self.nodes[id].item = item.clone();
                self.nodes[id].layer = self.layer;
            }
            // Of a file that is there already, this says nothing.
            ItemKind::Link(target) if self.is_own_name(target, &path)? => {}
            ItemKind::Link(target) => {
                if self.is_directory(&path) {
                    self.remove(&path);
                }
                match self.link_target(target, &path)? {
                    Some(target) if !self.nodes[target].waits => {
                        self.names.insert(path, target);
                        self.speak_about(target, item);
                    }
                    _ => {
                        self.put(path.clone(), item.clone(), true);
                        return Ok(Some(path));
                    }
                }
            }
            _ => {
                self.remove(&path);
                let mut item = item.clone();
                if let ItemKind::Symlink(_) = item.kind {
                    item.mode = 0o777;
                }
                self.put(path, item, false);
            }
        }
        Ok(None)
    }

    fn speak_about(&mut self, target: usize, header: &Item) {
        self.nodes[target].layer = self.layer;
        let node = &mut self.nodes[target].item;
        if !matches!(node.kind, ItemKind::Symlink(_)) {
            node.mode = header.mode;
        }
        (node.uid, node.gid, node.mtime) = (header.uid, header.gid, header.mtime);
        node.xattrs.extend(header.xattrs.clone());
    }

    /// Whether a link's target is the name of a file that stands where the link is to be.
    fn is_own_name(&mut self, target: &[u8], link: &Path) -> Result<bool, Refused> {
        let stands = self.at(link).is_some_and(|node| !node.waits);
        if !stands || self.is_directory(link) {
            return Ok(false);
        }
        let target = clean(target);
        let Some((name, directory)) = target.split_last() else {
            return Ok(false);
        };
        let Some(mut path) = self.resolve(directory, Missing::Stop(&|_| false))? else {
            return Ok(false);
        };
        path.push(name.clone());
        Ok(path == *link)
    }

    fn link_target(&mut self, target: &[u8], link: &Path) -> Result<Option<usize>, Refused> {
        let target = clean(target);
        let (name, directory) = target.split_last().ok_or(Refused)?;
        let Some(mut path) = self.resolve(directory, Missing::Stop(&|_| false))? else {
            return Ok(None);
        };
        path.push(name.clone());
        if path == *link || self.is_directory(&path) {
            return Err(Refused);
        }
        Ok(self.names.get(&path).copied())
    }

    /// Points a waiting link to its target, the target first if that waits too.
    fn settle(&mut self, link: &Path, depth: usize) -> Result<(), Refused> {
        let Some(Node {
            item, waits: true, ..
        }) = self.at(link).cloned()
        else {
            return Ok(());
        };
        let ItemKind::Link(target) = &item.kind else {
            return Err(Refused);
        };
        if depth > self.names.len() {
            return Err(Refused);
        }
        let found = self.link_target(target, link)?.ok_or(Refused)?;
        if self.nodes[found].waits {
            let (name, _) = self
                .names
                .iter()
                .find(|(_, id)| **id == found)
                .ok_or(Refused)?;
            let name = name.clone();
            self.settle(&name, depth + 1)?;
            return self.settle(link, depth + 1);
        }
        self.names.insert(link.clone(), found);
        Ok(())
    }

    fn listing(&self) -> Listing {
        let mut by_path: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for (path, id) in &self.names {
            by_path.insert(path.join("/").into_bytes(), *id);
        }
        let mut firsts: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        let mut listing = Listing::default();
        for (path, id) in by_path {
            let mut item = self.nodes[id].item.clone();
            item.path.clone_from(&path);
            if item.kind != ItemKind::Directory {
                let first = firsts.entry(id).or_insert_with(|| path.clone());
                if *first != path {
                    item = Item::new(&path, ItemKind::Link(first.clone()));
                }
            }
            listing.0.insert(path, item);
        }
        listing
    }
}
