//! What a client reads that has signed in, or needn't.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http_body_util::{Either, Full};
use hyper::{
    HeaderMap, Response, StatusCode,
    body::{Body, Bytes, Frame, SizeHint},
    header::{self, HeaderValue},
};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::{ServerEvent, SignIn, server::Shared, sessions::COOKIE};

/// A page's bytes, or the events.
pub(crate) type Page = Either<Full<Bytes>, EventStream>;

/// Who a request comes from.
pub(crate) struct Caller {
    pub(crate) connection: u64,
    pub(crate) who: Arc<SignIn>,
    pub(crate) by: By,
    /// Who authenticated the connection, last.
    pub(crate) of_connection: Option<Arc<SignIn>>,
}

/// What says who a request comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum By {
    /// Its connection, which was authenticated before.
    Connection,
    Cookie,
    /// A handshake that ended with it.
    Request,
}

/// What `/whoami` says.
#[derive(Serialize)]
struct WhoAmI<'a> {
    connection_number: u64,
    by: By,
    request: &'a SignIn,
    connection: Option<&'a SignIn>,
}

/// The page for a caller.
pub(crate) fn page(shared: &Shared, path: &str, headers: &HeaderMap, caller: &Caller) -> Response<Page> {
    match path {
        // A client whose connection has another user reads which.
        "/whoami" | "/fault/other-user" => json(&WhoAmI {
            connection_number: caller.connection,
            by: caller.by,
            request: &caller.who,
            connection: caller.of_connection.as_deref(),
        }),
        "/cookie" => cookie(shared, headers, caller),
        _ => text(StatusCode::OK, format!("{} by {}", caller.who.principal, caller.who.package)),
    }
}

/// Sets the cookie of a session, unless the request has one.
fn cookie(shared: &Shared, headers: &HeaderMap, caller: &Caller) -> Response<Page> {
    #[derive(Serialize)]
    struct Session<'a> {
        principal: &'a str,
        is_new: bool,
    }
    let is_new = shared.sessions.of(headers).is_none();
    let mut page = json(&Session { principal: &caller.who.principal, is_new });
    let value = if is_new { shared.sessions.begin(caller.who.clone()) } else { None };
    // Without a time at which it ends: the client drops it at the end of its own session.
    let cookie =
        value.and_then(|value| HeaderValue::try_from(format!("{COOKIE}={value}; Path=/; HttpOnly")).ok());
    if let Some(mut cookie) = cookie {
        cookie.set_sensitive(true);
        page.headers_mut().append(header::SET_COOKIE, cookie);
    }
    page
}

/// The events so far and those that follow.
pub(crate) fn events(shared: &Shared) -> Response<Page> {
    let (latest, following) = shared.events.follow();
    let latest = latest.iter().map(line).collect::<Vec<_>>().concat();
    let stream = EventStream { latest: Some(latest.into()), following };
    response(StatusCode::OK, "application/x-ndjson", Either::Right(stream))
}

pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Page> {
    response(status, "text/plain; charset=utf-8", Either::Left(Full::new(text.into())))
}

fn json(document: &impl Serialize) -> Response<Page> {
    let text = serde_json::to_string(document).expect("it has no map with keys that aren't texts") + "\n";
    response(StatusCode::OK, "application/json", Either::Left(Full::new(text.into())))
}

fn response(status: StatusCode, kind: &'static str, body: Page) -> Response<Page> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A body of events, a line each. It ends with the server, or when the client reads too slowly.
pub(crate) struct EventStream {
    latest: Option<Bytes>,
    following: mpsc::Receiver<ServerEvent>,
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if let Some(latest) = this.latest.take().filter(|latest| !latest.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(latest))));
        }
        this.following.poll_recv(cx).map(|event| Some(Ok(Frame::data(line(&event?).into()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn line(event: &ServerEvent) -> String {
    serde_json::to_string(event).expect("it has no map with keys that aren't texts") + "\n"
}
