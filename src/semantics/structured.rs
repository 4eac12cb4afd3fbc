//! Structured field values (RFC 9651, which takes in RFC 8941): dictionaries and lists, strict and without allocation.
//!
//! A field that does not parse to its last byte is no field at all: nothing of it may be used (RFC 9651 section 4.2).

/// A bare item, or the mark of an inner list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Up to 15 digits (3.3.1).
    Integer(i64),
    /// In thousandths (3.3.2).
    Decimal(i64),
    /// A quoted string (3.3.3).
    String,
    /// A token (3.3.4).
    Token,
    /// Base64 between colons (3.3.5).
    Bytes,
    /// `?0` or `?1`; a dictionary member without a value is true (3.3.6).
    Boolean(bool),
    /// Seconds since 1970 (3.3.7).
    Date(i64),
    /// A percent-encoded Unicode string (3.3.8).
    Display,
    /// A parenthesised list (3.1.1).
    InnerList,
}

/// One member of a dictionary or list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// The key; empty in a list.
    pub key: &'a [u8],
    /// What the value is.
    pub kind: Kind,
    /// The value as it stands in the field, quotes included; empty when a dictionary member has none.
    pub raw: &'a [u8],
    /// The parameters as they stand in the field, each with its leading `;`.
    pub parameters: &'a [u8],
}

/// The field does not parse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a structured field value")]
pub struct Invalid;

/// Calls `visit` with each member of a dictionary (4.2.2), in order; of two members with one key the later counts.
///
/// ```
/// use layercake::semantics::structured::{Kind, dictionary};
/// let mut seen = Vec::new();
/// dictionary(b"max-age=60, public;x=1", &mut |m| seen.push((m.key.to_vec(), m.kind))).unwrap();
/// assert_eq!(seen, [(b"max-age".to_vec(), Kind::Integer(60)), (b"public".to_vec(), Kind::Boolean(true))]);
/// assert!(dictionary(b"max-age=60, &&&", &mut |_| ()).is_err());
/// ```
///
/// # Errors
///
/// [`Invalid`] when the text is no dictionary; what was visited until then must not be used.
pub fn dictionary<'a>(text: &'a [u8], visit: &mut dyn FnMut(Member<'a>)) -> Result<(), Invalid> {
    Parser { text, at: 0 }.members(true, visit)
}

/// Calls `visit` with each member of a list (4.2.1), in order.
///
/// # Errors
///
/// [`Invalid`] when the text is no list; what was visited until then must not be used.
pub fn list<'a>(text: &'a [u8], visit: &mut dyn FnMut(Member<'a>)) -> Result<(), Invalid> {
    Parser { text, at: 0 }.members(false, visit)
}

/// Calls `visit` with each of a member's [`parameters`](Member::parameters), in order; of two with one key the later
/// counts.
///
/// # Errors
///
/// [`Invalid`] when the text is no run of parameters.
pub fn parameters<'a>(text: &'a [u8], visit: &mut dyn FnMut(Member<'a>)) -> Result<(), Invalid> {
    let mut parser = Parser { text, at: 0 };
    parser.parameters(visit)?;
    if parser.at == text.len() { Ok(()) } else { Err(Invalid) }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Passes over bytes as long as `is` holds.
    fn skip(&mut self, is: fn(u8) -> bool) {
        while self.peek().is_some_and(is) {
            self.at += 1;
        }
    }

    fn since(&self, from: usize) -> &'a [u8] {
        self.text.get(from..self.at).unwrap_or_default()
    }

    fn members(&mut self, keyed: bool, visit: &mut dyn FnMut(Member<'a>)) -> Result<(), Invalid> {
        self.skip(|b| b == b' ');
        while self.peek().is_some() {
            let key = if keyed { self.key()? } else { b"" };
            let from = self.at + usize::from(keyed);
            let kind = if !keyed || self.take(b'=') { self.item_or_inner_list()? } else { Kind::Boolean(true) };
            let raw = self.text.get(from..self.at).unwrap_or_default();
            let from = self.at;
            self.parameters(&mut |_| ())?;
            visit(Member { key, kind, raw, parameters: self.since(from) });
            self.skip(|b| matches!(b, b' ' | b'\t'));
            if self.peek().is_none() {
                break;
            }
            if !self.take(b',') {
                return Err(Invalid);
            }
            self.skip(|b| matches!(b, b' ' | b'\t'));
            // A trailing comma (4.2.1 step 2.6).
            self.peek().ok_or(Invalid)?;
        }
        Ok(())
    }

    fn parameters(&mut self, visit: &mut dyn FnMut(Member<'a>)) -> Result<(), Invalid> {
        while self.take(b';') {
            self.skip(|b| b == b' ');
            let key = self.key()?;
            let from = self.at + 1;
            let kind = if self.take(b'=') { self.bare_item()? } else { Kind::Boolean(true) };
            visit(Member { key, kind, raw: self.text.get(from..self.at).unwrap_or_default(), parameters: b"" });
        }
        Ok(())
    }

    fn key(&mut self) -> Result<&'a [u8], Invalid> {
        let from = self.at;
        if !self.peek().is_some_and(|b| b.is_ascii_lowercase() || b == b'*') {
            return Err(Invalid);
        }
        self.skip(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.' | b'*'));
        Ok(self.since(from))
    }

    fn item_or_inner_list(&mut self) -> Result<Kind, Invalid> {
        if !self.take(b'(') {
            return self.bare_item();
        }
        loop {
            self.skip(|b| b == b' ');
            if self.take(b')') {
                return Ok(Kind::InnerList);
            }
            self.bare_item()?;
            self.parameters(&mut |_| ())?;
            if !matches!(self.peek(), Some(b' ' | b')')) {
                return Err(Invalid);
            }
        }
    }

    fn bare_item(&mut self) -> Result<Kind, Invalid> {
        match self.peek().ok_or(Invalid)? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => {
                self.at += 1;
                self.quoted(|b| (b' '..=b'~').contains(&b)).map(|()| Kind::String)
            }
            b'?' => {
                self.at += 1;
                match (self.take(b'1'), self.take(b'0')) {
                    (true, false) => Ok(Kind::Boolean(true)),
                    (false, true) => Ok(Kind::Boolean(false)),
                    _ => Err(Invalid),
                }
            }
            b':' => self.bytes(),
            b'@' => {
                self.at += 1;
                match self.number()? {
                    Kind::Integer(seconds) => Ok(Kind::Date(seconds)),
                    _ => Err(Invalid),
                }
            }
            b'%' => {
                self.at += 1;
                if self.take(b'"') { self.display() } else { Err(Invalid) }
            }
            b if b.is_ascii_alphabetic() || b == b'*' => {
                self.skip(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&b));
                Ok(Kind::Token)
            }
            _ => Err(Invalid),
        }
    }

    /// 4.2.4: at most 15 digits, or 12 before the point and 1 to 3 behind it.
    fn number(&mut self) -> Result<Kind, Invalid> {
        let negative = self.take(b'-');
        let sign = if negative { -1 } else { 1 };
        let whole = self.digits(15)?;
        if !self.take(b'.') {
            return Ok(Kind::Integer(sign * whole.0));
        }
        let (fraction, places) = self.digits(3)?;
        if whole.1 > 12 {
            return Err(Invalid);
        }
        let fraction = fraction * [1000, 100, 10, 1][places];
        Ok(Kind::Decimal(sign * (whole.0 * 1000 + fraction)))
    }

    /// One to `most` digits: their value and their number.
    fn digits(&mut self, most: usize) -> Result<(i64, usize), Invalid> {
        let from = self.at;
        self.skip(|b| b.is_ascii_digit());
        let digits = self.since(from);
        if digits.is_empty() || digits.len() > most {
            return Err(Invalid);
        }
        Ok((digits.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0')), digits.len()))
    }

    /// The rest of a quoted string.
    fn quoted(&mut self, allowed: impl Fn(u8) -> bool) -> Result<(), Invalid> {
        loop {
            let byte = self.peek().ok_or(Invalid)?;
            self.at += 1;
            match byte {
                b'"' => return Ok(()),
                b'\\' if !(self.take(b'"') || self.take(b'\\')) => return Err(Invalid),
                b'\\' => {}
                byte if !allowed(byte) => return Err(Invalid),
                _ => {}
            }
        }
    }

    /// 4.2.7; missing padding is accepted.
    fn bytes(&mut self) -> Result<Kind, Invalid> {
        self.at += 1;
        let from = self.at;
        self.skip(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
        let digits = self.at - from;
        self.skip(|b| b == b'=');
        let padding = self.at - from - digits;
        let base64 = digits % 4 != 1 && (padding == 0 || (padding <= 2 && (digits + padding).is_multiple_of(4)));
        if base64 && self.take(b':') { Ok(Kind::Bytes) } else { Err(Invalid) }
    }

    /// 4.2.10: lower-case escapes of UTF-8.
    fn display(&mut self) -> Result<Kind, Invalid> {
        let from = self.at;
        self.skip(|b| (b' '..=b'~').contains(&b) && b != b'"');
        let inner = self.since(from);
        let nibble = |b: u8| match b {
            b'0'..=b'9' => Some(b - b'0'),
            b'a'..=b'f' => Some(b - b'a' + 10),
            _ => None,
        };
        let mut bytes = Vec::with_capacity(inner.len());
        let mut rest = inner;
        while let [byte, behind @ ..] = rest {
            if *byte == b'%' {
                let [high, low, behind @ ..] = behind else { return Err(Invalid) };
                bytes.push(nibble(*high).ok_or(Invalid)? << 4 | nibble(*low).ok_or(Invalid)?);
                rest = behind;
            } else {
                bytes.push(*byte);
                rest = behind;
            }
        }
        if self.take(b'"') && std::str::from_utf8(&bytes).is_ok() { Ok(Kind::Display) } else { Err(Invalid) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Option<Vec<(String, Kind)>> {
        let mut seen = Vec::new();
        dictionary(text.as_bytes(), &mut |m| seen.push((String::from_utf8_lossy(m.key).into_owned(), m.kind)))
            .ok()
            .map(|()| seen)
    }

    #[test]
    fn dictionaries() {
        for (text, expected) in [
            ("", &[][..]),
            ("  ", &[]),
            ("a", &[("a", Kind::Boolean(true))]),
            ("a=1", &[("a", Kind::Integer(1))]),
            ("  a=-15 ", &[("a", Kind::Integer(-15))]),
            ("a=1 ,\t b=?0", &[("a", Kind::Integer(1)), ("b", Kind::Boolean(false))]),
            ("a=1.25", &[("a", Kind::Decimal(1250))]),
            ("a=-0.5", &[("a", Kind::Decimal(-500))]),
            ("a=\"x, \\\"y\\\"\"", &[("a", Kind::String)]),
            ("a=tok/en:x", &[("a", Kind::Token)]),
            ("a=:aGk=:", &[("a", Kind::Bytes)]),
            ("a=@1659578233", &[("a", Kind::Date(1_659_578_233))]),
            ("a=%\"f%c3%bc\"", &[("a", Kind::Display)]),
            ("a=(1 \"x\";q=1  t)", &[("a", Kind::InnerList)]),
            ("a=();p", &[("a", Kind::InnerList)]),
            ("a;x=1;y, *b.c-d_e", &[("a", Kind::Boolean(true)), ("*b.c-d_e", Kind::Boolean(true))]),
            ("a=999999999999999", &[("a", Kind::Integer(999_999_999_999_999))]),
        ] {
            let expected: Vec<_> = expected.iter().map(|(key, kind)| ((*key).to_owned(), *kind)).collect();
            assert_eq!(kinds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_invalid_is_invalid_whole() {
        for text in [
            "A=1",
            "a=",
            "a=1,",
            "a=1,,b",
            "a=1 b",
            "a=1, &&&",
            "a=\"x",
            "a=\"\\x\"",
            "a=\"\u{7f}\"",
            "a=?2",
            "a=1.",
            "a=1.2345",
            "a=1000000000000000",
            "a=1234567890123.1",
            "a=--1",
            "a=(1",
            "a=(1,2)",
            "a=:!:",
            "a=@1.5",
            "a=%x",
            "a=%\"%C3%BC\"",
            "a=%\"%c3\"",
            "a;",
            "a;X",
            "\ta",
            "a=\u{e9}",
            "1a=1",
        ] {
            assert_eq!(kinds(text), None, "{text}");
        }
    }

    #[test]
    fn lists_and_parameters() {
        let mut seen = Vec::new();
        list(b"layercake; hit; ttl=-5; detail=l1, \"other cache\"", &mut |m| {
            let mut inner = Vec::new();
            parameters(m.parameters, &mut |p| inner.push((p.key, p.kind, p.raw))).unwrap();
            seen.push((m.kind, m.raw, inner));
        })
        .unwrap();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].1, b"layercake");
        assert_eq!(seen[0].2[1], (&b"ttl"[..], Kind::Integer(-5), &b"-5"[..]));
        assert_eq!(seen[0].2[2], (&b"detail"[..], Kind::Token, &b"l1"[..]));
        assert_eq!(seen[1].0, Kind::String);
        assert!(parameters(b";a b", &mut |_| ()).is_err());
    }
}
