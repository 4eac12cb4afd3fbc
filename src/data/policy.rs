//! For how long values are kept, and where.

use crate::policy::{Policy, Tiers};
use std::sync::Arc;
use std::time::Duration;

/// How long a value is good for: there is no value without.
///
/// ```
/// use layercake::data::Ttl;
/// use std::time::Duration;
///
/// let (hour, always): (Ttl, _) = (Duration::from_secs(3600).into(), Ttl::FOREVER);
/// assert_ne!(hour, always);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ttl(pub(super) Duration);

impl Ttl {
    /// Until it is deleted or gives way: ten years.
    pub const FOREVER: Self = Self(Duration::from_secs(10 * 365 * 86_400));

    /// So long from now. Zero, and more than ten years, are errors when a value is to be kept so. Workers KV keeps
    /// its copy for 60 s at least; the value is not served for longer than said all the same.
    #[must_use]
    pub const fn of(lifetime: Duration) -> Self {
        Self(lifetime)
    }
}

impl From<Duration> for Ttl {
    fn from(lifetime: Duration) -> Self {
        Self::of(lifetime)
    }
}

/// How the values of one kind are cached. Cloning shares it; made once, in a `LazyLock` for example, it costs nothing per call.
///
/// ```
/// use layercake::data::DataPolicy;
/// use std::time::Duration;
///
/// let secs = Duration::from_secs;
/// let content = DataPolicy::ttl(secs(300))
///     .stale_while_revalidate(secs(60))
///     .stale_if_error(secs(3600))
///     .negative_ttl(secs(10))
///     .tag("content");
/// assert!(content.check().is_ok());
/// assert!(DataPolicy::ttl(Duration::ZERO).check().is_err());
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct DataPolicy {
    pub(super) policy: Arc<Policy>,
    pub(super) ttl: Ttl,
    pub(super) negative: Option<Duration>,
    pub(super) tags: Arc<[Box<str>]>,
}

/// What a policy for values cannot mean.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the policy for values, field {field}: {value} given, expected {expected}")]
pub struct PolicyError {
    /// The setter's name.
    pub field: &'static str,
    /// The value given.
    pub value: String,
    /// What would be taken.
    pub expected: &'static str,
}

/// The largest value by default, in bytes.
const MAX_SIZE: u64 = 64 << 20;

/// How long a loader may take by default.
const HARD_TIMEOUT: Duration = Duration::from_secs(10);

impl DataPolicy {
    /// Good for `ttl`, unless the loader says otherwise ([`Loaded::lifetime`](super::Loaded::lifetime)).
    pub fn ttl(ttl: impl Into<Ttl>) -> Self {
        let ttl = ttl.into();
        let policy = Policy::from_headers()
            .default_ttl(ttl.0)
            .stale_while_revalidate(Duration::ZERO)
            .stale_if_error(Duration::ZERO)
            .hard_timeout(HARD_TIMEOUT)
            .max_body(MAX_SIZE);
        Self { policy: Arc::new(policy), ttl, negative: None, tags: Arc::from([]) }
    }

    /// Good until it is deleted or gives way.
    pub fn forever() -> Self {
        Self::ttl(Ttl::FOREVER)
    }

    fn with(mut self, change: impl FnOnce(Policy) -> Policy) -> Self {
        self.policy = Arc::new(change(Arc::unwrap_or_clone(self.policy)));
        self
    }

    /// How long past its lifetime a value is served at once while the loader runs behind it. Default: not at all.
    pub fn stale_while_revalidate(self, window: Duration) -> Self {
        self.with(|policy| policy.stale_while_revalidate(window))
    }

    /// How long past its lifetime a value is served in place of the loader's error, or when it takes too long. Default: not at all.
    pub fn stale_if_error(self, window: Duration) -> Self {
        self.with(|policy| policy.stale_if_error(window))
    }

    /// How long `None` is good for, where the loader's value is an `Option`: whole seconds, one at least. Default: it is not kept.
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.negative = Some(ttl);
        self
    }

    /// How long the loader may take before a stale value is served in its place, where
    /// [`stale_if_error`](Self::stale_if_error) allows one. Default: none.
    pub fn soft_timeout(self, limit: Duration) -> Self {
        self.with(|policy| policy.soft_timeout(limit))
    }

    /// How long the loader may take at most; then a stale value, where one is allowed, or
    /// [`LoadError::TimedOut`](super::LoadError::TimedOut). The loader may finish behind it, and its value is kept.
    /// On Workers it is also when the request of a loader that has panicked is given up. Default: 10 s.
    pub fn hard_timeout(self, limit: Duration) -> Self {
        self.with(|policy| policy.hard_timeout(limit))
    }

    /// How long others wait for the loader that one of them is running, as
    /// [`Policy::collapse_wait`](crate::Policy::collapse_wait). Zero: each runs his own. Default: 5 s.
    pub fn collapse_wait(self, limit: Duration) -> Self {
        self.with(|policy| policy.collapse_wait(limit))
    }

    /// Refreshes values that are in demand before they expire, as
    /// [`Policy::refresh_early`](crate::Policy::refresh_early). Default: off.
    pub fn refresh_early(self, window: Duration) -> Self {
        self.with(|policy| policy.refresh_early(window))
    }

    /// Shortens lifetimes at random by up to so many percent, at most 50. Default: 0.
    pub fn jitter(self, percent: u8) -> Self {
        self.with(|policy| policy.jitter(percent))
    }

    /// The tiers that may hold the values. Default: all there are.
    pub fn tiers(self, tiers: Tiers) -> Self {
        self.with(|policy| policy.tiers(tiers))
    }

    /// The largest value kept, in bytes as it is stored. Default: 64 MiB.
    pub fn max_size(self, bytes: u64) -> Self {
        self.with(|policy| policy.max_body(bytes))
    }

    /// A tag that all these values carry, beside those that a loader gives ([`Loaded::tag`](super::Loaded::tag)).
    pub fn tag(mut self, tag: &str) -> Self {
        self.tags = self.tags.iter().cloned().chain([tag.into()]).collect();
        self
    }

    /// The same for another lifetime.
    pub(super) fn lasting(mut self, ttl: Ttl) -> Self {
        self.ttl = ttl;
        self.with(|policy| policy.default_ttl(ttl.0))
    }

    pub(super) fn hard_limit(&self) -> Option<Duration> {
        self.policy.terms.patience.hard_timeout
    }

    /// Whether the policy can be meant; for a test or the start of a program. Under one that cannot, nothing is kept.
    ///
    /// # Errors
    ///
    /// The first thing wrong.
    pub fn check(&self) -> Result<(), PolicyError> {
        let zero = |field| PolicyError {
            field,
            value: "0 s".to_owned(),
            expected: "a lifetime, for None of a second at least; leave it out for none",
        };
        if self.ttl.0.is_zero() {
            return Err(zero("ttl"));
        }
        if self.negative.is_some_and(|ttl| ttl.as_secs() == 0) {
            return Err(zero("negative_ttl"));
        }
        self.policy
            .problem(&[])
            .map(|problem| PolicyError { field: problem.field, value: problem.value, expected: problem.expected })
            .map_or(Ok(()), Err)
    }
}
