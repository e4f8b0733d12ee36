//! User and password, for servers that ask for them (memcached's `-Y`).

use std::fmt;

use crate::config::Config;
use crate::error::{Error, Result};

/// Longest user and password together, in bytes: what a line of memcached's own file of users holds.
const LONGEST: usize = 254;

/// A password. Neither `Debug` nor the text of any error shows it.
#[derive(Clone)]
pub struct Password(String);

impl From<&str> for Password {
    fn from(password: &str) -> Self {
        Self(password.into())
    }
}

impl From<String> for Password {
    fn from(password: String) -> Self {
        Self(password)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(<hidden>)")
    }
}

/// User and password as they travel: with a space between them.
pub(crate) struct Credentials(String);

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(<hidden>)")
    }
}

impl Credentials {
    /// What a client was given; `None` without.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        let (user, Password(password)) = (config.user.as_ref()?, config.password.as_ref()?);
        Some(Self(format!("{user} {password}")))
    }

    /// Whether a client was given both or neither, and both can travel.
    pub(crate) fn check(config: &Config) -> Result<()> {
        let (user, password) = match (&config.user, &config.password) {
            (None, None) => return Ok(()),
            (Some(user), Some(Password(password))) => (user, password),
            (Some(_), None) => return Err(Error::invalid("user is given without password")),
            (None, Some(_)) => return Err(Error::invalid("password is given without user")),
        };
        // The server splits at the space, and its file of users at the colon.
        check_text("user", user, " :")?;
        check_text("password", password, " ")?;
        let length = user.len() + password.len();
        if length > LONGEST {
            return Err(Error::invalid(format!(
                "user and password of {length} bytes together are over the limit of {LONGEST}"
            )));
        }
        Ok(())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn check_text(option: &str, text: &str, refused: &str) -> Result<()> {
    if text.is_empty() {
        return Err(Error::invalid(format!("{option} is empty")));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(format!("{option} holds a control character")));
    }
    match text.chars().find(|c| refused.contains(*c)) {
        Some(' ') => Err(Error::invalid(format!("{option} holds a space, which memcached cannot tell from a separator"))),
        Some(c) => Err(Error::invalid(format!("{option} holds {c:?}, which memcached takes for a separator"))),
        None => Ok(()),
    }
}
