//! Where the journal is: a line of settings as PostgreSQL's own tools take it.

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::path::PathBuf;

/// A statement that takes longer is ended by the server; so is a wait for a lock, or a transaction that does nothing,
/// whose broker is gone or hangs and whose locks others wait for.
const STATEMENT: &str = "30s";
const LOCK: &str = "5s";
const IDLE: &str = "10s";

/// Why a line cannot be used. It never quotes a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// It is not `key=value key='value' …`.
    #[error("it is not of the form key=value key='other value'")]
    Form,
    /// A key that is not known here.
    #[error("the key {0} is not known; use host, port, dbname, user, sslmode, sslrootcert, sslcert, sslkey")]
    Key(String),
    /// A value that cannot be.
    #[error("the value of {0} cannot be")]
    Value(&'static str),
    /// Passwords are named by file.
    #[error("a password is named by password_file, and never written here")]
    Password,
    /// It does not say which database.
    #[error("it names no dbname")]
    NoDatabase,
}

/// Where the journal is, without a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name or address of the server, or the folder of its socket.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Database.
    pub database: String,
    /// Role.
    pub user: String,
    /// How the connection is protected: as the server's own tools name it.
    pub ssl_mode: String,
    /// CA certificates that the server's certificate may lead to, besides those that this machine trusts anyway: the
    /// library takes both. The name in the certificate is checked by `verify-full` alone.
    pub root: Option<PathBuf>,
    /// Our certificate and its key, where the server asks for one.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

impl std::str::FromStr for Place {
    type Err = PlaceError;

    fn from_str(line: &str) -> Result<Self, PlaceError> {
        let mut place = Self {
            host: "localhost".into(),
            port: 5432,
            database: String::new(),
            user: "budstikke".into(),
            ssl_mode: String::new(),
            root: None,
            certificate: None,
        };
        let (mut certificate, mut private) = (None, None);
        for (key, value) in pairs(line)? {
            match key.as_str() {
                "host" => place.host = value,
                "port" => place.port = value.parse().map_err(|_| PlaceError::Value("port"))?,
                "dbname" => place.database = value,
                "user" => place.user = value,
                "sslmode" => place.ssl_mode = value,
                "sslrootcert" => place.root = Some(value.into()),
                "sslcert" => certificate = Some(PathBuf::from(value)),
                "sslkey" => private = Some(PathBuf::from(value)),
                "password" | "passfile" => return Err(PlaceError::Password),
                _ => return Err(PlaceError::Key(key)),
            }
        }
        if place.database.is_empty() {
            return Err(PlaceError::NoDatabase);
        }
        place.certificate = match (certificate, private) {
            (Some(certificate), Some(private)) => Some((certificate, private)),
            (None, None) => None,
            _ => return Err(PlaceError::Value("sslcert, sslkey: one without the other")),
        };
        if place.ssl_mode.is_empty() {
            // Between machines nobody may read along, or take the server's place, unless somebody decided so.
            place.ssl_mode = if place.is_local() { "prefer" } else { "verify-full" }.to_owned();
        }
        place.mode()?;
        Ok(place)
    }
}

impl Place {
    /// True when the server is on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let address = self.host.parse::<std::net::IpAddr>();
        self.host.starts_with('/') || self.host == "localhost" || address.is_ok_and(|a| a.is_loopback())
    }

    /// What a connection to another machine may come to, that is not sure to end at the server that is meant. A root that is named
    /// changes nothing of that: only the modes that verify look at it, and the library believes this machine's CAs beside it.
    #[must_use]
    pub fn exposure(&self) -> Option<&'static str> {
        if self.is_local() {
            return None;
        }
        Some(match self.mode() {
            Ok(PgSslMode::VerifyFull) => return None,
            Ok(PgSslMode::VerifyCa) => {
                "sslmode=verify-ca takes any server that has a certificate of sslrootcert or of any CA of this machine"
            }
            Ok(PgSslMode::Require) => {
                "sslmode=require takes any server, whatever its certificate, and looks at no sslrootcert"
            }
            Ok(PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer) | Err(_) => {
                "with sslmode disable, allow and prefer, messages and password may go over the network unprotected"
            }
        })
    }

    fn mode(&self) -> Result<PgSslMode, PlaceError> {
        Ok(match self.ssl_mode.as_str() {
            "disable" => PgSslMode::Disable,
            "allow" => PgSslMode::Allow,
            "prefer" => PgSslMode::Prefer,
            "require" => PgSslMode::Require,
            "verify-ca" => PgSslMode::VerifyCa,
            "verify-full" => PgSslMode::VerifyFull,
            _ => return Err(PlaceError::Value("sslmode")),
        })
    }

    /// What a connection is made with. What a commit waits for is said here and not left to the server's settings.
    pub(super) fn options(&self, password: Option<&str>) -> PgConnectOptions {
        let mut options = PgConnectOptions::new_without_pgpass()
            .port(self.port)
            .username(&self.user)
            .database(&self.database)
            .application_name("budstikke")
            .ssl_mode(self.mode().unwrap_or(PgSslMode::VerifyFull))
            .statement_cache_capacity(200)
            .options([
                ("statement_timeout", STATEMENT),
                ("lock_timeout", LOCK),
                ("idle_in_transaction_session_timeout", IDLE),
                ("synchronous_commit", "on"),
                ("jit", "off"),
                // The tables of a day are new every day: a plan that was made when they were empty reads all of them.
                ("plan_cache_mode", "force_custom_plan"),
                ("timezone", "UTC"),
            ])
            .disable_statement_logging();
        options =
            if self.host.starts_with('/') { options.socket(&self.host) } else { options.host(&self.host) };
        if let Some(root) = &self.root {
            options = options.ssl_root_cert(root);
        }
        if let Some((certificate, key)) = &self.certificate {
            options = options.ssl_client_cert(certificate).ssl_client_key(key);
        }
        match password {
            Some(password) => options.password(password),
            None => options,
        }
    }
}

/// `key=value`, with quotes around a value that holds blanks, and a backslash before a quote or another backslash.
fn pairs(line: &str) -> Result<Vec<(String, String)>, PlaceError> {
    let mut pairs = Vec::new();
    let mut rest = line.trim_start().chars().peekable();
    while rest.peek().is_some() {
        let mut key = String::new();
        loop {
            match rest.next() {
                Some('=') => break,
                Some(c) if !c.is_whitespace() => key.push(c),
                Some(_) | None => return Err(PlaceError::Form),
            }
        }
        let quoted = rest.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match rest.next() {
                Some('\\') => value.push(rest.next().ok_or(PlaceError::Form)?),
                Some('\'') if quoted => break,
                Some(c) if quoted || !c.is_whitespace() => value.push(c),
                None if quoted => return Err(PlaceError::Form),
                Some(_) | None => break,
            }
        }
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        pairs.push((key, value));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_where() {
        let place: Place =
            "host=db.example port=5433 dbname='the journal' user=b\\'s".parse().expect("a line");
        assert_eq!(
            (place.host.as_str(), place.port, place.database.as_str()),
            ("db.example", 5433, "the journal")
        );
        assert_eq!((place.user.as_str(), place.ssl_mode.as_str()), ("b's", "verify-full"));
        assert_eq!(place.exposure(), None);
        let local: Place = " dbname=x  host=/run/postgresql ".parse().expect("a line");
        assert!(local.is_local() && local.ssl_mode == "prefer");
    }

    #[test]
    fn what_is_not_sure_to_be_the_server_is_told() {
        let told = |more: &str| {
            let place: Place = format!("dbname=x {more}").parse().expect("a line");
            place.exposure()
        };
        for (mode, words) in [
            ("disable", "unprotected"),
            ("allow", "unprotected"),
            ("prefer", "unprotected"),
            ("require", "takes any server, whatever its certificate"),
            ("verify-ca", "any CA of this machine"),
        ] {
            for root in ["", "sslrootcert=/etc/ca.pem"] {
                let said = told(&format!("host=db.example sslmode={mode} {root}"));
                assert!(said.is_some_and(|said| said.contains(words)), "{mode}: {said:?}");
            }
            assert_eq!(told(&format!("host=127.0.0.1 sslmode={mode}")), None, "{mode}: nobody is between");
        }
        assert_eq!(told("host=db.example sslmode=verify-full"), None);
        assert_eq!(told("host=db.example"), None);
    }

    #[test]
    fn a_faulty_line_is_named_and_never_quoted() {
        let faults = [
            ("dbname", PlaceError::Form),
            ("dbname='x", PlaceError::Form),
            ("host=a", PlaceError::NoDatabase),
            ("dbname=x port=many", PlaceError::Value("port")),
            ("dbname=x sslmode=sure", PlaceError::Value("sslmode")),
            ("dbname=x password=hidden", PlaceError::Password),
            ("dbname=x colour=red", PlaceError::Key("colour".into())),
            ("dbname=x sslcert=a", PlaceError::Value("sslcert, sslkey: one without the other")),
        ];
        for (line, fault) in faults {
            assert_eq!(line.parse::<Place>(), Err(fault), "{line}");
        }
        assert!(!PlaceError::Password.to_string().contains("hidden"));
    }
}
