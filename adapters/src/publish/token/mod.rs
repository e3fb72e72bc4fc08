//! The token that a request shows: from a file, or asked for with a key of ours.
//!
//! Asked for, it is an OAuth 2.0 client credentials grant (RFC 6749 §4.4) in which the client proves itself by a signed
//! assertion (`private_key_jwt`, RFC 7523), bound to a key made at start (DPoP, RFC 9449), so that a stolen token is
//! worth nothing. It is kept until shortly before it expires.

mod jwt;

pub use jwt::Algorithm;

use crate::clock::SystemClock;
use crate::http::caller::{Answered, Caller};
use crate::secret::{self, Tokens};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use broker_core::ports::Clock;
use http_body_util::Full;
use hyper::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use jwt::Signer;
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// How a token is had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenOptions {
    /// The first line of a file, as a bearer token; read again when it changes.
    File(PathBuf),
    /// Asked for.
    Client(ClientOptions),
}

/// A client of a token service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// Where tokens are asked for.
    pub url: String,
    /// For whom our assertions are meant; the address itself if not set.
    pub audience: Option<String>,
    /// Our name there.
    pub client_id: String,
    /// What we ask for.
    pub scope: String,
    /// Our private key (PEM): RSA or P-256.
    pub key_file: PathBuf,
    /// The key's name there.
    pub key_id: Option<String>,
    /// How we sign; by the kind of key if not set (PS256, ES256).
    pub algorithm: Option<Algorithm>,
    /// Bind tokens to a key of ours.
    pub dpop: bool,
}

/// Why there is no token. It quotes nothing that the service answered but its error code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// The address is none.
    #[error("the token service's address must be http:// or https:// with a host")]
    Address,
    /// The key cannot be used.
    #[error("the key for tokens cannot be used: {0}")]
    Key(&'static str),
    /// The file of a token.
    #[error("{0}")]
    File(String),
    /// No answer.
    #[error("the token service: {0}")]
    NoAnswer(String),
    /// It said no.
    #[error("the token service answered {status} {error}")]
    Refused {
        /// The status.
        status: u16,
        /// Its error code.
        error: String,
    },
}

impl From<secret::Error> for TokenFault {
    fn from(error: secret::Error) -> Self {
        let why = std::error::Error::source(&error).map_or_else(String::new, |source| format!(": {source}"));
        Self::File(format!("{error}{why}"))
    }
}

/// Where tokens come from.
pub(super) enum TokenSource {
    File(Tokens),
    Client(Box<Client>),
}

pub(super) struct Client {
    options: ClientOptions,
    uri: Uri,
    caller: Caller,
    signer: Signer,
    /// The key that tokens are bound to: made anew each time the program starts.
    proof: Option<Signer>,
    held: Mutex<Held>,
    /// One asks, the others wait for the answer.
    asking: tokio::sync::Mutex<()>,
    clock: SystemClock,
}

/// What is remembered between requests.
#[derive(Default)]
struct Held {
    token: Option<Token>,
    /// What the token service and the target want to see in the next proof.
    service_nonce: Option<String>,
    target_nonce: Option<String>,
}

#[derive(Clone)]
struct Token {
    value: String,
    bound: bool,
    until: Timestamp,
}

/// An assertion or proof is good for so long.
const GOOD_FOR: SignedDuration = SignedDuration::from_secs(60);
/// A token is renewed so long before it expires.
const EARLY: SignedDuration = SignedDuration::from_secs(30);
/// An answer of a token service is a few kilobytes.
const MOST_BYTES: usize = 200_000;

impl TokenSource {
    pub(super) fn build(options: TokenOptions, caller: Caller) -> Result<Self, TokenFault> {
        match options {
            TokenOptions::File(path) => Ok(Self::File(Tokens::read(&path)?)),
            TokenOptions::Client(options) => Ok(Self::Client(Box::new(Client::build(options, caller)?))),
        }
    }

    /// The headers of a request that show the token.
    pub(super) async fn headers(
        &self,
        method: &Method,
        uri: &Uri,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, TokenFault> {
        match self {
            Self::File(tokens) => {
                tokens.refresh();
                let token = tokens.first().unwrap_or_default();
                Ok(vec![(header::AUTHORIZATION, secret_value(&format!("Bearer {token}"))?)])
            }
            Self::Client(client) => client.headers(method, uri).await,
        }
    }

    /// The target did not accept it: its nonce is shown the next time, or another token.
    pub(super) async fn refused(&self, headers: &HeaderMap) {
        if let Self::Client(client) = self {
            let _asking = client.asking.lock().await;
            let mut held = client.held.lock().unwrap_or_else(PoisonError::into_inner);
            match nonce(headers) {
                Some(nonce) if held.target_nonce.as_ref() != Some(&nonce) => held.target_nonce = Some(nonce),
                Some(_) | None => held.token = None,
            }
        }
    }
}

impl Client {
    fn build(options: ClientOptions, caller: Caller) -> Result<Self, TokenFault> {
        let uri: Uri = options.url.parse().map_err(|_| TokenFault::Address)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.authority().is_none() {
            return Err(TokenFault::Address);
        }
        let pem = std::fs::read(&options.key_file).map_err(|_| TokenFault::Key("the file cannot be read"))?;
        let signer = Signer::from_pem(&pem, options.algorithm)?;
        let proof = options.dpop.then(Signer::fresh).transpose()?;
        let (held, asking) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self { options, uri, caller, signer, proof, held, asking, clock: SystemClock::new() })
    }

    async fn headers(
        &self,
        method: &Method,
        uri: &Uri,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, TokenFault> {
        let token = self.token().await?;
        let (Some(proof), true) = (&self.proof, token.bound) else {
            return Ok(vec![(header::AUTHORIZATION, secret_value(&format!("Bearer {}", token.value))?)]);
        };
        let nonce = self.held().target_nonce.clone();
        let shown = self.proof(proof, method, uri, nonce, Some(&token.value))?;
        Ok(vec![
            (header::AUTHORIZATION, secret_value(&format!("DPoP {}", token.value))?),
            (HeaderName::from_static("dpop"), secret_value(&shown)?),
        ])
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh(&self) -> Option<Token> {
        let now = self.clock.now();
        self.held().token.clone().filter(|token| token.until > now)
    }

    async fn token(&self) -> Result<Token, TokenFault> {
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        let _asking = self.asking.lock().await;
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        let mut answered = self.ask().await?;
        // A service that wants its nonce in the proof says so once.
        if matches!(answered.status, 400 | 401)
            && self.proof.is_some()
            && let Some(nonce) = nonce(&answered.headers)
        {
            self.held().service_nonce = Some(nonce);
            answered = self.ask().await?;
        }
        let token = self.read(&answered)?;
        self.held().token = Some(token.clone());
        Ok(token)
    }

    async fn ask(&self) -> Result<Answered, TokenFault> {
        let assertion = self.assertion()?;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.options.client_id.as_str()),
            ("scope", self.options.scope.as_str()),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion.as_str()),
        ];
        let form: Vec<String> =
            form.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let mut request = Request::new(Full::new(Bytes::from(form.join("&"))));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(proof) = &self.proof {
            let nonce = self.held().service_nonce.clone();
            let shown = self.proof(proof, &Method::POST, &self.uri, nonce, None)?;
            headers.insert("dpop", secret_value(&shown)?);
        }
        let answered = self.caller.exchange(request, MOST_BYTES).await;
        answered.map_err(|why| TokenFault::NoAnswer(why.to_string()))
    }

    fn read(&self, answered: &Answered) -> Result<Token, TokenFault> {
        #[derive(Deserialize)]
        struct Granted {
            access_token: String,
            #[serde(default)]
            token_type: String,
            expires_in: Option<i64>,
        }
        if answered.status != 200 {
            return Err(TokenFault::Refused { status: answered.status, error: error_code(&answered.body) });
        }
        let granted: Granted = serde_json::from_slice(&answered.body)
            .map_err(|_| TokenFault::NoAnswer("its answer holds no token".to_owned()))?;
        if let Some(nonce) = nonce(&answered.headers) {
            self.held().service_nonce = Some(nonce);
        }
        let lives = SignedDuration::from_secs(granted.expires_in.unwrap_or(60).clamp(0, 86_400));
        // Of a short life, half is used.
        let used = if lives > EARLY * 2 { lives - EARLY } else { lives / 2 };
        Ok(Token {
            value: granted.access_token,
            bound: granted.token_type.eq_ignore_ascii_case("DPoP"),
            until: self.clock.now().checked_add(used).unwrap_or(Timestamp::MAX),
        })
    }

    fn assertion(&self) -> Result<String, TokenFault> {
        let now = self.clock.now().as_second();
        let audience = self.options.audience.as_ref().unwrap_or(&self.options.url);
        let mut head = json!({ "typ": "client-authentication+jwt", "alg": self.signer.algorithm().name() });
        if let (Some(id), Some(head)) = (&self.options.key_id, head.as_object_mut()) {
            head.insert("kid".to_owned(), json!(id));
        }
        let client = &self.options.client_id;
        let claims = json!({
            "iss": client, "sub": client, "aud": audience, "jti": Uuid::now_v7().to_string(),
            "iat": now, "nbf": now, "exp": now + GOOD_FOR.as_secs(),
        });
        self.signer.sign(&head, &claims)
    }

    /// Shows that we hold the key (RFC 9449 §4.2).
    fn proof(
        &self,
        key: &Signer,
        method: &Method,
        uri: &Uri,
        nonce: Option<String>,
        token: Option<&str>,
    ) -> Result<String, TokenFault> {
        let head = json!({ "typ": "dpop+jwt", "alg": key.algorithm().name(), "jwk": key.public()? });
        //= RFC 9449 §4.2
        //# htu: The HTTP target URI [...] without query and fragment parts.
        let target = format!(
            "{}://{}{}",
            uri.scheme_str().unwrap_or("https"),
            uri.authority().map(ToString::to_string).unwrap_or_default(),
            uri.path()
        );
        let mut claims = json!({
            "jti": Uuid::now_v7().to_string(), "htm": method.as_str(), "htu": target,
            "iat": self.clock.now().as_second(),
        });
        if let Some(claims) = claims.as_object_mut() {
            if let Some(nonce) = nonce {
                claims.insert("nonce".to_owned(), json!(nonce));
            }
            if let Some(token) = token {
                let hash = openssl::sha::sha256(token.as_bytes());
                claims.insert("ath".to_owned(), json!(URL_SAFE_NO_PAD.encode(hash)));
            }
        }
        key.sign(&head, &claims)
    }
}

/// The error code of RFC 6749 §5.2 or RFC 9449 §5; nothing else of the answer is repeated.
fn error_code(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    /// As registered (OAuth Extensions Error Registry).
    const CODES: [&str; 13] = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "invalid_dpop_proof",
        "use_dpop_nonce",
        "server_error",
        "temporarily_unavailable",
        "access_denied",
        "invalid_token",
        "insufficient_scope",
    ];
    let error = serde_json::from_slice::<Refusal>(body).map(|r| r.error).unwrap_or_default();
    CODES.into_iter().find(|code| *code == error).unwrap_or("unknown").to_owned()
}

fn nonce(headers: &HeaderMap) -> Option<String> {
    let nonce = headers.get("dpop-nonce")?.to_str().ok()?;
    (nonce.len() <= 1000).then(|| nonce.to_owned())
}

fn secret_value(text: &str) -> Result<HeaderValue, TokenFault> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| TokenFault::NoAnswer("a token cannot stand in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// As a form wants it.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_registered_codes_are_told() {
        assert_eq!(error_code(br#"{"error":"invalid_client","error_description":"x"}"#), "invalid_client");
        for other in [r#"{"error":"13116900216"}"#, r#"{"error":"invalid_client Line Danser"}"#, "{}", ""] {
            assert_eq!(error_code(other.as_bytes()), "unknown", "{other}");
        }
    }
}
