//! A filesystem in a registry as its manifest and configuration describe it.

use serde::Serialize;

use crate::cli::shown::history::when;
use crate::cli::shown::table::digest_columns;
use crate::cli::shown::text::{counted, printable, short};
use crate::cli::tell;
use crate::oci::Digest;
use crate::pipeline::{ArtifactOffer, InspectedArtifact, Told, ToldImage};
use crate::units::ByteSize;

/// The names are those of the JSON form.
#[derive(Debug, Serialize)]
pub struct ShownArtifact {
    kind: &'static str,
    reference: String,
    manifest_digest: String,
    config_digest: String,
    /// The image that it was built of, where the repository has that.
    subject_digest: Option<String>,
    platform: Option<String>,
    sha256: String,
    size_bytes: u64,
    segments: u64,
    /// Of the longest.
    segment_bytes: u64,
    /// Of all segments.
    stored_bytes: u64,
    /// What no segment tells of.
    zero_bytes: u64,
    /// When the image was made, RFC 3339.
    created: Option<String>,
    recipe_digest: Option<String>,
    filesystem: Option<ShownFilesystem>,
    verity: Option<ShownVerity>,
    image: Option<ShownImage>,
    versions: Option<ShownVersions>,
    /// All of the name.
    filesystems: Vec<ShownOffer>,
}

#[derive(Debug, Serialize)]
struct ShownFilesystem {
    filesystem_type: String,
    filesystem_bytes: u64,
    block_bytes: u64,
    uuid: String,
    label: String,
}

#[derive(Debug, Serialize)]
struct ShownVerity {
    root_hash: Option<String>,
    hash_offset_bytes: u64,
}

#[derive(Debug, Serialize)]
struct ShownImage {
    reference: Option<String>,
    image_id: Option<String>,
    manifest_digest: Option<String>,
}

#[derive(Debug, Serialize)]
struct ShownVersions {
    layerpress: String,
    e2fsprogs: String,
}

#[derive(Debug, Serialize)]
struct ShownOffer {
    manifest_digest: String,
    platform: Option<String>,
    /// Whether it is the one described.
    chosen: bool,
}

impl ShownArtifact {
    /// What its documents say, as far as they say it in the form that they should.
    pub fn of(inspected: &InspectedArtifact) -> Self {
        let InspectedArtifact { artifact, told, .. } = inspected;
        let lengths = artifact.segments.iter();
        let lengths = lengths.map(|segment| segment.length_bytes);
        let created = |image: &ToldImage| image.created.as_deref().and_then(when);
        Self {
            kind: "artifact",
            reference: inspected.reference.clone(),
            manifest_digest: inspected.manifest_digest.to_string(),
            config_digest: artifact.config.digest.to_string(),
            subject_digest: artifact
                .subject
                .as_ref()
                .map(|subject| subject.digest.to_string()),
            platform: artifact.platform.as_ref().map(ToString::to_string),
            sha256: artifact.sha256.digest().to_owned(),
            size_bytes: artifact.size_bytes,
            segments: artifact.segments.len() as u64,
            segment_bytes: lengths.max().unwrap_or(0),
            stored_bytes: artifact.stored_bytes(),
            zero_bytes: artifact.size_bytes - artifact.plain_bytes(),
            created: told.image.as_ref().and_then(created),
            recipe_digest: told.recipe_digest.as_deref().and_then(digest),
            filesystem: filesystem(told),
            verity: verity(told),
            image: told.image.as_ref().map(ShownImage::of),
            versions: told.versions.as_ref().map(|versions| ShownVersions {
                layerpress: versions.layerpress.clone(),
                e2fsprogs: versions.e2fsprogs.clone(),
            }),
            filesystems: offers(inspected),
        }
    }

    /// For people.
    pub fn text(&self, terminal: Option<usize>) -> String {
        let mut rows = vec![("name", printable(&self.reference))];
        if let Some(filesystem) = &self.filesystem {
            rows.push(("kind", filesystem.text()));
        }
        rows.extend([("size", self.size()), ("sha256", self.sha256.clone())]);
        rows.extend(self.platform.as_deref().map(|text| ("for", said(text))));
        rows.extend(self.subject_digest.clone().map(|text| ("subject", text)));
        if let Some(image) = &self.image {
            rows.extend(image.text().map(|text| ("built of", text)));
        }
        rows.extend(self.created.clone().map(|text| ("created", text)));
        if let Some(ShownVersions {
            layerpress,
            e2fsprogs,
        }) = &self.versions
        {
            let text = format!("layerpress {layerpress}, e2fsprogs {e2fsprogs}");
            rows.push(("built by", said(&text)));
        }
        rows.extend(self.recipe_digest.clone().map(|text| ("recipe", text)));
        if let Some(filesystem) = &self.filesystem {
            rows.push(("UUID", said(&filesystem.uuid)));
        }
        if let Some(verity) = &self.verity {
            let place = format!("a hash tree at byte {}", verity.hash_offset_bytes);
            rows.push(("verity", place));
            rows.extend(verity.root_hash.as_deref().map(|text| ("", said(text))));
        }
        rows.extend([
            ("config", self.config_digest.clone()),
            ("manifest", self.manifest_digest.clone()),
        ]);
        let mut text = digest_columns(&rows, terminal);
        if self.filesystems.len() > 1 {
            text.push_str("\nfor all platforms (* this one)\n");
            for offer in &self.filesystems {
                text.push_str(&offer.text());
            }
        }
        let name = printable(&self.reference);
        text.push_str(&format!("\n`layerpress pull {name} -o FILE` fetches it\n"));
        text
    }

    fn size(&self) -> String {
        format!(
            "{} in {} of {} at most, {} compressed, {} zeros",
            ByteSize(self.size_bytes),
            counted(self.segments, "segment", "segments"),
            ByteSize(self.segment_bytes),
            ByteSize(self.stored_bytes),
            ByteSize(self.zero_bytes),
        )
    }
}

/// What others say, in one line and not without end.
fn said(text: &str) -> String {
    tell::shortened(&printable(text))
}

/// A digest, if that is what it is.
fn digest(text: &str) -> Option<String> {
    let digest: Option<Digest> = text.parse().ok();
    digest.map(|digest| digest.to_string())
}

fn filesystem(told: &Told) -> Option<ShownFilesystem> {
    let told = told.filesystem.as_ref()?;
    Some(ShownFilesystem {
        filesystem_type: told.r#type.clone(),
        filesystem_bytes: told.size_bytes,
        block_bytes: told.block_bytes,
        uuid: told.uuid.clone(),
        label: told.label.clone(),
    })
}

fn verity(told: &Told) -> Option<ShownVerity> {
    let told = told.verity.as_ref()?;
    Some(ShownVerity {
        root_hash: told.root_hash.clone(),
        hash_offset_bytes: told.hash_offset_bytes,
    })
}

fn offers(inspected: &InspectedArtifact) -> Vec<ShownOffer> {
    let own = &inspected.manifest_digest;
    let one = |offer: &ArtifactOffer| ShownOffer {
        manifest_digest: offer.manifest_digest.to_string(),
        platform: offer.platform.as_ref().map(ToString::to_string),
        chosen: offer.manifest_digest == *own,
    };
    inspected.offers.iter().map(one).collect()
}

impl ShownFilesystem {
    fn text(&self) -> String {
        let label = match &*self.label {
            "" => String::new(),
            label => format!(", called {label}"),
        };
        let kind = format!(
            "{} of {} in blocks of {}{label}",
            self.filesystem_type,
            ByteSize(self.filesystem_bytes),
            ByteSize(self.block_bytes)
        );
        said(&kind)
    }
}

impl ShownImage {
    fn of(told: &ToldImage) -> Self {
        Self {
            reference: told.reference.clone(),
            image_id: told.image_id.as_deref().and_then(digest),
            manifest_digest: told.manifest_digest.as_deref().and_then(digest),
        }
    }

    fn text(&self) -> Option<String> {
        let name = self.reference.as_deref().map(said);
        let own = self.manifest_digest.as_ref().or(self.image_id.as_ref());
        let all: Vec<_> = name.into_iter().chain(own.cloned()).collect();
        (!all.is_empty()).then(|| all.join("\n"))
    }
}

impl ShownOffer {
    fn text(&self) -> String {
        let mark = if self.chosen { '*' } else { ' ' };
        let platform = self.platform.as_deref().unwrap_or("unknown");
        let digest = short(&self.manifest_digest);
        format!("{mark} {digest}  {}\n", said(platform))
    }
}
