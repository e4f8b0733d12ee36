//! The flags of a meta command, read before anything is done.

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::Engine;

use super::clock::{Clock, Moment};
use super::command::BAD_FORMAT;
use super::line;
use super::store::EXPLICIT_CAS;
use crate::proto::Version;

/// What the flags say. An expiry within an option is `None` for never.
#[derive(Debug, Default)]
pub(super) struct Flags {
    /// The key, decoded.
    pub(super) key: Vec<u8>,
    /// `b`
    pub(super) has_binary_key: bool,
    /// `u`
    pub(super) leaves_unused: bool,
    /// `v`
    pub(super) wants_value: bool,
    /// `q`
    pub(super) is_quiet: bool,
    /// `I`
    pub(super) invalidates: bool,
    /// `x`
    pub(super) empties: bool,
    /// `N`
    pub(super) vivify: Option<Option<Moment>>,
    /// `T`
    pub(super) ttl: Option<Option<Moment>>,
    /// `R`
    pub(super) recache: Option<Option<Moment>>,
    /// `C`
    pub(super) compare: Option<u64>,
    /// `E`
    pub(super) given: Option<u64>,
    /// `F`
    pub(super) client_flags: u32,
    /// `M`
    pub(super) mode: Option<u8>,
    /// `J`
    pub(super) initial: u64,
    /// `D`
    pub(super) delta: Option<u64>,
}

const BAD_TOKEN: &str = "CLIENT_ERROR bad token in command line format";

impl Flags {
    /// Reads the flags of a command for `key`. Of several errors the last is told, as a real server does; one that makes the
    /// rest meaningless is told at once.
    pub(super) fn parse(key: &[u8], words: &[&[u8]], clock: &Clock, version: Version) -> Result<Self, &'static str> {
        let mut flags = Self { key: key.to_vec(), ..Self::default() };
        let mut seen = [false; 127];
        let mut error = None;
        for word in words {
            let Some((flag, argument)) = word.split_first() else { continue };
            match seen.get_mut(usize::from(*flag)) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err("CLIENT_ERROR duplicate flag"),
            }
            match flags.take(*flag, argument, clock, version) {
                Ok(()) => {}
                Err(Refusal::Unknown) => return Err("CLIENT_ERROR invalid flag"),
                Err(Refusal::Bad(message)) => error = Some(message),
                Err(Refusal::Unnamed) => error = error.or(Some(BAD_FORMAT)),
            }
        }
        error.map_or(Ok(flags), Err)
    }

    fn take(&mut self, flag: u8, argument: &[u8], clock: &Clock, version: Version) -> Result<(), Refusal> {
        let bad = Refusal::Bad(BAD_TOKEN);
        let expiry = || line::signed32(argument).map(|exptime| clock.expiry(exptime)).ok_or(bad);
        match flag {
            b'b' => {
                self.has_binary_key = true;
                self.key = decode(&self.key).ok_or(Refusal::Bad("CLIENT_ERROR error decoding key"))?;
            }
            b'N' => self.vivify = Some(expiry()?),
            b'T' => self.ttl = Some(expiry()?),
            b'R' => self.recache = Some(expiry()?),
            b'C' => self.compare = Some(line::unsigned(argument).ok_or(bad)?),
            b'E' if version >= EXPLICIT_CAS => self.given = Some(line::unsigned(argument).ok_or(bad)?),
            b'x' if version >= EXPLICIT_CAS => self.empties = true,
            b'F' => self.client_flags = line::unsigned32(argument).ok_or(Refusal::Unnamed)?,
            b'J' => {
                let initial = line::unsigned(argument);
                self.initial = initial.ok_or(Refusal::Bad("CLIENT_ERROR invalid numeric initial value"))?;
            }
            b'D' => {
                let delta = line::unsigned(argument);
                self.delta = Some(delta.ok_or(Refusal::Bad("CLIENT_ERROR invalid numeric delta value"))?);
            }
            b'M' => match argument {
                [mode] => self.mode = Some(*mode),
                _ => return Err(Refusal::Bad("CLIENT_ERROR incorrect length for M token")),
            },
            b'v' => self.wants_value = true,
            b'u' => self.leaves_unused = true,
            b'q' => self.is_quiet = true,
            b'I' => self.invalidates = true,
            // Those of the reply, and what proxies put in.
            b'O' | b'P' | b'L' | b'k' | b's' | b't' | b'c' | b'f' | b'l' | b'h' => {}
            _ => return Err(Refusal::Unknown),
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Refusal {
    Unknown,
    Bad(&'static str),
    /// memcached forgot to say what it is: the message of another error stays.
    Unnamed,
}

/// Decodes a key as memcached does, which skips every byte that is not of the alphabet.
pub(super) fn decode(key: &[u8]) -> Option<Vec<u8>> {
    let is_known = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let mut known: Vec<u8> = key.iter().copied().filter(is_known).collect();
    if known.is_empty() || known.len() % 4 != 0 {
        return None;
    }
    // What follows a padded block is left out.
    if let Some(padded) = known.chunks(4).position(|block| block.contains(&b'=')) {
        known.truncate((padded + 1) * 4);
    }
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical);
    GeneralPurpose::new(&STANDARD, config).decode(known).ok()
}
