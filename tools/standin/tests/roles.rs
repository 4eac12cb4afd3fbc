//! The roles as workerd would see them, over real sockets.

use std::{future::Future, rc::Rc};

use serde_json::{Value, json};
use standin::{Ports, client::Connection, state::State};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Duration, timeout},
};

fn run<F: Future<Output = ()>>(test: impl FnOnce(Ports, Rc<State>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let (ports, state) = standin::start(Ports::default()).await.unwrap();
        test(ports, state).await;
    });
}

/// Sends a request and reads until the connection ends or falls silent: status, raw head, body.
async fn send(port: u16, head: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let head = format!("{head}\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    while let Ok(Ok(read)) = timeout(Duration::from_millis(40), stream.read_buf(&mut answer)).await {
        if read == 0 {
            break;
        }
    }
    let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else {
        return (0, String::new(), answer);
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    (head[9..12].parse().unwrap(), head, answer[end + 4..].to_vec())
}

async fn control(ports: Ports, path: &str, body: Value) -> (u16, Value) {
    let (status, _, body) = send(ports.control, &format!("POST {path} HTTP/1.1"), body.to_string().as_bytes()).await;
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn read(ports: Ports, path: &str) -> Value {
    let (_, _, body) = send(ports.control, &format!("GET {path} HTTP/1.1"), b"").await;
    serde_json::from_slice(&body).unwrap()
}

const URL: &str = "https://shop.example/a?x=1";

async fn cache_put(ports: Ports, response: &str) -> u16 {
    send(ports.cache, &format!("PUT {URL} HTTP/1.1"), response.as_bytes()).await.0
}

async fn cache_get(ports: Ports, more: &str) -> (u16, String, Vec<u8>) {
    send(ports.cache, &format!("GET {URL} HTTP/1.1\r\ncache-control: only-if-cached{more}"), b"").await
}

const STORED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nCache-Control: max-age=10\r\nETag: \"e\"\r\n\r\nhello";

#[test]
fn cache_stores_serves_expires_and_purges() {
    run(|ports, state| async move {
        assert_eq!(cache_get(ports, "").await.0, 504);
        assert_eq!(cache_put(ports, STORED).await, 204);
        let (status, head, body) = cache_get(ports, "").await;
        assert_eq!((status, &body[..]), (200, &b"hello"[..]));
        assert!(head.contains("cf-cache-status: hit") && head.contains("content-length: 5"), "{head}");
        assert_eq!(cache_get(ports, "\r\ncf-cache-namespace: other").await.0, 504);
        assert_eq!(cache_get(ports, "\r\nif-none-match: W/\"e\"").await.0, 304);
        assert_eq!(cache_get(ports, "\r\nrange: bytes=1-2").await.2, b"el");

        control(ports, "/clock", json!({"advance_ms": 4000})).await;
        assert!(cache_get(ports, "").await.1.contains("age: 4"));
        state.advance(Duration::from_secs(6));
        assert_eq!(cache_get(ports, "").await.0, 504);

        cache_put(ports, STORED).await;
        assert_eq!(send(ports.cache, &format!("PURGE {URL} HTTP/1.1"), b"").await.0, 200);
        assert_eq!(send(ports.cache, &format!("PURGE {URL} HTTP/1.1"), b"").await.0, 404);
    });
}

#[test]
fn cache_refuses_and_drops_as_the_platform_does() {
    run(|ports, _| async move {
        for refused in [
            "Cache-Control: no-store",
            "Cache-Control: max-age=9, private",
            "Cache-Control: max-age=9\r\nSet-Cookie: a=b",
        ] {
            assert_eq!(cache_put(ports, &format!("HTTP/1.1 200 OK\r\n{refused}\r\n\r\n")).await, 413, "{refused}");
        }
        for dropped in
            ["200 OK\r\n", "200 OK\r\nCache-Control: max-age=0\r\n", "500 No\r\nCache-Control: max-age=9\r\n"]
        {
            assert_eq!(cache_put(ports, &format!("HTTP/1.1 {dropped}\r\n")).await, 204, "{dropped}");
        }
        assert_eq!(
            cache_put(ports, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nCache-Control: max-age=9\r\n\r\nshort").await,
            400
        );
        let counters = read(ports, "/counters").await;
        assert_eq!((&counters["cache"]["refused"], &counters["cache"]["dropped"]), (&json!(4), &json!(3)));
        assert_eq!(cache_get(ports, "").await.0, 504);
    });
}

#[test]
fn a_put_of_unknown_length_comes_back_chunked_and_a_broken_one_is_not_kept() {
    run(|ports, _| async move {
        let mut stream = TcpStream::connect(("127.0.0.1", ports.cache)).await.unwrap();
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: max-age=9\r\n\r\n";
        let put = format!(
            "PUT {URL} HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n{:X}\r\n{head}\r\n3\r\nabc\r\n",
            head.len()
        );
        stream.write_all(put.as_bytes()).await.unwrap();
        drop(stream);
        assert_eq!(cache_get(ports, "").await.0, 504);
        let mut stream = TcpStream::connect(("127.0.0.1", ports.cache)).await.unwrap();
        stream.write_all(format!("{put}0\r\n\r\n").as_bytes()).await.unwrap();
        assert!(stream.read(&mut [0; 64]).await.unwrap() > 0);
        let (_, head, body) = cache_get(ports, "").await;
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        assert_eq!(body, b"3\r\nabc\r\n0\r\n\r\n");
    });
}

#[test]
fn kv_stores_with_metadata_lists_and_enforces_limits() {
    run(|ports, state| async move {
        let put = |path: &'static str, headers: &'static str, body: &'static [u8]| async move {
            send(ports.kv, &format!("PUT {path} HTTP/1.1{headers}"), body).await.0
        };
        let get = |path: &'static str| async move { send(ports.kv, &format!("GET {path} HTTP/1.1"), b"").await };
        assert_eq!(get("/a%20b?urlencoded=true").await.0, 404);
        assert_eq!(
            put("/a%20b?urlencoded=true&expiration_ttl=60", "\r\ncf-kv-metadata: {\"m\":1}", b"value").await,
            200
        );
        assert_eq!(put("/c?urlencoded=true", "", b"{\"j\":2}").await, 200);
        let (status, head, body) = get("/a%20b?urlencoded=true&cache_ttl=30").await;
        assert_eq!((status, &body[..]), (200, &b"value"[..]));
        assert!(head.contains("cf-kv-metadata: {\"m\":1}"), "{head}");
        assert_eq!(get("/c?urlencoded=true&cache_ttl=29").await.0, 400);
        assert_eq!(put("/d?urlencoded=true&expiration_ttl=59", "", b"").await, 400);
        let long = format!("\r\ncf-kv-metadata: {}", "m".repeat(1025)).leak();
        assert_eq!(put("/d?urlencoded=true", long, b"").await, 413);
        let key = format!("/{}", "k".repeat(513)).leak();
        assert_eq!(put(key, "", b"").await, 414);

        let asked = json!({"keys": ["a b", "c", "none"], "withMetadata": true});
        let (_, _, body) = send(ports.kv, "POST /bulk/get HTTP/1.1", asked.to_string().as_bytes()).await;
        let found: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(found["a b"], json!({"value": "value", "metadata": {"m": 1}}));
        assert_eq!((&found["c"]["value"], &found["none"]), (&json!("{\"j\":2}"), &Value::Null));
        let (_, _, body) = get("/?key_count_limit=1").await;
        let page: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&page["keys"][0]["name"], &page["cursor"]), (&json!("a b"), &json!("a b")));

        state.advance(Duration::from_secs(60));
        assert_eq!(get("/a%20b?urlencoded=true").await.0, 404);
        send(ports.kv, "DELETE /c?urlencoded=true HTTP/1.1", b"").await;
        assert_eq!(get("/c?urlencoded=true").await.0, 404);
    });
}

#[test]
fn kv_edge_cache_hides_a_write_after_a_miss() {
    run(|ports, state| async move {
        control(
            ports,
            "/fault",
            json!([{"role": "kv", "ops": ["get"], "edge_cache": true}, {"role": "kv", "write_limit": true}]),
        )
        .await;
        let get = || async move { send(ports.kv, "GET /k?urlencoded=true HTTP/1.1", b"").await.0 };
        let put = || async move { send(ports.kv, "PUT /k?urlencoded=true HTTP/1.1", b"v").await.0 };
        assert_eq!(get().await, 404);
        assert_eq!((put().await, put().await), (200, 429));
        assert_eq!(get().await, 404);
        state.advance(Duration::from_secs(60));
        assert_eq!(get().await, 200);
    });
}

#[test]
fn origin_follows_its_script() {
    run(|ports, _| async move {
        let get =
            |target: &'static str| async move { send(ports.origin, &format!("GET {target} HTTP/1.1"), b"").await };
        assert_eq!(get("https://origin.example/a?size=3").await.2, b"abc");
        let (status, head, body) = get("/b?status=503&header=Retry-After:%207&count=1").await;
        assert_eq!((status, &body[..]), (503, &b"1"[..]));
        assert!(head.contains("retry-after: 7") && head.contains("x-origin-count: 1"), "{head}");
        let (_, head, body) = get("/c?size=10&half=1").await;
        assert!(head.contains("content-length: 10"), "{head}");
        assert_eq!(body, b"abcde");
        assert!(get("/c?size=10&length=99").await.1.contains("content-length: 99"));
        assert_eq!(get("/c?close=1").await.0, 0);
        assert_eq!(get("/c?hang=1").await.0, 0);
        let conditional = "GET /e?etag=v1 HTTP/1.1\r\nif-none-match: \"v1\"";
        assert_eq!(send(ports.origin, conditional, b"").await.0, 304);
        control(ports, "/fault", json!({"role": "origin", "query": "status=500"})).await;
        assert_eq!(get("/e?status=200").await.0, 500);
        let counters = read(ports, "/counters").await;
        assert_eq!(counters["origin"]["paths"]["/c?size=10&half=1"], 1);
    });
}

#[test]
fn the_client_reads_whole_answers_one_after_the_other() {
    run(|ports, _| async move {
        let mut connection = Connection::new(ports.origin);
        for (target, status, letters) in
            [("/a?size=200000", 200, 200_000), ("/b?size=70000&chunked=1", 200, 70_000), ("/c?status=503", 503, 1024)]
        {
            let mut body = Vec::new();
            let request = format!("GET {target} HTTP/1.1\r\n\r\n");
            let seen = connection.exchange(request.as_bytes(), |piece| body.extend_from_slice(piece)).await;
            assert_eq!(seen.unwrap(), status, "{target}");
            assert!(body.iter().enumerate().all(|(i, byte)| *byte == b'a' + (i % 26) as u8), "{target}");
            assert_eq!((body.len(), connection.field("X-Origin-Count")), (letters, Some("1")), "{target}");
        }
        let cut = connection.exchange(b"GET /d?size=100&half=1 HTTP/1.1\r\n\r\n", |_| {}).await;
        assert!(cut.is_err());
        let stamped = connection.exchange(b"GET /e?stamp=1 HTTP/1.1\r\n\r\n", |_| {}).await;
        assert_eq!(stamped.unwrap(), 200, "the next one has a connection of its own");
        assert!(connection.field("x-origin-time").is_some());
    });
}

#[test]
fn faults_strike_where_and_as_often_as_told() {
    run(|ports, _| async move {
        cache_put(ports, STORED).await;
        let fault = |body: Value| async move { control(ports, "/fault", body).await.0 };
        assert_eq!(fault(json!({"role": "cache", "status": 500, "ops": ["get"], "times": 1})).await, 200);
        assert_eq!(cache_put(ports, STORED).await, 204);
        assert_eq!(cache_get(ports, "").await.0, 500);
        assert_eq!(cache_get(ports, "").await.0, 200);
        fault(json!({"role": "cache", "truncate": 2})).await;
        assert_eq!(cache_get(ports, "").await.2, b"he");
        fault(json!({"role": "cache", "cut": 2})).await;
        let (_, head, body) = cache_get(ports, "").await;
        assert!(head.contains("content-length: 5"), "{head}");
        assert_eq!(body, b"he");
        fault(json!({"role": "cache", "corrupt": true})).await;
        assert_eq!(cache_get(ports, "").await.2, [!b'h', b'e', b'l', b'l', b'o']);
        fault(json!({"role": "cache", "inert": true})).await;
        assert_eq!(cache_get(ports, "").await.0, 504);
        fault(json!({"role": "cache", "refuse_puts": true})).await;
        assert_eq!(cache_put(ports, STORED).await, 413);
        fault(json!({"role": "cache", "hang": true, "key": "/a?"})).await;
        assert_eq!(cache_get(ports, "").await.0, 0);
        fault(json!({"role": "cache"})).await;
        assert_eq!(cache_get(ports, "").await.0, 200);
        assert_eq!(fault(json!({"role": "cache", "truncat": 2})).await, 400);
        assert_eq!(fault(json!({"role": "nobody"})).await, 400);
    });
}

#[test]
fn raw_entries_dump_log_and_reset() {
    run(|ports, _| async move {
        let raw = json!({"role": "kv", "key": "k", "hex": "00ff", "metadata": "{broken"});
        assert_eq!(control(ports, "/raw", raw).await.0, 200);
        let dump = read(ports, "/dump?role=kv&values=1").await;
        assert_eq!((&dump[0]["hex"], &dump[0]["metadata"]), (&json!("00ff"), &json!("{broken")));
        let raw = json!({"role": "cache", "key": URL, "value": "hi", "headers": {"X-A": "b"}});
        assert_eq!(control(ports, "/raw", raw).await.0, 200);
        assert!(cache_get(ports, "").await.1.contains("x-a: b"));
        assert_eq!(read(ports, "/log?role=cache").await, json!([{"op": "get", "key": URL}]));
        control(ports, "/reset", json!({})).await;
        assert_eq!(read(ports, "/dump?role=cache").await, json!([]));
        assert_eq!(read(ports, "/counters").await["cache"], json!({}));
    });
}
