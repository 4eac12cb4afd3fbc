//! Parts of a representation that become one (RFC 9111 section 3.4).

use super::renew::updated;
use super::store::own;
use crate::entry::StoredResponse;
use crate::message::Response;
use crate::runtime::Runtime;
use crate::semantics::decimal;
use crate::semantics::validation::Validators;

/// What parts may grow to while they are joined in memory, in bytes.
const LONGEST: u64 = 4 << 20;

/// The entry that `new` and the part stored before make up, or `new` alone when they cannot be joined: they do not touch, or
/// no strong validator says that they are of the same representation. `None` when nothing is to be stored.
pub(super) async fn joined(runtime: &dyn Runtime, old: StoredResponse, new: StoredResponse) -> Option<StoredResponse> {
    let (Some(a), Some(b)) = (old.head.part, new.head.part) else { return Some(new) };
    let Some(part) = a.joined(&b).filter(|part| part.len() <= LONGEST && are_one(&old, &new)) else { return Some(new) };
    let StoredResponse { mut head, headers: said, body } = new;
    // 3.4: the fields of the new one replace those of the old one.
    let Response { mut headers, body: old, .. } = updated(old, said.as_ref());
    // Both are what they say, or nothing is stored.
    let new = body.buffer(LONGEST).await.ok().filter(|body| body.len() == Some(b.len()))?;
    let old = old.buffer(LONGEST).await.ok().filter(|body| body.len() == Some(a.len()))?;
    // What the new one has counts; the old one adds what stands before it and behind it.
    let (before, behind) = (b.first.saturating_sub(a.first), a.last.saturating_sub(b.last));
    let front = old.try_clone()?.slice(0, before);
    let front = runtime.append(front, new)?;
    let body = runtime.append(front, old.slice(a.len() - behind, behind))?;
    let head_now = own(&mut head);
    (head_now.part, head_now.length) = (Some(part), Some(part.len()));
    if part.is_whole() {
        (head_now.part, head_now.status) = (None, 200);
        head_now.l2_until = head_now.received.plus(head_now.freshness.retention_left(head_now.received));
        headers.remove("content-range");
    } else {
        headers.set("content-range", &part.to_content_range());
    }
    headers.set("content-length", &decimal(part.len()));
    Some(StoredResponse { head, headers, body })
}

/// Whether a strong entity tag says that both are of one representation.
fn are_one(old: &StoredResponse, new: &StoredResponse) -> bool {
    let (old, new) = (Validators::of(&old.headers), Validators::of(&new.headers));
    old.strong().is_some() && old.strong() == new.strong()
}
