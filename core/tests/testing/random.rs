//! Commands that nobody would send, in an order that nobody would choose, on both servers.

use crate::compare::compare;

/// Xorshift: small, and the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

const KEYS: [&str; 5] = ["a", "b", "n", "Zm9v", "MQ=="];
const NUMBERS: [&str; 12] =
    ["0", "1", "9", "10", "99", "1000", "-1", "18446744073709551615", "18446744073709551616", "x", "4294967296", "+7"];
const VALUES: [&str; 9] = ["", "0", "9", "10", "99", "x", "18446744073709551615", "1 x", "a longer value, with spaces"];
/// Short enough lifetimes are left out: the real server's tick would tell.
const EXPTIMES: [&str; 6] = ["0", "-1", "1000", "2592000", "x", "4294967296"];

fn number(random: &mut Random) -> String {
    if random.below(3) == 0 {
        return random.pick(&NUMBERS).to_owned();
    }
    random.below(40).to_string()
}

fn classic(random: &mut Random) -> String {
    let key = random.pick(&KEYS);
    let noreply = random.pick(&["", "", "", " noreply"]);
    match random.below(12) {
        0 => format!("{} {key} {}", random.pick(&["get", "gets"]), random.pick(&KEYS)),
        1 => format!("{} {} {key}", random.pick(&["gat", "gats"]), random.pick(&EXPTIMES)),
        2 => format!("{} {key} {}{noreply}", random.pick(&["incr", "decr"]), number(random)),
        3 => format!("touch {key} {}{noreply}", random.pick(&EXPTIMES)),
        4 => format!("delete {key}{noreply}"),
        5 if random.below(5) == 0 => format!("flush_all{noreply}"),
        6 => cas(random, key, noreply),
        _ => {
            let command = random.pick(&["set", "set", "set", "add", "replace", "append", "prepend"]);
            let (value, flags) = (random.pick(&VALUES), random.below(3));
            format!("{command} {key} {flags} {} {}{noreply}\r\n{value}", random.pick(&EXPTIMES), value.len())
        }
    }
}

fn cas(random: &mut Random, key: &str, noreply: &str) -> String {
    let value = random.pick(&VALUES);
    format!("cas {key} 0 {} {} {}{noreply}\r\n{value}", random.pick(&EXPTIMES), value.len(), number(random))
}

/// A meta command with up to five flags, some of which the command does not have.
fn meta(random: &mut Random) -> String {
    let command = random.pick(&["mg", "mg", "ms", "ms", "md", "ma", "ma", "me"]);
    let key = random.pick(&KEYS);
    let value = random.pick(&VALUES);
    let mut line = format!("{command} {key}");
    if command == "ms" {
        line += &format!(" {}", value.len());
    }
    for _ in 0..random.below(6) {
        line += &match random.below(14) {
            0 => format!(" C{}", number(random)),
            1 => format!(" F{}", number(random)),
            // The real server forgets it when a number grows by a digit.
            2 if command != "ma" => format!(" T{}", random.pick(&EXPTIMES)),
            3 => format!(" N{}", random.pick(&EXPTIMES)),
            4 => format!(" R{}", random.pick(&["0", "30", "3000", "x"])),
            5 => format!(" D{}", number(random)),
            6 => format!(" J{}", number(random)),
            7 if command == "ms" => random.pick(&[" ME", " MA", " MP", " MR", " MS", " MX", " M"]).to_owned(),
            7 => random.pick(&[" MI", " MD", " M+", " M-", " MX"]).to_owned(),
            8 => format!(" O{}", random.below(1000)),
            9 => random.pick(&[" b", " I", " q", " u"]).to_owned(),
            10 => random.pick(&[" s", " h", " z", " x"]).to_owned(),
            _ => random.pick(&[" v", " c", " f", " k", " v"]).to_owned(),
        };
    }
    if command == "ms" {
        line += &format!("\r\n{value}");
    }
    line
}

fn steps(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let step = |random: &mut Random| if random.below(2) == 0 { classic(random) } else { meta(random) };
    (0..count).map(|_| format!("{}\r\n", step(&mut random)).into_bytes()).collect()
}

/// How many sequences are tried; `SEEDS=1000` tries more.
fn seeds() -> u64 {
    std::env::var("SEEDS").map_or(50, |seeds| seeds.parse().expect("a number"))
}

#[test]
fn random_commands_are_answered_as_the_real_server_answers() {
    for seed in 1..=seeds() {
        compare(&format!("seed {seed}"), &steps(seed, 400));
    }
}
