//! The vectors that every wrapper's codec has to pass, held against the core: what is done for each request, and the bytes of
//! its reply.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::{call, reply_to, string_client};
use crate::support::{each_vector, Asked, Peer};

pub(super) fn vectors() -> Vec<Value> {
    crate::support::vectors("packed.json")
}

pub(super) fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

/// Those of which this side of the layout can be seen: a server of this test's gives the result, or the library itself does.
fn can_be_shown(expect: &Value) -> bool {
    let entries = expect["entries"].as_array().into_iter().flatten();
    match &expect["error"] {
        Value::Null => expect["malformed"].is_null() && entries.clone().all(|entry| entry["error"].is_null()),
        error => error["message"] == "key is empty",
    }
}

/// What a server of the meta protocol answers where this is the result.
fn answer(asked: &Asked, expect: &Value) -> Vec<u8> {
    let item = &expect["item"];
    if let Some(value) = item["value"].as_str() {
        let cas = item["cas"].as_str().map(|cas| format!(" c{cas}")).unwrap_or_default();
        let head = format!("VA {} f{}{cas} {}\r\n", value.len(), item["flags"], asked.opaque());
        return format!("{head}{value}\r\n").into_bytes();
    }
    if let Some(number) = expect["number"].as_str() {
        return format!("VA {} {}\r\n{number}\r\n", number.len(), asked.opaque()).into_bytes();
    }
    let code = match (expect["outcome"].as_str(), expect["done"].as_bool(), asked.command()) {
        (Some("stored"), ..) | (_, Some(true), _) => "HD",
        (Some("not_stored"), ..) => "NS",
        (Some("exists"), ..) => "EX",
        (Some("not_found"), ..) => "NF",
        (_, _, "mg") => "EN",
        _ => "NF",
    };
    asked.code(code)
}

/// The words of a request that follow from the arguments of a vector.
fn words(vector: &Value) -> Vec<String> {
    let text = |name: &str| vector[name].as_str().map(str::to_owned);
    let mut words = vec![text("key").unwrap()];
    let number = |name: &str, flag: &str| vector[name].as_i64().map(|number| format!("{flag}{number}"));
    let timed = if vector["operation"].as_str().unwrap().ends_with("cr") { "N" } else { "T" };
    // Without an initial value there is nothing that could expire.
    let is_count = timed == "N" && vector["initial"].is_null();
    words.extend(number("exptime", timed).filter(|_| !is_count));
    words.extend(number("flags", "F"));
    words.extend(text("cas").map(|cas| format!("C{cas}")));
    words.extend(text("delta").map(|delta| format!("D{delta}")));
    words.extend(text("initial").map(|initial| format!("J{initial}")));
    words.extend(text("value").map(|value| value.len().to_string()));
    words
}

/// The forms of a vector's request.
fn requests(vector: &Value) -> impl Iterator<Item = Vec<u8>> + '_ {
    ["request", "request_with_lengths"].into_iter().filter(|name| vector[name].is_string()).map(|name| bytes(&vector[name]))
}

#[test]
fn every_vector_is_carried_out_and_answered_byte_for_byte() {
    let mut shown = 0;
    for vector in vectors().into_iter().filter(|vector| can_be_shown(&vector["expect"])) {
        let name = vector["name"].as_str().unwrap().to_owned();
        let seen: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (own, expect) = (seen.clone(), vector["expect"].clone());
        let keys: Vec<Value> = vector["keys"].as_array().cloned().unwrap_or_default();
        let peer = Peer::answering(move |asked| {
            own.lock().unwrap().push(asked.clone());
            match keys.iter().position(|key| key == asked.key()) {
                Some(at) => answer(asked, &expect["entries"][at]),
                None => answer(asked, &expect),
            }
        });
        let client = string_client(&[peer.address()]);
        for request in requests(&vector) {
            let reply = reply_to(client.handle(), &request, &bytes(&vector["payload"]), 4096);
            assert_eq!(reply, bytes(&vector["reply"]), "{name}");
        }
        let seen = seen.lock().unwrap();
        if vector["key"].as_str().is_some_and(|key| !key.is_empty()) {
            assert_eq!(seen.len(), 1, "{name}");
            assert_eq!(seen[0].value, vector["value"].as_str().unwrap_or_default().as_bytes(), "{name}");
            for word in words(&vector) {
                assert!(seen[0].line.split(' ').any(|other| other == word), "{name}: {word} in {}", seen[0].line);
            }
        }
        shown += 1;
    }
    assert!(shown >= 25, "{shown}");
}

/// A wrapper that breaks off a request, at whatever byte, gets an error; or the request of a shorter key.
#[test]
fn every_vector_cut_at_every_byte_is_an_error_or_a_shorter_key() {
    let client = string_client::<&str>(&[]);
    each_vector("packed.json", |vector| {
        for request in requests(vector) {
            for length in 0..=request.len() {
                let answer = call(client.handle(), &request[..length], &bytes(&vector["payload"]));
                // 65 and 66: an illegal key, a malformed request. 68: legal, but there are no servers.
                assert!(matches!(answer.status, 65 | 66 | 68), "{}: {answer:?}", vector["name"]);
                if length < 8 {
                    assert_eq!(answer.status, 66);
                    assert!(answer.error().1.contains("bytes early"), "{answer:?}");
                }
            }
        }
    });
}
