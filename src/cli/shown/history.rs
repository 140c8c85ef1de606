//! How an image came about: the steps of its history with the layers they made.

use serde::Serialize;

use super::text::{WIDTH, printable, rfc3339, short, shortened, thousands, wrapped};
use crate::oci::{History, ImageConfig, NO_DATE, parse_created};
use crate::units::ByteSize;

/// A layer. The names are those of the JSON form.
#[derive(Debug, Serialize)]
pub struct ShownLayer {
    /// From 1, the base.
    pub index: usize,
    pub diff_id: String,
    pub digest: Option<String>,
    pub media_type: Option<String>,
    pub stored_bytes: u64,
    /// Known where the layers were read, or are stored uncompressed.
    pub uncompressed_bytes: Option<u64>,
    /// What its tar holds; known where the layers were read.
    pub members: Option<u64>,
    pub created_by: Option<String>,
}

/// A step of the history.
#[derive(Debug, Serialize)]
pub struct ShownStep {
    /// RFC 3339.
    created: Option<String>,
    created_by: Option<String>,
    author: Option<String>,
    comment: Option<String>,
    empty_layer: bool,
    /// The layer it made, from 1, the base.
    pub layer: Option<usize>,
    /// When, as the image has it.
    #[serde(skip)]
    stated: Option<String>,
}

impl ShownStep {
    fn new(step: History, layer: Option<usize>) -> Self {
        Self {
            created: step.created.as_deref().and_then(when),
            created_by: step.created_by,
            author: step.author,
            comment: step.comment,
            empty_layer: step.empty_layer,
            layer,
            stated: step.created,
        }
    }
}

/// A time that an image states, as all times are told; `None` for none and for what is no time.
pub fn when(stated: &str) -> Option<String> {
    let time = parse_created(stated).filter(|time| *time != NO_DATE);
    time.map(rfc3339)
}

/// The history, base first; the steps that made layers take them in order. Layers beyond the
/// history are steps of which nothing is known.
pub fn steps(config: &ImageConfig, layers: usize) -> Vec<ShownStep> {
    let mut next_layer = 1..=layers;
    let mut steps: Vec<_> = config
        .history
        .iter()
        .map(|step| {
            let layer = (!step.empty_layer).then(|| next_layer.next()).flatten();
            ShownStep::new(step.clone(), layer)
        })
        .collect();
    steps.extend(next_layer.map(|layer| ShownStep::new(History::default(), Some(layer))));
    steps
}

impl ShownStep {
    /// The layer it made, among all.
    fn layer_of<'a>(&self, layers: &'a [ShownLayer]) -> Option<&'a ShownLayer> {
        layers.get(self.layer?.checked_sub(1)?)
    }

    /// The command, or else what the step says of itself.
    pub fn command(&self) -> Option<&str> {
        let texts = [&self.created_by, &self.comment];
        texts
            .into_iter()
            .flatten()
            .map(String::as_str)
            .find(|text| !text.is_empty())
    }
}

/// A line for each step: the layer's number, sizes, entries, digest, and the command as far as the
/// line goes.
pub fn table(steps: &[ShownStep], layers: &[ShownLayer]) -> String {
    let was_read = layers.iter().any(|layer| layer.members.is_some());
    let mut text = String::new();
    let mut line = |cells: [&str; 5], command: &str| {
        let [number, stored, tar, members, digest] = cells;
        let mut start = format!("{number:>3} {stored:>10} ");
        if was_read {
            start.push_str(&format!("{tar:>10} {members:>8} "));
        }
        start.push_str(&format!("{digest:<12} "));
        let room = WIDTH.saturating_sub(start.chars().count());
        text.push_str(format!("{start}{}", shortened(command, room)).trim_end());
        text.push('\n');
    };
    line(["#", "stored", "tar", "members", "digest"], "created by");
    for step in steps {
        let command = step.command().unwrap_or("");
        let Some(layer) = step.layer_of(layers) else {
            line(["-", "-", "-", "-", "no layer"], command);
            continue;
        };
        let size = |bytes| ByteSize(bytes).to_string();
        line(
            [
                &layer.index.to_string(),
                &size(layer.stored_bytes),
                &layer.uncompressed_bytes.map(size).unwrap_or_default(),
                &layer.members.map(thousands).unwrap_or_default(),
                short(layer.digest.as_deref().unwrap_or(&layer.diff_id)),
            ],
            command,
        );
    }
    text
}

/// A paragraph for each step, with nothing left out.
pub fn paragraphs(steps: &[ShownStep], layers: &[ShownLayer], terminal: Option<usize>) -> String {
    let mut text = String::new();
    for step in steps {
        let layer = step.layer_of(layers);
        let mut lines = Vec::new();
        let title = match layer {
            Some(layer) => {
                let mut facts = vec![format!("{} stored", ByteSize(layer.stored_bytes))];
                let tar = layer.uncompressed_bytes.map(ByteSize);
                facts.extend(tar.map(|size| format!("{size} uncompressed")));
                let members = layer.members.map(thousands);
                facts.extend(members.map(|members| format!("{members} members")));
                lines.push(format!("diffID {}", layer.diff_id));
                lines.extend(
                    layer
                        .digest
                        .as_ref()
                        .map(|digest| format!("digest {digest}")),
                );
                lines.extend(layer.media_type.as_deref().map(printable));
                format!("layer {}: {}", layer.index, facts.join(", "))
            }
            None => "no layer".to_owned(),
        };
        let told = [&step.stated, &step.author, &step.created_by, &step.comment];
        for text in told.into_iter().flatten() {
            let text = text.replace('\t', " ");
            lines.extend(text.split('\n').map(printable));
        }
        text.push_str(&format!("{title}\n"));
        for line in lines.iter().filter(|line| !line.is_empty()) {
            let line = match terminal {
                Some(columns) => &wrapped(line, columns.saturating_sub(2)),
                None => line,
            };
            for line in line.lines() {
                text.push_str(&format!("  {line}\n"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_take_layers_in_order_and_layers_beyond_the_history_are_kept() {
        let step = |created_by: &str, empty_layer| History {
            created_by: Some(created_by.to_owned()),
            empty_layer,
            ..History::default()
        };
        let config = ImageConfig {
            history: vec![step("ADD", false), step("ENV", true), step("RUN", false)],
            ..ImageConfig::default()
        };
        let layers = |count| {
            let steps = steps(&config, count);
            steps.iter().map(|step| step.layer).collect::<Vec<_>>()
        };
        assert_eq!(layers(2), [Some(1), None, Some(2)]);
        assert_eq!(layers(1), [Some(1), None, None]);
        assert_eq!(layers(4), [Some(1), None, Some(2), Some(3), Some(4)]);
    }
}
