//! Buffers of `tune.bufsize` bytes, pooled per worker and given back while a connection idles.

use std::cell::{Cell, RefCell};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

/// Free blocks of one worker.
#[derive(Debug)]
pub(crate) struct Pool {
    size: usize,
    free: RefCell<Vec<Box<[u8]>>>,
    used: Cell<usize>,
    /// Free blocks of [`LARGE`] bytes.
    large: RefCell<Vec<Box<[u8]>>>,
    /// How many of those are used.
    large_used: Rc<Cell<usize>>,
}

/// The size of a block for a body that streams: four times as much moves with each call as in a
/// block of the usual size.
pub(crate) const LARGE: usize = 64 << 10;

/// Blocks of that size that a worker uses at most, so that what it needs in all stays what
/// `maxconn` says. Who asks for one more gets a block of the usual size.
pub(crate) const MOST_LARGE: usize = 64;

/// Blocks of that size that a pool keeps for later.
const KEPT_LARGE: usize = 16;

/// How many blocks there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PoolUse {
    /// Bytes of one.
    pub(crate) size: usize,
    /// Used now.
    pub(crate) used: usize,
    /// Kept for later.
    pub(crate) free: usize,
}

/// Blocks that a pool keeps for later; what is given back beyond goes to the allocator.
const KEPT: usize = 256;

impl Pool {
    /// A pool of blocks of `size` bytes.
    pub(crate) fn new(size: usize) -> Self {
        Self {
            size,
            free: RefCell::new(Vec::new()),
            used: Cell::new(0),
            large: RefCell::default(),
            large_used: Rc::default(),
        }
    }

    /// How many blocks there are.
    pub(crate) fn usage(&self) -> PoolUse {
        PoolUse {
            size: self.size,
            used: self.used.get(),
            free: self.free.borrow().len(),
        }
    }

    /// A block with room for that much, as far as there are such blocks.
    fn take(&self, limit: usize) -> Block {
        self.used.set(self.used.get() + 1);
        if limit > self.size && limit >= LARGE && self.large_used.get() < MOST_LARGE {
            return Block {
                bytes: taken(&self.large, LARGE),
                _large: Some(Counted::new(&self.large_used)),
            };
        }
        Block {
            bytes: taken(&self.free, self.size),
            _large: None,
        }
    }

    fn give(&self, block: Block) {
        let block = block.bytes;
        // A session that is cut off takes its blocks along, so that more may seem used than are.
        self.used.set(self.used.get().saturating_sub(1));
        // After a reload with another `tune.bufsize` old blocks are not taken back.
        let (list, kept) = match block.len() {
            len if len == self.size => (&self.free, KEPT),
            LARGE => (&self.large, KEPT_LARGE),
            _ => return,
        };
        let mut list = list.borrow_mut();
        if list.len() < kept {
            list.push(block);
        }
    }
}

/// One of a list, or else a fresh one.
fn taken(list: &RefCell<Vec<Box<[u8]>>>, size: usize) -> Box<[u8]> {
    let kept = list.borrow_mut().pop();
    kept.unwrap_or_else(|| vec![0; size].into_boxed_slice())
}

/// Room for bytes; an empty one is none.
#[derive(Debug, Default)]
struct Block {
    bytes: Box<[u8]>,
    /// What counts it as a large one, however it ends.
    _large: Option<Counted>,
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Block {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

/// Something that is counted for as long as it is there.
#[derive(Debug)]
struct Counted(Rc<Cell<usize>>);

impl Counted {
    fn new(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Bytes on their way from one side to the other: a window in a block that moves to the front
/// when room is needed. Without a block it is empty.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    block: Block,
    start: usize,
    end: usize,
}

impl Buffer {
    /// The bytes held.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.block[self.start..self.end]
    }

    /// The bytes held, to be changed in place.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.block[self.start..self.end]
    }

    /// How many bytes are held.
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether nothing is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Drops the first `n` bytes.
    pub(crate) fn consume(&mut self, n: usize) {
        self.start += n;
        if self.start >= self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Whether less than `limit` bytes are held, and less than there is room for.
    pub(crate) fn has_room(&self, limit: usize) -> bool {
        // Without a block there will be one that is large enough.
        self.is_empty() && limit > 0 || self.len() < limit.min(self.block.len())
    }

    /// Room for more bytes so that at most `limit` are held; moves what is held to the front when
    /// that makes room. Empty when `limit` is reached.
    pub(crate) fn room(&mut self, pool: &Pool, limit: usize) -> &mut [u8] {
        if limit >= LARGE
            && self.is_empty()
            && pool.large_used.get() < MOST_LARGE
            && self.block.len() < LARGE
        {
            self.clear(pool);
        }
        if self.block.is_empty() {
            self.block = pool.take(limit);
        }
        let block = &mut self.block;
        let held = self.end - self.start;
        let room = limit.min(block.len()).saturating_sub(held);
        if room > 0 && self.start > 0 && block.len() - self.end < room {
            block.copy_within(self.start..self.end, 0);
            self.start = 0;
            self.end = held;
        }
        let end = (self.end + room).min(block.len());
        &mut block[self.end..end]
    }

    /// Says that `n` bytes were written to what [`Buffer::room`] gave.
    pub(crate) fn filled(&mut self, n: usize) {
        self.end += n;
    }

    /// Gives the block back when nothing is held.
    pub(crate) fn release(&mut self, pool: &Pool) {
        if self.is_empty() {
            self.clear(pool);
        }
    }

    /// Drops what is held and gives the block back.
    #[inline]
    pub(crate) fn clear(&mut self, pool: &Pool) {
        // Mostly there is none any more.
        if !self.block.is_empty() {
            self.give_back(pool);
        }
    }

    fn give_back(&mut self, pool: &Pool) {
        pool.give(std::mem::take(&mut self.block));
        self.start = 0;
        self.end = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_moves_to_the_front_when_room_is_needed() {
        let pool = Pool::new(8);
        let mut buffer = Buffer::default();
        buffer.room(&pool, 8).copy_from_slice(b"abcdefgh");
        buffer.filled(8);
        assert!(buffer.room(&pool, 8).is_empty());
        buffer.consume(6);
        assert_eq!(buffer.room(&pool, 8).len(), 6);
        assert_eq!(buffer.bytes(), b"gh");
        buffer.room(&pool, 4).copy_from_slice(b"ij");
        buffer.filled(2);
        assert_eq!(buffer.bytes(), b"ghij");
        assert!(buffer.room(&pool, 4).is_empty());
        buffer.consume(4);
        buffer.release(&pool);
        assert_eq!(pool.free.borrow().len(), 1);
    }

    #[test]
    fn there_are_only_so_many_large_blocks() {
        let pool = Pool::new(8);
        let mut buffers: Vec<Buffer> = Vec::new();
        buffers.resize_with(MOST_LARGE + 1, Buffer::default);
        let rooms: Vec<usize> = buffers
            .iter_mut()
            .map(|buffer| buffer.room(&pool, LARGE).len())
            .collect();
        assert_eq!(
            rooms.iter().filter(|room| **room == LARGE).count(),
            MOST_LARGE
        );
        assert_eq!(rooms.last(), Some(&8));
        // One that is given back, and one that is lost with its session.
        buffers[0].clear(&pool);
        drop(buffers.swap_remove(1));
        assert_eq!(pool.large_used.get(), MOST_LARGE - 2);
        assert_eq!(Buffer::default().room(&pool, LARGE).len(), LARGE);
    }
}
