//! Stores, reads and counts on a memcached: `cargo run -p cmemcache --example quickstart -- 127.0.0.1:11211`.

use cmemcache::{Client, Config, Create, Exptime, Result};

fn main() -> Result<()> {
    let server = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:11211".into());
    let client = Client::new(Config::new([server])?)?;

    client.set("greeting", "hello", 0, Exptime::After(60))?;
    match client.get("greeting")? {
        Some(item) => println!("greeting: {}", String::from_utf8_lossy(&item.value)),
        None => println!("greeting: a miss"),
    }

    // A missing counter is made with its initial value.
    let create = Some(Create { initial: 1, exptime: Exptime::After(60) });
    println!("visits: {:?}", client.incr("visits", 1, create)?);

    // Each key of a batch has an outcome of its own; a server that is down costs its own keys only.
    let keys = ["greeting", "visits", "nothing"];
    for (key, outcome) in keys.iter().zip(client.get_multi(&keys)?) {
        println!("{key}: {:?}", outcome?.map(|item| item.value));
    }
    for server in client.metrics() {
        println!("{}: {} hits, {} misses", server.server, server.hits, server.misses);
    }
    Ok(())
}
