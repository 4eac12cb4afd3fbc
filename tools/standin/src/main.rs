//! `standin`: see `--help`.

use std::{io::Write, os::unix::process::parent_id, process::ExitCode, time::Duration};

use standin::Ports;
use tokio::signal::unix::{SignalKind, signal};

const HELP: &str = "\
Stand-ins for the services behind workerd, on loopback: Cache API, Workers KV, a scriptable origin, and a control port.

Usage: standin [--cache PORT] [--kv PORT] [--origin PORT] [--control PORT]

Port 0 (the default) is any free one. When ready, one line of JSON goes to standard output:
{\"cache\":1,\"kv\":2,\"origin\":3,\"control\":4,\"pid\":5}. Ends on SIGTERM, SIGINT or with its parent process.

workerd configuration
  (name = \"cache\",  external = (address = \"127.0.0.1:PORT\", http = (style = proxy)))  cacheApiOutbound
  (name = \"kv\",     external = (address = \"127.0.0.1:PORT\", http = (style = host)))   kvNamespace
  (name = \"origin\", external = (address = \"127.0.0.1:PORT\", http = (style = proxy)))  globalOutbound

Origin: any method, any path; the query string is the script
  size=N body=TEXT count=1     the body: N letters (default 1024), a text, or the number of this request
  status=N header=Name:Value   (repeatable) etag=TAG (answers 304 to a matching If-None-Match)
  delay=MS body_delay=MS       before the head; between head and body
  chunked=1 length=TEXT        no Content-Length; a Content-Length of TEXT whatever the body holds
  piece=N pause=MS endless=1   the body in pieces of N bytes; a pause after each; over and over again, until the peer goes
  half=1 cut=N                 close after half the body, after N bytes
  stamp=1                      x-origin-time: when the head was sent, in milliseconds since 1970
  hang=1 close=1               no answer at all; close without one
Each answer carries x-origin-count: how often this very path and query was asked for.

Control: JSON over HTTP; ROLE is cache, kv or origin
  POST /fault {\"role\":ROLE,...}  replaces the faults of that role; without more fields: none. An array sets several,
                               the first that applies wins. Which requests: \"ops\":[...] (cache: get put delete; kv:
                               get put delete list bulk; origin: methods in lower case), \"key\":PART, \"after\":N, \"times\":N.
    any role                   \"status\":N \"hang\":true \"close\":true \"delay_ms\":N
                               \"stall\":true       the bodies of requests are not read while the fault is there
    cache, kv                  \"inert\":true        writes are accepted and lost, reads find nothing
                               \"refuse_puts\":true  413 (cache), 429 (kv)
                               \"truncate\":N        stored bodies come back N bytes long, well framed
                               \"cut\":N             the true length is declared, the connection ends after N bytes
                               \"corrupt\":true      every 16th byte of a stored body comes back inverted
    kv                         \"metadata\":TEXT     metadata comes back as TEXT
                               \"write_limit\":true  429 for a second write of a key within one second
                               \"edge_cache\":true   reads, misses too, are remembered for cache_ttl (default 60 s)
    origin                     \"query\":SCRIPT      appended to the script of the request
  POST /raw {\"role\":\"kv\",\"key\":K,\"value\":TEXT|\"hex\":HEX,\"metadata\":JSON|TEXT,\"ttl\":S}
  POST /raw {\"role\":\"cache\",\"key\":URL,\"value\":TEXT|\"hex\":HEX,\"status\":N,\"headers\":{},\"ttl\":S,\"namespace\":NAME}
                               put an entry around all checks
  POST /clear {\"role\":ROLE}    forget what the role stores (no role: all)
  POST /clock {\"advance_ms\":N} move the clock of the stores forward
  POST /reset                  stores, faults, counters, log and clock as at the start
  POST /counters/reset         counters and log
  GET  /counters               by role: requests, each op, hit, miss, expired, stored, dropped (accepted, not kept),
                               refused, faults, too_fast (kv), not_modified (origin), paths (origin)
  GET  /log?role=ROLE          the last 512 requests: [{op,key}]
  GET  /dump?role=ROLE         cache, kv: keys with size, metadata or headers, ttl; &values=1 adds the value in hex
";

fn main() -> ExitCode {
    let mut ports = Ports::default();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let slot = match arg.as_str() {
            "--cache" => &mut ports.cache,
            "--kv" => &mut ports.kv,
            "--origin" => &mut ports.origin,
            "--control" => &mut ports.control,
            "--help" | "-h" => {
                print!("{HELP}");
                return ExitCode::SUCCESS;
            }
            _ => {
                eprintln!("standin: unknown argument {arg}; see --help");
                return ExitCode::from(2);
            }
        };
        match args.next().and_then(|value| value.parse().ok()) {
            Some(port) => *slot = port,
            None => {
                eprintln!("standin: {arg} wants a port");
                return ExitCode::from(2);
            }
        }
    }
    let parent = parent_id();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("standin: {error}");
            return ExitCode::FAILURE;
        }
    };
    match tokio::task::LocalSet::new().block_on(&runtime, run(ports, parent)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("standin: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(ports: Ports, parent: u32) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (ports, _state) = standin::start(ports).await?;
    let line = serde_json::json!({
        "cache": ports.cache, "kv": ports.kv, "origin": ports.origin, "control": ports.control,
        "pid": std::process::id(),
    });
    println!("{line}");
    std::io::stdout().flush()?;
    let orphaned = async {
        while parent_id() == parent {
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = orphaned => {}
    }
    Ok(())
}
