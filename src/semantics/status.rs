//! `Cache-Status` (RFC 9211): what this cache did with one request, and why.

use std::fmt::{self, Write as _};

/// Why a request went to the origin (RFC 9211 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardReason {
    /// The cache was told not to handle the request.
    Bypass,
    /// The method is not one the cache answers.
    Method,
    /// No stored response for this URI.
    UriMiss,
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
            Self::Stale => "stale",
            Self::Request => "request",
        }
    }
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
    /// Why the request was forwarded; `None` for a hit.
    pub forwarded: Option<ForwardReason>,
    /// The origin's status, when it was asked and it differs from the one sent (2.3).
    pub forward_status: Option<u16>,
    /// Seconds of freshness left; negative when stale (2.4).
    pub ttl: Option<i64>,
    /// Whether the origin's answer is being stored (2.5).
    pub stored: bool,
    /// The tier that answered, or the reason code of the decision (2.8). Always a token.
    pub detail: Option<&'static str>,
}

impl CacheStatus {
    /// Answered from the cache with `ttl` seconds of freshness left.
    #[must_use]
    pub const fn hit(ttl: i64) -> Self {
        Self { forwarded: None, forward_status: None, ttl: Some(ttl), stored: false, detail: None }
    }

    /// Answered by the origin.
    #[must_use]
    pub const fn forwarded(reason: ForwardReason) -> Self {
        Self { forwarded: Some(reason), forward_status: None, ttl: None, stored: false, detail: None }
    }

    /// Names the tier or the reason.
    #[must_use]
    pub const fn detail(mut self, detail: &'static str) -> Self {
        self.detail = Some(detail);
        self
    }

    /// The value of the field, one member of the list.
    #[must_use]
    pub fn to_field(&self) -> String {
        let mut text = String::with_capacity(64);
        // Writing to a String cannot fail.
        let _ = write!(text, "{self}");
        text
    }
}

impl fmt::Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("layercake")?;
        match self.forwarded {
            None => f.write_str("; hit")?,
            Some(reason) => {
                f.write_str("; fwd=")?;
                f.write_str(reason.as_str())?;
            }
        }
        if let Some(status) = self.forward_status {
            write!(f, "; fwd-status={status}")?;
        }
        if let Some(ttl) = self.ttl {
            write!(f, "; ttl={ttl}")?;
        }
        if self.stored {
            f.write_str("; stored")?;
        }
        if let Some(detail) = self.detail {
            f.write_str("; detail=")?;
            f.write_str(detail)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members() {
        let miss = CacheStatus { stored: true, ttl: Some(30), ..CacheStatus::forwarded(ForwardReason::UriMiss) };
        assert_eq!(miss.to_field(), "layercake; fwd=uri-miss; ttl=30; stored");
        let stale = CacheStatus { forward_status: Some(503), ..CacheStatus::hit(-5) }.detail("stale-if-error");
        assert_eq!(stale.to_field(), "layercake; hit; fwd-status=503; ttl=-5; detail=stale-if-error");
        let bypass = CacheStatus::forwarded(ForwardReason::Bypass).detail("cookie");
        assert_eq!(bypass.to_field(), "layercake; fwd=bypass; detail=cookie");
    }
}
