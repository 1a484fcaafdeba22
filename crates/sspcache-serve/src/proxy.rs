//! What a proxy does for a client that is signed in: forwards a request, or connects it to a server.

use std::{io, net::SocketAddr, sync::Arc};

use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::{
    HeaderMap, Request, Response, StatusCode, Uri,
    body::{Body, Bytes, Incoming},
    client::conn::http1::{self, SendRequest},
    header::{self, HeaderName, HeaderValue},
    http::{request::Parts, uri::Authority},
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::copy_bidirectional,
    net::{TcpStream, lookup_host},
    time::timeout,
};

use crate::{
    connection::Connection,
    pages::{Page, text},
    settings::Settings,
};

/// A connection to a server that a client's requests go on to. It is the client's alone, as long as its own lasts: a server may have
/// authenticated it (RFC 4559, section 6).
pub(crate) struct Upstream {
    authority: Authority,
    sender: SendRequest<Full<Bytes>>,
}

/// Fields that are between a client and its proxy (RFC 9110, 7.6.1).
const OF_THE_CONNECTION: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Connects a client to a server, after this answer.
pub(crate) async fn connect(
    connection: &Arc<Connection>,
    uri: &Uri,
    upgrade: Option<OnUpgrade>,
) -> Response<Page> {
    let (Some(authority), Some(upgrade)) = (uri.authority(), upgrade) else {
        return text(StatusCode::BAD_REQUEST, "CONNECT takes a host and a port");
    };
    let settings = &connection.shared.settings;
    let mut server = match timeout(settings.limits.time, open(settings, authority)).await {
        Ok(Ok(server)) => server,
        Ok(Err(error)) => return failed(&error),
        Err(_) => return text(StatusCode::GATEWAY_TIMEOUT, "the server takes too long"),
    };
    let (limit, connection) = (settings.limits.tunnel, connection.clone());
    tokio::spawn(async move {
        if let Ok(client) = upgrade.await {
            // Either end may go whenever it likes.
            let _ = timeout(limit, copy_bidirectional(&mut TokioIo::new(client), &mut server)).await;
        }
        // It counts as one of the server's until here.
        drop(connection);
    });
    Response::new(Either::Left(Full::default()))
}

/// Forwards a request, and returns the server's answer.
pub(crate) async fn forward(connection: &Connection, mut head: Parts, body: Bytes) -> Response<Page> {
    let (Some("http"), Some(authority)) = (head.uri.scheme_str(), head.uri.authority().cloned()) else {
        return text(StatusCode::BAD_REQUEST, "this is a proxy: a request has to name an http URL");
    };
    let limits = connection.shared.settings.limits;
    let forwarded = async {
        let mut upstream =
            match connection.take_upstream().filter(|it| it.authority == authority && it.sender.is_ready()) {
                Some(upstream) => upstream,
                None => Upstream::open(&connection.shared.settings, authority).await?,
            };
        head.uri = head.uri.path_and_query().map_or_else(Uri::default, |path| Uri::from(path.clone()));
        clean(&mut head.headers);
        let host = HeaderValue::from_str(upstream.authority.as_str()).map_err(io::Error::other)?;
        head.headers.insert(header::HOST, host);
        // The body is here already.
        head.headers.remove(header::EXPECT);
        let request = Request::from_parts(head, Full::new(body));
        let answer = upstream.sender.send_request(request).await.map_err(io::Error::other)?;
        let answer = whole(answer, limits.body_bytes).await?;
        connection.put_upstream(upstream);
        Ok(answer)
    };
    match timeout(limits.time, forwarded).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => failed(&error),
        Err(_) => text(StatusCode::GATEWAY_TIMEOUT, "the server takes too long"),
    }
}

impl Upstream {
    async fn open(settings: &Settings, authority: Authority) -> io::Result<Self> {
        let stream = open(settings, &authority).await?;
        let _ = stream.set_nodelay(true);
        let (sender, serving) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // It ends with the sender.
        tokio::spawn(serving);
        Ok(Self { authority, sender })
    }
}

/// Reads all of an answer.
async fn whole(answer: Response<Incoming>, limit: usize) -> io::Result<Response<Page>> {
    let (mut head, body) = answer.into_parts();
    let is_exact = body.size_hint().exact().is_some();
    let body = Limited::new(body, limit).collect().await.map_err(io::Error::other)?.to_bytes();
    clean(&mut head.headers);
    if !is_exact {
        head.headers.remove(header::CONTENT_LENGTH);
    }
    if head.headers.contains_key(header::WWW_AUTHENTICATE) {
        // Says that the connection is kept for the client alone (RFC 4559, section 6).
        let supported = HeaderValue::from_static("Session-Based-Authentication");
        head.headers.insert(HeaderName::from_static("proxy-support"), supported);
    }
    Ok(Response::from_parts(head, Either::Left(Full::new(body))))
}

fn clean(headers: &mut HeaderMap) {
    for name in OF_THE_CONNECTION {
        headers.remove(name);
    }
}

/// Connects to a server: to a loopback address, unless the settings allow others.
async fn open(settings: &Settings, authority: &Authority) -> io::Result<TcpStream> {
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let addresses = lookup_host((host, authority.port_u16().unwrap_or(80))).await?;
    let is_allowed = |address: &SocketAddr| settings.reaches_any || address.ip().is_loopback();
    let mut last =
        io::Error::new(io::ErrorKind::PermissionDenied, "only loopback addresses are reached from here");
    for address in addresses.filter(is_allowed) {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn failed(error: &io::Error) -> Response<Page> {
    let status = if error.kind() == io::ErrorKind::PermissionDenied {
        StatusCode::FORBIDDEN
    } else {
        StatusCode::BAD_GATEWAY
    };
    text(status, format!("can't reach the server: {error}"))
}
