//! What befalls a run of the handler under `/law/`, by the same script:
//!
//! - `delay=MS`: a GET takes so long; `hang=1`: it never ends; `fail=1`: it ends with an error of the handler's own;
//!   `panic=1`: with a panic.
//! - `runs=N`, `runs=N-`: that, and `status`, is about the N-th run alone, or about all from there on; without it about all.

use std::time::Duration;

use worker::{Delay, Error, Result};

#[derive(Default)]
pub struct Ordeal {
    delay: u64,
    ends: Ends,
    runs: (u32, Option<u32>),
}

#[derive(Clone, Copy, Default)]
enum Ends {
    #[default]
    Well,
    Never,
    Badly,
    InPanic,
}

impl Ordeal {
    /// Takes a word of the script, if it is one of these.
    pub fn read(&mut self, name: &str, value: &str) {
        match name {
            "delay" => self.delay = value.parse().unwrap_or(0),
            "hang" => self.ends = Ends::Never,
            "fail" => self.ends = Ends::Badly,
            "panic" => self.ends = Ends::InPanic,
            "runs" => {
                let first = value.trim_end_matches('-').parse().unwrap_or(0);
                self.runs = (first, (!value.ends_with('-')).then_some(first));
            }
            _ => {}
        }
    }

    pub fn befalls(&self, run: u32) -> bool {
        let (first, last) = self.runs;
        run >= first && (first == 0 || last.is_none_or(|last| run <= last))
    }

    #[allow(clippy::panic, reason = "on purpose")]
    pub async fn pass(&self, run: u32) -> Result<()> {
        if !self.befalls(run) {
            return Ok(());
        }
        if self.delay > 0 {
            Delay::from(Duration::from_millis(self.delay)).await;
        }
        match self.ends {
            Ends::Well => Ok(()),
            Ends::Never => std::future::pending().await,
            Ends::Badly => Err(Error::from("failing on purpose")),
            Ends::InPanic => panic!("panicking on purpose"),
        }
    }
}
