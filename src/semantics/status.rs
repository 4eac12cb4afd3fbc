//! `Cache-Status` (RFC 9211): what this cache did with one request, and why.

use super::push_decimal;
use std::fmt;

/// Why a request went to the origin (RFC 9211 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardReason {
    /// The cache was told not to handle the request.
    Bypass,
    /// The method is not one the cache answers.
    Method,
    /// No stored response for this URI.
    UriMiss,
    /// No stored response for this URI with these selecting fields.
    VaryMiss,
    /// A part is stored, but not all that was asked.
    Partial,
    /// A stored response was too old.
    Stale,
    /// The request's own directives forbade the stored response.
    Request,
}

impl ForwardReason {
    /// The token of RFC 9211 section 2.2.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Partial => "partial",
            Self::Stale => "stale",
            Self::Request => "request",
        }
    }
}

/// How much of what happened the `Cache-Status` field tells everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusForm {
    /// Nothing: the cache adds no field.
    Off,
    /// Whether it was a hit, for how long it is fresh, and why the origin was asked.
    #[default]
    Terse,
    /// All of it: the tier, the reason codes, what the origin said and whether it is stored.
    Full,
}

/// What happened to one request: the value that the `Cache-Status` field, the counters and the log all derive from.
///
/// ```
/// use layercake::semantics::status::CacheStatus;
/// let status = CacheStatus::hit(12).detail("l1");
/// assert_eq!(status.to_string(), "layercake; hit; ttl=12; detail=l1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheStatus {
    /// Answered with what was stored, without asking the origin (2.1).
    pub hit: bool,
    /// Why the request was forwarded, if it was.
    pub forwarded: Option<ForwardReason>,
    /// The origin's status, when it was asked and it differs from the one sent (2.3).
    pub forward_status: Option<u16>,
    /// Seconds of freshness left; negative when stale (2.4).
    pub ttl: Option<i64>,
    /// Whether the origin's answer is being stored (2.5).
    pub stored: bool,
    /// Whether the request waited for another's answer (2.6).
    pub collapsed: bool,
    /// The tier that answered, or the reason code of the decision (2.8). Always a token.
    pub detail: Option<&'static str>,
}

impl CacheStatus {
    /// Answered from the cache with `ttl` seconds of freshness left.
    #[must_use]
    pub const fn hit(ttl: i64) -> Self {
        Self { hit: true, ttl: Some(ttl), ..Self::NOTHING }
    }

    /// Answered by the origin.
    #[must_use]
    pub const fn forwarded(reason: ForwardReason) -> Self {
        Self { forwarded: Some(reason), ..Self::NOTHING }
    }

    /// Answered by the cache itself, for want of anything stored.
    #[must_use]
    pub const fn unanswered(detail: &'static str) -> Self {
        Self { detail: Some(detail), ..Self::NOTHING }
    }

    const NOTHING: Self = Self {
        hit: false,
        forwarded: None,
        forward_status: None,
        ttl: None,
        stored: false,
        collapsed: false,
        detail: None,
    };

    /// Names the tier or the reason.
    #[must_use]
    pub const fn detail(mut self, detail: &'static str) -> Self {
        self.detail = Some(detail);
        self
    }

    /// As much of it as `form` tells; `None` when that is nothing.
    #[must_use]
    pub fn told(self, form: StatusForm) -> Option<Self> {
        match form {
            StatusForm::Off => None,
            StatusForm::Terse => Some(Self { forward_status: None, stored: false, detail: None, ..self }),
            StatusForm::Full => Some(self),
        }
    }

    /// The value of the field, one member of the list: a token with parameters, as structured fields are written (RFC
    /// 9651 section 4.1).
    #[must_use]
    pub fn to_field(&self) -> String {
        let mut text = String::with_capacity(64);
        text.push_str("layercake");
        if self.hit {
            text.push_str("; hit");
        }
        if let Some(reason) = self.forwarded {
            text.push_str("; fwd=");
            text.push_str(reason.as_str());
        }
        if let Some(status) = self.forward_status {
            text.push_str("; fwd-status=");
            push_decimal(&mut text, u64::from(status));
        }
        if let Some(ttl) = self.ttl {
            text.push_str(if ttl < 0 { "; ttl=-" } else { "; ttl=" });
            // 9651 section 3.3.1: an integer has at most 15 digits.
            push_decimal(&mut text, ttl.unsigned_abs().min(999_999_999_999_999));
        }
        if self.stored {
            text.push_str("; stored");
        }
        if self.collapsed {
            text.push_str("; collapsed");
        }
        if let Some(detail) = self.detail {
            text.push_str("; detail=");
            text.push_str(detail);
        }
        text
    }
}

impl fmt::Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_field())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semantics::structured::list;

    #[test]
    fn members() {
        let miss = CacheStatus { stored: true, ttl: Some(30), ..CacheStatus::forwarded(ForwardReason::UriMiss) };
        assert_eq!(miss.to_field(), "layercake; fwd=uri-miss; ttl=30; stored");
        let stale = CacheStatus { forward_status: Some(503), ..CacheStatus::hit(-5) }.detail("stale-if-error");
        assert_eq!(stale.to_field(), "layercake; hit; fwd-status=503; ttl=-5; detail=stale-if-error");
        let bypass = CacheStatus::forwarded(ForwardReason::Bypass).detail("cookie");
        assert_eq!(bypass.to_field(), "layercake; fwd=bypass; detail=cookie");
        let ancient = CacheStatus::hit(i64::MIN).to_field();
        assert_eq!(ancient, "layercake; hit; ttl=-999999999999999");
        for status in [miss, stale, bypass, CacheStatus { collapsed: true, ..miss }] {
            let mut members = 0;
            list(status.to_field().as_bytes(), &mut |_| members += 1).unwrap();
            assert_eq!(members, 1, "{status}");
        }
    }

    #[test]
    fn forms() {
        let stale =
            CacheStatus { forward_status: Some(503), stored: true, ..CacheStatus::hit(-5) }.detail("stale-if-error");
        for (form, told) in [
            (StatusForm::Off, None),
            (StatusForm::Terse, Some("layercake; hit; ttl=-5")),
            (StatusForm::Full, Some("layercake; hit; fwd-status=503; ttl=-5; stored; detail=stale-if-error")),
        ] {
            assert_eq!(stale.told(form).map(|status| status.to_field()).as_deref(), told);
        }
    }
}
