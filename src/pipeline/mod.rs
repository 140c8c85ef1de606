//! The whole of what can be done, a function for each job; the steps in their order are in
//! [`build()`].
//!
//! Requests are made by `new` or `default` and changed by `with_…`, so that one more wish breaks
//! nobody. What the steps need and give is named here, too: who does a whole job needs no other
//! room for it.

mod batch;
mod build;
mod claimed;
mod compare;
mod compare_blocks;
mod document;
mod doubts;
mod earlier_run;
mod export;
mod extract;
mod flatten;
mod inspect;
mod layer_report;
mod like;
mod listing;
mod look;
mod manifest;
mod output;
mod packages;
mod plan;
mod pull;
mod push;
mod reading;
mod ready;
mod request;
mod root_hash;
mod start;
mod tags;
mod verify;
mod words;

pub use batch::{Batch, BatchItem, BatchWatch, Outcome, Shard, UpToDate, batch, exit_code};
pub use build::{Built, build};
pub use compare::{CompareRequest, Comparison, compare};
pub use compare_blocks::compare_blocks;
pub use document::{Beside, Document, DocumentKind, Made};
pub use export::{CREATED_BY, ExportBase, ExportRequest, ExportedImage, export};
pub use extract::{ExtractRequest, Extracted, Target, extract, extract_from};
pub use flatten::{Flattened, flattened};
pub use inspect::{
    Inspected, InspectedArtifact, InspectedFilesystem, InspectedImage, InspectedLayer, inspect,
    inspect_daemon,
};
pub use layer_report::{LayerReport, ReportedLayer, WastedFile, layer_report};
pub use like::EarlierFile;
pub use listing::{Edited, Listed, Unreadable, listing, open};
pub use look::{Interior, LayerName, LookRequest, look};
pub use manifest::{ManifestDocument, requested};
pub use output::OutputRequest;
pub use packages::{Installed, PackageComparison, PackagesDocument, compare_packages, packages};
pub use plan::{Names, Planned, plan};
pub use pull::{PullRequest, Pulled, pull};
pub use push::{PushRequest, Pushed, push};
pub use reading::{Reading, read};
pub use request::{FilesystemRequest, IdentityRequest, ImageRequest, LikeRequest, Subject};
pub use root_hash::{
    DamagedBlock, DamagedTreeBlock, FoundVerity, HeldAgainstRootHash, RootHashRequest,
    hold_against_root_hash, verity_file,
};
pub use start::{FoundStart, StartDocument, start_in};
pub use tags::tags;
pub use verify::{Verified, VerifyRequest, verify};

pub use crate::artifact::{Artifact, Told, ToldImage};
pub use crate::blocks::{BlockDifferences, BlockKind, DifferingRange};
pub use crate::compression::{Encoding, EncodingForm};
pub use crate::export::Exported;
pub use crate::ext::{
    BlocksByUse, Figures, Finding, Identity, JournalSize, Kind, Layout, Likeness, Plan, Reader,
    Room, SizePolicy, Tally, ToolPaths, Unread, VerifyReport, WhyFresh, parse_label, parse_uuid,
    uuid_text,
};
pub use crate::finish::{
    CompressOptions, FinishOptions, FinishedCompressed, FinishedFile, FinishedFilesystem,
    FinishedVerity, Sha256File, VerityOptions, VerityPlace,
};
pub use crate::image_writer::{Form, ImageTarget, LayerCompression, WrittenLayer};
pub use crate::inspect::{Checksums, Filesystem, Journal, JournalState, is_filesystem};
pub use crate::limits::Limits;
pub use crate::manifest::{Manifest, Requested};
pub use crate::packages::{Database, Package, PackageChange, Packages};
pub use crate::pull::{PullShare, PullTally};
pub use crate::push::{PushShare, PushTally};
pub use crate::source::{
    ArtifactOffer, CacheChoice, CredentialFiles, Credentials, DaemonOptions, Image, Login, Offer,
    OpenOptions, Proxies, Reference, RegistryOptions, Tags, TlsOptions,
};
pub use crate::tree::{EditsDigest, LeftOut};
pub use crate::verity::{Proof, RootHash, Salt, Shape, Table};
pub use crate::view::Owner;
