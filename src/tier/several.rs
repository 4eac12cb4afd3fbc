use futures::future::BoxFuture;
use std::future::poll_fn;
use std::task::Poll;

/// The platform's limit of connections that one request may have open at a time (Workers, "Simultaneous open connections").
const AT_ONCE: usize = 6;

/// What each of `steps` comes to, in their order; at most six are under way at a time.
pub(crate) async fn several<'a, T>(mut steps: Box<dyn Iterator<Item = BoxFuture<'a, T>> + Send + 'a>) -> Vec<T> {
    let mut under_way: Vec<(usize, BoxFuture<'a, T>)> = Vec::with_capacity(AT_ONCE);
    let mut done: Vec<Option<T>> = Vec::new();
    poll_fn(|cx| {
        loop {
            while under_way.len() < AT_ONCE
                && let Some(step) = steps.next()
            {
                under_way.push((done.len(), step));
                done.push(None);
            }
            let before = under_way.len();
            under_way.retain_mut(|(place, step)| match step.as_mut().poll(cx) {
                Poll::Ready(result) => {
                    if let Some(slot) = done.get_mut(*place) {
                        *slot = Some(result);
                    }
                    false
                }
                Poll::Pending => true,
            });
            if under_way.len() == before {
                return if before == 0 { Poll::Ready(()) } else { Poll::Pending };
            }
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use futures::channel::oneshot;

    #[test]
    fn six_are_under_way_and_the_order_is_kept() {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..20).map(|_| oneshot::channel::<usize>()).unzip();
        let begun = std::sync::Arc::new(std::sync::Mutex::new(0));
        let count = std::sync::Arc::clone(&begun);
        let steps = receivers.into_iter().map(move |receiver| {
            *count.lock().unwrap() += 1;
            Box::pin(async move { receiver.await.unwrap() }) as BoxFuture<'static, usize>
        });
        let mut all = Box::pin(several(Box::new(steps)));
        assert!((&mut all).now_or_never().is_none());
        assert_eq!(*begun.lock().unwrap(), 6);
        // The last to begin ends first.
        let mut senders: Vec<_> = senders.into_iter().enumerate().map(Some).collect();
        for (turn, place) in [5, 0, 1].into_iter().enumerate() {
            let (n, sender) = senders[place].take().unwrap();
            sender.send(n * 10).unwrap();
            assert!((&mut all).now_or_never().is_none());
            assert_eq!(*begun.lock().unwrap(), 7 + turn);
        }
        for (n, sender) in senders.into_iter().flatten() {
            sender.send(n * 10).unwrap();
        }
        assert_eq!(all.now_or_never().unwrap(), (0..20).map(|n| n * 10).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_is_done_at_once() {
        assert!(several::<u8>(Box::new(std::iter::empty())).now_or_never().unwrap().is_empty());
    }
}
