//! What a pick costs: `cargo test --release cost_of_a_pick -- --ignored --nocapture` prints it.

use std::hint::black_box;
use std::time::Instant;

use super::*;

pub(super) const SCHEMES: [Placement; 5] =
    [Placement::Modulo, Placement::Modula, Placement::Ketama, Placement::KetamaWeighted, Placement::Rendezvous];

/// Keys per round: more than a branch predictor learns by heart.
const KEYS: usize = 5_000;

/// Rounds of which the median counts.
const ROUNDS: usize = 21;

fn servers(count: usize) -> Vec<ServerSpec> {
    (0..count)
        .map(|i| ServerSpec::parse(&format!("cache-{i}.example.net"), 1 + i as u32 % 3).expect("a legal address"))
        .collect()
}

fn keys(length: usize) -> Vec<String> {
    (0..KEYS).map(|i| format!("{:k<1$}", format!("user:{}:", i * 7919), length)).collect()
}

/// Median over the rounds of the nanoseconds per pick.
fn cost(ring: &Ring, keys: &[String]) -> f64 {
    let keys: Vec<Key<'_>> = keys.iter().map(|key| Key::parse(key.as_bytes()).expect("a legal key")).collect();
    let round = || {
        let start = Instant::now();
        for key in &keys {
            black_box(ring.pick(black_box(key)));
        }
        start.elapsed().as_secs_f64() * 1e9 / keys.len() as f64
    };
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

#[test]
#[ignore = "measures; run it alone and in release"]
fn cost_of_a_pick() {
    println!("median ns per pick");
    println!("{:15} {:>9} {:>8} {:>8} {:>8} {:>8} {:>12}", "scheme", "key bytes", "1", "10", "100", "1000", "build 1000");
    for (scheme, length) in SCHEMES.iter().flat_map(|scheme| [20, 100, 250].map(|length| (*scheme, length))) {
        let keys = keys(length);
        let costs = [1, 10, 100, 1000].map(|count| cost(&Ring::new(scheme, &servers(count)), &keys));
        let servers = servers(1000);
        let start = Instant::now();
        black_box(Ring::new(scheme, black_box(&servers)));
        let [one, ten, hundred, thousand] = costs;
        let build = start.elapsed().as_secs_f64() * 1e3;
        let scheme = format!("{scheme:?}");
        println!("{scheme:15} {length:9} {one:8.0} {ten:8.0} {hundred:8.0} {thousand:8.0} {build:9.2} ms");
    }
}
