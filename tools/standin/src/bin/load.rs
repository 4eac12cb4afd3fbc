//! `load`: a bounded HTTP/1.1 load with verified answers; see `--help`.

#![allow(clippy::disallowed_methods, reason = "a native program, never built for wasm32")]

use std::{
    cell::{Cell, RefCell},
    io,
    process::ExitCode,
    rc::Rc,
    time::{Duration, Instant},
};

use nix::{time::ClockId, unistd::Pid};
use standin::client::Connection;
use tokio::sync::Barrier;

const HELP: &str = "\
Usage: load --port PORT --path PATH [options]

Keep-alive requests to 127.0.0.1 from a fixed number of connections; prints one line of JSON: requests, errors,
first_error, seconds, rps, p50_us, p90_us, p99_us, and cpu_us (CPU per request of the process given by --pid).

  --path PATH            {n} in it becomes the running number of the request
  --host NAME            Host header (bench.example)
  --first N              first value of {n} (0)
  --modulo N             {n} starts again at --first after that many (never)
  --connections N        (8)
  --seconds S            end after that time (2)
  --requests N           end after that many requests (no bound)
  --status N             expected status (200)
  --length N             expected length of the body (not checked)
  --expect 'name: text'  a header of the answer whose value must contain the text
  --header 'name: value' a header to send (repeatable)
  --pid PID              process to charge: its CPU-time clock from the start of the run until it has nothing to do any
                         more, so that what it does behind the last answers counts
  --together yes         all connections send a request of the same number at once, and the next when all have ended
";

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// A process that takes no more than `IDLE` in `QUIET` has nothing to do. Longer than a Worker waits before it goes on with a refresh.
const QUIET: Duration = Duration::from_millis(50);
const IDLE: Duration = Duration::from_micros(300);
const QUIET_TIMEOUT: Duration = Duration::from_secs(3);

struct Options {
    port: u16,
    path: String,
    host: String,
    connections: usize,
    seconds: f64,
    requests: u64,
    first: u64,
    modulo: u64,
    status: u16,
    length: Option<usize>,
    expect: Option<(String, String)>,
    headers: String,
    pid: Option<u32>,
    together: bool,
}

fn options() -> Result<Options, String> {
    let mut o = Options {
        port: 0,
        path: String::new(),
        host: "bench.example".into(),
        connections: 8,
        seconds: 2.0,
        requests: u64::MAX,
        first: 0,
        modulo: u64::MAX,
        status: 200,
        length: None,
        expect: None,
        headers: String::new(),
        pid: None,
        together: false,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--help" || arg == "-h" {
            print!("{HELP}");
            std::process::exit(0);
        }
        let value = args.next().ok_or_else(|| format!("{arg} wants a value"))?;
        fn num<T: std::str::FromStr>(arg: &str, value: &str) -> Result<T, String> {
            value.parse().map_err(|_| format!("{arg} wants a number, not {value}"))
        }
        match arg.as_str() {
            "--port" => o.port = num(&arg, &value)?,
            "--path" => o.path = value,
            "--host" => o.host = value,
            "--first" => o.first = num(&arg, &value)?,
            "--modulo" => o.modulo = num::<u64>(&arg, &value)?.max(1),
            "--connections" => o.connections = num(&arg, &value)?,
            "--seconds" => o.seconds = num(&arg, &value)?,
            "--requests" => o.requests = num(&arg, &value)?,
            "--status" => o.status = num(&arg, &value)?,
            "--length" => o.length = Some(num(&arg, &value)?),
            "--pid" => o.pid = Some(num(&arg, &value)?),
            "--together" => o.together = value == "yes",
            "--header" => o.headers += &format!("{value}\r\n"),
            "--expect" => {
                let (name, text) = value.split_once(':').ok_or("--expect wants 'name: text'")?;
                o.expect = Some((name.trim().to_ascii_lowercase(), text.trim().to_owned()));
            }
            _ => return Err(format!("unknown argument {arg}; see --help")),
        }
    }
    if o.port == 0 || !o.path.starts_with('/') || o.connections == 0 {
        return Err("--port, --path and at least one connection are wanted; see --help".into());
    }
    Ok(o)
}

#[derive(Default)]
struct Tally {
    next: Cell<u64>,
    errors: Cell<u64>,
    first_error: RefCell<Option<String>>,
    latencies: RefCell<Vec<u32>>,
}

impl Tally {
    fn error(&self, what: String) {
        self.errors.set(self.errors.get() + 1);
        self.first_error.borrow_mut().get_or_insert(what);
    }
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => Rc::new(options),
        Err(text) => {
            eprintln!("load: {text}");
            return ExitCode::from(2);
        }
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    tokio::task::LocalSet::new().block_on(&runtime, run(options));
    ExitCode::SUCCESS
}

async fn run(o: Rc<Options>) {
    let tally = Rc::new(Tally::default());
    let start = Instant::now();
    let cpu = o.pid.and_then(cpu_time);
    let until = start + Duration::from_secs_f64(o.seconds);
    let gate = o.together.then(|| Rc::new(Gate::new(o.connections)));
    let workers: Vec<_> = (0..o.connections)
        .map(|_| tokio::task::spawn_local(connection(o.clone(), tally.clone(), until, gate.clone())))
        .collect();
    for worker in workers {
        let _ = worker.await;
    }
    let seconds = start.elapsed().as_secs_f64();
    let after = match o.pid {
        Some(pid) => cpu_time_when_quiet(pid).await,
        None => None,
    };
    let used = after.zip(cpu).map(|(after, before)| after.saturating_sub(before).as_secs_f64());

    let mut latencies = tally.latencies.borrow_mut();
    latencies.sort_unstable();
    let at = |q: f64| latencies.get(((latencies.len() as f64 * q) as usize).min(latencies.len().saturating_sub(1)));
    let requests = latencies.len();
    println!(
        "{}",
        serde_json::json!({
            "requests": requests, "errors": tally.errors.get(), "first_error": *tally.first_error.borrow(),
            "seconds": seconds, "rps": requests as f64 / seconds,
            "p50_us": at(0.5), "p90_us": at(0.9), "p99_us": at(0.99),
            "cpu_us": used.filter(|_| requests > 0).map(|s| s * 1e6 / requests as f64),
        })
    );
}

/// CPU time of a process, all of its threads, in nanoseconds where `/proc/PID/stat` counts hundredths of a second
/// (clock_getcpuclockid(3)).
fn cpu_time(pid: u32) -> Option<Duration> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid.try_into().ok()?)).ok()?;
    clock.now().ok().map(Duration::from)
}

async fn cpu_time_when_quiet(pid: u32) -> Option<Duration> {
    let asked = Instant::now();
    let mut before = cpu_time(pid)?;
    loop {
        tokio::time::sleep(QUIET).await;
        let now = cpu_time(pid)?;
        if now.saturating_sub(before) <= IDLE || asked.elapsed() > QUIET_TIMEOUT {
            return Some(now);
        }
        before = now;
    }
}

/// Where connections wait for each other before each request.
struct Gate {
    all_here: Barrier,
    all_know: Barrier,
    /// The number of the request, none at the end.
    number: Cell<Option<u64>>,
}

impl Gate {
    fn new(connections: usize) -> Self {
        Self { all_here: Barrier::new(connections), all_know: Barrier::new(connections), number: Cell::new(None) }
    }

    async fn next(&self, take: impl FnOnce() -> Option<u64>) -> Option<u64> {
        if self.all_here.wait().await.is_leader() {
            self.number.set(take());
        }
        self.all_know.wait().await;
        self.number.get()
    }
}

async fn connection(o: Rc<Options>, tally: Rc<Tally>, until: Instant, gate: Option<Rc<Gate>>) {
    let mut connection = Connection::new(o.port);
    let take = || {
        let number = tally.next.get();
        tally.next.set(number + 1);
        (Instant::now() < until && number < o.requests).then_some(number)
    };
    loop {
        let number = match &gate {
            Some(gate) => gate.next(take).await,
            None => take(),
        };
        let Some(number) = number else {
            return;
        };
        let path = o.path.replace("{n}", &(o.first + number % o.modulo).to_string());
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{}\r\n", o.host, o.headers);
        let started = Instant::now();
        let failed = match tokio::time::timeout(ANSWER_TIMEOUT, exchange(&o, &mut connection, &request)).await {
            Ok(Ok(None)) => {
                tally.latencies.borrow_mut().push(started.elapsed().as_micros() as u32);
                continue;
            }
            Ok(Ok(Some(wrong))) => wrong,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        tally.error(format!("{path}: {failed}"));
        connection.close();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// One request and its whole answer; says what was wrong with it, if anything.
async fn exchange(o: &Options, connection: &mut Connection, request: &str) -> io::Result<Option<String>> {
    let mut length = 0;
    let status = connection.exchange(request.as_bytes(), |piece| length += piece.len()).await?;
    if status != o.status {
        return Ok(Some(format!("status {status}")));
    }
    if o.length.is_some_and(|wanted| wanted != length) {
        return Ok(Some(format!("{length} bytes")));
    }
    if let Some((name, wanted)) = &o.expect {
        let seen = connection.field(name).unwrap_or_default();
        if !seen.contains(wanted.as_str()) {
            return Ok(Some(format!("{name}: {seen:?}")));
        }
    }
    Ok(None)
}
