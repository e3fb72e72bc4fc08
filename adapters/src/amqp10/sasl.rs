//! Who we are, told to the server before the connection opens: by password, or by the client's certificate.
//!
//! It stands here and not in the library, since the library offers EXTERNAL only with a TLS stack of its own choice.

use super::server::Error;
use fe2o3_amqp::types::primitives::{Binary, Symbol};
use fe2o3_amqp::types::sasl::{SaslCode, SaslInit, SaslMechanisms, SaslOutcome};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

/// What proves who we are.
pub(super) enum Proof {
    /// SASL PLAIN.
    Password {
        /// The account.
        user: String,
        /// Its password.
        password: Zeroizing<String>,
    },
    /// SASL EXTERNAL: the certificate that the TLS connection was made with.
    Certificate,
}

//= OASIS AMQP 1.0 part 5 §5.3
//# 4 octets "AMQP", then protocol id 3, major 1, minor 0, revision 0
const HEADER: [u8; 8] = *b"AMQP\x03\x01\x00\x00";
/// A frame of this layer is short by the standard (512 bytes); some servers list many mechanisms.
const LONGEST_FRAME: usize = 8 << 10;

/// Says who we are. Reads not a byte further than the server's answer.
pub(super) async fn tell<Io: AsyncRead + AsyncWrite + Unpin>(
    io: &mut Io,
    proof: &Proof,
) -> Result<(), Error> {
    io.write_all(&HEADER).await?;
    let mut header = [0; 8];
    io.read_exact(&mut header).await?;
    if header != HEADER {
        return Err(Error::NoAmqp10);
    }
    let offered: SaslMechanisms = read(io).await?;
    let (mechanism, response) = match proof {
        Proof::Password { user, password } => {
            ("PLAIN", Zeroizing::new([&[0], user.as_bytes(), &[0], password.as_bytes()].concat()))
        }
        Proof::Certificate => ("EXTERNAL", Zeroizing::default()),
    };
    if !offered.sasl_server_mechanisms.0.iter().any(|m| m.as_str().eq_ignore_ascii_case(mechanism)) {
        return Err(Error::NoSuchProof { mechanism });
    }
    let init = SaslInit {
        mechanism: Symbol::from(mechanism),
        initial_response: Some(Binary::from(response.to_vec())),
        hostname: None,
    };
    write(io, &init).await?;
    let outcome: SaslOutcome = read(io).await?;
    if outcome.code == SaslCode::Ok { Ok(()) } else { Err(Error::Refused) }
}

async fn write<Io: AsyncWrite + Unpin>(io: &mut Io, what: &impl Serialize) -> Result<(), Error> {
    let body = Zeroizing::new(serde_amqp::to_vec(what).map_err(|_| Error::NoAmqp10)?);
    let size = u32::try_from(body.len() + 8).map_err(|_| Error::NoAmqp10)?;
    let mut frame = Zeroizing::new(size.to_be_bytes().to_vec());
    frame.extend([2, 1, 0, 0]); // data begins after two words; a SASL frame; two bytes of nothing
    frame.extend_from_slice(&body);
    io.write_all(&frame).await?;
    Ok(io.flush().await?)
}

async fn read<T: DeserializeOwned>(io: &mut (impl AsyncRead + Unpin)) -> Result<T, Error> {
    let mut head = [0; 8];
    io.read_exact(&mut head).await?;
    let [s0, s1, s2, s3, offset, kind, _, _] = head;
    let size = usize::try_from(u32::from_be_bytes([s0, s1, s2, s3])).unwrap_or(usize::MAX);
    let skipped = usize::from(offset) * 4;
    if kind != 1 || size > LONGEST_FRAME || skipped < 8 || size < skipped {
        return Err(Error::NoAmqp10);
    }
    let mut rest = vec![0; size - 8];
    io.read_exact(&mut rest).await?;
    let body = rest.get(skipped - 8..).unwrap_or_default();
    serde_amqp::from_slice(body).map_err(|_| Error::NoAmqp10)
}
