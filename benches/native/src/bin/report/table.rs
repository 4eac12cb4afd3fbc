//! Criterion's estimates as one table.

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// One candidate.
struct Line {
    measured: SystemTime,
    group: String,
    name: String,
    /// Nanoseconds: the median, and the ends of its interval of confidence (95 %).
    median: f64,
    low: f64,
    high: f64,
    /// The sample in which nothing else took the processor's time.
    fastest: f64,
}

/// Prints all that criterion has kept in `home`, in the order in which it was measured, and writes it to the file `json`.
pub fn print(home: &Path, json: &Path) -> Result<bool, String> {
    let mut lines = Vec::new();
    collect(home, &mut lines)?;
    if lines.is_empty() {
        return Err(format!("criterion has left nothing in {}", home.display()));
    }
    lines.sort_by_key(|line| line.measured);
    let mut groups = Vec::new();
    for group in lines.chunk_by(|one, next| one.group == next.group) {
        let rival = group.last().filter(|last| group.len() > 1 && is_rival(group, last));
        println!("{}", group[0].group);
        let mut candidates = Vec::new();
        for line in group {
            let ratio = rival.map(|rival| line.median / rival.median);
            let shown = ratio.map(|ratio| format!(" {ratio:>6.2}")).unwrap_or_default();
            println!("  {:<48} {:>8.0} ns {:>8.0} ns{shown}", line.name, line.median, line.fastest);
            candidates.push(json!({
                "name": line.name, "median_ns": line.median, "low_ns": line.low, "high_ns": line.high,
                "fastest_ns": line.fastest, "ratio": ratio,
            }));
        }
        groups.push(json!({ "group": group[0].group, "candidates": candidates }));
    }
    println!(
        "Medians and fastest samples; then the ratio of medians to the last line of a group, where it is another crate's."
    );
    let text = serde_json::to_string_pretty(&groups).map_err(|error| error.to_string())?;
    fs::write(json, text + "\n").map_err(|error| format!("{}: {error}", json.display()))?;
    Ok(true)
}

/// Whether the last candidate is another crate's and the first is not.
fn is_rival(group: &[Line], last: &Line) -> bool {
    group[0].name.starts_with("layercake") && !last.name.starts_with("layercake")
}

/// Finds `new/benchmark.json` and `new/estimates.json` anywhere below.
fn collect(folder: &Path, lines: &mut Vec<Line>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
        if path.ends_with("new") {
            lines.extend(line(&path));
        } else {
            collect(&path, lines)?;
        }
    }
    Ok(())
}

fn line(folder: &Path) -> Option<Line> {
    let read = |name: &str| serde_json::from_slice::<Value>(&fs::read(folder.join(name)).ok()?).ok();
    let (about, estimates, sample) = (read("benchmark.json")?, read("estimates.json")?, read("sample.json")?);
    let (times, iterations) = (sample["times"].as_array()?, sample["iters"].as_array()?);
    let each = times.iter().zip(iterations).filter_map(|(time, n)| Some(time.as_f64()? / n.as_f64()?));
    let median = &estimates["median"];
    let end = |name: &str| median["confidence_interval"][name].as_f64();
    Some(Line {
        measured: fs::metadata(folder.join("estimates.json")).and_then(|file| file.modified()).ok()?,
        group: about["group_id"].as_str()?.to_owned(),
        name: about["function_id"].as_str()?.to_owned(),
        median: median["point_estimate"].as_f64()?,
        low: end("lower_bound")?,
        high: end("upper_bound")?,
        fastest: each.min_by(f64::total_cmp)?,
    })
}
