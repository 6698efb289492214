//! Loopback ports that nobody uses.

use std::net::TcpStream;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which the kernel takes ports for outgoing connections.
const FIRST: u16 = 21_000;
const COUNT: u16 = 10_000;

/// A free port, given once in the life of this process.
pub(crate) fn free() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two runners on one machine start at different places.
    let start = (std::process::id() % 97) as u16 * 100;
    loop {
        let port = FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if is_free(port) {
            return port;
        }
    }
}

/// Whether nobody listens there. Asked by connecting: a listener made to find out lives on in a child that
/// another worker is just forking.
pub(crate) fn is_free(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_err()
}
