//! The certificates of the TLS tests, made anew for every run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The path of a file of `make/bin/certificates`.
pub(crate) fn certificate(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("certificates");
        let _ = std::fs::remove_dir_all(&folder);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../make/bin/certificates");
        let status = Command::new(script).arg(&folder).status().expect("the script runs");
        assert!(status.success());
        folder
    });
    folder.join(name)
}
