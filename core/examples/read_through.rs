//! A cache in front of something slow: read it, and on a miss compute the value and store it for a minute.
//!
//! ```text
//! cargo run --example read_through -- 127.0.0.1:11211
//! ```
//!
//! The cache is never in the way: where it fails, the value is computed and the failure told.

use std::time::{Duration, Instant};

use cmemcache::{Client, Config, Exptime, Result, StoreOutcome};

fn main() -> Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:11211".into());
    run(&address)
}

/// Shows a value computed and then read, a batch, a counter, and a change that loses no other.
pub(crate) fn run(address: &str) -> Result<()> {
    let client = Client::new(Config { key_prefix: b"example:".to_vec(), ..Config::new([address])? })?;
    client.delete("square:12")?;
    for _ in 0..2 {
        let begun = Instant::now();
        println!("12 squared is {}, known after {:?}", square(&client, 12), begun.elapsed());
    }

    let numbers = ["square:11", "square:12", "square:13"];
    for (key, outcome) in numbers.iter().zip(client.get_multi(&numbers)?) {
        match outcome {
            Ok(Some(item)) => println!("{key} is in the cache: {}", String::from_utf8_lossy(&item.value)),
            Ok(None) => println!("{key} is not"),
            Err(error) => println!("{key} cannot be told: {error}"),
        }
    }

    let first = cmemcache::Create { initial: 1, exptime: Exptime::Never };
    println!("this example ran {} times", client.incr("runs", 1, Some(first))?.unwrap_or_default());
    add_word(&client, "seen")?;
    Ok(())
}

/// The square of a number, from the cache if it is there.
fn square(client: &Client, number: u64) -> u64 {
    let key = format!("square:{number}");
    match client.get(&key) {
        Ok(Some(item)) => {
            if let Some(square) = std::str::from_utf8(&item.value).ok().and_then(|text| text.parse().ok()) {
                return square;
            }
        }
        Ok(None) => {}
        Err(error) => println!("without the cache: {error}"),
    }
    std::thread::sleep(Duration::from_millis(20));
    let square = number * number;
    if let Err(error) = client.set(&key, square.to_string(), 0, Exptime::After(60)) {
        println!("not stored: {error}");
    }
    square
}

/// Adds a word to a list that others may be changing too: the cas token tells when somebody was faster.
fn add_word(client: &Client, word: &str) -> Result<()> {
    loop {
        let Some(item) = client.gets("words")? else {
            if client.add("words", word, 0, Exptime::After(60))? == StoreOutcome::Stored {
                return Ok(());
            }
            continue;
        };
        let words = [&item.value[..], b" ", word.as_bytes()].concat();
        let token = item.cas.unwrap_or_default();
        if client.cas("words", words, token, item.flags, Exptime::After(60))? == StoreOutcome::Stored {
            return Ok(());
        }
    }
}
