//! Between JavaScript's requests and responses and the engine's, without turning header fields or bodies into anything else.

use super::body::{Coding, JsBuffer, JsStream};
use super::headers::{JsHeaders, Stamp, js_headers};
use super::js;
use crate::body::{Body, BodyError};
use crate::message::{Ask, Response};
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Headers, RequestInit, RequestRedirect, ResponseInit};
use worker::send::SendWrapper;
use worker::{EncodeBody, ResponseBody, ResponseBuilder};

/// The request as the handler gets to see it, where that is another than the client's.
pub(super) fn masked(inner: &web_sys::Request, ask: &Ask) -> worker::Result<Option<web_sys::Request>> {
    if ask.is_as_is() {
        return Ok(None);
    }
    let headers = inner.headers();
    let present = |name: &&str| headers.has(name).unwrap_or(false);
    let off: Vec<&str> = ask.taken_off().filter(present).collect();
    let get = inner.method() == "GET";
    let content = ask.whole && ["content-length", "transfer-encoding"].iter().any(present);
    let anew = content || ask.hide.hides_client();
    if (get || !ask.whole) && !anew && off.is_empty() && ask.set.is_empty() && ask.target.is_none() {
        return Ok(None);
    }
    let headers = if ask.hide.is_everything() { host_of(&headers)? } else { Headers::new_with_headers(&headers)? };
    for name in off {
        headers.delete(name)?;
    }
    for (name, value) in &ask.set {
        headers.set(name, value)?;
    }
    let init = RequestInit::new();
    init.set_method(&if ask.whole { "GET".to_owned() } else { inner.method() });
    init.set_headers(&headers);
    init.set_redirect(RequestRedirect::Manual);
    let mut url = inner.url();
    if let Some(target) = &ask.target {
        // Behind the second slash comes the authority.
        let behind = url.bytes().enumerate().filter(|(_, byte)| *byte == b'/').nth(1).map_or(0, |(at, _)| at + 1);
        let path = url.bytes().skip(behind).position(|byte| matches!(byte, b'/' | b'?' | b'#'));
        url.truncate(path.map_or(url.len(), |at| behind + at));
        url.push_str(target);
    }
    let rebuilt = if anew {
        // Made from the URL alone, it has neither `cf` nor content.
        if !ask.hide.hides_client() {
            js::set(&init, "cf", &js::get(inner, "cf"));
        }
        web_sys::Request::new_with_str_and_init(&url, &init)?
    } else if ask.target.is_some() {
        let moved = web_sys::Request::new_with_str_and_init(&url, inner.unchecked_ref())?;
        web_sys::Request::new_with_request_and_init(&moved, &init)?
    } else {
        web_sys::Request::new_with_request_and_init(inner, &init)?
    };
    js::take_in_hand(&rebuilt);
    Ok(Some(rebuilt))
}

/// `Host` alone.
fn host_of(headers: &Headers) -> Result<Headers, JsValue> {
    let alone = Headers::new()?;
    if let Some(host) = headers.get("host")? {
        alone.set("host", &host)?;
    }
    Ok(alone)
}

/// The body in JavaScript, where those of this door are already.
#[cfg(not(any(feature = "tower", feature = "data")))]
#[allow(clippy::unused_async, reason = "the Tower door's bodies have to be awaited")]
pub(super) async fn js_body(body: Body, _: u64) -> Result<Body, BodyError> {
    Ok(body)
}

/// The body in JavaScript: one that came through the Tower door, or is a value's, is read into a buffer.
#[cfg(any(feature = "tower", feature = "data"))]
pub(super) async fn js_body(body: Body, limit: u64) -> Result<Body, BodyError> {
    let body = match body.into_host::<JsBuffer>() {
        Ok(buffer) => return Ok(Body::host(buffer)),
        Err(body) => body,
    };
    match body.into_host::<JsStream>() {
        Ok(stream) => Ok(Body::host(stream)),
        Err(body) => Ok(JsBuffer::body(Uint8Array::from(body.into_bytes(limit).await?.as_ref()), Coding::Applied)),
    }
}

/// What a handler's response holds beside status, fields and body: WebSocket, `cf`, how the body is encoded.
type Luggage = SendWrapper<ResponseBuilder>;

/// The handler's response for the engine. Bytes become one JavaScript buffer that every tier shares.
pub(super) fn from_worker(response: worker::Response) -> Response {
    let (status, headers) = (response.status_code(), response.headers().0.clone());
    let coding = match response.encode_body() {
        EncodeBody::Automatic => Coding::Automatic,
        _ => Coding::Applied,
    };
    let (builder, body) = response.into_parts();
    let body = match body {
        ResponseBody::Empty => Body::empty(),
        ResponseBody::Body(bytes) => JsBuffer::body(Uint8Array::from(bytes.as_slice()), coding),
        ResponseBody::Stream(stream) => JsStream::body(stream, coding),
    };
    Response { status, headers: JsHeaders::boxed(headers), body, luggage: Some(Box::new(SendWrapper(builder))) }
}

const OK: u16 = 200;

/// The engine's response for the runtime. A hit that is whole already goes out as it is.
pub(super) fn to_web(response: Response) -> worker::Result<web_sys::Response> {
    let Response { status, headers, body, luggage } = response;
    let (headers, stamp) = js_headers(headers)?;
    let (coding, mut given) = match body.into_host::<JsBuffer>() {
        Ok(found) => (found.coding, found.bytes.0.into()),
        Err(body) => match body.into_host::<JsStream>() {
            Ok(mut found) => {
                let whole = if status == OK && stamp.is_none() { found.take_response(&headers) } else { None };
                if let Some(response) = whole {
                    return Ok(response);
                }
                (found.coding(), found.take().map_or(JsValue::NULL, Into::into))
            }
            // The engine's own words.
            Err(body) => {
                let bytes = body.as_bytes().map(|bytes| Uint8Array::from(bytes.as_ref()));
                (Coding::Automatic, bytes.map_or(JsValue::NULL, Into::into))
            }
        },
    };
    // Fetch standard: these statuses take no body, and a constructor given one throws.
    if matches!(status, 101 | 204 | 205 | 304) {
        given = JsValue::NULL;
    }
    let init = match luggage.and_then(|luggage| luggage.downcast::<Luggage>().ok()) {
        Some(builder) => {
            let headers = worker::Headers(Headers::clone(&headers));
            ResponseInit::from(builder.0.with_status(status).with_headers(headers)).into()
        }
        None => JsValue::UNDEFINED,
    };
    let (age, said) = stamp.as_ref().map_or((-1.0, ""), Stamp::parts);
    Ok(js::respond(&given, status, &headers, coding == Coding::Applied, &init, age, said)?)
}

/// The exit of the Tower door on Workers: hands the runtime a body that never left JavaScript as it is, and streams
/// any other through. Other ways out copy every chunk.
///
/// # Errors
///
/// When a field cannot be expressed in JavaScript.
pub fn into_response(response: http::Response<Body>) -> worker::Result<web_sys::Response> {
    let (parts, body) = response.into_parts();
    let headers = Headers::new()?;
    for (name, value) in &parts.headers {
        headers.append(name.as_str(), &String::from_utf8_lossy(value.as_bytes()))?;
    }
    let body = match body.as_bytes() {
        Some(bytes) => JsBuffer::body(Uint8Array::from(bytes.as_ref()), Coding::Applied),
        None => body,
    };
    let body = match body.into_host::<JsBuffer>() {
        Ok(buffer) => Body::host(buffer),
        Err(body) => match body.into_host::<JsStream>() {
            Ok(stream) => Body::host(stream),
            Err(body) => {
                let response = worker::Response::from_stream(Chunks(body))?;

                match response.into_parts().1 {
                    ResponseBody::Stream(stream) => JsStream::body(stream, Coding::Applied),
                    _ => Body::empty(),
                }
            }
        },
    };
    to_web(Response { status: parts.status.as_u16(), headers: JsHeaders::boxed(headers), body, luggage: None })
}

/// A native body as a stream of chunks.
struct Chunks(Body);

impl futures::Stream for Chunks {
    type Item = worker::Result<Vec<u8>>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        use http_body::Body as _;
        let frame = std::task::ready!(std::pin::Pin::new(&mut self.0).poll_frame(cx));
        std::task::Poll::Ready(frame.map(|frame| match frame {
            Ok(frame) => Ok(frame.into_data().map(|data| data.to_vec()).unwrap_or_default()),
            Err(error) => Err(worker::Error::RustError(error.to_string())),
        }))
    }
}
