//! The version a server names, and what follows from it.

/// A memcached version. Versions order by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) patch: u32,
}

impl Version {
    /// First version whose `EN` echoes the opaque, so that every meta reply can be matched to its request.
    const FIRST_META: Self = Self { major: 1, minor: 6, patch: 18 };

    /// Reads `1.6.18`, `1.6.18-suffix`, `1.6.18_beta1` or `1.6`. `None` for the names that proxies answer with.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut parts = text[..end].split('.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next()?.parse().ok()?;
        let patch = match parts.next() {
            Some(part) => part.parse().ok()?,
            None => 0,
        };
        Some(Self { major, minor, patch })
    }

    /// Whether this version speaks the meta protocol as this crate uses it.
    ///
    /// 1.5.19 to 1.6.17 know the commands, but echo no opaque on a miss, and before 1.6.10 `ms` had another syntax under
    /// which a value would run as commands: those are served with the classic protocol.
    pub(crate) fn speaks_meta(self) -> bool {
        self >= Self::FIRST_META
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_servers_parse_and_names_of_proxies_do_not() {
        let version = |major, minor, patch| Some(Version { major, minor, patch });
        assert_eq!(Version::parse("1.6.18"), version(1, 6, 18));
        assert_eq!(Version::parse("1.6.18-foo"), version(1, 6, 18));
        assert_eq!(Version::parse("1.6.0_beta1"), version(1, 6, 0));
        assert_eq!(Version::parse("1.4.4-14-g9c660c0"), version(1, 4, 4));
        assert_eq!(Version::parse("1.6"), version(1, 6, 0));
        for name in ["", "1", "mcrouter 1.0", "1..2", ".6.18", "1.6.", "99999999999.1.1", "unknown"] {
            assert_eq!(Version::parse(name), None, "{name:?}");
        }
    }

    #[test]
    fn meta_begins_with_1_6_18() {
        let speaks = |text| Version::parse(text).unwrap().speaks_meta();
        assert!(speaks("1.6.18") && speaks("1.6.45") && speaks("1.7.0") && speaks("2.0.0"));
        assert!(!speaks("1.6.17") && !speaks("1.5.22") && !speaks("1.4.39") && !speaks("0.9.99"));
    }
}
