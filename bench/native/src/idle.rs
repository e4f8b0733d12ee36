//! What a client of very many servers takes in memory while it does nothing.

use std::fs;

use cmemcache::{Client, Config};
use serde_json::json;

use crate::Outcome;

/// Growth of this process's resident memory from before the client is made until it has asked every server once and is idle.
pub(crate) fn measure(ports: &[u16]) -> Outcome<serde_json::Value> {
    let addresses: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let before = resident_bytes()?;
    let client = Client::new(Config::new(&addresses)?)?;
    // Each server is asked: more keys than servers, until every one has a connection.
    for number in 0..200 * ports.len() {
        client.get(format!("idle{number}"))?;
        if number % ports.len() == 0 && asked(&client) == ports.len() {
            break;
        }
    }
    let asked = asked(&client);
    if asked != ports.len() {
        return Err(format!("only {asked} of {} servers were asked", ports.len()).into());
    }
    Ok(json!({ "bytes": resident_bytes()?.saturating_sub(before), "servers": asked }))
}

fn asked(client: &Client) -> usize {
    client.metrics().iter().filter(|server| server.connections > 0).count()
}

fn resident_bytes() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
