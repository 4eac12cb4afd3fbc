//! Instructions and allocations of each operation, beside what they may be.

use super::callgrind::{Counted, count, is_installed, operations};
use serde_json::{Map, Value, json};
use std::fs;
use std::process::Command;

/// The budget that is checked in.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/budget.json");

/// By how much an operation may be off, in percent, where the file does not say so.
const TOLERANCE: u64 = 5;

/// Compares what is counted with the budget; false when something takes more than it may.
pub fn compare() -> Result<bool, String> {
    let text = fs::read_to_string(FILE).map_err(|error| format!("{FILE}: {error}"))?;
    let budget: Value = serde_json::from_str(&text).map_err(|error| format!("{FILE}: {error}"))?;
    let Some(counted) = counted()? else { return Ok(true) };
    let tolerance = budget["tolerance_percent"].as_u64().unwrap_or(TOLERANCE);
    let (theirs, ours) = (budget["rustc"].as_str().unwrap_or("another compiler"), rustc());
    println!("Each once, by callgrind                     instructions   budget        allocations   budget");
    let (mut over, mut under) = (Vec::new(), Vec::new());
    for (name, Counted { instructions, allocations }) in &counted {
        let may = |what: &str| budget["operations"][name][what].as_u64();
        let shown = |n: Option<u64>| n.map_or("none".to_owned(), |n| n.to_string());
        let (most, most_allocations) = (may("instructions"), may("allocations"));
        println!("  {name:<40} {instructions:>14} {:>8} {allocations:>18} {:>8}", shown(most), shown(most_allocations));
        for (n, most, what) in [(*instructions, most, "instructions"), (*allocations, most_allocations, "allocations")]
        {
            let Some(most) = most else {
                over.push(format!("{name}: no budget of {what} yet: make budget"));
                continue;
            };
            if n * 100 > most * (100 + tolerance) {
                over.push(format!("{name}: {n} {what}, {} more than its budget of {most}", percent(n, most)));
            } else if n * (100 + tolerance) < most * 100 {
                under.push(format!("{name}: {n} {what}, the budget is {most}: lower the budget (make budget)"));
            }
        }
    }
    for line in under.iter().chain(&over) {
        println!("{line}");
    }
    if theirs != ours {
        println!("The budget was written with {theirs}, this is {ours}: what is off may be the compiler's doing.");
    }
    if over.is_empty() {
        println!("All within {tolerance} % of the budget.");
    }
    Ok(over.is_empty())
}

/// Writes what is counted as the budget.
pub fn write() -> Result<bool, String> {
    let Some(counted) = counted()? else { return Ok(false) };
    let of =
        |Counted { instructions, allocations }| json!({ "instructions": instructions, "allocations": allocations });
    let operations: Map<String, Value> = counted.into_iter().map(|(name, counted)| (name, of(counted))).collect();
    let old = fs::read_to_string(FILE).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let tolerance = old.and_then(|old| old["tolerance_percent"].as_u64()).unwrap_or(TOLERANCE);
    let budget = json!({ "rustc": rustc(), "tolerance_percent": tolerance, "operations": operations });
    let text = serde_json::to_string_pretty(&budget).map_err(|error| error.to_string())?;
    fs::write(FILE, text + "\n").map_err(|error| format!("{FILE}: {error}"))?;
    println!("Written: {FILE}");
    Ok(true)
}

/// Each operation once; nothing where there is no valgrind.
fn counted() -> Result<Option<Vec<(String, Counted)>>, String> {
    if !is_installed() {
        println!(
            "No valgrind, so no instructions were counted: install the package valgrind (Debian, Ubuntu, Fedora)."
        );
        return Ok(None);
    }
    let (times, names) = operations()?;
    let once = |name: String| {
        let Counted { instructions, allocations } = count(&name)?;
        Ok((name, Counted { instructions: instructions / times, allocations: allocations / times }))
    };
    names.into_iter().map(once).collect::<Result<Vec<_>, String>>().map(Some)
}

/// How much more, in percent.
fn percent(n: u64, most: u64) -> String {
    ((n - most) * 100).checked_div(most).map_or("infinitely".to_owned(), |percent| format!("{percent} %"))
}

fn rustc() -> String {
    let out = Command::new("rustc").arg("--version").output();
    out.map_or("an unknown rustc".to_owned(), |out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}
