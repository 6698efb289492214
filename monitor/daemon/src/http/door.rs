//! How many may be connected, and how long each may take: whoever is silent or slow makes room for others.
//!
//! ```text
//!   connect --> handshake, head of a request --> answer --> (the next head)
//!               |<- must come within the patience,  |<- the request's body and every part of the answer
//!               |   and goes first when it is crowded    that the client takes: the same patience each
//! ```
//! Where too many are connected, the oldest that is not being answered is cut, so that a probe gets through however
//! many connections are held open. Requests for `/v1`, which may be streams without an end, never take all places.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum_server::accept::Accept;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep};
use tower::Service;

use super::problem::Problem;

/// Takes connections over from another acceptor, and keeps watch over them.
#[derive(Clone)]
pub(super) struct Door<A> {
    inside: A,
    room: Arc<Room>,
}

/// All connections.
struct Room {
    connections_max: usize,
    patience: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: u64,
    /// By age.
    places: BTreeMap<u64, Occupant>,
    /// Requests below `/v1` that are being answered.
    v1: usize,
    warned: Option<Instant>,
}

struct Occupant {
    /// Requests that are being answered.
    requests: usize,
    /// When the last request began or ended, or the connection came.
    changed: Instant,
    /// Dropped to cut the connection.
    _stay: oneshot::Sender<()>,
}

/// How often the log says that it is crowded.
const WARN_EVERY: Duration = Duration::from_secs(60);

impl<A> Door<A> {
    /// Lets `connections_max` in at a time, and waits for none longer than the patience.
    pub(super) fn new(inside: A, connections_max: usize, patience: Duration) -> Self {
        Self { inside, room: Arc::new(Room { connections_max, patience, state: Mutex::default() }) }
    }
}

impl Room {
    /// Changes of it are whole between any two statements.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more; none when everybody is being answered.
    fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut state = self.state();
        if state.places.len() >= self.connections_max {
            let now = Instant::now();
            if state.warned.is_none_or(|at| now >= at + WARN_EVERY) {
                state.warned = Some(now);
                tracing::warn!(
                    connections = state.places.len(),
                    "the http endpoint is crowded, idle connections are cut; see mon_http_connections_max"
                );
            }
            let idle = state.places.iter().find(|(_, one)| one.requests == 0).map(|(number, _)| *number);
            state.places.remove(&idle?);
        }
        let (stay, cut) = oneshot::channel();
        state.last += 1;
        let number = state.last;
        state.places.insert(number, Occupant { requests: 0, changed: Instant::now(), _stay: stay });
        Some(Place { room: self.clone(), number, cut })
    }

    /// By when the next request must be there; none while one is being answered.
    fn due(&self, number: u64) -> Option<Instant> {
        let state = self.state();
        let one = state.places.get(&number)?;
        (one.requests == 0).then(|| one.changed + self.patience)
    }

    /// A request's head is there. None when too many ask for `/v1`.
    fn begin(self: &Arc<Self>, number: u64, is_v1: bool) -> Option<Answering> {
        let mut state = self.state();
        let v1_max = self.connections_max - self.connections_max.div_ceil(4);
        if is_v1 && state.v1 >= v1_max {
            return None;
        }
        state.v1 += usize::from(is_v1);
        if let Some(one) = state.places.get_mut(&number) {
            one.requests += 1;
            one.changed = Instant::now();
        }
        Some(Answering { room: self.clone(), number, is_v1 })
    }
}

/// A connection's place, free again when this is dropped.
struct Place {
    room: Arc<Room>,
    number: u64,
    cut: oneshot::Receiver<()>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.state().places.remove(&self.number);
    }
}

/// A request that is being answered, to the answer's last byte.
struct Answering {
    room: Arc<Room>,
    number: u64,
    is_v1: bool,
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut state = self.room.state();
        state.v1 -= usize::from(self.is_v1);
        if let Some(one) = state.places.get_mut(&self.number) {
            one.requests = one.requests.saturating_sub(1);
            one.changed = Instant::now();
        }
    }
}

fn crowded() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "too many connections")
}

fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client takes too long")
}

impl<A, I, S> Accept<I, S> for Door<A>
where
    A: Accept<I, S>,
    A::Future: Send + 'static,
    A::Stream: Send + 'static,
    A::Service: Send + 'static,
{
    type Stream = Watched<A::Stream>;
    type Service = Counted<A::Service>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let place = self.room.enter();
        let inside = self.inside.accept(stream, service);
        Box::pin(async move {
            let mut place = place.ok_or_else(crowded)?;
            let patience = place.room.patience;
            let (stream, service) = tokio::select! {
                accepted = tokio::time::timeout(patience, inside) => accepted.map_err(|_| silent())??,
                _ = &mut place.cut => return Err(crowded()),
            };
            let service = Counted { inside: service, room: place.room.clone(), number: place.number };
            let reading = Box::pin(sleep(patience));
            Ok((Watched { stream, place, is_cut: false, reading, writing: None }, service))
        })
    }
}

/// A connection that fails when its client is too slow, or when its place is given away.
pub(super) struct Watched<S> {
    stream: S,
    place: Place,
    is_cut: bool,
    reading: Pin<Box<Sleep>>,
    /// Since when the client takes nothing.
    writing: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_cut || Pin::new(&mut this.place.cut).poll(cx).is_ready() {
            this.is_cut = true;
            return Poll::Ready(Err(crowded()));
        }
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, buf) {
            return Poll::Ready(read);
        }
        loop {
            let now = Instant::now();
            let due = this.place.room.due(this.place.number);
            if due.is_some_and(|due| due <= now) {
                return Poll::Ready(Err(silent()));
            }
            // While an answer goes out, it is looked at again from time to time.
            this.reading.as_mut().reset(due.unwrap_or(now + this.place.room.patience));
            ready!(this.reading.as_mut().poll(cx));
        }
    }
}

impl<S> Watched<S> {
    /// What came of a write, or an error when nothing comes of it for too long.
    fn timed<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.writing = None;
            return result;
        }
        let patience = self.place.room.patience;
        let timer = self.writing.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(silent()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.timed(cx, result)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_flush(cx);
        this.timed(cx, result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.timed(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.timed(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// The service of one connection, which notes what is being answered.
#[derive(Clone)]
pub(super) struct Counted<S> {
    inside: S,
    room: Arc<Room>,
    number: u64,
}

impl<S, B> Service<Request<B>> for Counted<S>
where
    S: Service<Request<Body>, Response = Response>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inside.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let is_v1 = request.uri().path().starts_with("/v1");
        let Some(answering) = self.room.begin(self.number, is_v1) else {
            let detail = "too many requests are being answered; try again later";
            let refusal = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response();
            return Box::pin(std::future::ready(Ok(refusal)));
        };
        let patience = self.room.patience;
        let timed = |body| Body::new(TimedBody { body: Box::pin(body), timer: Box::pin(sleep(patience)) });
        let answer = self.inside.call(request.map(timed));
        Box::pin(async move {
            let response = answer.await?;
            Ok(response.map(|body| Body::new(AnsweredBody { body, _answering: answering })))
        })
    }
}

/// A request's body, which must come in time.
struct TimedBody<B> {
    body: Pin<Box<B>>,
    timer: Pin<Box<Sleep>>,
}

impl<B> HttpBody for TimedBody<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = this.body.as_mut().poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(this.timer.as_mut().poll(cx));
        Poll::Ready(Some(Err(silent().into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body; with its end the request is done.
struct AnsweredBody {
    body: Body,
    _answering: Answering,
}

impl HttpBody for AnsweredBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod door_test;
