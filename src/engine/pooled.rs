//! Boxes for the futures of requests, whose memory is used again.
//!
//! A session keeps no room for a request while it rests, so that what serves one is boxed. With many
//! requests under way at once the allocator spends as much on such a box as a request spends on its
//! rules: here the memory goes from one request of a thread to the next.

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// What one box has room for, with some to spare: compilers lay futures out differently, and one that is
/// larger is refused.
#[repr(align(16))]
struct Room {
    _bytes: [u8; 1024],
}

type Memory = Box<MaybeUninit<Room>>;

thread_local! {
    static FREE: RefCell<Vec<Memory>> = const { RefCell::new(Vec::new()) };
}

/// Pieces of memory that a thread keeps for later.
const KEPT: usize = 256;

/// A future in memory that another has used before.
#[derive(Debug)]
pub(crate) struct Pooled<F>(NonNull<F>);

impl<F> Pooled<F> {
    /// Boxes a future, which is made where it will stay: most of it is room for later, which need not be
    /// moved there.
    pub(crate) fn new(make: impl FnOnce() -> F) -> Self {
        const {
            assert!(size_of::<F>() <= size_of::<Room>() && align_of::<F>() <= align_of::<Room>());
        }
        let kept = FREE.try_with(|free| free.borrow_mut().pop()).ok().flatten();
        let memory = kept.unwrap_or_else(|| Box::new(MaybeUninit::uninit()));
        let mut place = NonNull::from(Box::leak(memory)).cast::<MaybeUninit<F>>();
        // SAFETY: nobody else has that memory, the future fits in, and nothing is said of what is there.
        #[allow(
            unsafe_code,
            reason = "memory that is used again has another type then"
        )]
        fill(unsafe { place.as_mut() }, make);
        Self(place.cast())
    }
}

/// Apart, so that the compiler has nothing but that place to make it in.
#[inline(never)]
fn fill<F>(place: &mut MaybeUninit<F>, make: impl FnOnce() -> F) {
    place.write(make());
}

impl<F: Future> Future for Pooled<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the future was written there and stays until it is dropped there.
        #[allow(unsafe_code, reason = "the same")]
        let future = unsafe { Pin::new_unchecked(self.0.as_mut()) };
        future.poll(cx)
    }
}

impl<F> Drop for Pooled<F> {
    fn drop(&mut self) {
        // SAFETY: the future is there, and nobody uses it or its memory any more, which has come from
        // a box of that type.
        #[allow(unsafe_code, reason = "the same")]
        let memory = unsafe {
            self.0.drop_in_place();
            Memory::from_raw(self.0.cast().as_ptr())
        };
        // A thread that ends keeps nothing.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < KEPT {
                free.push(memory);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::task::Waker;

    use super::*;

    #[test]
    fn futures_run_and_are_dropped_and_their_memory_is_used_again() {
        let witness = Rc::new(());
        let mut places = Vec::new();
        for number in 0..3 {
            let held = Rc::clone(&witness);
            let mut boxed = Pooled::new(|| async move {
                tokio::task::yield_now().await;
                Rc::strong_count(&held) + number
            });
            places.push(boxed.0.as_ptr() as usize);
            let mut cx = Context::from_waker(Waker::noop());
            assert_eq!(Pin::new(&mut boxed).poll(&mut cx), Poll::Pending);
            if number > 0 {
                assert_eq!(Pin::new(&mut boxed).poll(&mut cx), Poll::Ready(2 + number));
            }
        }
        assert_eq!(Rc::strong_count(&witness), 1);
        assert!(places.iter().all(|place| *place == places[0]));
    }
}
