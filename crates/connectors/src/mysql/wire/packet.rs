//! Packets on a socket: framing, sequence numbers, and joining of those beyond 16 MiB. What is read lies in large
//! shared buffers, of which every packet is a slice.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::FutureExt;
use syncline_engine::error::{Code, Error, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// How much is asked of the socket at once, and so the size of a shared buffer.
pub const CHUNK: usize = 128 << 10;
/// A packet of exactly this size is continued by the next one. Shorter when fuzzing, whose inputs are.
const FULL: usize = if cfg!(fuzzing) { 0xfff } else { 0xff_ffff };
/// The server's own limit for one event.
const MAX_PACKET: usize = 1 << 30;
const HEADER: usize = 4;

/// A socket, encrypted or not.
pub enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(s) => Pin::new(s).poll_read(cx, buf),
            Socket::Tls(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Socket::Plain(s) => Pin::new(s).poll_write(cx, buf),
            Socket::Tls(s) => Pin::new(s).poll_write(cx, buf),
        }
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(s) => Pin::new(s).poll_flush(cx),
            Socket::Tls(s) => Pin::new(s).poll_flush(cx),
        }
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(s) => Pin::new(s).poll_shutdown(cx),
            Socket::Tls(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}

/// Packets in both directions.
pub struct Packets {
    socket: Socket,
    read: BytesMut,
    /// The beginning of a packet that consists of several.
    joined: Option<BytesMut>,
    /// What comes are events of a dump.
    events: bool,
    sequence: u8,
}

impl Packets {
    /// Over a fresh socket.
    pub fn new(socket: Socket) -> Packets {
        Packets { socket, read: BytesMut::new(), joined: None, events: false, sequence: 0 }
    }

    /// Gives the socket back, to be wrapped in TLS. Nothing may have been read ahead: a peer that sent more than was
    /// asked for before the encryption began is not to be trusted.
    pub fn into_socket(self) -> Result<Socket> {
        if self.read.is_empty() { Ok(self.socket) } else { Err(protocol("data before the TLS handshake")) }
    }

    /// Whether the connection is encrypted.
    pub fn encrypted(&self) -> bool {
        matches!(self.socket, Socket::Tls(_))
    }

    /// From here on packets are events, which say how large they are.
    pub fn expect_events(&mut self) {
        self.events = true;
    }

    /// The next packet is the first of a command.
    pub fn begin_command(&mut self) {
        self.sequence = 0;
    }

    /// Continues the numbering, after TLS has replaced the socket.
    pub fn set_sequence(&mut self, sequence: u8) {
        self.sequence = sequence;
    }

    /// The number of the next packet.
    pub fn sequence(&self) -> u8 {
        self.sequence
    }

    /// Sends one packet (short ones only: we never send 16 MiB).
    pub async fn send(&mut self, payload: &[u8]) -> Result<()> {
        let len = u32::try_from(payload.len()).ok().filter(|n| (*n as usize) < FULL);
        let len = len.ok_or_else(|| protocol("a packet to send is too long"))?;
        let mut packet = Vec::with_capacity(HEADER + payload.len());
        packet.extend_from_slice(&len.to_le_bytes()[..3]);
        packet.push(self.sequence);
        packet.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.write_all(&packet).await.map_err(broken)?;
        self.socket.flush().await.map_err(broken)
    }

    /// The next packet. Cancel safe: what was read stays.
    pub async fn receive(&mut self) -> Result<Bytes> {
        loop {
            if let Some(packet) = self.take()? {
                return Ok(packet);
            }
            self.reserve();
            if self.socket.read_buf(&mut self.read).await.map_err(broken)? == 0 {
                return Err(Error::new(Code::Interrupted, "the server closed the connection"));
            }
        }
    }

    /// The next packet if it is here already; reads what the socket holds, waits for nothing.
    pub fn receive_now(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(packet) = self.take()? {
                return Ok(Some(packet));
            }
            self.reserve();
            match self.socket.read_buf(&mut self.read).now_or_never() {
                None => return Ok(None),
                Some(Ok(0)) => return Err(Error::new(Code::Interrupted, "the server closed the connection")),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(broken(error)),
            }
        }
    }

    /// Room for another read: a new shared buffer when the rest of this one is small.
    fn reserve(&mut self) {
        if self.read.capacity() - self.read.len() < CHUNK / 8 {
            let pending = self.pending_len().unwrap_or(0).min(FULL + HEADER);
            self.read.reserve(pending.saturating_sub(self.read.len()).max(CHUNK));
        }
    }

    /// Whole length of the packet whose header is here.
    fn pending_len(&self) -> Option<usize> {
        let header = self.read.first_chunk::<HEADER>()?;
        Some(HEADER + u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize)
    }

    /// Cuts the next whole packet from what was read.
    fn take(&mut self) -> Result<Option<Bytes>> {
        loop {
            let Some(len) = self.pending_len().filter(|len| self.read.len() >= *len) else { return Ok(None) };
            self.sequence = self.read[3].wrapping_add(1);
            self.read.advance(HEADER);
            let payload = self.read.split_to(len - HEADER);
            let more = payload.len() == FULL;
            let announced = if more && self.events { announced(&payload) } else { 0 };
            match &mut self.joined {
                None if !more => return Ok(Some(payload.freeze())),
                None => self.joined = Some(begin_joined(&payload, announced)?),
                Some(joined) => {
                    if joined.len() + payload.len() > MAX_PACKET {
                        return Err(protocol("a packet beyond 1 GiB"));
                    }
                    joined.extend_from_slice(&payload);
                    if !more {
                        return Ok(self.joined.take().map(BytesMut::freeze));
                    }
                }
            }
        }
    }
}

/// The size of an event: a dump packet is a zero byte and an event, whose size stands at its byte 9.
fn announced(packet: &[u8]) -> usize {
    packet.get(10..14).and_then(|b| b.first_chunk::<4>()).map_or(0, |b| u32::from_le_bytes(*b) as usize)
}

/// A packet of several begins: room for all of it at once if it says its size, within reason.
fn begin_joined(first: &[u8], announced: usize) -> Result<BytesMut> {
    if announced >= MAX_PACKET {
        return Err(protocol("an event beyond 1 GiB"));
    }
    // No more at once than a few packets: a size that is not borne out must not cost a gigabyte.
    let mut joined = BytesMut::with_capacity((announced + 1).clamp(2 * FULL, 4 * FULL));
    joined.extend_from_slice(first);
    Ok(joined)
}

/// The peer does not speak the protocol.
#[cold]
pub fn protocol(what: &str) -> Error {
    Error::new(Code::Interrupted, format!("the server's reply is not understood: {what}"))
}

/// The socket failed.
#[cold]
pub fn broken(error: std::io::Error) -> Error {
    Error::new(Code::Interrupted, "the connection broke").cause(error)
}

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
