//! Faults as the control port describes them.

use std::{rc::Rc, time::Duration};

use serde_json::Value;

use crate::http1::{Outcome, Reply};

#[derive(Clone, Debug, Default)]
pub struct Fault {
    /// Operations it applies to; empty for all.
    pub ops: Vec<String>,
    /// Part of the key or URL it applies to.
    pub key: Option<String>,
    /// How often it applies before it is spent.
    pub times: Option<u64>,
    pub used: u64,
    /// How many requests that it is about go through first.
    pub after: u64,
    pub status: Option<u16>,
    pub hang: bool,
    /// The bodies of requests are not read while it lasts.
    pub stall: bool,
    pub close: bool,
    pub delay: Duration,
    /// Writes are accepted and lost.
    pub inert: bool,
    pub refuse_puts: bool,
    /// Stored values come back with only that many bytes, well framed.
    pub truncate: Option<usize>,
    /// Replies declare the whole length and end after that many bytes.
    pub cut: Option<usize>,
    /// Stored bytes come back with every 16th one inverted.
    pub corrupt: bool,
    /// Stored metadata comes back as this text.
    pub metadata: Option<String>,
    /// KV: 429 for the second write of a key within a second.
    pub write_limit: bool,
    /// KV: reads, misses included, are remembered for `cache_ttl`, as an edge location does.
    pub edge_cache: bool,
    /// Origin: further script parameters.
    pub query: Option<String>,
}

impl Fault {
    /// Reads a fault; an unknown or ill-typed field is an error, since a fault that does nothing would pass a test.
    pub fn from_json(value: &Value) -> Result<Fault, String> {
        let mut fault = Fault::default();
        for (name, value) in value.as_object().ok_or("a fault is a JSON object")? {
            let wrong = || format!("fault field {name:?} has a value of the wrong type: {value}");
            let flag = || value.as_bool().ok_or_else(wrong);
            let number = || value.as_u64().ok_or_else(wrong);
            let text = || value.as_str().map(str::to_owned).ok_or_else(wrong);
            match name.as_str() {
                "role" => {}
                "ops" => {
                    let ops = value.as_array().ok_or_else(wrong)?;
                    fault.ops =
                        ops.iter().map(|op| op.as_str().map(str::to_owned)).collect::<Option<_>>().ok_or_else(wrong)?;
                }
                "key" => fault.key = Some(text()?),
                "times" => fault.times = Some(number()?),
                "after" => fault.after = number()?,
                "status" => fault.status = Some(u16::try_from(number()?).map_err(|_| wrong())?),
                "hang" => fault.hang = flag()?,
                "stall" => fault.stall = flag()?,
                "close" => fault.close = flag()?,
                "delay_ms" => fault.delay = Duration::from_millis(number()?),
                "inert" => fault.inert = flag()?,
                "refuse_puts" => fault.refuse_puts = flag()?,
                "truncate" => fault.truncate = Some(number()? as usize),
                "cut" => fault.cut = Some(number()? as usize),
                "corrupt" => fault.corrupt = flag()?,
                "metadata" => fault.metadata = Some(text()?),
                "write_limit" => fault.write_limit = flag()?,
                "edge_cache" => fault.edge_cache = flag()?,
                "query" => fault.query = Some(text()?),
                _ => return Err(format!("unknown fault field {name:?}")),
            }
        }
        Ok(fault)
    }

    pub fn applies(&self, op: &str, key: &str) -> bool {
        (self.ops.is_empty() || self.ops.iter().any(|o| o == op))
            && self.key.as_ref().is_none_or(|part| key.contains(part.as_str()))
            && self.times.is_none_or(|times| self.used < times)
    }

    /// The part common to all roles: wait, then perhaps answer instead of the role.
    pub async fn strike(&self) -> Option<Outcome> {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        if self.hang {
            Some(Outcome::Hang)
        } else if self.close {
            Some(Outcome::Close)
        } else {
            self.status.map(|status| Reply::text(status, "injected fault").into())
        }
    }

    /// The part that concerns what a store hands out.
    pub fn damage(&self, reply: &mut Reply) {
        if let Some(length) = self.truncate {
            reply.body = Rc::from(&reply.body[..length.min(reply.body.len())]);
        }
        if self.corrupt {
            reply.body = reply.body.iter().enumerate().map(|(i, b)| if i % 16 == 0 { !b } else { *b }).collect();
        }
        if self.cut.is_some() {
            reply.cut = self.cut;
        }
    }
}
