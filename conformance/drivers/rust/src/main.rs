//! Writes and reads values as conformance/matrix.py asks: a line of JSON in, a line of JSON out.
//!
//! Rust stores bytes and flags. This is a program that follows docs/flags.md with the constants of `cmemcache::flags`.

use std::io::{BufRead, Write};

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use cmemcache::{flags, Client, Config, Exptime, Placement};
use serde_json::{json, Value};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut client = None;
    for line in std::io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line?)?;
        let key = asked["key"].as_str().unwrap_or_default();
        let answer = match (asked["op"].as_str(), &client) {
            (Some("open"), _) => open(&asked).map(|opened| {
                client = Some(opened);
                json!({"ok": true})
            }),
            (Some("write"), Some(client)) => write(client, key, &asked["value"]),
            (Some("read"), Some(client)) => read(client, key),
            _ => Err("open comes first".into()),
        };
        let answer = answer.unwrap_or_else(|error| json!({"broken": error.to_string()}));
        writeln!(std::io::stdout(), "{answer}")?;
    }
    Ok(())
}

fn open(asked: &Value) -> Result<Client, Failure> {
    let servers = asked["servers"].as_array().ok_or("no servers")?.iter().filter_map(Value::as_str);
    let placement = match asked["placement"].as_str() {
        Some("modulo") => Placement::Modulo,
        Some("modula") => Placement::Modula,
        Some("ketama") => Placement::Ketama,
        Some("ketama_weighted") => Placement::KetamaWeighted,
        Some("rendezvous") => Placement::Rendezvous,
        other => return Err(format!("no such placement: {other:?}").into()),
    };
    let patient = std::time::Duration::from_secs(20);
    let config = Config { placement, timeout: patient, connect_timeout: patient, max_value_size: 0, ..Config::new(servers)? };
    Ok(Client::new(config)?)
}

fn write(client: &Client, key: &str, value: &Value) -> Result<Value, Failure> {
    let (kind, content) = value.as_object().and_then(|tagged| tagged.iter().next()).ok_or("no value")?;
    let text = content.as_str().unwrap_or_default();
    let (bytes, flags) = match kind.as_str() {
        "text" => (text.as_bytes().to_vec(), flags::TEXT),
        "bytes" => (STANDARD.decode(text)?, flags::BYTES),
        "integer" => (text.as_bytes().to_vec(), flags::INTEGER),
        "float" if matches!(text, "nan" | "inf" | "-inf") => return Ok(json!({"refused": "no form in JSON"})),
        _ => (plain(value)?.to_string().into_bytes(), flags::PORTABLE),
    };
    client.set(key, bytes, flags, Exptime::Never)?;
    Ok(json!({"ok": true}))
}

/// The JSON of a tagged value.
fn plain(tagged: &Value) -> Result<Value, Failure> {
    let (kind, content) = tagged.as_object().and_then(|tagged| tagged.iter().next()).ok_or("no value")?;
    let text = content.as_str().unwrap_or_default();
    Ok(match kind.as_str() {
        "null" => Value::Null,
        "boolean" | "text" => content.clone(),
        "integer" => serde_json::from_str(text)?,
        "float" => json!(text.parse::<f64>()?),
        "list" => content.as_array().into_iter().flatten().map(plain).collect::<Result<Vec<_>, _>>()?.into(),
        "map" => {
            let members = content.as_object().into_iter().flatten();
            Value::Object(members.map(|(name, one)| Ok((name.clone(), plain(one)?))).collect::<Result<_, Failure>>()?)
        }
        other => return Err(format!("{other} in JSON").into()),
    })
}

fn read(client: &Client, key: &str) -> Result<Value, Failure> {
    let Some(item) = client.get(key)? else { return Ok(json!({"miss": true})) };
    let value = match (item.flags, std::str::from_utf8(&item.value)) {
        (flags::BYTES, _) => json!({"bytes": STANDARD.encode(&item.value)}),
        (flags::TEXT, Ok(text)) => json!({"text": text}),
        (flags::INTEGER | flags::LONG, Ok(digits)) => json!({"integer": digits}),
        (flags::PORTABLE, Ok(text)) => tagged(&serde_json::from_str(text)?),
        (flags, _) => return Ok(json!({"refused": format!("flags {flags}")})),
    };
    Ok(json!({"value": value}))
}

fn tagged(value: &Value) -> Value {
    match value {
        Value::Null => json!({"null": true}),
        Value::Bool(_) => json!({"boolean": value}),
        Value::Number(number) if number.is_f64() => json!({"float": number.to_string()}),
        Value::Number(number) => json!({"integer": number.to_string()}),
        Value::String(_) => json!({"text": value}),
        Value::Array(list) => json!({"list": list.iter().map(tagged).collect::<Vec<_>>()}),
        Value::Object(map) => {
            let members = map.iter().map(|(name, one)| (name.clone(), tagged(one)));
            json!({"map": Value::Object(members.collect())})
        }
    }
}
