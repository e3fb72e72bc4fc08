//! What a server sends, made opaque to the library: the bytes of every message travel through it unread.
//!
//! The library decodes a message as it comes in, and nested values as deep as they go: a stranger's message could end
//! the process by using up its stack. So here, below the library, each piece of a message is wrapped into a section of
//! opaque data; the library hands up the pieces, and `amqp_profile` reads the whole with its limits. A message that is
//! larger than any may be is cut here, and takes no memory.
//!
//! One receiving link at a time: the pieces of a message are counted for the connection.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Before each piece stands one of these.
pub(super) const WHOLE: u8 = 0;
/// In place of what was cut.
pub(super) const CUT: u8 = 1;

/// So much of a frame is waited for before its kind is known: more than any head of a transfer has.
const HEAD_BYTES: usize = 64 << 10;
/// Read from the connection at a time.
const CHUNK_BYTES: usize = 32 << 10;

/// A connection whose messages are wrapped.
pub(super) struct Opaque<Io> {
    io: Io,
    /// The largest message that is let through, in bytes.
    largest: usize,
    /// The eight bytes before the first frame are still to come.
    before_frames: bool,
    /// Read, not yet looked at.
    raw: Vec<u8>,
    /// Of `raw`, so much is done with.
    done: usize,
    /// To be discarded as it comes.
    skip: usize,
    /// To be handed up.
    out: Vec<u8>,
    /// Of `out`, so much is handed up.
    given: usize,
    /// Bytes of the message that is coming in, so far.
    message: usize,
    chunk: Box<[u8]>,
}

impl<Io> Opaque<Io> {
    pub(super) fn new(io: Io, largest: usize) -> Self {
        Self {
            io,
            largest,
            before_frames: true,
            raw: Vec::new(),
            done: 0,
            skip: 0,
            out: Vec::new(),
            given: 0,
            message: 0,
            chunk: vec![0; CHUNK_BYTES].into(),
        }
    }

    /// Takes one step with what was read; false if more must be read first.
    fn step(&mut self) -> io::Result<bool> {
        let raw = self.raw.get(self.done..).unwrap_or_default();
        if self.skip > 0 {
            let some = self.skip.min(raw.len());
            (self.skip, self.done) = (self.skip - some, self.done + some);
            return Ok(some > 0);
        }
        let Some((head, _)) = raw.split_first_chunk::<8>() else { return Ok(false) };
        if std::mem::take(&mut self.before_frames) {
            self.out.extend_from_slice(head);
            self.done += head.len();
            return Ok(true);
        }
        let [s0, s1, s2, s3, offset, kind, _, _] = *head;
        let size = usize::try_from(u32::from_be_bytes([s0, s1, s2, s3])).unwrap_or(usize::MAX);
        let body_at = usize::from(offset) * 4;
        if body_at < head.len() || size < body_at {
            return Err(broken("a frame is shorter than its head"));
        }
        let Some(seen) = raw.get(..size.min(HEAD_BYTES)) else { return Ok(false) };
        let transfer = seen.get(body_at..).filter(|_| kind == 0).map(Transfer::read).transpose()?.flatten();
        let Some(transfer) = transfer else {
            if size > HEAD_BYTES {
                return Err(broken("a frame that carries no message is too long"));
            }
            self.out.extend_from_slice(seen);
            self.done += size;
            return Ok(true);
        };
        let payload_at = body_at + transfer.length;
        let payload =
            size.checked_sub(payload_at).ok_or_else(|| broken("a transfer is longer than its frame"))?;
        let cut = self.message.saturating_add(payload) > self.largest;
        let Some(content) = (if cut { Some(&[][..]) } else { raw.get(payload_at..size) }) else {
            return Ok(false);
        };
        self.message = if transfer.more { self.message.saturating_add(payload) } else { 0 };
        let performative = seen.get(8..payload_at).unwrap_or_default();
        wrap(&mut self.out, head, performative, if cut { CUT } else { WHOLE }, content)?;
        let now = raw.len().min(size);
        (self.done, self.skip) = (self.done + now, size - now);
        Ok(true)
    }
}

//= OASIS AMQP 1.0 part 3 §3.2.6
//# descriptor code 0x00000000:0x00000075, a binary
const DATA: [u8; 4] = [0x00, 0x53, 0x75, 0xb0];

/// A transfer's frame, with its piece of a message inside a data section.
fn wrap(out: &mut Vec<u8>, head: &[u8; 8], performative: &[u8], mark: u8, content: &[u8]) -> io::Result<()> {
    let too_long = |_| broken("a frame is too long");
    let section = u32::try_from(content.len() + 1).map_err(too_long)?;
    let size = head.len() + performative.len() + DATA.len() + 4 + 1 + content.len();
    out.extend(u32::try_from(size).map_err(too_long)?.to_be_bytes());
    out.extend(head.get(4..).unwrap_or_default());
    out.extend_from_slice(performative);
    out.extend(DATA);
    out.extend(section.to_be_bytes());
    out.push(mark);
    out.extend_from_slice(content);
    Ok(())
}

/// What there is to know of a transfer.
#[derive(Debug, PartialEq, Eq)]
struct Transfer {
    /// Bytes of the performative; the piece of the message follows.
    length: usize,
    /// More pieces of the same message follow in other frames.
    more: bool,
}

impl Transfer {
    /// None if the frame is of another kind.
    //= OASIS AMQP 1.0 part 2 §2.7.5
    //# descriptor 0x00000000:0x00000014: handle, delivery-id, delivery-tag, message-format, settled, more, ..., aborted
    fn read(body: &[u8]) -> io::Result<Option<Self>> {
        let (descriptor, rest) = match body {
            [0x00, 0x53, code, ..] => (u64::from(*code), body.get(3..)),
            [0x00, 0x80, rest @ ..] => {
                let code = rest.first_chunk::<8>().map_or(0, |code| u64::from_be_bytes(*code));
                (code, rest.get(8..))
            }
            _ => return Ok(None),
        };
        let rest = rest.unwrap_or_default();
        if descriptor != 0x14 {
            return Ok(None);
        }
        let before = body.len() - rest.len();
        let faulty = || broken("a transfer cannot be read");
        let (head, fields) = match *rest {
            [0xc0, size, _, ..] => (3, rest.get(3..1 + 1 + usize::from(size))),
            [0xd0, s0, s1, s2, s3, ..] => {
                let size = usize::try_from(u32::from_be_bytes([s0, s1, s2, s3])).unwrap_or(usize::MAX);
                (9, rest.get(9..size.saturating_add(5)))
            }
            _ => return Err(faulty()),
        };
        let fields = fields.ok_or_else(faulty)?;
        let length = before + head + fields.len();
        let mut left = fields;
        for _ in 0..5 {
            left = after_value(left).ok_or_else(faulty)?;
        }
        let more = matches!(left, [0x41, ..] | [0x56, 1, ..]);
        Ok(Some(Self { length, more }))
    }
}

/// What follows a primitive value; nothing follows nothing.
fn after_value(bytes: &[u8]) -> Option<&[u8]> {
    let Some((&code, rest)) = bytes.split_first() else { return Some(bytes) };
    let width = match code >> 4 {
        0x4 => 0,
        0x5 => 1,
        0x6 => 2,
        0x7 => 4,
        0x8 => 8,
        0x9 => 16,
        0xa => 1 + usize::from(*rest.first()?),
        0xb => 4 + usize::try_from(u32::from_be_bytes(*rest.first_chunk()?)).ok()?,
        _ => return None,
    };
    rest.get(width..)
}

fn broken(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl<Io: AsyncRead + Unpin> AsyncRead for Opaque<Io> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let out = this.out.get(this.given..).unwrap_or_default();
            if !out.is_empty() {
                let some = out.get(..out.len().min(buf.remaining())).unwrap_or_default();
                buf.put_slice(some);
                this.given += some.len();
                return Poll::Ready(Ok(()));
            }
            this.out.clear();
            this.given = 0;
            if this.step()? {
                continue;
            }
            this.raw.drain(..this.done);
            this.done = 0;
            let mut chunk = ReadBuf::new(&mut this.chunk);
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Ok(())); // the end, whatever was begun
            }
            this.raw.extend_from_slice(chunk.filled());
        }
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Opaque<Io> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

impl<Io> fmt::Debug for Opaque<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opaque")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    /// A frame with this transfer and this piece of a message.
    fn transfer(more: bool, piece: &[u8]) -> Vec<u8> {
        let fields = [0x43, 0x43, 0xa0, 1, 7, 0x43, 0x42, if more { 0x41 } else { 0x42 }];
        let mut frame = vec![0, 0, 0, 0, 2, 0, 0, 0, 0x00, 0x53, 0x14, 0xc0, 9, 6];
        frame.extend(fields);
        frame.extend_from_slice(piece);
        let size = u32::try_from(frame.len()).unwrap().to_be_bytes();
        frame[..4].copy_from_slice(&size);
        frame
    }

    async fn through(frames: &[Vec<u8>], largest: usize) -> io::Result<Vec<u8>> {
        let bytes = [b"AMQP\x00\x01\x00\x00".to_vec(), frames.concat()].concat();
        let mut out = Vec::new();
        Opaque::new(bytes.as_slice(), largest).read_to_end(&mut out).await?;
        Ok(out[8..].to_vec())
    }

    /// What is in the data sections of the frames: mark and content.
    fn pieces(mut frames: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut pieces = Vec::new();
        while !frames.is_empty() {
            let size = u32::from_be_bytes(frames[..4].try_into().unwrap()) as usize;
            let (frame, rest) = frames.split_at(size);
            let section = &frame[22..];
            assert_eq!(section[..4], DATA);
            let length = u32::from_be_bytes(section[4..8].try_into().unwrap()) as usize;
            assert_eq!(section.len(), 8 + length);
            pieces.push((section[8], section[9..].to_vec()));
            frames = rest;
        }
        pieces
    }

    #[tokio::test]
    async fn the_pieces_of_a_message_come_wrapped_and_unread() {
        let nested = vec![0xd0; 100_000];
        let frames = [transfer(true, b"one"), transfer(false, b"two"), transfer(false, &nested)];
        let got = pieces(&through(&frames, 200_000).await.unwrap());
        assert_eq!(got, [(WHOLE, b"one".to_vec()), (WHOLE, b"two".to_vec()), (WHOLE, nested)]);
    }

    #[tokio::test]
    async fn what_is_too_large_is_cut_and_the_next_is_whole() {
        let large = vec![1; 300_000];
        let frames = [
            transfer(false, &large),
            transfer(true, &[2; 600]),
            transfer(true, &[3; 600]),
            transfer(false, &[4; 1]),
            transfer(false, &[5; 1000]),
        ];
        let got = pieces(&through(&frames, 1000).await.unwrap());
        let wanted =
            [(CUT, vec![]), (WHOLE, vec![2; 600]), (CUT, vec![]), (CUT, vec![]), (WHOLE, vec![5; 1000])];
        assert_eq!(got, wanted);
    }

    #[tokio::test]
    async fn other_frames_pass_as_they_are() {
        let heartbeat = vec![0, 0, 0, 8, 2, 0, 0, 0];
        let open = vec![0, 0, 0, 14, 2, 0, 0, 0, 0x00, 0x53, 0x10, 0xc0, 1, 0];
        assert_eq!(
            through(&[heartbeat.clone(), open.clone()], 10).await.unwrap(),
            [heartbeat, open].concat()
        );
    }

    #[tokio::test]
    async fn what_is_no_frame_ends_the_connection() {
        let lie = vec![0, 0, 0, 13, 2, 0, 0, 0, 0x00, 0x53, 0x14, 0xc0, 200];
        for frame in [vec![0, 0, 0, 4, 2, 0, 0, 0], vec![0, 0, 0, 8, 0, 0, 0, 0], lie] {
            assert!(through(&[frame], 10).await.is_err());
        }
    }
}
