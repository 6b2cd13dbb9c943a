//! Where an archive is, from its connection's URL, and which paths below it are safe.

use std::path::PathBuf;
use std::sync::Arc;

use syncline_engine::error::{Code, Error, Result};

use super::folder::{Folder, OURS};
use super::manifest;
use super::store::Store;
use crate::connection::ConnectionSpec;

/// File systems take 255 bytes; our own names are shorter than the rest.
const LONGEST_PART: usize = 200;
/// S3 takes 1024 bytes for a name with its prefix.
const LONGEST: usize = 700;

/// The store of a `file:` or `s3:` connection. Connects to nothing yet.
pub fn store(connection: &ConnectionSpec) -> Result<Arc<dyn Store>> {
    match connection.scheme() {
        "file" => {
            let path = connection.url.strip_prefix("file:").unwrap_or_default();
            // `file:///a` and `file:/a` are the same, `file:a` is relative.
            let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
            if path.is_empty() || path.starts_with("//") {
                let what = format!("connection `{}`: no folder is named", connection.name);
                return Err(Error::new(Code::ConfigConnection, what).fix("write file:PATH"));
            }
            Ok(Arc::new(Folder::new(PathBuf::from(path))))
        }
        #[cfg(feature = "s3")]
        "s3" => Ok(Arc::new(super::bucket::Bucket::new(connection)?)),
        scheme => {
            let what = format!("connection `{}`: this binary was built without `{scheme}:`", connection.name);
            Err(Error::new(Code::ConfigFeature, what).fix(format!("build with --features {scheme}")))
        }
    }
}

/// Whether a rendered path stays below the archive and leaves our own names alone. `Err` is for the row.
pub fn check_path(path: &str) -> Result<()> {
    let wrong = |part: &str| {
        part.is_empty()
            || part == "."
            || part == ".."
            || part.len() > LONGEST_PART
            || part.starts_with(OURS)
            || part.contains('\\')
            || part.chars().any(char::is_control)
    };
    let first = path.split('/').next().unwrap_or_default();
    if path.len() <= LONGEST && first != manifest::NAME && !path.split('/').any(wrong) {
        return Ok(());
    }
    let shown: String = path.chars().take(200).collect();
    Err(Error::new(Code::RouteAddress, format!("the archive path {shown:?} is not safe")))
}
