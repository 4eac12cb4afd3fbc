//! Times and sizes: a number, or text with a unit.

use super::node::Node;
use crate::policy::LONGEST;
use std::time::Duration;

/// A time up to ten years: a number of seconds, with a fraction or without, or whole numbers of `ms`, `s`, `m`, `h` or `d`.
pub(super) fn time(node: &Node) -> Option<Duration> {
    let time = match node {
        Node::Number(number) => match number.as_u64() {
            Some(seconds) => Duration::from_secs(seconds),
            None => Duration::try_from_secs_f64(number.as_f64()?).ok()?,
        },
        Node::Text(text) => {
            let (number, unit) = measure(text)?;
            match unit {
                "ms" => Duration::from_millis(number),
                "s" => Duration::from_secs(number),
                "m" => Duration::from_secs(number.checked_mul(60)?),
                "h" => Duration::from_secs(number.checked_mul(3600)?),
                "d" => Duration::from_secs(number.checked_mul(86_400)?),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(time).filter(|time| *time <= LONGEST)
}

/// A number of bytes, or whole numbers of `B`, `KB`, `MB`, `GB` (thousands) or `KiB`, `MiB`, `GiB` (1,024s).
pub(super) fn bytes(node: &Node) -> Option<u64> {
    match node {
        Node::Number(number) => number.as_u64(),
        Node::Text(text) => {
            let (number, unit) = measure(text)?;
            let size = match unit {
                "B" => 1,
                "KB" => 1_000,
                "MB" => 1_000_000,
                "GB" => 1_000_000_000,
                "KiB" => 1 << 10,
                "MiB" => 1 << 20,
                "GiB" => 1 << 30,
                _ => return None,
            };
            number.checked_mul(size)
        }
        _ => None,
    }
}

/// A whole number and its unit.
fn measure(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// What [`time`] takes of text, as a regular expression of JSON Schema.
pub(super) const TIME_PATTERN: &str = "^[0-9]+(ms|s|m|h|d)$";

/// What [`bytes`] takes of text.
pub(super) const BYTES_PATTERN: &str = "^[0-9]+([KMG]i?)?B$";

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: f64) -> Node {
        Node::Number(serde_json::Number::from_f64(number).unwrap())
    }

    #[test]
    fn times() {
        let ms = |millis| Some(Duration::from_millis(millis));
        for (node, expected) in [
            (Node::number(30), ms(30_000)),
            (number(0.25), ms(250)),
            (number(-1.0), None),
            (number(1e300), None),
            (Node::number(u64::MAX), None),
            (Node::Bool(true), None),
        ] {
            assert_eq!(time(&node), expected, "{node:?}");
        }
        for (text, expected) in [
            ("200ms", ms(200)),
            ("30s", ms(30_000)),
            ("5m", ms(300_000)),
            ("1h", ms(3_600_000)),
            ("7d", ms(604_800_000)),
            ("007s", ms(7_000)),
            ("3650d", Some(LONGEST)),
            ("3651d", None),
            ("18446744073709551615d", None),
            ("99999999999999999999s", None),
            ("30", None),
            ("s", None),
            ("", None),
            ("1.5h", None),
            ("-1s", None),
            ("30 s", None),
            ("30S", None),
            ("\u{663}s", None),
        ] {
            assert_eq!(time(&Node::text(text)), expected, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("512B", Some(512)),
            ("1KB", Some(1_000)),
            ("64KiB", Some(65_536)),
            ("1MB", Some(1_000_000)),
            ("25MiB", Some(25 << 20)),
            ("2GB", Some(2_000_000_000)),
            ("2GiB", Some(2 << 30)),
            ("99999999999999999GiB", None),
            ("1mb", None),
            ("1", None),
            ("iB", None),
        ] {
            assert_eq!(bytes(&Node::text(text)), expected, "{text}");
        }
        assert_eq!((bytes(&Node::number(7)), bytes(&number(7.5)), bytes(&Node::Null)), (Some(7), None, None));
    }
}
