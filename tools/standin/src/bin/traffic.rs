//! `traffic`: requests at times of their own, each with what became of it; see `--help`.

#![allow(clippy::disallowed_methods, reason = "a native program, never built for wasm32")]

use std::{
    cell::RefCell,
    collections::HashMap,
    process::ExitCode,
    rc::Rc,
    str::FromStr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use standin::client::Connection;

const HELP: &str = "\
Usage: traffic --port PORT --path PATH (--burst N | --rate R --seconds S) [options]

Requests to 127.0.0.1 that do not wait for each other's answers: all at once, over as many connections opened before, or
as a Poisson process over paths by Zipf's law. Prints one line of JSON: started_ms (of 1970), late_us (the longest that
a request left after its time), and samples: [n, sent_us, took_us (to the last byte), wrong (text or null), note...].

  --path PATH      {n} in it becomes the number of the path
  --burst N        N requests at once for the path of number --first
  --rate R         requests per second
  --seconds S      for that time
  --paths K        numbers from --first on, the first the most wanted (1)
  --exponent E     number k gets a share like 1/k^E (1)
  --seed N         of the times and numbers (1)
  --first N        (0)
  --timeout MS     an answer that takes longer is wrong (10000)
  --status N       what the status must be (200)
  --body TEXT      what the body must be, with {n} as in the path
  --letters N      or: N letters, as the origin of `standin` sends
  --note NAME      a header field whose value is noted (repeatable)
  --host NAME      Host header (bench.example)
  --header 'name: value'  a header to send (repeatable)
";

/// Idle for longer, a connection may be closed by the other side just when it is used.
const MAX_IDLE: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Options {
    values: HashMap<String, String>,
    notes: Vec<String>,
    headers: String,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
        const NAMES: &str = " port path burst rate seconds paths exponent seed first timeout status body letters host ";
        let mut options = Options::default();
        while let Some(arg) = args.next() {
            if arg == "--help" || arg == "-h" {
                print!("{HELP}");
                std::process::exit(0);
            }
            let value = args.next().ok_or_else(|| format!("{arg} wants a value"))?;
            match arg.strip_prefix("--") {
                Some("note") => options.notes.push(value),
                Some("header") => options.headers += &format!("{value}\r\n"),
                Some(name) if NAMES.contains(&format!(" {name} ")) => {
                    options.values.insert(name.to_owned(), value);
                }
                _ => return Err(format!("unknown argument {arg}; see --help")),
            }
        }
        Ok(options)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    fn number<T: FromStr>(&self, name: &str, otherwise: T) -> Result<T, String> {
        self.text(name)
            .map_or(Ok(otherwise), |value| value.parse().map_err(|_| format!("--{name} wants a number, not {value}")))
    }
}

/// What a body must be.
enum Wanted {
    Anything,
    Text(String),
    Letters(usize),
}

impl Wanted {
    /// Whether `piece` is what belongs at this place of the body of path `n`.
    fn holds(&self, n: u64, at: usize, piece: &[u8]) -> bool {
        match self {
            Wanted::Anything => true,
            Wanted::Text(text) => {
                text.replace("{n}", &n.to_string()).as_bytes().get(at..at + piece.len()) == Some(piece)
            }
            Wanted::Letters(_) => piece.iter().zip(at..).all(|(byte, at)| *byte == b'a' + (at % 26) as u8),
        }
    }

    fn length(&self, n: u64) -> Option<usize> {
        match self {
            Wanted::Anything => None,
            Wanted::Text(text) => Some(text.replace("{n}", &n.to_string()).len()),
            Wanted::Letters(length) => Some(*length),
        }
    }
}

struct Client {
    port: u16,
    path: String,
    host: String,
    headers: String,
    notes: Vec<String>,
    status: u16,
    wanted: Wanted,
    timeout: Duration,
    started: Instant,
    /// Connections at rest, the last used last, and since when.
    idle: RefCell<Vec<(Connection, Instant)>>,
    samples: RefCell<Vec<Value>>,
}

impl Client {
    fn connection(&self) -> Connection {
        match self.idle.borrow_mut().pop() {
            Some((connection, since)) if since.elapsed() < MAX_IDLE => connection,
            _ => Connection::new(self.port),
        }
    }

    async fn request(self: Rc<Self>, n: u64, mut connection: Connection) {
        let path = self.path.replace("{n}", &n.to_string());
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{}\r\n", self.host, self.headers);
        let sent = Instant::now();
        let (mut length, mut right) = (0, true);
        let see = |piece: &[u8]| {
            right = right && self.wanted.holds(n, length, piece);
            length += piece.len();
        };
        let status = tokio::time::timeout(self.timeout, connection.exchange(request.as_bytes(), see)).await;
        let took = sent.elapsed();
        let wrong = match status {
            Ok(Ok(status)) if status != self.status => Some(format!("status {status}")),
            Ok(Ok(_)) if !right => Some("another body".to_owned()),
            Ok(Ok(_)) => self.wanted.length(n).filter(|wanted| *wanted != length).map(|_| format!("{length} bytes")),
            Ok(Err(ref error)) => Some(error.to_string()),
            Err(_) => Some("no answer in time".to_owned()),
        };
        let answered = matches!(status, Ok(Ok(_)));
        let mut sample = vec![json!(n), micros(sent - self.started), micros(took), json!(wrong)];
        sample.extend(self.notes.iter().map(|name| json!(connection.field(name).filter(|_| answered))));
        self.samples.borrow_mut().push(Value::Array(sample));
        if answered {
            self.idle.borrow_mut().push((connection, Instant::now()));
        } else {
            connection.reset();
        }
    }
}

fn micros(duration: Duration) -> Value {
    json!(duration.as_micros() as u64)
}

/// SplitMix64.
struct Random(u64);

impl Random {
    /// At least 0, below 1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The times and numbers of the requests, in order of time.
fn schedule(o: &Options) -> Result<Vec<(Duration, u64)>, String> {
    let first: u64 = o.number("first", 0)?;
    let burst: usize = o.number("burst", 0)?;
    if burst > 0 {
        return Ok(vec![(Duration::ZERO, first); burst]);
    }
    let (rate, seconds): (f64, f64) = (o.number("rate", 0.0)?, o.number("seconds", 0.0)?);
    let (paths, exponent): (u64, f64) = (o.number("paths", 1)?, o.number("exponent", 1.0)?);
    if !(rate > 0.0 && seconds > 0.0 && paths > 0) {
        return Err("--burst, or --rate and --seconds are wanted; see --help".into());
    }
    let mut sum = 0.0;
    let shares: Vec<f64> = (1..=paths)
        .map(|k| {
            sum += (k as f64).powf(-exponent);
            sum
        })
        .collect();
    let mut random = Random(o.number("seed", 1)?);
    let (mut at, mut all) = (0.0, Vec::new());
    loop {
        at -= (1.0 - random.unit()).ln() / rate;
        if at >= seconds {
            return Ok(all);
        }
        let drawn = random.unit() * sum;
        let number = shares.partition_point(|share| *share <= drawn) as u64;
        all.push((Duration::from_secs_f64(at), first + number.min(paths - 1)));
    }
}

fn client(o: &Options) -> Result<Client, String> {
    let wanted = match (o.text("body"), o.number("letters", usize::MAX)?) {
        (Some(text), _) => Wanted::Text(text.to_owned()),
        (None, usize::MAX) => Wanted::Anything,
        (None, letters) => Wanted::Letters(letters),
    };
    let client = Client {
        port: o.number("port", 0)?,
        path: o.text("path").unwrap_or_default().to_owned(),
        host: o.text("host").unwrap_or("bench.example").to_owned(),
        headers: o.headers.clone(),
        notes: o.notes.clone(),
        status: o.number("status", 200)?,
        wanted,
        timeout: Duration::from_millis(o.number("timeout", 10_000)?),
        started: Instant::now(),
        idle: RefCell::default(),
        samples: RefCell::default(),
    };
    if client.port == 0 || !client.path.starts_with('/') {
        return Err("--port and --path are wanted; see --help".into());
    }
    Ok(client)
}

async fn run(mut client: Client, schedule: Vec<(Duration, u64)>) -> std::io::Result<Value> {
    let mut opened = Vec::new();
    for _ in schedule.iter().take_while(|(at, _)| at.is_zero()) {
        let mut connection = Connection::new(client.port);
        connection.open().await?;
        opened.push(connection);
    }
    client.started = Instant::now();
    let started_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let client = Rc::new(client);
    let mut late = Duration::ZERO;
    let mut requests = Vec::with_capacity(schedule.len());
    for (at, n) in schedule {
        if !at.is_zero() {
            tokio::time::sleep_until((client.started + at).into()).await;
            late = late.max(client.started.elapsed() - at);
        }
        let connection = opened.pop().unwrap_or_else(|| client.connection());
        requests.push(tokio::task::spawn_local(client.clone().request(n, connection)));
    }
    for request in requests {
        let _ = request.await;
    }
    let samples = client.samples.take();
    Ok(json!({"started_ms": started_ms, "late_us": micros(late), "samples": samples}))
}

fn main() -> ExitCode {
    let parsed = Options::parse(std::env::args().skip(1));
    let (client, schedule) = match parsed.and_then(|o| Ok((client(&o)?, schedule(&o)?))) {
        Ok(parsed) => parsed,
        Err(text) => {
            eprintln!("traffic: {text}");
            return ExitCode::from(2);
        }
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    match tokio::task::LocalSet::new().block_on(&runtime, run(client, schedule)) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("traffic: {error}");
            ExitCode::FAILURE
        }
    }
}
