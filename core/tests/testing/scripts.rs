//! The scripts of conformance/commands, on both servers.

use std::fs;
use std::path::{Path, PathBuf};

use crate::compare::compare;

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/commands");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The steps of a script: its lines, with the escapes resolved and a line end behind each.
fn steps(text: &str) -> Vec<Vec<u8>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| [&unescape(line)[..], b"\r\n"].concat()).collect()
}

fn unescape(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'\\' => match rest.next().expect("something behind a backslash") {
                b'r' => bytes.push(b'\r'),
                b'n' => bytes.push(b'\n'),
                b't' => bytes.push(b'\t'),
                b'0' => bytes.push(0),
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                }
                other => bytes.push(other),
            },
            b'{' => {
                let inside: Vec<u8> = rest.by_ref().take_while(|byte| *byte != b'}').collect();
                let count: usize = std::str::from_utf8(&inside[2..]).unwrap().parse().unwrap();
                bytes.resize(bytes.len() + count, inside[0]);
            }
            byte => bytes.push(byte),
        }
    }
    bytes
}

#[test]
fn every_script_is_answered_as_the_real_server_answers() {
    let scripts = scripts();
    assert!(scripts.len() >= 9, "{scripts:?}");
    let mut failures = Vec::new();
    for script in scripts {
        let text = fs::read_to_string(&script).unwrap();
        let name = script.file_name().unwrap().to_string_lossy().into_owned();
        if let Err(panic) = std::panic::catch_unwind(|| compare(&name, &steps(&text))) {
            failures.push(panic.downcast_ref::<String>().cloned().unwrap_or_default());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
