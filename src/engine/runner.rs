//! Runs the tasks of a thread that serves traffic.
//!
//! A task of the runtime may be woken from any thread, for which every wake-up and every run of it
//! takes a few locked instructions, and the runtime waits in a poller of its own. What serves traffic is
//! nearly always woken by the [`poller`](super::poller) of its own thread. So it is no task of the
//! runtime, but stands in a list that only this thread touches, and the thread waits in that poller.
//! Timers are those of [`timers`](super::timers) then. Other threads wake tasks through an inbox, and a
//! descriptor that the poller watches.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;
use rustix::event::EventfdFlags;
use slab::Slab;

type Boxed = Pin<Box<dyn Future<Output = ()>>>;

/// What runs here.
struct Task {
    /// Its place in the list of all.
    number: u32,
    /// `None` while it runs, and once it is over.
    future: RefCell<Option<Boxed>>,
    waker: Waker,
    /// It stands in the list of those that are woken.
    queued: Cell<bool>,
    /// It is to be dropped in place of being run.
    aborted: Cell<bool>,
}

/// What others of its thread have of a task.
pub(crate) struct Handle(Weak<Task>);

/// The tasks of a thread.
struct Runner {
    tasks: RefCell<Slab<Rc<Task>>>,
    /// Those that are woken.
    woken: RefCell<VecDeque<Rc<Task>>>,
    inbox: Arc<Inbox>,
}

/// What other threads reach.
struct Inbox {
    /// The numbers of those that they have woken.
    numbers: Mutex<Vec<u32>>,
    /// There are some.
    any: AtomicBool,
    /// The thread waits, or is about to.
    rests: AtomicBool,
    /// Ends the wait.
    bell: OwnedFd,
}

/// What wakes one task. It may outlive that, and wake another one then, which finds nothing to do.
struct Alarm {
    number: u32,
    inbox: Arc<Inbox>,
}

thread_local! {
    static RUNNER: OnceCell<Runner> = const { OnceCell::new() };
}

fn with<T>(f: impl FnOnce(&Runner) -> T) -> Option<T> {
    // A thread that ends has none any more.
    RUNNER.try_with(|cell| cell.get().map(f)).ok().flatten()
}

/// Makes the runner of this thread.
///
/// # Errors
/// When there are no descriptors left.
pub(super) fn install() -> io::Result<()> {
    let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
    let bell = rustix::event::eventfd(0, flags)?;
    RUNNER.with(|cell| {
        cell.get_or_init(|| Runner {
            tasks: RefCell::default(),
            woken: RefCell::default(),
            inbox: Arc::new(Inbox {
                numbers: Mutex::default(),
                any: AtomicBool::new(false),
                rests: AtomicBool::new(false),
                bell,
            }),
        });
    });
    Ok(())
}

/// Runs a future on this thread, beginning when its turn comes. On a thread without a runner it is
/// dropped.
pub(super) fn spawn(future: impl Future<Output = ()> + 'static) -> Handle {
    let future: Boxed = Box::pin(future);
    with(|runner| runner.add(future)).unwrap_or(Handle(Weak::new()))
}

/// Lets all others have their turn.
pub(super) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Runs all that are woken now, each once.
pub(super) fn run() {
    with(|runner| {
        runner.collect();
        let due = runner.woken.borrow().len();
        for _ in 0..due {
            let next = runner.woken.borrow_mut().pop_front();
            if let Some(task) = next
                && task.run()
            {
                runner.remove(&task);
            }
        }
    });
}

/// Has the descriptor watched by which other threads end a wait.
///
/// # Errors
/// What that answers.
pub(super) fn watch_bell(watch: impl FnOnce(BorrowedFd<'_>) -> io::Result<()>) -> io::Result<()> {
    with(|runner| watch(runner.inbox.bell.as_fd())).unwrap_or(Ok(()))
}

/// Says that the thread is about to wait. `false` when there is something to run.
pub(super) fn rest() -> bool {
    with(|runner| {
        if !runner.woken.borrow().is_empty() {
            return false;
        }
        runner.inbox.rests.store(true, Ordering::SeqCst);
        // Who has put something in before that has not rung.
        !runner.inbox.any.load(Ordering::SeqCst)
    })
    .unwrap_or(true)
}

/// Drops all.
pub(super) fn clear() {
    with(|runner| {
        let tasks = std::mem::take(&mut *runner.tasks.borrow_mut());
        runner.woken.borrow_mut().clear();
        // What is dropped here wakes others, and looks for its thread's poller.
        for (_, task) in tasks {
            if let Some(future) = task.future.take() {
                discard(future);
            }
        }
    });
}

impl Runner {
    fn add(&self, future: Boxed) -> Handle {
        let mut tasks = self.tasks.borrow_mut();
        let place = tasks.vacant_entry();
        let number = place.key() as u32;
        let task = Rc::new(Task {
            number,
            future: RefCell::new(Some(future)),
            waker: Waker::from(Arc::new(Alarm {
                number,
                inbox: Arc::clone(&self.inbox),
            })),
            queued: Cell::new(false),
            aborted: Cell::new(false),
        });
        let handle = Handle(Rc::downgrade(&task));
        place.insert(task);
        drop(tasks);
        self.wake(number);
        handle
    }

    fn wake(&self, number: u32) {
        let tasks = self.tasks.borrow();
        if let Some(task) = tasks.get(number as usize)
            && !task.queued.replace(true)
        {
            self.woken.borrow_mut().push_back(Rc::clone(task));
        }
    }

    /// Takes one that is over from the list, unless that has happened, and another may have its place.
    fn remove(&self, task: &Rc<Task>) {
        let mut tasks = self.tasks.borrow_mut();
        let number = task.number as usize;
        if tasks
            .get(number)
            .is_some_and(|other| Rc::ptr_eq(other, task))
        {
            tasks.remove(number);
        }
    }

    /// Wakes those that other threads have woken.
    fn collect(&self) {
        self.inbox.rests.store(false, Ordering::Relaxed);
        if self.inbox.any.load(Ordering::Relaxed) {
            self.inbox.any.store(false, Ordering::SeqCst);
            let numbers = std::mem::take(&mut *self.inbox.numbers.lock());
            for number in numbers {
                self.wake(number);
            }
        }
    }
}

impl Inbox {
    fn put(&self, number: u32) {
        self.numbers.lock().push(number);
        self.any.store(true, Ordering::SeqCst);
        if self.rests.swap(false, Ordering::SeqCst) {
            // It is enough that it was rung once.
            let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        }
    }
}

impl Task {
    /// Runs it once. Answers whether it is over.
    fn run(&self) -> bool {
        self.queued.set(false);
        let Some(mut future) = self.future.take() else {
            return true;
        };
        if !self.aborted.get() {
            let mut cx = Context::from_waker(&self.waker);
            // One session that panics is not the end of the others.
            let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx)));
            if matches!(polled, Ok(Poll::Pending)) && !self.aborted.get() {
                *self.future.borrow_mut() = Some(future);
                return false;
            }
        }
        discard(future);
        true
    }
}

/// Drops a future, which may panic like one that runs.
fn discard(future: Boxed) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
}

impl Handle {
    /// Has the task run when its turn comes.
    pub(super) fn wake(&self) {
        if let Some(task) = self.0.upgrade() {
            with(|runner| runner.wake(task.number));
        }
    }

    /// Has the task dropped when its turn comes.
    pub(super) fn abort(&self) {
        if let Some(task) = self.0.upgrade() {
            task.aborted.set(true);
            self.wake();
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = self.0.upgrade();
        let number = task.map(|task| task.number);
        f.debug_tuple("Handle").field(&number).finish()
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let here = with(|runner| {
            let own = Arc::ptr_eq(&runner.inbox, &self.inbox);
            if own {
                runner.wake(self.number);
            }
            own
        });
        if here != Some(true) {
            self.inbox.put(self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(log: &Rc<RefCell<Vec<&'static str>>>) -> Vec<&'static str> {
        run();
        std::mem::take(&mut *log.borrow_mut())
    }

    #[test]
    fn tasks_run_when_they_are_woken_from_wherever() {
        install().expect("a runner");
        let log = Rc::<RefCell<Vec<&'static str>>>::default();
        let waker = Rc::<RefCell<Option<Waker>>>::default();
        let (noted, left) = (Rc::clone(&log), Rc::clone(&waker));
        spawn(async move {
            noted.borrow_mut().push("begins");
            yield_now().await;
            let mut woken = false;
            poll_fn(|cx| {
                *left.borrow_mut() = Some(cx.waker().clone());
                noted.borrow_mut().push("waits");
                match std::mem::replace(&mut woken, true) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            })
            .await;
        });
        assert_eq!(runs(&log), ["begins"]);
        assert!(!rest(), "it has woken itself");
        assert_eq!(runs(&log), ["waits"]);
        assert!(rest());
        assert_eq!(runs(&log), [""; 0]);
        let far = waker.borrow_mut().take().expect("a waker");
        assert!(rest());
        std::thread::scope(|scope| {
            scope.spawn(|| far.wake_by_ref());
        });
        let mut rung = [0; 8];
        with(|runner| rustix::io::read(&runner.inbox.bell, &mut rung));
        assert_eq!(u64::from_ne_bytes(rung), 1);
        assert!(!rest());
        assert_eq!(runs(&log), ["waits"]);
        assert_eq!(with(|runner| runner.tasks.borrow().len()), Some(0));
        // Who comes too late wakes nobody.
        far.wake();
        assert_eq!(runs(&log), [""; 0]);
    }

    #[test]
    fn tasks_end_alone() {
        install().expect("a runner");
        let witness = Rc::new(());
        let held = Rc::clone(&witness);
        let aborted = spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        let held = Rc::clone(&witness);
        spawn(async move {
            let _held = held;
            std::panic::resume_unwind(Box::new("for once"));
        });
        let held = Rc::clone(&witness);
        spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        run();
        assert_eq!(Rc::strong_count(&witness), 3);
        aborted.abort();
        assert_eq!(Rc::strong_count(&witness), 3);
        run();
        assert_eq!(Rc::strong_count(&witness), 2);
        aborted.abort();
        clear();
        assert_eq!(Rc::strong_count(&witness), 1);
    }
}
