use crate::body::Body;
use crate::runtime::Runtime;
use crate::semantics::freshness::Timestamp;
use crate::sim::Random;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// A host to drive by hand: its clock moves when told, or when nothing else can happen. Cloning shares it.
///
/// ```
/// use layercake::runtime::Runtime;
/// use layercake::sim::SimRuntime;
/// use std::time::Duration;
///
/// let runtime = SimRuntime::new();
/// runtime.advance(Duration::from_secs(5));
/// runtime.run(runtime.sleep(Duration::from_secs(10)));
/// assert_eq!(runtime.now(), SimRuntime::START.plus(Duration::from_secs(15)));
/// ```
#[derive(Clone, Default)]
pub struct SimRuntime(Arc<Mutex<State>>);

struct State {
    now: Timestamp,
    next_id: u64,
    /// Who is woken when, in order.
    timers: BTreeMap<(Timestamp, u64), Waker>,
    tasks: Vec<Task>,
    /// Tasks taken out to be polled.
    in_hand: usize,
    log: Vec<String>,
    random: Random,
    /// Which of the tasks that can go on is next; without it the one that has waited longest.
    order: Option<Random>,
    /// Who runs now, where requests may not wake each other.
    borders: Option<Arc<Borders>>,
}

impl Default for State {
    fn default() -> Self {
        let now = SimRuntime::START;
        Self {
            now,
            next_id: 0,
            timers: BTreeMap::new(),
            tasks: Vec::new(),
            in_hand: 0,
            log: Vec::new(),
            random: Random::new(0),
            order: None,
            borders: None,
        }
    }
}

struct Task {
    work: BoxFuture<'static, ()>,
    flag: Arc<Flag>,
    owner: Owner,
}

/// Whose work a task is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Owner {
    /// The number of the isolate; 0 for none.
    pub(super) isolate: u64,
    /// The number of the request, from 1; 0 for none.
    pub(super) request: u64,
    /// The request's own walk, not work behind it.
    pub(super) main: bool,
}

/// What keeps requests from waking each other.
#[derive(Default)]
struct Borders {
    /// The request that runs now; 0 for the host itself.
    current: AtomicU64,
    /// How often one woke another all the same, in vain.
    crossed: AtomicU64,
}

/// Whether a future wants to be polled.
struct Flag {
    up: AtomicBool,
    request: u64,
    borders: Option<Arc<Borders>>,
}

impl Flag {
    fn up() -> Arc<Self> {
        Arc::new(Self { up: AtomicBool::new(true), request: 0, borders: None })
    }

    fn take(&self) -> bool {
        self.up.swap(false, Ordering::AcqRel)
    }

    fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        if let Some(borders) = &self.borders {
            let current = borders.current.load(Ordering::Acquire);
            if current != 0 && current != self.request {
                borders.crossed.fetch_add(1, Ordering::AcqRel);
                return;
            }
        }
        self.up.store(true, Ordering::Release);
    }
}

impl SimRuntime {
    /// The time at which every simulation begins: 2026-01-01 00:00:00 UTC.
    pub const START: Timestamp = Timestamp::from_secs(1_767_225_600);

    /// A host at [`START`](Self::START) with nothing to do.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, whose [`random`](Runtime::random) numbers follow from `seed`.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let runtime = Self::default();
        runtime.state().random = Random::new(seed);
        runtime
    }

    /// The same, where a seed decides which of the tasks that can go on runs next. Otherwise it is the one that has waited
    /// longest.
    ///
    /// ```
    /// use layercake::runtime::Runtime;
    /// use layercake::sim::SimRuntime;
    ///
    /// let order = |seed| {
    ///     let runtime = SimRuntime::new().shuffled(seed);
    ///     for n in 0..8 {
    ///         let host = runtime.clone();
    ///         runtime.spawn(Box::pin(async move { host.log(&n.to_string()) }));
    ///     }
    ///     runtime.run_background();
    ///     runtime.log_lines()
    /// };
    /// assert_eq!(order(1), order(1));
    /// assert_ne!(order(1), order(2));
    /// ```
    #[must_use]
    pub fn shuffled(self, seed: u64) -> Self {
        self.state().order = Some(Random::new(seed));
        self
    }

    /// The same, where a request that is woken by another one is not woken at all, as on Workers.
    pub(super) fn with_borders(self) -> Self {
        self.state().borders = Some(Arc::default());
        self
    }

    /// How often a request tried to wake another.
    pub(super) fn crossed(&self) -> u64 {
        self.state().borders.as_ref().map_or(0, |borders| borders.crossed.load(Ordering::Acquire))
    }

    /// Does what only the host may do: wake anybody.
    pub(super) fn as_host(&self, act: impl FnOnce()) {
        let borders = self.state().borders.clone();
        let before = borders.as_ref().map(|borders| borders.current.swap(0, Ordering::AcqRel));
        act();
        if let (Some(borders), Some(before)) = (borders, before) {
            borders.current.store(before, Ordering::Release);
        }
    }

    /// Runs `task`, which is the work of `owner`.
    pub(super) fn spawn_for(&self, owner: Owner, task: BoxFuture<'static, ()>) {
        let mut state = self.state();
        let borders = state.borders.clone();
        let flag = Arc::new(Flag { up: AtomicBool::new(true), request: owner.request, borders });
        state.tasks.push(Task { work: task, flag, owner });
    }

    /// Takes away the tasks that are so, unfinished. They must not be dropped while one of this host's tasks is polled.
    pub(super) fn take_tasks(&self, is: impl Fn(&Owner) -> bool) -> Vec<(Owner, BoxFuture<'static, ()>)> {
        let mut state = self.state();
        let (taken, left): (Vec<_>, Vec<_>) = std::mem::take(&mut state.tasks).into_iter().partition(|t| is(&t.owner));
        state.tasks = left;
        taken.into_iter().map(|task| (task.owner, task.work)).collect()
    }

    /// When the next timer ends.
    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        self.state().timers.first_key_value().map(|((at, _), _)| *at)
    }

    /// Lets `duration` pass at once. Timers that end in it wake their tasks, which are polled by the next
    /// [`run`](Self::run) or [`run_background`](Self::run_background).
    pub fn advance(&self, duration: Duration) {
        let to = self.state().now.plus(duration);
        self.move_clock(to);
    }

    /// Runs `future` to its end, and spawned tasks beside it. The clock moves to the next timer only when neither
    /// `future` nor any task can go on at the present time. When it returns, every task has come as far as it can
    /// without time passing.
    ///
    /// # Panics
    ///
    /// When `future` waits for something that can never happen.
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let flag = Flag::up();
        let waker = Waker::from(Arc::clone(&flag));
        loop {
            self.settle();
            if flag.take() {
                if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    self.settle();
                    return output;
                }
            } else {
                assert!(self.pass_to_next_timer(), "the future waits for what nobody will do");
            }
        }
    }

    /// Runs the spawned tasks until all have ended, moving the clock from timer to timer. Those that wait for something
    /// other than time stay [`pending`](Self::pending).
    pub fn run_background(&self) {
        loop {
            self.settle();
            if self.pending() == 0 || !self.pass_to_next_timer() {
                return;
            }
        }
    }

    /// How many spawned tasks have not ended.
    #[must_use]
    pub fn pending(&self) -> usize {
        let state = self.state();
        state.tasks.len() + state.in_hand
    }

    /// The lines logged so far.
    #[must_use]
    pub fn log_lines(&self) -> Vec<String> {
        self.state().log.clone()
    }

    /// Polls tasks until none can go on at the present time.
    pub(super) fn settle(&self) {
        let borders = self.state().borders.clone();
        let runs = |request| borders.iter().for_each(|borders| borders.current.store(request, Ordering::Release));
        while let Some(mut task) = self.next_woken() {
            let waker = Waker::from(Arc::clone(&task.flag));
            runs(task.owner.request);
            let polled = task.work.as_mut().poll(&mut Context::from_waker(&waker));
            if polled.is_pending() {
                let mut state = self.state();
                state.in_hand -= 1;
                state.tasks.push(task);
            } else {
                drop(task);
                self.state().in_hand -= 1;
            }
            runs(0);
        }
    }

    fn next_woken(&self) -> Option<Task> {
        let mut state = self.state();
        let state = &mut *state;
        let place = match &mut state.order {
            None => state.tasks.iter().position(|task| task.flag.is_up())?,
            Some(order) => {
                let woken = || state.tasks.iter().enumerate().filter(|(_, task)| task.flag.is_up());
                let many = woken().count();
                let chosen = usize::try_from(order.below(many as u64)).unwrap_or_default();
                woken().nth(chosen)?.0
            }
        };
        state.in_hand += 1;
        let task = state.tasks.remove(place);
        task.flag.take();
        Some(task)
    }

    /// Moves the clock to the next timer, if there is one.
    fn pass_to_next_timer(&self) -> bool {
        let next = self.next_timer();
        next.is_some_and(|at| {
            self.move_clock(at);
            true
        })
    }

    pub(super) fn move_clock(&self, to: Timestamp) {
        let due = {
            let mut state = self.state();
            state.now = state.now.max(to);
            let end = (state.now, u64::MAX);
            let waiting = state.timers.split_off(&end);
            std::mem::replace(&mut state.timers, waiting)
        };
        due.into_values().for_each(Waker::wake);
    }

    /// A panic in one test's task leaves nothing half done here.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SimRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("SimRuntime")
            .field("now", &state.now)
            .field("timers", &state.timers.len())
            .field("tasks", &state.tasks.len())
            .finish_non_exhaustive()
    }
}

impl Runtime for SimRuntime {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.spawn_for(Owner::default(), task);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut state = self.state();
        state.next_id += 1;
        let (id, at) = (state.next_id, state.now.plus(duration));
        drop(state);
        Box::pin(Sleep { host: self.clone(), id, at })
    }

    fn random(&self) -> u32 {
        self.state().random.next_u32()
    }

    fn append(&self, first: Body, next: Body) -> Option<Body> {
        first.append(next)
    }

    #[cfg(feature = "gzip")]
    fn compress(&self, body: Body) -> Result<Body, Body> {
        body.gzip()
    }

    #[cfg(feature = "gzip")]
    fn decompress(&self, body: Body) -> Result<Body, Body> {
        body.gunzip()
    }

    fn log(&self, line: &str) {
        self.state().log.push(line.to_owned());
    }
}

/// Ends at its time; dropped earlier, it no longer moves the clock.
struct Sleep {
    host: SimRuntime,
    id: u64,
    at: Timestamp,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.host.state();
        if state.now >= self.at {
            return Poll::Ready(());
        }
        state.timers.insert((self.at, self.id), cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.host.state().timers.remove(&(self.at, self.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::channel::oneshot;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_clock_stands_still_while_anything_can_go_on() {
        let runtime = SimRuntime::new();
        let (sender, receiver) = oneshot::channel();
        runtime.spawn(Box::pin(async move {
            let _ = sender.send(7);
        }));
        assert_eq!(runtime.run(receiver), Ok(7));
        assert_eq!(runtime.now(), SimRuntime::START);
    }

    #[test]
    fn a_dropped_timer_does_not_move_the_clock() {
        let runtime = SimRuntime::new();
        let early = futures::future::select(runtime.sleep(SECOND), runtime.sleep(60 * SECOND));
        runtime.run(async { drop(early.await) });
        runtime.run_background();
        assert_eq!(runtime.now(), SimRuntime::START.plus(SECOND));
    }

    #[test]
    fn background_work_gets_on_between_runs_and_ends_when_drained() {
        let runtime = SimRuntime::new();
        let host = runtime.clone();
        runtime.spawn(Box::pin(async move {
            host.log("begun");
            host.sleep(SECOND).await;
            let inner = host.clone();
            host.spawn(Box::pin(async move { inner.log("nested") }));
        }));
        runtime.run(async {});
        assert_eq!((runtime.log_lines().len(), runtime.pending()), (1, 1));
        runtime.advance(SECOND);
        assert_eq!(runtime.log_lines(), ["begun"]);
        runtime.run_background();
        assert_eq!((runtime.log_lines().len(), runtime.pending()), (2, 0));
    }

    #[test]
    fn a_task_that_waits_for_nothing_to_come_stays_pending() {
        let runtime = SimRuntime::new();
        runtime.spawn(Box::pin(std::future::pending()));
        runtime.run_background();
        assert_eq!(runtime.pending(), 1);
    }

    #[test]
    #[should_panic(expected = "waits for what nobody will do")]
    fn a_future_that_can_never_end_is_told_so() {
        SimRuntime::new().run(std::future::pending::<()>());
    }
}
