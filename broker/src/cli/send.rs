//! `send`: hands a message to a running broker.

use super::{Format, files, json_line};
use crate::exit::{Failure, Verdict};
use broker_core::ContentHash;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use message_schemas::Limits;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Hand a message to a running broker: over HTTP, or by putting it into a folder that the broker reads.
///
/// Without --key the hash of the content is the key, so the same file sent twice is the same call, and is
/// taken in once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  budstikke send message.xml
  budstikke send message.xml --to http://127.0.0.1:8460 --wait 60
  budstikke send message.xml --folder /var/spool/budstikke/in

Exit codes: 0 taken in (with --wait: and everything arrived), 1 taken in, and refused or not done in time,
2 not taken in.")]
pub(super) struct Command {
    /// The message; `-` is standard input.
    file: PathBuf,
    /// The broker's address.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8460")]
    to: String,
    /// A file with the bearer token.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The idempotency key.
    #[arg(long)]
    key: Option<String>,
    /// Wait so many seconds until nothing of it is left to do, and print how it ended.
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    /// Put the message into this folder instead.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["to", "wait", "token_file"])]
    folder: Option<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Answers are small; whatever is larger is none.
const LARGEST_ANSWER: usize = 10_000_000;

impl Command {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<Verdict, Failure> {
        let bytes = files::read_message(&self.file, Limits::default().message_bytes)?;
        let hash = ContentHash::of(&bytes).to_string();
        if let Some(folder) = &self.folder {
            return put(folder, self.key.as_deref().unwrap_or(&hash), &bytes, out);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::Start(format!("no runtime: {error}")))?;
        let key = self.key.clone().unwrap_or(hash);
        let answer = runtime.block_on(self.send(bytes, &key))?;
        match self.format {
            Format::Json => json_line(out, &answer)?,
            Format::Text => {
                let of = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
                writeln!(out, "{}  {}  {}", of("id"), of("short"), of("verdict"))?;
                for recipient in recipients(&answer) {
                    writeln!(out, "  {}", told(&recipient))?;
                }
            }
        }
        let refused = ["refused", "parked", "silent"].map(Value::from);
        let good = answer.get("verdict").is_none_or(|verdict| !refused.contains(verdict));
        Ok(Verdict::of(good && (self.wait.is_none() || recipients(&answer).iter().all(arrived))))
    }

    async fn send(&self, bytes: Vec<u8>, key: &str) -> Result<Value, Failure> {
        let (_, taken) = self.call(Method::POST, "/v1/messages", Some(key), bytes).await?;
        let Some(seconds) = self.wait else { return Ok(taken) };
        let id = taken.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let path = format!("/v1/messages/{id}");
        let end = tokio::time::Instant::now() + Duration::from_secs(seconds);
        loop {
            let (_, state) = self.call(Method::GET, &path, None, Vec::new()).await?;
            if recipients(&state).iter().all(settled) || tokio::time::Instant::now() >= end {
                return Ok(state);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Value), Failure> {
        let address = format!("{}{path}", self.to.trim_end_matches('/'));
        if !address.starts_with("http://") {
            return Err(Failure::Usage("the address must begin with http://".to_owned()));
        }
        let mut request =
            Request::builder().method(method).uri(&address).header("content-type", "application/xml");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(file) = &self.token_file {
            let token = fs::read_to_string(file).map_err(Failure::file(file))?;
            request = request.header("authorization", format!("Bearer {}", token.trim()));
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Failure::Usage(format!("the address, key or token cannot be used: {error}")))?;
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let remote = |what: String| Failure::Remote(format!("{}: {what}", self.to));
        let answer = client.request(request).await.map_err(|error| remote(format!("no answer: {error}")))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LARGEST_ANSWER)
            .collect()
            .await
            .map_err(|error| remote(format!("the answer broke off: {error}")))?
            .to_bytes();
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            return Ok((status, value));
        }
        let said =
            value.get("detail").or_else(|| value.get("title")).and_then(Value::as_str).unwrap_or_default();
        Err(remote(format!("{status}: {said}")))
    }
}

/// Writes the file under a hidden name first, so that the broker never meets half a message.
fn put(folder: &Path, key: &str, bytes: &[u8], out: &mut dyn Write) -> Result<Verdict, Failure> {
    let name: String =
        key.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let (unfinished, finished) = (folder.join(format!(".{name}.part")), folder.join(format!("{name}.xml")));
    let write = || -> std::io::Result<()> {
        let mut file = fs::File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, &finished)
    };
    write().map_err(Failure::file(&finished))?;
    writeln!(out, "{}", finished.display())?;
    Ok(Verdict::Good)
}

fn recipients(answer: &Value) -> Vec<Value> {
    answer.get("recipients").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// One line for a recipient: what is not known of it is left out.
fn told(recipient: &Value) -> String {
    let known = |name: &str| recipient.get(name).filter(|value| !value.is_null());
    let of = |name: &str| known(name).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
    let receiver = of("receiver").map_or_else(|| "no receiver".to_owned(), |r| format!("receiver {r}"));
    let destination = of("destination").map_or_else(String::new, |d| format!(" at {d}"));
    let reason = of("reason").map_or_else(String::new, |r| format!(" ({r})"));
    format!("{receiver}{destination}: {}{reason}", state(recipient))
}

fn state(recipient: &Value) -> &str {
    recipient.get("state").and_then(Value::as_str).unwrap_or_default()
}

fn settled(recipient: &Value) -> bool {
    !matches!(state(recipient), "waiting" | "sending" | "unsure")
}

fn arrived(recipient: &Value) -> bool {
    matches!(state(recipient), "handed_over" | "receipted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_of_a_recipient_is_left_out() {
        let parked =
            serde_json::json!({"receiver": null, "destination": null, "state": "parked", "reason": "P38"});
        assert_eq!(told(&parked), "no receiver: parked (P38)");
        let there = serde_json::json!({"receiver": 202, "destination": "folder:gp", "state": "receipted"});
        assert_eq!(told(&there), "receiver 202 at folder:gp: receipted");
    }
}
