//! A token service that checks what it gets: the assertion's signature and claims, the proof of the bound key, its
//! nonce, and that nothing is shown twice.

use super::web::{Answer, Asked};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Public};
use openssl::sign::{RsaPssSaltlen, Verifier};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// What it remembers.
pub struct Tokens {
    client: PKey<Public>,
    state: Mutex<State>,
    /// Seconds that a token lives.
    pub lives: u64,
}

#[derive(Default)]
struct State {
    seen: BTreeSet<String>,
    /// Tokens with the thumbprint of the key that they are bound to.
    given: BTreeMap<String, String>,
    refuse: bool,
}

const NONCE: &str = "nonce-of-the-service";

impl Tokens {
    /// For a client that signs with the other half of this key.
    #[must_use]
    pub fn new(client: PKey<Public>) -> Self {
        Self { client, state: Mutex::default(), lives: 600 }
    }

    /// How many tokens hold.
    ///
    /// # Panics
    /// If a handler panicked.
    #[must_use]
    pub fn given(&self) -> usize {
        self.state.lock().expect("not poisoned").given.len()
    }

    /// Gives no token any longer.
    ///
    /// # Panics
    /// If a handler panicked.
    pub fn refuse(&self) {
        self.state.lock().expect("not poisoned").refuse = true;
    }

    /// No token that was given holds any longer.
    ///
    /// # Panics
    /// If a handler panicked.
    pub fn revoke(&self) {
        self.state.lock().expect("not poisoned").given.clear();
    }

    /// Answers who asks for a token at this address.
    #[must_use]
    pub fn answer(&self, asked: &Asked, url: &str) -> Answer {
        match self.grant(asked, url) {
            Ok(token) => {
                let body = json!({ "access_token": token, "token_type": "DPoP", "expires_in": self.lives });
                Answer::new(200, "application/json", body.to_string())
            }
            Err(error) => {
                let answer = Answer::new(400, "application/json", json!({ "error": error }).to_string());
                if error == "use_dpop_nonce" { answer.with("DPoP-Nonce", NONCE) } else { answer }
            }
        }
    }

    fn grant(&self, asked: &Asked, url: &str) -> Result<String, &'static str> {
        let form = form(&asked.body);
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let mut state = self.state.lock().expect("not poisoned");
        if state.refuse {
            return Err("invalid_client");
        }
        let proof = proof(asked.header("dpop"), "POST", url)?;
        if proof.claims["nonce"] != NONCE {
            return Err("use_dpop_nonce");
        }
        if field("grant_type") != "client_credentials" || field("scope") != "publish" {
            return Err("invalid_request");
        }
        if field("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
            return Err("invalid_client");
        }
        let assertion = parts(field("client_assertion")).ok_or("invalid_client")?;
        let sound = assertion.head["alg"] == "PS256"
            && assertion.head["typ"] == "client-authentication+jwt"
            && assertion.head["kid"] == "key-1"
            && assertion.claims["iss"] == "client-1"
            && assertion.claims["sub"] == "client-1"
            && assertion.claims["aud"] == url
            && assertion.claims["exp"].as_i64() > assertion.claims["iat"].as_i64()
            && self.signed_by_client(&assertion);
        let ids = [&assertion.claims["jti"], &proof.claims["jti"]]
            .map(|id| id.as_str().unwrap_or_default().to_owned());
        if !sound || ids.iter().any(String::is_empty) || !ids.into_iter().all(|id| state.seen.insert(id)) {
            return Err("invalid_client");
        }
        let token = format!("token-{}", state.seen.len());
        state.given.insert(token.clone(), proof.thumbprint);
        Ok(token)
    }

    fn signed_by_client(&self, jwt: &Jwt) -> bool {
        let mut verifier =
            Verifier::new(openssl::hash::MessageDigest::sha256(), &self.client).expect("a verifier");
        verifier.set_rsa_padding(openssl::rsa::Padding::PKCS1_PSS).expect("RSA");
        verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).expect("RSA");
        verifier.update(jwt.signed.as_bytes()).expect("bytes");
        verifier.verify(&jwt.signature).unwrap_or(false)
    }

    /// Whether a request to the store shows a token of ours, and the key that it is bound to.
    ///
    /// # Panics
    /// If a handler panicked.
    #[must_use]
    pub fn accepts(&self, asked: &Asked, url: &str) -> bool {
        let Some(token) = asked.header("authorization").strip_prefix("DPoP ") else { return false };
        let without_query = url.split('?').next().unwrap_or_default();
        let Ok(proof) = proof(asked.header("dpop"), &asked.method, without_query) else { return false };
        let hash = URL_SAFE_NO_PAD.encode(openssl::sha::sha256(token.as_bytes()));
        let id = proof.claims["jti"].as_str().unwrap_or_default().to_owned();
        let mut state = self.state.lock().expect("not poisoned");
        proof.claims["ath"] == hash.as_str()
            && state.given.get(token) == Some(&proof.thumbprint)
            && state.seen.insert(id)
    }
}

struct Jwt {
    head: Value,
    claims: Value,
    signed: String,
    signature: Vec<u8>,
}

struct Proof {
    claims: Value,
    thumbprint: String,
}

fn parts(jwt: &str) -> Option<Jwt> {
    let (signed, signature) = jwt.rsplit_once('.')?;
    let (head, claims) = signed.split_once('.')?;
    let json = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    Some(Jwt {
        head: json(head)?,
        claims: json(claims)?,
        signed: signed.to_owned(),
        signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
    })
}

/// Checks a proof with the key in it.
fn proof(jwt: &str, method: &str, url: &str) -> Result<Proof, &'static str> {
    const BAD: &str = "invalid_dpop_proof";
    let jwt = parts(jwt).ok_or(BAD)?;
    let coordinate = |name: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(jwt.head["jwk"][name].as_str()?).ok()?;
        (bytes.len() == 32).then_some(bytes)
    };
    let (x, y) = (coordinate("x").ok_or(BAD)?, coordinate("y").ok_or(BAD)?);
    let number = |bytes: &[u8]| BigNum::from_slice(bytes).expect("a number");
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    let key = EcKey::from_public_key_affine_coordinates(&group, &number(&x), &number(&y)).map_err(|_| BAD)?;
    let (r, s) = jwt.signature.split_at_checked(32).ok_or(BAD)?;
    let signature = EcdsaSig::from_private_components(number(r), number(s)).map_err(|_| BAD)?;
    let digest = openssl::sha::sha256(jwt.signed.as_bytes());
    let holds = signature.verify(&digest, &key).unwrap_or(false)
        && jwt.head["typ"] == "dpop+jwt"
        && jwt.head["alg"] == "ES256"
        && jwt.head["jwk"].get("d").is_none()
        && jwt.claims["htm"] == method
        && jwt.claims["htu"] == url
        && jwt.claims["iat"].is_i64();
    if !holds {
        return Err(BAD);
    }
    let [x, y] = ["x", "y"].map(|n| jwt.head["jwk"][n].as_str().unwrap_or_default().to_owned());
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    let thumbprint = URL_SAFE_NO_PAD.encode(openssl::sha::sha256(canonical.as_bytes()));
    Ok(Proof { claims: jwt.claims, thumbprint })
}

/// The fields of a form.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn form(body: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(body);
    let decoded = |part: &str| {
        let mut bytes = part.bytes();
        let mut out = Vec::new();
        while let Some(byte) = bytes.next() {
            if byte == b'%' {
                let digits: String = bytes.by_ref().take(2).map(char::from).collect();
                out.push(u8::from_str_radix(&digits, 16).expect("hex"));
            } else {
                out.push(byte);
            }
        }
        String::from_utf8(out).expect("text")
    };
    text.split('&').filter_map(|f| f.split_once('=')).map(|(n, v)| (decoded(n), decoded(v))).collect()
}
