//! What the benches found. `report table` prints criterion's medians and writes them as JSON; `report budget` counts instructions
//! under callgrind and compares them with `budget.json`, `report budget --write` writes it anew.

mod budget;
mod callgrind;
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["table", criterion, json] => table::print(criterion.as_ref(), json.as_ref()),
        ["budget"] => budget::compare(),
        ["budget", "--write"] => budget::write(),
        _ => Err("usage: report table CRITERION_HOME JSON | report budget [--write]".to_owned()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("report: {why}");
            ExitCode::from(2)
        }
    }
}
