use crate::sim::{Random, Request};
use std::time::Duration;

/// Requests as visitors send them: paths of unequal popularity, and now and then something out of the ordinary.
///
/// ```
/// use layercake::sim::{Load, Random};
/// use std::time::Duration;
///
/// let load = Load::zipf(["/a", "/b", "/c"], 1.0).every(Duration::from_millis(500)).lasting(Duration::from_secs(60));
/// let visits = load.visits(&mut Random::new(1));
/// assert_eq!(visits, load.visits(&mut Random::new(1)));
/// assert!(visits.len() > 60);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Load {
    targets: Vec<Box<str>>,
    /// Up to where each target's share reaches.
    shares: Vec<u64>,
    from: Duration,
    lasting: Duration,
    every: Duration,
    mix: Mix,
}

/// How many requests in a thousand are what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mix {
    /// HEAD.
    pub head: u64,
    /// POST, which changes the page.
    pub post: u64,
    /// With `Authorization` of one of three people.
    pub authorization: u64,
    /// With a cookie of one of three people.
    pub cookie: u64,
    /// With `Cache-Control: no-store`.
    pub no_store: u64,
    /// With `Range` for the first ten bytes.
    pub range: u64,
    /// With `If-None-Match` for something.
    pub conditional: u64,
    /// With `Accept-Language` of one of three languages.
    pub language: u64,
    /// Followed at once by five more for the same target.
    pub burst: u64,
    /// Whose client goes away within two seconds.
    pub disconnect: u64,
    /// Whose isolate starts anew at the moment it comes.
    pub reset: u64,
}

/// One request that comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// When.
    pub at: Duration,
    /// What is asked.
    pub request: Request,
    /// How long the client stays, if it does not wait for the end.
    pub stays: Option<Duration>,
    /// Its isolate starts anew first.
    pub reset: bool,
}

impl Load {
    /// Visits of `targets`, of which the one in place n is asked for 1 / n<sup>exponent</sup> as often as the first: one each second
    /// for a minute. With 0 all are alike; visitors of web sites show about 1.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "shares are small and positive"
    )]
    pub fn zipf<'a>(targets: impl IntoIterator<Item = &'a str>, exponent: f64) -> Self {
        let targets: Vec<Box<str>> = targets.into_iter().map(Into::into).collect();
        let mut reached = 0;
        let share = |n: usize| (1e6 / (n as f64).powf(exponent)) as u64 + 1;
        let shares = (1..=targets.len()).map(|n| {
            reached += share(n);
            reached
        });
        let shares = shares.collect();
        let minute = Duration::from_secs(60);
        Self {
            targets,
            shares,
            from: Duration::ZERO,
            lasting: minute,
            every: Duration::from_secs(1),
            mix: Mix::default(),
        }
    }

    /// The time between two requests, on average: gaps from nothing to twice as much are alike. Default: 1 s.
    pub const fn every(mut self, gap: Duration) -> Self {
        self.every = gap;
        self
    }

    /// When the first request may come, counted from the beginning of the world. Default: at once.
    pub const fn from(mut self, at: Duration) -> Self {
        self.from = at;
        self
    }

    /// How long requests come. Default: a minute.
    pub const fn lasting(mut self, duration: Duration) -> Self {
        self.lasting = duration;
        self
    }

    /// What they are beside plain GETs. Default: nothing else.
    pub fn mix(mut self, mix: Mix) -> Self {
        self.mix = mix;
        self
    }

    /// The visits that follow from `random`, in order of time.
    #[must_use]
    pub fn visits(&self, random: &mut Random) -> Vec<Visit> {
        let mut visits = Vec::new();
        let mut at = self.from;
        loop {
            at += random.between((Duration::ZERO, 2 * self.every)).max(Duration::from_millis(1));
            if at >= self.from + self.lasting {
                return visits;
            }
            let Some(target) = self.target(random) else { return visits };
            let again = if random.permille(self.mix.burst) { 5 } else { 0 };
            for n in 0..=again {
                let request = self.request(target, random);
                let stays = random.permille(self.mix.disconnect);
                let stays = stays.then(|| random.between((Duration::ZERO, Duration::from_secs(2))));
                let reset = random.permille(self.mix.reset);
                visits.push(Visit { at: at + Duration::from_millis(n), request, stays, reset });
            }
        }
    }

    fn target(&self, random: &mut Random) -> Option<&str> {
        let place = random.below(*self.shares.last()?);
        let place = self.shares.partition_point(|reached| *reached <= place);
        self.targets.get(place).map(|target| &**target)
    }

    fn request(&self, target: &str, random: &mut Random) -> Request {
        let mix = &self.mix;
        let mut request = Request::get(target);
        if random.permille(mix.head) {
            request.method = "HEAD".into();
        } else if random.permille(mix.post) {
            request.method = "POST".into();
        }
        for (often, name, values) in [
            (mix.authorization, "authorization", &["Bearer anna", "Bearer ben", "Bearer cleo"][..]),
            (mix.cookie, "cookie", &["session=anna", "session=ben", "session=cleo"]),
            (mix.no_store, "cache-control", &["no-store"]),
            (mix.range, "range", &["bytes=0-9"]),
            (mix.conditional, "if-none-match", &["\"1--\"", "\"2--\""]),
            (mix.language, "accept-language", &["de", "en", "fr"]),
        ] {
            if random.permille(often)
                && let Some(value) = random.choose(values)
            {
                request = request.with(name, value);
            }
        }
        request
    }
}
