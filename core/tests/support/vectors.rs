//! The vectors of `conformance/`, which every language's suite runs.

use std::fs;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The cases of a file that are for Rust.
pub fn vectors(file: &str) -> Vec<Value> {
    let path = root().join("conformance").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let all: Value = serde_json::from_str(&text).expect(file);
    let is_ours = |case: &&Value| {
        let suites = if case["suites"].is_null() { &all["suites"] } else { &case["suites"] };
        suites.as_array().expect("suites").iter().any(|suite| suite == "rust")
    };
    all["cases"].as_array().expect("cases").iter().filter(is_ours).cloned().collect()
}

/// Runs the cases of a file that are for Rust, all of them also when some fail, and notes down for `conformance/check.py` how
/// many there were.
pub fn each_vector(file: &str, run: impl Fn(&Value)) {
    let cases = vectors(file);
    let fails = |case: &&Value| catch_unwind(AssertUnwindSafe(|| run(case))).is_err();
    let failed: Vec<String> = cases.iter().filter(fails).map(|case| case["name"].to_string()).collect();
    assert!(failed.is_empty(), "{} of {} cases of {file} failed: {}", failed.len(), cases.len(), failed.join(", "));
    let folder = root().join("target/vectors/rust");
    fs::create_dir_all(&folder).expect("a folder for the number of cases");
    fs::write(folder.join(file), cases.len().to_string()).expect("the number of cases");
}

/// The bytes of a string, `{"base64": ..}`, `{"repeat": .., "times": ..}`, or a list of these.
pub fn bytes(json: &Value) -> Vec<u8> {
    use base64::Engine;
    match json {
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Array(parts) => parts.iter().flat_map(bytes).collect(),
        Value::Object(part) if part.contains_key("base64") => {
            base64::engine::general_purpose::STANDARD.decode(json["base64"].as_str().expect("base64")).expect("base64")
        }
        Value::Object(_) => {
            let times = usize::try_from(json["times"].as_u64().expect("times")).expect("times");
            json["repeat"].as_str().expect("repeat").repeat(times).into_bytes()
        }
        other => panic!("no bytes: {other}"),
    }
}
