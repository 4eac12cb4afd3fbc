//! Counting with callgrind.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The program that does what is counted; it stands beside this one.
pub fn counter() -> Result<PathBuf, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let counter = here.with_file_name("count");
    if counter.exists() { Ok(counter) } else { Err(format!("{} is missing: build it", counter.display())) }
}

/// How often the counter does each of its operations, and their names.
pub fn operations() -> Result<(u64, Vec<String>), String> {
    let out = Command::new(counter()?).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let mut words = text.split_whitespace();
    let times = words.next().and_then(|times| times.parse().ok()).ok_or("count does not say how often")?;
    Ok((times, words.map(str::to_owned).collect()))
}

/// Whether valgrind is there.
pub fn is_installed() -> bool {
    let run = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}

/// What happened inside `measured`.
pub struct Counted {
    pub instructions: u64,
    /// How often memory was asked for.
    pub allocations: u64,
}

/// Runs one operation under callgrind.
pub fn count(operation: &str) -> Result<Counted, String> {
    let counter = counter()?;
    // Beside the program, for callgrind_annotate.
    let out = counter.with_file_name(format!("callgrind.{operation}.out"));
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*count::measured*", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(&counter)
        .arg(operation)
        // How long the environment is moves the stack, and copies of what lies on it take other ways.
        .env_clear()
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    if !run.status.success() {
        return Err(format!("{operation}: {}", String::from_utf8_lossy(&run.stderr)));
    }
    let text = fs::read_to_string(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    let instructions = sum(&text).ok_or("callgrind has seen no call of `measured`: was the binary stripped?")?;
    let allocations = String::from_utf8_lossy(&run.stdout).trim().parse();
    Ok(Counted { instructions, allocations: allocations.map_err(|_| "count does not say what it asked for")? })
}

/// The sum in callgrind's file.
fn sum(text: &str) -> Option<u64> {
    let sum = text.lines().find_map(|line| line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:")))?;
    sum.trim().parse().ok().filter(|sum| *sum > 0)
}
