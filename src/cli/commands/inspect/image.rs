//! A container image as its manifest and configuration describe it.

use serde::Serialize;

use super::start;
use crate::cli::shown::attributes::minute_text;
use crate::cli::shown::history::{self, ShownLayer, ShownStep};
use crate::cli::shown::origin::ShownOrigin;
use crate::cli::shown::table::{columns, digest_columns, two_columns};
use crate::cli::shown::text::{counted, printable, rfc3339, short};
use crate::oci::{NO_DATE, RuntimeConfig, parse_created};
use crate::pipeline::{InspectedImage, Offer};
use crate::units::{ByteSize, Timestamp};

/// The names are those of the JSON form.
#[derive(Debug, Serialize)]
pub struct ShownImage {
    kind: &'static str,
    /// Of the one image.
    #[serde(flatten)]
    origin: Option<ShownOrigin>,
    /// What has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    /// Nothing where the reference names several images.
    #[serde(flatten)]
    image: Option<Details>,
    /// Everything where it was found.
    images: Vec<ShownOffer>,
    pub warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Details {
    chain_id: String,
    /// When it was made, as the image has it where that is no time.
    #[serde(skip)]
    stated: Option<String>,
    author: Option<String>,
    #[serde(flatten)]
    runtime: RuntimeConfig,
    stored_bytes: u64,
    /// Known where the layers were read, or are stored uncompressed.
    uncompressed_bytes: Option<u64>,
    /// Of the tree; known where the layers were read.
    entries: Option<u64>,
    layer_count: usize,
    layers: Vec<ShownLayer>,
    history: Vec<ShownStep>,
}

#[derive(Debug, Serialize)]
struct ShownOffer {
    names: Vec<String>,
    image_id: Option<String>,
    manifest_digest: Option<String>,
    platform: Option<String>,
    at_hand: bool,
    /// RFC 3339.
    created: Option<String>,
    size_bytes: Option<u64>,
    #[serde(skip)]
    made: Option<Timestamp>,
    /// Whether it is the one described.
    chosen: bool,
}

impl ShownImage {
    /// The image, with its layers as far as they are known.
    pub fn of(inspected: &InspectedImage) -> Self {
        let image = &inspected.image;
        let is_chosen = |offer: &Offer| match &offer.manifest_digest {
            Some(digest) => image.manifest_digest.as_ref() == Some(digest),
            None => offer.config_digest.is_some() && offer.config_digest == image.config_digest,
        };
        let offers = inspected.offers.iter();
        Self {
            kind: "image",
            origin: Some(ShownOrigin::of(image)),
            reference: None,
            image: Some(Details::of(inspected)),
            images: offers
                .map(|offer| ShownOffer::of(offer, is_chosen(offer)))
                .collect(),
            warnings: inspected.warnings.clone(),
        }
    }

    /// Several images, none of them chosen.
    pub fn of_several(reference: String, offers: &[Offer]) -> Self {
        Self {
            kind: "images",
            origin: None,
            reference: Some(reference),
            image: None,
            images: offers
                .iter()
                .map(|offer| ShownOffer::of(offer, false))
                .collect(),
            warnings: Vec::new(),
        }
    }

    /// For people.
    pub fn text(&self, in_full: bool, terminal: Option<usize>) -> String {
        let (Some(image), Some(origin)) = (&self.image, &self.origin) else {
            let images = counted(self.images.len() as u64, "image", "images");
            return format!(
                "{images} in {}\n{}",
                printable(self.reference.as_deref().unwrap_or_default()),
                listed(&self.images, in_full)
            );
        };
        let mut text = image.identity(origin.rows(), terminal);
        if self.images.len() > 1 {
            let title = "\nall images there (* this one)\n";
            text.push_str(&format!("{title}{}", offers(&self.images, in_full)));
        }
        text.push_str(&image.runtime(terminal));
        let steps = if in_full {
            history::paragraphs(&image.history, &image.layers, terminal)
        } else {
            history::table(&image.history, &image.layers)
        };
        if !image.history.is_empty() {
            text.push_str(&format!("\n{steps}"));
        }
        text
    }
}

impl Details {
    fn of(inspected: &InspectedImage) -> Self {
        let image = &inspected.image;
        let config = &image.config;
        let steps = history::steps(config, image.layers.len());
        let mut layers = Vec::with_capacity(image.layers.len());
        for (index, (layer, inside)) in image.layers.iter().zip(&inspected.layers).enumerate() {
            let index = index + 1;
            let step = steps.iter().find(|step| step.layer == Some(index));
            layers.push(ShownLayer {
                index,
                diff_id: inside.diff_id.to_string(),
                digest: layer.digest.as_ref().map(ToString::to_string),
                media_type: layer.media_type.clone(),
                stored_bytes: layer.stored.length_bytes(),
                uncompressed_bytes: inside.tar_bytes,
                members: inside.members,
                created_by: step.and_then(ShownStep::command).map(str::to_owned),
            });
        }
        // As of an image that has none.
        let is_date = |text: &&String| parse_created(text) != Some(NO_DATE);
        let stated = config.created.as_ref().filter(is_date);
        Self {
            chain_id: inspected.chain_id.to_string(),
            stated: stated.filter(|_| image.created.is_none()).cloned(),
            author: config.author.clone(),
            runtime: config.config.clone(),
            stored_bytes: layers.iter().map(|layer| layer.stored_bytes).sum(),
            uncompressed_bytes: layers.iter().map(|layer| layer.uncompressed_bytes).sum(),
            entries: inspected.entries,
            layer_count: layers.len(),
            layers,
            history: steps,
        }
    }

    /// Names and digests.
    fn identity(&self, mut rows: Vec<(&'static str, String)>, terminal: Option<usize>) -> String {
        rows.push(("chain ID", self.chain_id.clone()));
        let mut layers = format!(
            "{}, {} stored",
            self.layers.len(),
            ByteSize(self.stored_bytes)
        );
        if let Some(bytes) = self.uncompressed_bytes {
            layers.push_str(&format!(", {} uncompressed", ByteSize(bytes)));
        }
        if let Some(entries) = self.entries {
            layers.push_str(&format!(", {}", counted(entries, "entry", "entries")));
        }
        rows.push(("layers", layers));
        digest_columns(&rows, terminal)
    }

    /// How a container of it runs; what is not set is left out.
    fn runtime(&self, terminal: Option<usize>) -> String {
        let text = |value: &Option<String>| printable(value.as_deref().unwrap_or_default());
        let rows = [
            ("created", text(&self.stated)),
            ("author", text(&self.author)),
        ];
        let rows = rows.into_iter().chain(start::rows(&self.runtime));
        let rows: Vec<_> = rows.filter(|(_, value)| !value.is_empty()).collect();
        format!("\n{}", two_columns(&rows, terminal))
    }
}

impl ShownOffer {
    fn of(offer: &Offer, chosen: bool) -> Self {
        Self {
            names: offer.names.clone(),
            image_id: offer.config_digest.as_ref().map(ToString::to_string),
            manifest_digest: offer.manifest_digest.as_ref().map(ToString::to_string),
            platform: offer.platform.as_ref().map(ToString::to_string),
            at_hand: offer.is_at_hand,
            created: offer.created.map(rfc3339),
            size_bytes: offer.size_bytes,
            made: offer.created,
            chosen,
        }
    }
}

/// A line for each name of each image, as `docker images` has them; an image that a list names and
/// that is not here says so.
fn listed(offers: &[ShownOffer], in_full: bool) -> String {
    let titles = [
        "REPOSITORY",
        "TAG",
        "IMAGE ID",
        "PLATFORM",
        "CREATED",
        "SIZE",
    ];
    let mut rows = vec![titles.map(str::to_owned)];
    for offer in offers {
        let digest = offer.image_id.as_ref().or(offer.manifest_digest.as_ref());
        let digest = digest.map(String::as_str).unwrap_or_default();
        let known = [
            if in_full { digest } else { short(digest) }.to_owned(),
            printable(offer.platform.as_deref().unwrap_or("-")),
            offer.made.map_or_else(|| "-".to_owned(), minute_text),
            match (offer.at_hand, offer.size_bytes) {
                (false, _) => "not here".to_owned(),
                (true, Some(bytes)) => ByteSize(bytes).to_string(),
                (true, None) => "-".to_owned(),
            },
        ];
        let nameless = [String::new()];
        let names = match offer.names.is_empty() {
            true => &nameless[..],
            false => &offer.names,
        };
        for name in names {
            let [repository, tag] = name_parts(name);
            let [digest, platform, created, size] = known.clone();
            rows.push([repository, tag, digest, platform, created, size]);
        }
    }
    columns(rows)
}

/// Repository and tag. What a layout calls an image may be a tag alone.
fn name_parts(name: &str) -> [String; 2] {
    let none = || "<none>".to_owned();
    match name.rsplit_once(':') {
        _ if name.is_empty() => [none(), none()],
        Some((repository, tag)) if !tag.contains('/') => [printable(repository), printable(tag)],
        _ if name.contains('/') => [printable(name), none()],
        _ => [none(), printable(name)],
    }
}

/// A line for each image: platform, digest, names.
fn offers(offers: &[ShownOffer], in_full: bool) -> String {
    let platform = |offer: &ShownOffer| printable(offer.platform.as_deref().unwrap_or("unknown"));
    let width = offers
        .iter()
        .map(|offer| platform(offer).chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for offer in offers {
        let digest = offer.manifest_digest.as_ref().or(offer.image_id.as_ref());
        let digest = digest.map(String::as_str).unwrap_or_default();
        let digest = if in_full { digest } else { short(digest) };
        let names: Vec<_> = offer.names.iter().map(|name| printable(name)).collect();
        let mark = if offer.chosen { '*' } else { ' ' };
        let absent = if offer.at_hand { "" } else { "(not here) " };
        let line = format!(
            "{mark} {:width$}  {digest:<12}  {absent}{}",
            platform(offer),
            names.join(" ")
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
