//! How much a peer may take of us. Every number is data, so that configuration can change it.

use std::time::Duration;

/// Bounds on what a connection or session accepts and keeps. All sizes are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest frame before authentication. The largest legitimate one carries a ticket, about 1 KiB.
    pub handshake_frame_bytes_max: usize,
    /// Most bytes, each way, from the banner to the end of authentication (they are kept for the signature).
    pub handshake_bytes_max: usize,
    /// How long a connection may take from its first byte to a standing session.
    pub handshake_age_max: Duration,
    /// Largest message (front, middle and data together) that is received. Clients send commands, beacons and
    /// CRUSH maps; monitors send Paxos values and store chunks, many in one message.
    pub message_bytes_max: usize,
    /// How many bytes of messages may wait for a peer that does not read (or, in a lossless session, does not
    /// acknowledge) before no more are taken. One message may exceed it: an OSDMap has to get through.
    pub queue_bytes_max: usize,
    /// Most messages so queued.
    pub queue_messages_max: usize,
    /// Most bytes of control frames waiting to be written, such as answers to keepalives.
    pub control_bytes_max: usize,
    /// How long nothing may have been received before we ask with a keepalive; none: never ask.
    pub keepalive_after: Option<Duration>,
    /// How long nothing may be received before the connection counts as dead; none: for ever.
    pub silence_max: Option<Duration>,
    /// Most messages kept for a monitor with which no session stands. The oldest go first: after a long
    /// absence nobody wants to hear the elections of yesterday.
    pub unopened_messages_max: usize,
    /// How long a broken lossless session is kept. After it what was sent but not acknowledged is void, and a
    /// new session is made.
    pub broken_age_max: Duration,
    /// First wait between two connection attempts of a lossless session; doubles with each failure.
    pub backoff_min: Duration,
    /// Longest such wait.
    pub backoff_max: Duration,

    /// Connections, enforced by the listener: most that have not finished their handshake.
    pub unauthenticated_max: usize,
    /// Enforced by the listener: most client sessions.
    pub sessions_max: usize,
}

impl Limits {
    /// Defaults for client sessions: they keep themselves alive (every 10 s), so nothing is asked of them.
    #[must_use]
    pub fn client() -> Self {
        Self {
            handshake_frame_bytes_max: 64 << 10,
            handshake_bytes_max: 256 << 10,
            handshake_age_max: Duration::from_secs(10),
            message_bytes_max: 32 << 20,
            queue_bytes_max: 16 << 20,
            queue_messages_max: 16 << 10,
            control_bytes_max: 256 << 10,
            keepalive_after: None,
            silence_max: Some(Duration::from_secs(900)),
            unopened_messages_max: 256,
            broken_age_max: Duration::from_secs(30),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(1),
            unauthenticated_max: 1024,
            sessions_max: 16 << 10,
        }
    }

    /// Defaults for sessions between monitors: silence is looked into after a second.
    #[must_use]
    pub fn peer() -> Self {
        Self {
            keepalive_after: Some(Duration::from_secs(1)),
            silence_max: Some(Duration::from_secs(6)),
            message_bytes_max: 512 << 20,
            queue_bytes_max: 256 << 20,
            ..Self::client()
        }
    }
}
