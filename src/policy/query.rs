//! How the query enters the key.

use super::pattern::matches;
use std::borrow::Cow;

/// Parameters that campaigns and networks add to links, and that no handler answers by. A name that ends in `*` stands for
/// all that begin so.
///
/// Google Analytics (`utm_*`), Google Ads (`gclid`, `gclsrc`, `gbraid`, `wbraid`, `dclid`), Meta (`fbclid`), Microsoft
/// (`msclkid`), TikTok (`ttclid`), X (`twclid`), LinkedIn (`li_fat_id`), Pinterest (`epik`), Snapchat (`ScCid`), Yandex
/// (`yclid`, `_openstat`), Mailchimp (`mc_cid`, `mc_eid`), HubSpot (`_hsenc`, `_hsmi`, `hsCtaTracking`), Marketo (`mkt_tok`),
/// Vero (`vero_*`), Olytics (`oly_*`), Matomo (`mtm_*`, `pk_*`), Instagram (`igshid`), and what Google Analytics hands over
/// between hosts (`_ga`, `_gl`).
pub const TRACKING_PARAMETERS: &[&str] = &[
    "utm_*",
    "gclid",
    "gclsrc",
    "gbraid",
    "wbraid",
    "dclid",
    "fbclid",
    "msclkid",
    "ttclid",
    "twclid",
    "li_fat_id",
    "epik",
    "ScCid",
    "yclid",
    "_openstat",
    "mc_cid",
    "mc_eid",
    "_hsenc",
    "_hsmi",
    "hsCtaTracking",
    "mkt_tok",
    "vero_*",
    "oly_*",
    "mtm_*",
    "pk_*",
    "igshid",
    "_ga",
    "_gl",
];

/// The most parameters that are put into order.
const SORTED: usize = 64;

/// How the query enters the key, and with it what the handler gets to see of it: parameters that do not count are taken off
/// its request, so that its answer cannot depend on them.
///
/// Parameters are what `&` separates, and a parameter's name ends at its first `=`. Names are compared byte for byte as they
/// were sent: `%71` is not `q`. Where anything but [`whole`](Self::whole) is asked, empty parameters are dropped, and a query of which
/// nothing is left counts as none.
///
/// ```
/// use layercake::QueryKey;
///
/// let by = QueryKey::without_tracking().sort();
/// assert_eq!(by.apply(Some("q=tea&page=2&utm_source=mail")).as_deref(), Some("page=2&q=tea"));
/// assert_eq!(by.apply(Some("utm_source=mail")), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryKey {
    keep: Keep,
    sorted: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Keep {
    #[default]
    All,
    Only(Box<[Box<str>]>),
    Without(Box<[Box<str>]>),
    Nothing,
}

impl QueryKey {
    /// Byte for byte as it was sent. The default.
    #[must_use]
    pub const fn whole() -> Self {
        Self { keep: Keep::All, sorted: false }
    }

    /// Not at all: every query gets the same answer.
    #[must_use]
    pub const fn ignored() -> Self {
        Self { keep: Keep::Nothing, sorted: false }
    }

    /// The parameters of these names alone. A name that ends in `*` stands for all that begin so.
    #[must_use]
    pub fn only(names: &[&str]) -> Self {
        Self { keep: Keep::Only(names.iter().map(|name| (*name).into()).collect()), sorted: false }
    }

    /// All but the parameters of these names. A name that ends in `*` stands for all that begin so.
    #[must_use]
    pub fn without(names: &[&str]) -> Self {
        Self { keep: Keep::Without(names.iter().map(|name| (*name).into()).collect()), sorted: false }
    }

    /// All but [`TRACKING_PARAMETERS`].
    #[must_use]
    pub fn without_tracking() -> Self {
        Self::without(TRACKING_PARAMETERS)
    }

    /// In the order of their names, unless they are more than 64, so that `b=2&a=1` and `a=1&b=2` are one. Parameters of one name stay in their order.
    #[must_use]
    pub const fn sort(mut self) -> Self {
        self.sorted = true;
        self
    }

    /// The part of `query` that counts.
    #[must_use]
    pub fn apply<'q>(&self, query: Option<&'q str>) -> Option<Cow<'q, str>> {
        let query = query?;
        let listed = |name: &str, list: &[Box<str>]| list.iter().any(|pattern| matches(name.as_bytes(), pattern));
        let counts = |name: &str| match &self.keep {
            Keep::All => true,
            Keep::Only(names) => listed(name, names),
            Keep::Without(names) => !listed(name, names),
            Keep::Nothing => false,
        };
        if self.keep == Keep::All && !self.sorted {
            return Some(query.into());
        }
        let mut kept: Vec<(&str, &str)> = Vec::with_capacity(16);
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let name = name_of(parameter);
            if counts(name) {
                kept.push((name, parameter));
            }
        }
        if self.sorted && kept.len() <= SORTED {
            // Queries are short: a sort of the library's would be larger than all else here.
            for place in 1..kept.len() {
                let mut at = place;
                while at > 0 && kept[at - 1].0 > kept[at].0 {
                    kept.swap(at - 1, at);
                    at -= 1;
                }
            }
        }
        let mut joined = String::with_capacity(query.len());
        for (_, parameter) in kept {
            if !joined.is_empty() {
                joined.push('&');
            }
            joined.push_str(parameter);
        }
        (!joined.is_empty()).then(|| if joined == query { query.into() } else { joined.into() })
    }
}

fn name_of(parameter: &str) -> &str {
    let end = parameter.bytes().position(|byte| byte == b'=');
    end.and_then(|end| parameter.get(..end)).unwrap_or(parameter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(by: &QueryKey, query: &str) -> Option<String> {
        by.apply(Some(query)).map(Cow::into_owned)
    }

    #[test]
    fn table() {
        let some = |kept: &str| Some(kept.to_owned());
        for (by, query, kept) in [
            (QueryKey::whole(), "", some("")),
            (QueryKey::whole(), "b&&a=1&", some("b&&a=1&")),
            (QueryKey::ignored(), "a=1", None),
            (QueryKey::whole().sort(), "b=2&a=1", some("a=1&b=2")),
            (QueryKey::whole().sort(), "a=2&b&a=1", some("a=2&a=1&b")),
            (QueryKey::whole().sort(), "a10=1&a=1&a1=1", some("a=1&a1=1&a10=1")),
            (QueryKey::whole().sort(), "&&", None),
            (QueryKey::only(&["q", "p*"]), "x=1&q=2&page=3&Q=4&q", some("q=2&page=3&q")),
            (QueryKey::only(&["q"]), "%71=1", None),
            (QueryKey::only(&["q"]), "q=a=b;c", some("q=a=b;c")),
            (QueryKey::without(&["x", "utm_*"]), "utm_a=1&x&y=2&xx=3", some("y=2&xx=3")),
            (QueryKey::without(&["x"]), "%78=1", some("%78=1")),
            (QueryKey::without_tracking(), "gclid=1&fbclid=2&gclide=3", some("gclide=3")),
            (QueryKey::without_tracking(), "utm_source=mail", None),
        ] {
            assert_eq!(applied(&by, query), kept, "{by:?} {query}");
        }
        assert_eq!(QueryKey::whole().apply(None), None);
    }

    #[test]
    fn what_counts_counts_again() {
        for by in [QueryKey::whole().sort(), QueryKey::only(&["a", "c*"]).sort(), QueryKey::without(&["a"])] {
            for query in ["c=3&b=2&a=1&&c", "a", "", "c=%26&c=&"] {
                let once = applied(&by, query);
                assert_eq!(by.apply(once.as_deref()).map(Cow::into_owned), once, "{query}");
            }
        }
    }
}
