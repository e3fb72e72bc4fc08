//! What the server sends, made readable for the library.
//!
//! AMQP 0-9-1 calls its short strings text, yet servers pass on whatever bytes a sender wrote: RabbitMQ 3.10 gives
//! the message id of an AMQP 1.0 sender that is a UUID as sixteen raw bytes. The library ends the whole connection
//! over one such string, the message goes back to the head of its queue, and the next connection ends over it too.
//! So the frames that hold strings of senders are looked at on their way in, and strings that are no text are
//! rewritten: sixteen bytes as the text of the UUID that they are, others with each byte that is no text escaped as
//! `\xNN`. All other frames pass as they are, and bodies are never looked at.
//!
//! What is nested in a sender's headers does not come in at all: the library reads tables within tables as deep as they go,
//! and 20,000 of them, which RabbitMQ passes on, would use up the stack of whatever reads them and end the process, and the
//! next one that the message is offered to. A void stands in their place. Nothing is lost by that: the profile's properties
//! are single values, and of servers' own lists (`x-death`) nothing is used.
//!
//! Looked at are content headers (names and values of properties) and the methods that go before a content: deliver,
//! get-ok and return, whose routing key is the sender's.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use uuid::Uuid;

//= AMQP 0-9-1 §4.2.3
//# frame: type octet, channel short, size long, payload, frame-end octet %xCE
const HEAD: usize = 7;
const METHOD: u8 = 1;
const CONTENT_HEADER: u8 = 2;
/// Longer frames of these kinds pass as they are. None comes from a server that keeps to what was agreed: RabbitMQ's are at most
/// 128 KB, and none asks for more than [`FRAME`].
const LONGEST: usize = 1 << 20;
/// The longest frame that is agreed on with a server, head and end included.
pub(super) const FRAME: u32 = 1 << 20;

/// A stream whose incoming frames are made readable.
pub(super) struct Sane<S> {
    inner: S,
    state: State,
    /// What has come in and is not yet handed on.
    raw: Vec<u8>,
    /// What is ready to be handed on: from here.
    out: Vec<u8>,
    given: usize,
}

enum State {
    /// The head of a frame is wanted.
    Head,
    /// A frame that is looked at: so many bytes are wanted in all.
    Whole(usize),
    /// A frame that passes: so many bytes are left of it.
    Passing(usize),
}

impl<S> Sane<S> {
    pub(super) const fn new(inner: S) -> Self {
        Self { inner, state: State::Head, raw: Vec::new(), out: Vec::new(), given: 0 }
    }

    /// The next bytes from what is held, if any can be handed on.
    fn hand_on(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let ready = self.out.get(self.given..).unwrap_or_default();
        let some = ready.len().min(buf.remaining());
        buf.put_slice(ready.get(..some).unwrap_or_default());
        self.given += some;
        if self.given == self.out.len() {
            self.out.clear();
            self.given = 0;
        }
        some > 0
    }

    /// Takes in what has just come.
    fn take(&mut self, mut came: &[u8]) {
        while !came.is_empty() {
            match self.state {
                State::Passing(left) => {
                    let (pass, rest) = came.split_at(left.min(came.len()));
                    self.out.extend_from_slice(pass);
                    came = rest;
                    let left = left - pass.len();
                    self.state = if left == 0 { State::Head } else { State::Passing(left) };
                }
                State::Head => {
                    let (head, rest) = came.split_at((HEAD - self.raw.len()).min(came.len()));
                    self.raw.extend_from_slice(head);
                    came = rest;
                    if self.raw.len() == HEAD {
                        self.begin();
                    }
                }
                State::Whole(wanted) => {
                    let (some, rest) = came.split_at((wanted - self.raw.len()).min(came.len()));
                    self.raw.extend_from_slice(some);
                    came = rest;
                    if self.raw.len() == wanted {
                        match mended(&self.raw) {
                            Some(frame) => self.out.extend_from_slice(&frame),
                            None => self.out.extend_from_slice(&self.raw),
                        }
                        self.raw.clear();
                        self.state = State::Head;
                    }
                }
            }
        }
    }

    /// A frame's head is there.
    fn begin(&mut self) {
        let size = self.raw.get(3..HEAD).and_then(|s| s.try_into().ok()).map_or(0, u32::from_be_bytes);
        let size = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1); // and its end
        let kind = self.raw.first().copied().unwrap_or_default();
        if matches!(kind, METHOD | CONTENT_HEADER) && size <= LONGEST {
            self.state = State::Whole(HEAD + size);
        } else {
            self.out.append(&mut self.raw);
            self.state = State::Passing(size);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Sane<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.hand_on(buf) || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            // Bodies are most of what comes: they go straight where they are wanted.
            if let State::Passing(left) = this.state {
                let space = buf.initialize_unfilled_to(left.min(buf.remaining()));
                let mut part = ReadBuf::new(space);
                ready!(Pin::new(&mut this.inner).poll_read(cx, &mut part))?;
                let came = part.filled().len();
                buf.advance(came);
                this.state = if came == left { State::Head } else { State::Passing(left - came) };
                return Poll::Ready(Ok(()));
            }
            let mut space = [0; 8 << 10];
            let mut came = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut came))?;
            if came.filled().is_empty() {
                // The end; half a frame is of no use to anybody.
                return Poll::Ready(Ok(()));
            }
            this.take(came.filled());
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sane<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

/// The frame with its strings made text; none if they are, or if it is no frame that we understand.
fn mended(frame: &[u8]) -> Option<Vec<u8>> {
    let (head, rest) = frame.split_at_checked(HEAD)?;
    let (end, payload) = rest.split_last()?;
    let mut mender = Mender { rest: payload, out: Vec::new(), mended: false };
    match *head.first()? {
        METHOD => mender.method()?,
        _ => mender.content_header()?,
    }
    if !mender.mended {
        return None;
    }
    mender.out.extend_from_slice(mender.rest);
    let size = u32::try_from(mender.out.len()).ok()?.to_be_bytes();
    Some([head.get(..3)?, &size, &mender.out, &[*end]].concat())
}

/// Copies a payload, string by string. Every step is none where the payload ends too early.
struct Mender<'f> {
    rest: &'f [u8],
    out: Vec<u8>,
    mended: bool,
}

impl<'f> Mender<'f> {
    fn take(&mut self, bytes: usize) -> Option<&'f [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }

    fn copy(&mut self, bytes: usize) -> Option<&'f [u8]> {
        let taken = self.take(bytes)?;
        self.out.extend_from_slice(taken);
        Some(taken)
    }

    fn long(bytes: &[u8]) -> Option<usize> {
        usize::try_from(u32::from_be_bytes(bytes.try_into().ok()?)).ok()
    }

    /// deliver, return and get-ok, of the class basic; others hold nothing of a sender's.
    fn method(&mut self) -> Option<()> {
        match *self.copy(4)? {
            [0, 60, 0, 60] => {
                self.short_string()?;
                self.copy(9)?;
                self.short_string()?;
                self.short_string()
            }
            [0, 60, 0, 50] => {
                self.copy(2)?;
                self.short_string()?;
                self.short_string()?;
                self.short_string()
            }
            [0, 60, 0, 71] => {
                self.copy(9)?;
                self.short_string()?;
                self.short_string()
            }
            _ => None,
        }
    }

    //= AMQP 0-9-1 §4.2.6.1
    //# class-id short, weight short, body-size longlong, property-flags short, property list; from the highest flag down
    fn content_header(&mut self) -> Option<()> {
        self.copy(12)?;
        let flags = u16::from_be_bytes(self.copy(2)?.try_into().ok()?);
        for bit in (2..16).rev() {
            if flags & (1 << bit) == 0 {
                continue;
            }
            match bit {
                13 => {
                    let size = Self::long(self.take(4)?)?;
                    self.table(size)?;
                }
                12 | 11 => drop(self.copy(1)?),
                6 => drop(self.copy(8)?),
                _ => self.short_string()?,
            }
        }
        Some(())
    }

    fn short_string(&mut self) -> Option<()> {
        let size = usize::from(*self.take(1)?.first()?);
        let bytes = self.take(size)?;
        let text = match std::str::from_utf8(bytes) {
            Ok(_) => bytes.to_vec(),
            Err(_) => {
                self.mended = true;
                text_of(bytes).into_bytes()
            }
        };
        self.out.push(u8::try_from(text.len()).ok()?);
        self.out.extend(text);
        Some(())
    }

    /// A table whose size has been taken: names are short strings, and single values are bytes to the library.
    fn table(&mut self, size: usize) -> Option<()> {
        let mut inner = Mender { rest: self.take(size)?, out: Vec::with_capacity(size), mended: false };
        while !inner.rest.is_empty() {
            inner.short_string()?;
            let kind = *inner.take(1)?.first()?;
            if matches!(kind, b'F' | b'A') {
                let size = Self::long(inner.take(4)?)?;
                inner.take(size)?;
                inner.out.push(b'V');
                inner.mended = true;
                continue;
            }
            inner.out.push(kind);
            match kind {
                b't' | b'b' | b'B' => drop(inner.copy(1)?),
                b's' | b'U' | b'u' => drop(inner.copy(2)?),
                b'I' | b'i' | b'f' => drop(inner.copy(4)?),
                b'L' | b'l' | b'd' | b'T' => drop(inner.copy(8)?),
                b'D' => drop(inner.copy(5)?),
                b'V' => {}
                b'S' | b'x' => {
                    let size = Self::long(inner.copy(4)?)?;
                    inner.copy(size)?;
                }
                _ => return None,
            }
        }
        self.mended |= inner.mended;
        self.out.extend(u32::try_from(inner.out.len()).ok()?.to_be_bytes());
        self.out.extend(inner.out);
        Some(())
    }
}

/// Bytes that are no text, as text of at most 255 bytes.
fn text_of(bytes: &[u8]) -> String {
    if let Ok(uuid) = Uuid::from_slice(bytes) {
        return uuid.to_string();
    }
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text.truncate(text.floor_char_boundary(255));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&[kind, 0, 1], &size[..], payload, &[0xce]].concat()
    }

    fn short(bytes: &[u8]) -> Vec<u8> {
        [&[u8::try_from(bytes.len()).unwrap()], bytes].concat()
    }

    /// A content header with a header table, a message id and a delivery mode.
    fn header(name: &[u8], id: &[u8]) -> Vec<u8> {
        let table = [short(name), b"S".to_vec(), 2u32.to_be_bytes().to_vec(), vec![0xff, 0xfe]].concat();
        let size = u32::try_from(table.len()).unwrap().to_be_bytes();
        let flags: u16 = 1 << 13 | 1 << 12 | 1 << 7;
        let fixed = [&[0, 60, 0, 0], &9u64.to_be_bytes()[..], &flags.to_be_bytes()].concat();
        frame(CONTENT_HEADER, &[fixed, size.to_vec(), table, vec![2], short(id)].concat())
    }

    fn deliver(routing_key: &[u8]) -> Vec<u8> {
        frame(
            METHOD,
            &[&[0, 60, 0, 60][..], &short(b"tag"), &[0; 9], &short(b""), &short(routing_key)].concat(),
        )
    }

    async fn through(bytes: &[u8], at_a_time: usize) -> Vec<u8> {
        let (mut to, from) = tokio::io::duplex(at_a_time);
        let bytes = bytes.to_vec();
        let feed = tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut to, &bytes).await });
        let mut out = Vec::new();
        Sane::new(from).read_to_end(&mut out).await.unwrap();
        feed.await.unwrap().unwrap();
        out
    }

    #[tokio::test]
    async fn what_is_text_passes_byte_for_byte() {
        let body = frame(3, &vec![0xff; 70_000]);
        let all = [deliver(b"93238_async"), header(b"fromHerId", b"id"), body, frame(8, b"")].concat();
        for at_a_time in [1, 7, 4096, 1 << 20] {
            assert!(through(&all, at_a_time).await == all, "{at_a_time} bytes at a time");
        }
    }

    #[tokio::test]
    async fn a_raw_uuid_becomes_its_text_and_other_bytes_are_escaped() {
        let id = Uuid::from_u128(0xf0e1_d2c3_b4a5_4697_8879_6a5b_4c3d_2e1f);
        let body = frame(3, b"body");
        let all = [deliver(b"k\xf8"), header(b"navn\xe5", id.as_bytes()), body.clone()].concat();
        let wanted = [deliver(b"k\\xf8"), header(b"navn\\xe5", id.to_string().as_bytes()), body].concat();
        for at_a_time in [1, 13, 4096] {
            assert_eq!(through(&all, at_a_time).await, wanted);
        }
    }

    #[tokio::test]
    async fn what_is_no_frame_of_ours_is_left_to_the_library() {
        let lie = frame(CONTENT_HEADER, &[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0x80, 0, 200, 0xff]);
        let other = frame(METHOD, &[0, 10, 0, 10, 0xff, 0xff]);
        let all = [lie, other].concat();
        assert_eq!(through(&all, 4096).await, all);
    }

    #[tokio::test]
    async fn what_is_nested_stays_outside_however_deep() {
        let within = |kind: u8, inner: &[u8]| {
            [&[kind][..], &u32::try_from(inner.len()).unwrap().to_be_bytes(), inner].concat()
        };
        let mut deep = within(b'F', b"");
        for _ in 0..20_000 {
            deep = within(b'F', &[short(b""), deep].concat());
        }
        for nested in [within(b'A', b""), within(b'A', b"F\x00\x00\x00\x00t\x01"), deep] {
            let whole = |value: &[u8]| {
                let entries = [short(b"first"), value.to_vec(), short(b"second"), b"t\x01".to_vec()].concat();
                let table = within(b'F', &entries).split_off(1);
                let fixed = [&[0, 60, 0, 0][..], &0u64.to_be_bytes(), &(1u16 << 13).to_be_bytes()].concat();
                frame(CONTENT_HEADER, &[fixed, table].concat())
            };
            assert!(through(&whole(&nested), 4096).await == whole(b"V"), "{} bytes", nested.len());
        }
    }

    #[test]
    fn the_text_of_bytes_fits_into_a_short_string() {
        assert_eq!(text_of(b"a\xffb"), "a\\xffb");
        assert!(text_of(&[0xff; 255]).len() <= 255);
    }
}
