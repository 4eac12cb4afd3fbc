//! Between JavaScript's requests and responses and the engine's, without turning header fields or bodies into anything else.

use super::body::{Coding, JsBuffer, JsStream};
use super::headers::{JsHeaders, Stamp, js_headers};
use super::js;
use crate::body::{Body, BodyError};
use crate::message::{Ask, Response};
use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use web_sys::{Headers, ResponseInit};
use worker::send::SendWrapper;
use worker::{EncodeBody, ResponseBody, ResponseBuilder};

/// The request as the handler gets to see it, where that is another than the client's.
pub(super) fn masked(inner: &web_sys::Request, ask: &Ask) -> Result<Option<web_sys::Request>, JsValue> {
    if ask.is_as_is() {
        return Ok(None);
    }
    let (mut off, mut set) = (String::new(), String::new());
    for name in ask.taken_off() {
        off.push_str(name);
        off.push(' ');
    }
    // No field holds the end of a line.
    for (name, value) in &ask.set {
        for text in [name, &**value] {
            set.push_str(text);
            set.push('\n');
        }
    }
    let (everything, client) = (ask.hide.is_everything(), ask.hide.hides_client());
    js::masked(inner, ask.whole, &off, everything, client, &set, ask.target.as_deref())
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
