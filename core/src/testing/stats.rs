//! `stats` and its kinds.

use super::command::Answer;
use super::item::slab_class;
use super::line::Line;
use super::tally::Tally;
use super::State;

pub(super) fn run(line: &Line<'_>, state: &mut State) -> Answer {
    let pairs = match line.word(1) {
        b"" => general(state),
        b"settings" => settings(state),
        b"items" => classes(state, "items:", &ITEMS),
        b"slabs" => slabs(state),
        b"sizes" => vec![("sizes_status".into(), "disabled".into())],
        b"conns" => Vec::new(),
        b"reset" => {
            state.items.counts = Tally::default();
            return Answer::line("RESET");
        }
        b"detail" => return detail(line.word(2)),
        _ => return Answer::line("ERROR"),
    };
    let lines: String = pairs.iter().map(|(name, value)| format!("STAT {name} {value}\r\n")).collect();
    Answer::line(lines + "END")
}

/// Prefixes are not counted.
fn detail(word: &[u8]) -> Answer {
    Answer::line(match word {
        b"on" | b"off" => "OK",
        b"dump" => "END",
        _ => "CLIENT_ERROR usage: stats detail on|off|dump",
    })
}

type Pairs = Vec<(String, String)>;

fn general(state: &State) -> Pairs {
    let counts = &state.items.counts;
    let settings = &state.settings;
    let numbers = [
        ("pid", u64::from(std::process::id())),
        ("uptime", state.items.clock.now() / 1000),
        ("time", state.items.clock.unix()),
    ];
    let counters = [
        ("pointer_size", usize::BITS.into()),
        ("curr_connections", state.open.into()),
        ("total_connections", state.connections),
        ("rejected_connections", state.rejected),
        ("cmd_get", counts.reads - counts.touching_reads),
        ("cmd_set", counts.stores),
        ("cmd_flush", 0),
        ("cmd_touch", counts.touches + counts.touching_reads),
        ("get_hits", counts.hits - counts.touching_hits),
        ("get_misses", (counts.reads - counts.touching_reads) - (counts.hits - counts.touching_hits)),
        ("limit_maxbytes", settings.memory_limit as u64),
        ("accepting_conns", 1),
        ("threads", 1),
        ("bytes", state.items.bytes() as u64),
        ("curr_items", state.items.len() as u64),
        ("total_items", state.items.stored),
        ("evictions", state.items.evictions),
    ];
    let pair = |(name, number): (&str, u64)| (name.to_owned(), number.to_string());
    let mut pairs: Pairs = numbers.into_iter().map(pair).collect();
    pairs.push(("version".into(), settings.version.clone()));
    pairs.extend(counters.into_iter().map(pair));
    pairs
}

fn settings(state: &State) -> Pairs {
    let settings = &state.settings;
    let yes = |holds: bool| if holds { "yes" } else { "no" }.to_owned();
    vec![
        ("maxbytes".into(), settings.memory_limit.to_string()),
        ("tcpport".into(), state.port.to_string()),
        ("udpport".into(), "0".into()),
        ("inter".into(), "127.0.0.1".into()),
        ("verbosity".into(), "0".into()),
        ("evictions".into(), "on".into()),
        ("shutdown_command".into(), yes(false)),
        ("growth_factor".into(), "1.25".into()),
        ("chunk_size".into(), "48".into()),
        ("num_threads".into(), "1".into()),
        ("cas_enabled".into(), yes(true)),
        ("auth_enabled_sasl".into(), yes(false)),
        ("auth_enabled_ascii".into(), yes(settings.credentials.is_some())),
        ("item_size_max".into(), settings.item_size_max.to_string()),
        ("flush_enabled".into(), yes(true)),
        ("ssl_enabled".into(), yes(false)),
    ]
}

/// What is told of each class: a name, and what it sums up of an item's size and age in seconds.
type Column = (&'static str, fn(&Class) -> usize);

#[derive(Default)]
struct Class {
    items: usize,
    bytes: usize,
    oldest: usize,
    chunk: usize,
}

const ITEMS: [Column; 3] =
    [("number", |class| class.items), ("age", |class| class.oldest), ("mem_requested", |class| class.bytes)];

const SLABS: [Column; 4] = [
    ("chunk_size", |class| class.chunk),
    ("chunks_per_page", |class| (1 << 20) / class.chunk.max(1)),
    ("total_pages", |class| (class.items * class.chunk).div_ceil(1 << 20)),
    ("used_chunks", |class| class.items),
];

fn by_class(state: &State) -> Vec<Class> {
    let sizes = &state.items.slab_sizes;
    let mut classes: Vec<Class> = sizes.iter().map(|chunk| Class { chunk: *chunk, ..Class::default() }).collect();
    for (key, item) in state.items.iter() {
        let size = item.size(key);
        let Some(class) = classes.get_mut(slab_class(sizes, size) - 1) else { continue };
        class.items += 1;
        class.bytes += size;
        class.oldest = class.oldest.max(state.items.clock.since(item.accessed) as usize);
    }
    classes
}

fn classes(state: &State, prefix: &str, columns: &[Column]) -> Pairs {
    let mut pairs = Vec::new();
    for (index, class) in by_class(state).iter().enumerate().filter(|(_, class)| class.items > 0) {
        for (name, column) in columns {
            pairs.push((format!("{prefix}{}:{name}", index + 1), column(class).to_string()));
        }
    }
    pairs
}

fn slabs(state: &State) -> Pairs {
    let mut pairs = classes(state, "", &SLABS);
    let active = by_class(state).iter().filter(|class| class.items > 0).count();
    pairs.push(("active_slabs".into(), active.to_string()));
    pairs.push(("total_malloced".into(), state.items.bytes().next_multiple_of(1 << 20).to_string()));
    pairs
}
