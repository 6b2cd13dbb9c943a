//! The manifest: which files make up the archive, in order, and how far the stream is in them. Pure data and its text;
//! where it is kept is the store's.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::mark::{Mark, Marks};
use syncline_engine::version::Version;

use crate::token;

/// Its name in the archive's folder.
pub const NAME: &str = "manifest.json";
const FORMAT: &str = "syncline-archive";
const FORMAT_VERSION: u32 = 1;
/// The last line: the digest of all bytes before it.
const DIGEST_START: &str = "\"sha256\":\"";
const DIGEST_END: &str = "\"}\n";

/// See above. Versions are text of 19 digits in JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    format: String,
    version: u32,
    /// Drawn when the archive was made.
    #[serde(default)]
    pub token: String,
    /// Whose archive it is: it has one writer.
    pub pipeline: String,
    /// Who wrote this manifest; differs between processes.
    pub writer: String,
    /// Counts the manifests of this archive.
    pub generation: u64,
    /// Number of the next file.
    pub next_file: u64,
    /// The highest version of the stream in the archive: its checkpoint, for people and for comparing with the ledger.
    #[serde(with = "digits")]
    pub checkpoint: Version,
    /// The same by `database.table` and path template: what a replay need not write again. Apart from each other,
    /// because a target that is added later begins with nothing.
    pub through: BTreeMap<String, BTreeMap<String, Through>>,
    /// In order.
    pub files: Vec<File>,
}

/// How far a table's changes have come: a version, and behind `/` which of the changes that share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Through(pub Version, pub u64);

/// One file of the archive. Never changed once it is named here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct File {
    /// Below the archive's folder, with `/`.
    pub path: String,
    /// Of the file as it is stored.
    pub sha256: String,
    /// Length of the file as it is stored.
    pub bytes: u64,
    /// Change lines.
    pub lines: u64,
    /// Lowest version.
    #[serde(with = "digits")]
    pub first_version: Version,
    /// Highest version.
    #[serde(with = "digits")]
    pub last_version: Version,
}

impl File {
    /// The rendered path that its lines belong to.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

impl Manifest {
    /// Of an archive without files.
    pub fn new(pipeline: &str) -> Manifest {
        Manifest {
            format: FORMAT.to_owned(),
            version: FORMAT_VERSION,
            token: token::draw(),
            pipeline: pipeline.to_owned(),
            ..Manifest::default()
        }
    }

    /// Whether the archive holds this change of the stream.
    pub fn holds(&self, table: &str, template: &str, at: Through) -> bool {
        let through = self.through.get(table).and_then(|templates| templates.get(template));
        through.is_some_and(|through| at <= *through)
    }

    /// Remembers that the archive will hold this change of the stream.
    pub fn pass(&mut self, table: &str, template: &str, at: Through) {
        self.checkpoint = self.checkpoint.max(at.0);
        if !self.through.contains_key(table) {
            self.through.insert(table.to_owned(), BTreeMap::new());
        }
        let Some(templates) = self.through.get_mut(table) else { return };
        match templates.get_mut(template) {
            Some(through) => *through = at.max(*through),
            None => _ = templates.insert(template.to_owned(), at),
        }
    }

    /// The highest version of any line.
    pub fn highest(&self) -> Version {
        self.files.iter().map(|file| file.last_version).fold(self.checkpoint, Version::max)
    }

    /// What the archive remembers of its pipeline. An older copy has a lower generation.
    pub fn marks(&self) -> Marks {
        let (token, epoch) = (self.token.clone(), self.highest().epoch());
        let mark = Mark { token, count: self.generation, epoch, target: None };
        Marks([(NAME.to_owned(), mark)].into())
    }

    /// The text that is stored: JSON with one file to a line and a digest of itself at the end.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let wrong = |error| Error::new(Code::Internal, "the manifest cannot be written as JSON").cause(error);
        let json = |value: &dyn erased::Json| value.json().map_err(wrong);
        let mut text = String::with_capacity(512 + self.files.len() * 320);
        text.push('{');
        let fields: [(&str, &dyn erased::Json); 9] = [
            ("format", &self.format),
            ("version", &self.version),
            ("token", &self.token),
            ("pipeline", &self.pipeline),
            ("writer", &self.writer),
            ("generation", &self.generation),
            ("next_file", &self.next_file),
            ("checkpoint", &self.checkpoint.to_string()),
            ("through", &self.through),
        ];
        for (name, value) in fields {
            // Writing to a string cannot fail.
            let _ = write!(text, "\"{name}\":{},\n ", json(value)?);
        }
        text.push_str("\"files\":[");
        for (n, file) in self.files.iter().enumerate() {
            text.push_str(if n == 0 { "\n" } else { ",\n" });
            text.push_str(&json(file)?);
        }
        text.push_str("\n],\n");
        let digest = hex(&Sha256::digest(text.as_bytes()));
        text.push_str(DIGEST_START);
        text.push_str(&digest);
        text.push_str(DIGEST_END);
        Ok(text.into_bytes())
    }

    /// Reads the text again; anything that is not exactly what was written is damage.
    pub fn decode(text: &[u8]) -> Result<Manifest> {
        let damaged = |why: &str| Error::new(Code::ArchiveManifest, format!("{NAME} is damaged: {why}"));
        let text = std::str::from_utf8(text).map_err(|_| damaged("it is no text"))?;
        let body = text
            .strip_suffix(DIGEST_END)
            .and_then(|text| text.len().checked_sub(64).map(|at| text.split_at_checked(at)));
        let (body, digest) = body.flatten().ok_or_else(|| damaged("its end is missing"))?;
        let body = body.strip_suffix(DIGEST_START).ok_or_else(|| damaged("its end is missing"))?;
        if hex(&Sha256::digest(body.as_bytes())) != digest {
            return Err(damaged("its content does not have the digest at its end"));
        }
        let manifest: Manifest = serde_json::from_str(text).map_err(|error| damaged(&error.to_string()))?;
        if manifest.format != FORMAT || manifest.version != FORMAT_VERSION {
            let what = format!("{NAME} has format {} {}", manifest.format, manifest.version);
            return Err(
                Error::new(Code::ArchiveManifest, what).fix("use the version of syncline that wrote it")
            );
        }
        Ok(manifest)
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

mod erased {
    //! Values of several types in one list.

    pub trait Json {
        fn json(&self) -> serde_json::Result<String>;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> serde_json::Result<String> {
            serde_json::to_string(self)
        }
    }
}

impl Serialize for Through {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}/{}", self.0, self.1))
    }
}

impl<'de> Deserialize<'de> for Through {
    /// A version alone stands for all changes that share it: so it was written before versions were known to end.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Through, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (version, ordinal) = text.split_once('/').map_or((&*text, None), |(v, o)| (v, Some(o)));
        let ordinal = ordinal.map_or(Ok(u64::MAX), str::parse).ok();
        let wrong = || D::Error::custom("not a version");
        Ok(Through(Version::parse(version).ok_or_else(wrong)?, ordinal.ok_or_else(wrong)?))
    }
}

mod digits {
    //! A version as text of 19 digits.

    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use syncline_engine::version::Version;

    pub fn serialize<S: Serializer>(version: &Version, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(version)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
        let text = String::deserialize(deserializer)?;
        Version::parse(&text).ok_or_else(|| D::Error::custom("not a version"))
    }
}
