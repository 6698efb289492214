//! A socket with the bytes that wait to be written to it.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use mon_wire::Session;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;

/// How much is read at a time.
const READ_BYTES: usize = 16 << 10;

/// A connected socket.
pub(crate) struct Socket {
    stream: TcpStream,
    output: Bytes,
}

/// What a turn of the socket gave.
pub(crate) enum Turn {
    /// These bytes were received.
    Received(Bytes),
    /// Something was written; ask for more output if [`Socket::is_written`].
    Wrote,
}

impl Socket {
    /// Over a connected stream; small messages are not held back.
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, output: Bytes::new() })
    }

    /// Whether everything that was handed over is written.
    pub(crate) fn is_written(&self) -> bool {
        self.output.is_empty()
    }

    /// What was handed over and is not written yet.
    pub(crate) fn unwritten_bytes(&self) -> usize {
        self.output.len()
    }

    /// Hands over what to write next. Only when [`Self::is_written`].
    pub(crate) fn write(&mut self, bytes: Bytes) {
        self.output = bytes;
    }

    /// Reads or writes, whichever is possible first. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// The socket failed or the other side closed it.
    pub(crate) async fn turn(&mut self) -> io::Result<Turn> {
        let Self { stream, output } = self;
        let (reader, mut writer) = stream.split();
        loop {
            tokio::select! {
                biased;
                written = writer.write_buf(output), if !output.is_empty() => return match written? {
                    0 => Err(io::ErrorKind::WriteZero.into()),
                    _ => Ok(Turn::Wrote),
                },
                ready = reader.readable() => {
                    ready?;
                    match read_now(&reader) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        received => return received.map(Turn::Received),
                    }
                }
            }
        }
    }

    /// Writes what a session that is closed by us still has to say, as far as that goes in a second.
    pub(crate) async fn finish(&mut self, session: &mut Session, now: Duration) {
        let all = async {
            loop {
                if self.is_written() {
                    match session.poll_transmit(now) {
                        Some(bytes) => self.write(bytes),
                        None => return,
                    }
                }
                if self.turn().await.is_err() {
                    return;
                }
            }
        };
        let _as_far_as_it_goes = tokio::time::timeout(FINISH_MAX, all).await;
    }

    /// Writes what waits, then `bytes`, as far as the socket takes it at once.
    pub(crate) fn write_last(&mut self, bytes: &[u8]) {
        if self.is_written() {
            let _best_effort = self.stream.try_write(bytes);
        }
    }
}

/// How long a closed session may still take to hear what was said before.
const FINISH_MAX: Duration = Duration::from_secs(1);

/// Reads into the stack first: a connection that has nothing to say holds no buffer.
fn read_now(reader: &ReadHalf<'_>) -> io::Result<Bytes> {
    let mut buffer = [0; READ_BYTES];
    match reader.try_read(&mut buffer)? {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed by peer")),
        count => Ok(Bytes::copy_from_slice(&buffer[..count])),
    }
}
