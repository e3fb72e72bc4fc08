//! A web server on this machine that answers as a test says, byte by byte.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A question as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A status and a body.
    Says(u16, Vec<u8>),
    /// A status, and after how many seconds to come again.
    Later(u16, u64),
    /// The beginning of a body, then no more.
    BreaksOff(Vec<u8>),
    /// A redirect to this address.
    LeadsTo(String),
    /// Nothing, for ever.
    Hangs,
    /// A body without an end.
    Floods,
}

impl Answer {
    /// The same, with another body; what is no answer stays as it is.
    pub(crate) fn edited(self, edit: impl FnOnce(String) -> String) -> Self {
        if let Self::Says(200, body) = self {
            Self::Says(200, edit(String::from_utf8(body).unwrap()).into_bytes())
        } else {
            self
        }
    }
}

type Handler = Arc<dyn Fn(&Asked) -> Answer + Send + Sync>;

/// The server; it ends with the test.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    handler: Arc<Mutex<Handler>>,
    asked: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) async fn start(handler: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            handler: Arc::new(Mutex::new(Arc::new(handler))),
            asked: Arc::default(),
        };
        let this = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(this.clone().serve(stream));
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn now(&self, handler: impl Fn(&Asked) -> Answer + Send + Sync + 'static) {
        *self.handler.lock().unwrap() = Arc::new(handler);
    }

    async fn serve(self, mut stream: TcpStream) {
        let Some(asked) = read(&mut stream).await else { return };
        self.asked.fetch_add(1, Ordering::SeqCst);
        let handler = Arc::clone(&self.handler.lock().unwrap());
        let head = match handler(&asked) {
            Answer::Says(status, body) => {
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                [head.into_bytes(), body].concat()
            }
            Answer::Later(status, seconds) => {
                format!("HTTP/1.1 {status} X\r\nretry-after: {seconds}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .into_bytes()
            }
            Answer::BreaksOff(body) => {
                let head = format!("HTTP/1.1 200 X\r\ncontent-length: {}\r\n\r\n", body.len() + 1000);
                [head.into_bytes(), body].concat()
            }
            Answer::LeadsTo(url) => {
                format!("HTTP/1.1 302 X\r\nlocation: {url}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .into_bytes()
            }
            Answer::Hangs => return std::future::pending().await,
            Answer::Floods => {
                stream.write_all(b"HTTP/1.1 200 X\r\n\r\n").await.ok();
                while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
                return;
            }
        };
        stream.write_all(&head).await.ok();
    }
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |l| l.trim().parse().unwrap());
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let mut words = head.split(' ');
    Some(Asked {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        body: bytes[end..].to_vec(),
        head,
    })
}
