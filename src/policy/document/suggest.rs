//! Which name may be meant by one that there is not.

/// The longest name for which one is sought.
const LONGEST: usize = 48;

/// The name among `names` that `given` may be a slip of; case, `-` and `_` do not count. `None` when none is near.
pub(super) fn nearest<'n>(given: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    if given.len() > LONGEST {
        return None;
    }
    let given = plain(given);
    let most = given.len() / 3;
    let near = |name: &&str| {
        let name = plain(name);
        let distance = (name.len().abs_diff(given.len()) <= most).then(|| distance(&given, &name));
        distance.filter(|distance| *distance <= most)
    };
    let ranked = names.into_iter().filter_map(|name| near(&name).map(|distance| (distance, name)));
    ranked.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

fn plain(name: &str) -> Vec<char> {
    name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
}

/// How many characters have to be put in, left out, replaced or swapped with their neighbour to get from `one` to `other`
/// (optimal string alignment).
fn distance(one: &[char], other: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let replaced = last[j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut least = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let names = ["ttl", "stale_while_revalidate", "max_body", "max_variants", "keep", "tiers"];
        for (given, meant) in [
            ("tll", Some("ttl")),
            ("TTL", Some("ttl")),
            ("maxBody", Some("max_body")),
            ("max-body", Some("max_body")),
            ("stale_while_revalidat", Some("stale_while_revalidate")),
            ("stale_while_revaildate", Some("stale_while_revalidate")),
            ("tier", Some("tiers")),
            ("tlt", Some("ttl")),
            ("", None),
            ("x", None),
            ("banana", None),
        ] {
            assert_eq!(nearest(given, names), meant, "{given}");
        }
        assert_eq!(nearest(&"t".repeat(1 << 20), names), None);
    }

    #[test]
    fn distances() {
        let of = |a: &str, b: &str| distance(&plain(a), &plain(b));
        assert_eq!((of("", "abc"), of("abc", ""), of("kitten", "sitting"), of("a", "a")), (3, 3, 3, 0));
        assert_eq!((of("onyl", "only"), of("ab", "ba"), of("abcd", "badc")), (1, 1, 2));
    }
}
