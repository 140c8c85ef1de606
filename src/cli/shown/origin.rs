//! Which image it was, by every name that it has.

use serde::Serialize;

use super::text::{printable, rfc3339};
use crate::pipeline::Image;

/// The names are those of the JSON form.
#[derive(Debug, Serialize)]
pub struct ShownOrigin {
    /// As it was named, with its transport; in a registry in full.
    reference: String,
    /// Its full name where it was found, without transport and path.
    image_name: Option<String>,
    image_id: Option<String>,
    manifest_digest: Option<String>,
    /// What it runs on; a root filesystem does not say it.
    platform: Option<String>,
    /// RFC 3339.
    created: Option<String>,
}

impl ShownOrigin {
    /// Of an image that was found.
    pub fn of(image: &Image) -> Self {
        Self {
            reference: image.reference.clone(),
            image_name: image.full_name(),
            image_id: image.config_digest.as_ref().map(ToString::to_string),
            manifest_digest: image.manifest_digest.as_ref().map(ToString::to_string),
            platform: image.platform.as_ref().map(ToString::to_string),
            created: image.created.map(rfc3339),
        }
    }

    /// Rows of a table; the name where the reference does not end with it anyway.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let platform = self.platform.as_ref();
        let platform = platform.map_or(String::new(), |platform| format!(" ({platform})"));
        let image = printable(&format!("{}{platform}", self.reference));
        let name = self.image_name.as_ref();
        let name = name.filter(|name| !self.reference.ends_with(*name));
        let rest = [
            ("name", name.map(|name| printable(name))),
            ("image ID", self.image_id.clone()),
            ("manifest", self.manifest_digest.clone()),
            ("created", self.created.clone()),
        ];
        let rest = rest.into_iter();
        let rest = rest.filter_map(|(name, value)| Some((name, value?)));
        [("image", image)].into_iter().chain(rest).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_once_and_what_is_unknown_not_at_all() {
        let origin = |reference: &str, name: &str| ShownOrigin {
            reference: reference.to_owned(),
            image_name: Some(name.to_owned()),
            image_id: Some("sha256:0".to_owned()),
            manifest_digest: None,
            platform: None,
            created: None,
        };
        let names =
            |origin: &ShownOrigin| origin.rows().iter().map(|row| row.0).collect::<Vec<_>>();
        let archive = origin("save.tar", "docker.io/library/a:1");
        assert_eq!(names(&archive), ["image", "name", "image ID"]);
        assert_eq!(archive.rows()[0].1, "save.tar");
        for (reference, name) in [
            ("docker://docker.io/library/a:1", "docker.io/library/a:1"),
            ("oci:a:1", "1"),
        ] {
            assert_eq!(names(&origin(reference, name)), ["image", "image ID"]);
        }
    }
}
