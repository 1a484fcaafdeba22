//! A connection: its requests, and what they and the connection itself are signed in as.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http_body_util::{BodyExt, Collected, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::{sleep, timeout},
};

use crate::{
    ServerEventKind, SignIn,
    acceptor::{Binding, HalfOpen, Outcome, begins},
    fault::{self, Active, Fault, Last},
    pages::{self, By, Caller, Page},
    proxy::{self, Upstream},
    server::Shared,
    stream::Stream,
};

/// Serves a client until it goes, does something wrong, or takes too long.
pub(crate) async fn serve(shared: Arc<Shared>, stream: TcpStream, place: OwnedSemaphorePermit) {
    // Handshakes are small messages, back and forth.
    let _ = stream.set_nodelay(true);
    serve_stream(shared, stream, place).await;
}

/// The same, over whatever carries the bytes.
pub(crate) async fn serve_stream(
    shared: Arc<Shared>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    place: OwnedSemaphorePermit,
) {
    let limits = shared.settings.limits;
    let number = shared.next_connection.fetch_add(1, Ordering::Relaxed);
    shared.events.add(number, ServerEventKind::Connected);
    let new = |binding| {
        let (state, upstream) = (Mutex::default(), Mutex::default());
        let ends = Arc::default();
        Arc::new(Connection { number, shared: shared.clone(), binding, state, upstream, ends, _place: place })
    };
    match &shared.tls {
        None => speak(new(Binding::default()), stream).await,
        Some(tls) => {
            // A client that doesn't trust the issuer goes here.
            if let Ok(Ok(stream)) = timeout(limits.time, tls.acceptor.accept(stream)).await {
                let binding = tls.binding(shared.settings.bindings, stream.get_ref().1);
                speak(new(binding), stream).await;
            }
        }
    }
    shared.events.add(number, ServerEventKind::Disconnected);
}

/// Speaks HTTP.
async fn speak(connection: Arc<Connection>, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
    let limits = connection.shared.settings.limits;
    let io = TokioIo::new(Stream::new(stream, connection.ends.clone(), limits.time));
    let answering = connection.clone();
    let service = service_fn(move |request| {
        let connection = answering.clone();
        // An error closes the connection.
        async move { connection.answer(request).await.ok_or(io::Error::from(io::ErrorKind::ConnectionAborted)) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.time)
        .max_buf_size(limits.header_bytes.max(8192))
        .max_headers(limits.headers)
        // A client that has closed its side still reads the answer.
        .half_close(true)
        .serve_connection(io, service)
        .with_upgrades();
    // What a client does wrong ends its connection, and is nothing to the others.
    let _ = served.await;
}

pub(crate) struct Connection {
    number: u64,
    pub(crate) shared: Arc<Shared>,
    binding: Binding,
    state: Mutex<State>,
    upstream: Mutex<Option<Upstream>>,
    /// Whether it ends with what is answered now.
    ends: Arc<AtomicBool>,
    /// One of the connections that are allowed at a time.
    _place: OwnedSemaphorePermit,
}

#[derive(Default)]
struct State {
    half_open: Option<HalfOpen>,
    signed_in: Option<Arc<SignIn>>,
}

/// What came of a request's header fields.
enum Decision {
    Admitted(Caller, Option<HeaderValue>),
    /// Denied with a token, or with an offer of all schemes.
    Denied(String, Option<HeaderValue>),
}

impl Connection {
    /// The answer to a request; none where the connection is to be closed instead.
    async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> Option<Response<Page>> {
        let (mut head, body) = request.into_parts();
        let role = self.shared.role;
        let authorization = head.headers.get(role.authorization());
        // A client that waits for a go-ahead first gets the answer that it has to sign in. In a handshake its body is read, since the
        // connection has to last.
        let waits = head.headers.contains_key(header::EXPECT) && authorization.is_none();
        let body = match if waits { Ok(Bytes::new()) } else { self.read(body).await } {
            Ok(body) => body,
            Err(refused) => return Some(refused),
        };
        let is_own = head.uri.scheme().is_none() && head.method != Method::CONNECT;
        match head.uri.path() {
            _ if !is_own => {}
            "/events" => return Some(pages::events(&self.shared)),
            "/open" => return Some(pages::text(StatusCode::OK, "open")),
            _ => {}
        }
        let path = if is_own { head.uri.path() } else { "" };
        let fault = match self.shared.faults.at(path) {
            Ok(fault) => fault,
            Err(unknown) => return Some(pages::text(StatusCode::NOT_FOUND, unknown.to_string())),
        };
        if self.strikes(fault, Fault::CloseBeforeAnswer) {
            return None;
        }
        if self.strikes(fault, Fault::Delay) {
            sleep(self.shared.settings.delay).await;
        }
        Some(match self.decide(authorization, &head.headers, fault) {
            Decision::Admitted(caller, token) => {
                let mut page = if role == Role::Http {
                    pages::page(&self.shared, head.uri.path(), &head.headers, &caller)
                } else if head.method == Method::CONNECT {
                    proxy::connect(self, &head.uri, head.extensions.remove()).await
                } else {
                    proxy::forward(self, head, body).await
                };
                if let Some(token) = token {
                    page.headers_mut().append(role.authenticate(), token);
                }
                page
            }
            Decision::Denied(why, token) => self.deny(why, token, fault),
        })
    }

    /// Reads a request's body. A proxy keeps it, to send it on.
    async fn read(&self, body: Incoming) -> Result<Bytes, Response<Page>> {
        let limits = self.shared.settings.limits;
        let mut body = Limited::new(body, limits.body_bytes);
        let reading = async {
            if self.shared.role == Role::Proxy {
                return body.collect().await.map(Collected::to_bytes).map_err(|_| ());
            }
            while let Some(frame) = body.frame().await {
                frame.map_err(|_| ())?;
            }
            Ok(Bytes::new())
        };
        match timeout(limits.time, reading).await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(())) => {
                Err(pages::text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long, or not whole"))
            }
            Err(_) => Err(pages::text(StatusCode::REQUEST_TIMEOUT, "the body takes too long")),
        }
    }

    fn decide(
        &self,
        authorization: Option<&HeaderValue>,
        headers: &HeaderMap,
        fault: Active<'_>,
    ) -> Decision {
        let Some(authorization) = authorization else {
            let of_connection = self.lock().signed_in.clone();
            let by_connection = of_connection.clone().map(|who| (who, By::Connection));
            let by_cookie = || self.shared.sessions.of(headers).map(|who| (who, By::Cookie));
            let Some((who, by)) = by_connection.or_else(by_cookie) else {
                self.note(ServerEventKind::Offered);
                return Decision::Denied("sign in".to_owned(), None);
            };
            let mut caller = Caller { connection: self.number, who, by, of_connection };
            self.confuse(&mut self.lock(), &mut caller, fault);
            return Decision::Admitted(caller, None);
        };
        let said = authorization.to_str().unwrap_or_default().trim();
        let (scheme, token) = said.split_once(' ').unwrap_or((said, ""));
        let Some(index) = self.shared.acceptor.find(scheme) else {
            return self.refuse(scheme, "this scheme is not offered".to_owned(), None);
        };
        let Ok(token) = BASE64.decode(token.trim()) else {
            return self.refuse(scheme, "what follows the scheme is not Base64".to_owned(), None);
        };
        self.step(index, scheme, &token, fault)
    }

    /// The next step of the handshake.
    fn step(&self, index: usize, scheme: &str, token: &[u8], fault: Active<'_>) -> Decision {
        let mut state = self.lock();
        // A client that signs in again has no user until that is done.
        state.signed_in = None;
        let begun = state.half_open.take().filter(|begun| begun.scheme == index && !begins(token));
        match self.shared.acceptor.step(index, begun, token, &self.binding) {
            Outcome::Continue(half_open, token) => {
                self.note(ServerEventKind::Challenged { scheme: scheme.to_owned(), leg: half_open.legs });
                if !self.strikes(fault, Fault::OtherConnection) {
                    state.half_open = Some(half_open);
                }
                Decision::Denied("go on".to_owned(), self.challenge(index, scheme, token, fault))
            }
            Outcome::SignedIn(who, token) => {
                let who = Arc::new(who);
                self.note(ServerEventKind::SignedIn(SignIn::clone(&who)));
                if self.shared.settings.authentication.lasts(&who.package) {
                    state.signed_in = Some(who.clone());
                }
                let of_connection = state.signed_in.clone();
                let mut caller = Caller { connection: self.number, who, by: By::Request, of_connection };
                self.confuse(&mut state, &mut caller, fault);
                let (token, is_denied) = self.last_token(token, fault);
                let token = header(scheme, &token).filter(|_| !token.is_empty());
                if is_denied {
                    return Decision::Denied("denied after a sign-in".to_owned(), token);
                }
                Decision::Admitted(caller, token)
            }
            Outcome::Refused(refusal) => {
                let status = refusal.status.to_string();
                let status = status.split(' ').next().unwrap_or_default().to_owned();
                let token = refusal.token.filter(|token| !token.is_empty());
                self.refuse(scheme, status, token.and_then(|token| header(scheme, &token)))
            }
        }
    }

    fn refuse(&self, scheme: &str, reason: String, token: Option<HeaderValue>) -> Decision {
        // A scheme that isn't offered may be any text, such as what should have followed one.
        let scheme = self.shared.acceptor.find(scheme).map_or("", |_| scheme).to_owned();
        self.note(ServerEventKind::Refused { scheme, reason: reason.clone() });
        Decision::Denied(reason, token)
    }

    /// The field for a token in the middle of a handshake.
    fn challenge(
        &self,
        index: usize,
        scheme: &str,
        token: Vec<u8>,
        fault: Active<'_>,
    ) -> Option<HeaderValue> {
        let mut schemes = self.shared.acceptor.schemes();
        if self.strikes(fault, Fault::CloseAfterChallenge) {
            self.ends.store(true, Ordering::Relaxed);
        }
        if self.strikes(fault, Fault::NotBase64) {
            return HeaderValue::try_from(format!("{scheme} *{}", BASE64.encode(token))).ok();
        }
        if self.strikes(fault, Fault::OtherScheme) {
            let own = schemes.clone().nth(index);
            let other = schemes.find(|other| Some(*other) != own).unwrap_or("Other");
            return header(other, &token);
        }
        let token = if self.strikes(fault, Fault::BrokenToken) {
            fault::broken(token)
        } else if self.strikes(fault, Fault::CutToken) {
            token[..token.len() / 2].to_vec()
        } else if self.strikes(fault, Fault::ForeignToken) {
            fault::foreign(&token)
        } else if self.strikes(fault, Fault::ReplayedToken) {
            self.shared.faults.replay(scheme, &token)
        } else {
            token
        };
        header(scheme, &token)
    }

    /// The last token, and whether the request is denied all the same.
    fn last_token(&self, token: Vec<u8>, fault: Active<'_>) -> (Vec<u8>, bool) {
        let Some((fault, last, is_denied)) = fault.last_token() else { return (token, false) };
        self.note(ServerEventKind::Faulted { fault });
        let token = match last {
            Last::Right => token,
            Last::Broken => fault::broken(token),
            Last::Missing => Vec::new(),
            Last::Surplus if token.is_empty() => fault::foreign(b"NTLMSSP\0"),
            // More than there is, at the end.
            Last::Surplus => [&token[..], b"surplus"].concat(),
            Last::Foreign => fault::foreign(&token),
        };
        (token, is_denied)
    }

    /// Gives the connection to another user, or to none.
    fn confuse(&self, state: &mut State, caller: &mut Caller, fault: Active<'_>) {
        if self.strikes(fault, Fault::OtherUser) {
            let mallory = SignIn { principal: r"CONTOSO\mallory".to_owned(), ..SignIn::clone(&caller.who) };
            state.signed_in = Some(Arc::new(mallory));
            caller.of_connection.clone_from(&state.signed_in);
        }
        if self.strikes(fault, Fault::Forgotten) {
            state.signed_in = None;
        }
    }

    /// Whether this fault strikes: an event then says so.
    fn strikes(&self, active: Active<'_>, fault: Fault) -> bool {
        let strikes = active.strikes(fault);
        if strikes {
            self.note(ServerEventKind::Faulted { fault });
        }
        strikes
    }

    fn deny(&self, why: String, token: Option<HeaderValue>, fault: Active<'_>) -> Response<Page> {
        let role = self.shared.role;
        let mut denied = pages::text(role.denied(), why);
        let headers = denied.headers_mut();
        if let Some(token) = token {
            headers.append(role.authenticate(), token);
            return denied;
        }
        if self.strikes(fault, Fault::NoOffer) {
            return denied;
        }
        let mut offers: Vec<_> = self.shared.acceptor.offers().collect();
        if self.strikes(fault, Fault::ReversedOffer) {
            offers.reverse();
        }
        if self.strikes(fault, Fault::CloseAfterOffer) {
            self.ends.store(true, Ordering::Relaxed);
        }
        for offer in offers {
            if let Ok(offer) = HeaderValue::from_str(offer) {
                headers.append(role.authenticate(), offer);
            }
        }
        denied
    }

    fn note(&self, kind: ServerEventKind) {
        self.shared.events.add(self.number, kind);
    }

    /// The connection to the server that requests were forwarded to last.
    pub(crate) fn take_upstream(&self) -> Option<Upstream> {
        self.upstream.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn put_upstream(&self, upstream: Upstream) {
        *self.upstream.lock().unwrap_or_else(PoisonError::into_inner) = Some(upstream);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a server is to its clients.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    Http,
    Proxy,
}

impl Role {
    fn authorization(self) -> HeaderName {
        match self {
            Self::Http => header::AUTHORIZATION,
            Self::Proxy => header::PROXY_AUTHORIZATION,
        }
    }

    fn authenticate(self) -> HeaderName {
        match self {
            Self::Http => header::WWW_AUTHENTICATE,
            Self::Proxy => header::PROXY_AUTHENTICATE,
        }
    }

    fn denied(self) -> StatusCode {
        match self {
            Self::Http => StatusCode::UNAUTHORIZED,
            Self::Proxy => StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        }
    }
}

/// Base64 as RFC 4648 has it, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The value of a header field: a scheme, and a token.
fn header(scheme: &str, token: &[u8]) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("{scheme} {}", BASE64.encode(token))).ok()?;
    value.set_sensitive(true);
    Some(value)
}
