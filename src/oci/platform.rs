//! Operating system, architecture and variant, and which images run where.

use std::fmt;
use std::str::FromStr;

/// A platform in the image-spec's words (Go's `GOOS` and `GOARCH`), aliases resolved:
/// `x86_64` is `amd64`, `aarch64` is `arm64`, `armhf` is `arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// Architectures that may stand alone in a typed platform.
const ARCHITECTURES: [&str; 12] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips64", "mips64le", "ppc64", "ppc64le", "riscv64",
    "s390x", "wasm",
];

impl Platform {
    /// A platform from its parts, with docker's aliases resolved; an empty variant is none.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let os = match os.to_ascii_lowercase().as_str() {
            "macos" => "darwin".to_owned(),
            os => os.to_owned(),
        };
        let architecture = architecture.to_ascii_lowercase();
        let variant = variant.unwrap_or_default().to_ascii_lowercase();
        let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
            ("x86_64" | "x86-64" | "amd64", "" | "v1") => ("amd64", ""),
            ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
            ("i386" | "i486" | "i586" | "i686" | "x86" | "386", _) => ("386", ""),
            ("aarch64" | "arm64", "" | "8" | "v8" | "v8.0") => ("arm64", ""),
            ("aarch64" | "arm64", variant) => ("arm64", variant),
            ("armhf", _) => ("arm", "v7"),
            ("armel", _) => ("arm", "v6"),
            ("arm", "" | "7") => ("arm", "v7"),
            ("arm", "5") => ("arm", "v5"),
            ("arm", "6") => ("arm", "v6"),
            ("arm", "8") => ("arm", "v8"),
            ("loongarch64", variant) => ("loong64", variant),
            ("powerpc64le", variant) => ("ppc64le", variant),
            ("powerpc64", variant) => ("ppc64", variant),
            (architecture, variant) => (architecture, variant),
        };
        Self {
            os,
            architecture: architecture.to_owned(),
            variant: (!variant.is_empty()).then(|| variant.to_owned()),
        }
    }

    /// Linux on the architecture this program was built for.
    pub fn of_this_machine() -> Self {
        Self::new("linux", std::env::consts::ARCH, None)
    }

    /// The operating system, as `linux`.
    pub fn os(&self) -> &str {
        &self.os
    }

    /// The architecture, as `amd64`.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The variant, as `v7`; none where it is the architecture's usual one.
    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }

    /// Whether it stands for no platform at all, as attestations beside an image do.
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }

    /// How well an image of platform `offered` serves where this one is asked for; the greater the
    /// better, `None` for not at all. An older variant serves a newer one, never the reverse.
    pub fn suitability(&self, offered: &Self) -> Option<u32> {
        if (self.os(), self.architecture()) != (offered.os(), offered.architecture()) {
            return None;
        }
        if self.variant == offered.variant {
            return Some(u32::MAX);
        }
        let (asked, offered) = (self.variant_level()?, offered.variant_level()?);
        (offered <= asked).then_some(offered)
    }

    /// The variant as a number that grows with what the processor can do: `v8.2` is 802.
    fn variant_level(&self) -> Option<u32> {
        let usual = match self.architecture() {
            "amd64" => "v1",
            "arm64" => "v8",
            "arm" => "v7",
            _ => "",
        };
        let level = self.variant().unwrap_or(usual).strip_prefix('v')?;
        let (major, minor) = level.split_once('.').unwrap_or((level, "0"));
        let (major, minor): (u16, u8) = (major.parse().ok()?, minor.parse().ok()?);
        (minor < 100).then_some(u32::from(major) * 100 + u32::from(minor))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let word = |word: &str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        let parts: Vec<_> = text.split('/').collect();
        let platform = match parts[..] {
            [architecture] => Some(Self::new("linux", architecture, None))
                .filter(|platform| ARCHITECTURES.contains(&platform.architecture())),
            [os, architecture] => Some(Self::new(os, architecture, None)),
            [os, architecture, variant] => Some(Self::new(os, architecture, Some(variant))),
            _ => None,
        };
        platform
            .filter(|_| parts.iter().all(|part| word(part)))
            .ok_or_else(|| {
                format!(
                    "'{text}' is not a platform: expected os/architecture or os/architecture/variant, as in linux/arm64 or linux/arm/v6"
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn aliases_become_the_names_images_use() {
        for (typed, shown) in [
            ("linux/x86_64", "linux/amd64"),
            ("amd64", "linux/amd64"),
            ("Linux/aarch64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/armel", "linux/arm/v6"),
            ("linux/arm/6", "linux/arm/v6"),
            ("linux/i686", "linux/386"),
            ("macos/arm64", "darwin/arm64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
        ] {
            assert_eq!(platform(typed).to_string(), shown);
        }
        for wrong in ["", "linux", "linux/", "/amd64", "a/b/c/d", "linux/am d64"] {
            assert!(wrong.parse::<Platform>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_older_variant_serves_a_newer_processor_and_never_the_reverse() {
        let asked = platform("linux/arm/v7");
        let exact = asked.suitability(&platform("linux/arm/v7"));
        let older = asked.suitability(&platform("linux/arm/v6"));
        let oldest = asked.suitability(&platform("linux/arm/v5"));
        assert!(exact > older && older > oldest && oldest.is_some());
        for unsuitable in ["linux/arm/v8", "linux/arm64", "windows/arm/v7"] {
            assert_eq!(asked.suitability(&platform(unsuitable)), None);
        }
        let usual = platform("linux/amd64");
        assert!(usual.suitability(&platform("linux/amd64/v1")).is_some());
        assert_eq!(usual.suitability(&platform("linux/amd64/v3")), None);
        assert!(platform("linux/amd64/v3").suitability(&usual).is_some());
        assert!(
            platform("linux/arm64/v8.2")
                .suitability(&platform("linux/arm64/v8"))
                .is_some()
        );
    }
}
