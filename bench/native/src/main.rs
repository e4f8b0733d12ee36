//! One native client in a process of its own, as bench/run.py asks for it: `bench-native CLIENT TAG` reads work from standard
//! input, a line of JSON each, and answers with its times. `bench-native relay PORT MILLIS` is a server that is far away.

mod idle;
mod peers;
mod relay;
mod work;

use std::collections::HashMap;
use std::io::{BufRead, Write};

use serde_json::json;

use crate::work::{Bench, Order};

/// Every failure is told in words.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["relay", port, millis] => relay::run(port.parse()?, std::time::Duration::from_millis(millis.parse()?)),
        [client, tag] => answer_orders(client, tag),
        _ => Err("usage: bench-native CLIENT TAG | relay PORT MILLIS".into()),
    }
}

fn answer_orders(client: &str, tag: &str) -> Outcome<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", json!({ "version": peers::version(client)? }))?;
    let mut benches: HashMap<Vec<u16>, Bench> = HashMap::new();
    for line in std::io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&line?)?;
        // A client that fails at some work is shown with its words, and goes on with the rest.
        let answer = obey(client, tag, &mut benches, &order).unwrap_or_else(|fault| json!({ "error": fault.to_string() }));
        writeln!(output, "{answer}")?;
    }
    Ok(())
}

fn obey(client: &str, tag: &str, benches: &mut HashMap<Vec<u16>, Bench>, order: &Order) -> Outcome<serde_json::Value> {
    if order.work.operation == "idle_servers" {
        return idle::measure(&order.ports);
    }
    let bench = benches.entry(order.ports.clone()).or_insert_with(|| Bench::new(client, tag, &order.ports));
    let sample = bench.measure(&order.work, order.seconds);
    if sample.is_err() {
        // Its connections may hold half a reply.
        benches.remove(&order.ports);
    }
    sample
}
