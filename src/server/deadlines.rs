//! The open connections, and which of them is due next.
//!
//! A slab with a free list, and doubly linked lists through it, one for each class of deadline. Within
//! a class all deadlines lie equally far ahead when they are set, so the order of arrival is the order
//! of the deadlines: adding, finding the next one due and removing from the middle are O(1), where a
//! heap would cost O(log n) and keep the entries of connections that are long gone.

use std::collections::TryReserveError;
use std::ops::Range;
use std::time::{Duration, Instant};

/// A class of deadlines; the order in it is the order of insertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Until the echo is sent.
    Service,
    /// Until the first look whether the peer has closed, once all is sent.
    Look,
    /// Until the peer closes its side too.
    Linger,
}

/// After the half-close a loop that runs anyway looks once whether the peer has closed, when the echo is at
/// least this old. Most have: they need no place in epoll and no wake-up, a tenth of the CPU per connection.
pub const LOOK: Duration = Duration::from_millis(10);
/// A loop that sleeps wakes up for that look when the echo is this old.
pub const LAST_LOOK: Duration = Duration::from_millis(100);
/// How long a peer may leave its side open after that look.
pub const LINGER: Duration = Duration::from_secs(2);

/// The end of a list.
const NONE: u32 = u32::MAX;

struct Slot<T> {
    value: Option<T>,
    deadline: Instant,
    class: Class,
    previous: u32,
    /// In a free slot, the next free one.
    next: u32,
}

#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

/// Values by index, each with a deadline. An index is valid until its value is removed.
pub struct Deadlines<T> {
    slots: Vec<Slot<T>>,
    free: u32,
    lists: [List; 3],
}

impl<T> Deadlines<T> {
    pub fn new() -> Self {
        let empty = List { first: NONE, last: NONE };
        Self { slots: Vec::new(), free: NONE, lists: [empty; 3] }
    }

    /// Drops the value where there is no memory for one more.
    pub fn insert(
        &mut self,
        value: T,
        class: Class,
        deadline: Instant,
    ) -> Result<usize, TryReserveError> {
        let slot = Slot { value: Some(value), deadline, class, previous: NONE, next: NONE };
        let index = match self.free {
            NONE => {
                self.slots.try_reserve(1)?;
                self.slots.push(slot);
                self.slots.len() - 1
            }
            free => {
                let index = free as usize;
                self.free = self.slots[index].next;
                self.slots[index] = slot;
                index
            }
        };
        self.link(index);
        Ok(index)
    }

    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.slots.get_mut(index)?.value.as_mut()
    }

    pub fn remove(&mut self, index: usize) -> Option<T> {
        let value = self.slots.get_mut(index)?.value.take()?;
        self.unlink(index);
        self.slots[index].next = self.free;
        self.free = index as u32;
        Some(value)
    }

    /// Gives a value another class and deadline, which comes last in that class.
    pub fn reschedule(&mut self, index: usize, class: Class, deadline: Instant) {
        self.unlink(index);
        self.slots[index].class = class;
        self.slots[index].deadline = deadline;
        self.link(index);
    }

    /// When the next value of any class is due. None when there are no values.
    pub fn next(&self) -> Option<Instant> {
        let first = |list: &List| self.slots.get(list.first as usize).map(|slot| slot.deadline);
        self.lists.iter().filter_map(first).min()
    }

    /// A value of a class that is due at the moment `now`.
    pub fn due(&self, class: Class, now: Instant) -> Option<usize> {
        let first = self.lists[class as usize].first as usize;
        self.slots.get(first).filter(|slot| slot.deadline <= now).map(|_| first)
    }

    /// All indices that may hold a value: O(n), for the shutdown.
    pub fn indices(&self) -> Range<usize> {
        0..self.slots.len()
    }

    fn link(&mut self, index: usize) {
        let list = &mut self.lists[self.slots[index].class as usize];
        let last = list.last;
        list.last = index as u32;
        if last == NONE {
            list.first = index as u32;
        } else {
            self.slots[last as usize].next = index as u32;
        }
        self.slots[index].previous = last;
        self.slots[index].next = NONE;
    }

    fn unlink(&mut self, index: usize) {
        let Slot { previous, next, class, .. } = self.slots[index];
        let list = &mut self.lists[class as usize];
        match previous {
            NONE => list.first = next,
            _ => self.slots[previous as usize].next = next,
        }
        match next {
            NONE => list.last = previous,
            _ => self.slots[next as usize].previous = previous,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Class::*, Deadlines};
    use std::time::{Duration, Instant};

    #[test]
    fn first_due_is_first_in() {
        let (mut open, start) = (Deadlines::new(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let [a, b, c] = [("a", 1), ("b", 2), ("c", 3)]
            .map(|(value, seconds)| open.insert(value, Service, at(seconds)).unwrap());
        assert_eq!((open.next(), open.due(Service, start)), (Some(at(1)), None));
        assert_eq!(open.due(Service, at(1)), Some(a));
        assert_eq!(open.remove(b), Some("b"));
        assert_eq!(open.remove(b), None);
        open.reschedule(a, Linger, at(9));
        assert_eq!((open.next(), open.due(Service, at(3))), (Some(at(3)), Some(c)));
        assert_eq!((open.due(Linger, at(8)), open.due(Linger, at(9))), (None, Some(a)));
        assert_eq!(open.remove(c), Some("c"));
        assert_eq!((open.next(), open.due(Service, at(9))), (Some(at(9)), None));
        assert_eq!(open.insert("d", Service, at(4)), Ok(c), "a freed slot is used again");
        assert_eq!(open.insert("e", Look, at(5)), Ok(b));
        assert_eq!(open.indices().len(), 3);
        assert_eq!(open.get_mut(a), Some(&mut "a"));
        assert_eq!(open.get_mut(7), None);
    }

    /// Against the plainest implementation there is.
    #[test]
    fn agrees_with_a_vector() {
        let (mut open, start) = (Deadlines::new(), Instant::now());
        let mut model: Vec<(usize, u64)> = Vec::new();
        let mut random = 1u64;
        let end = start + Duration::from_secs(100);
        for step in 0..10_000 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let pick = (random >> 33) as usize;
            let deadline = start + Duration::from_millis(step);
            if pick % 3 != 0 || model.is_empty() {
                model.push((open.insert(step, Service, deadline).unwrap(), step));
            } else if pick % 2 == 0 {
                let (index, value) = model.remove(pick % model.len());
                assert_eq!(open.remove(index), Some(value));
            } else {
                let at = pick % model.len();
                let entry = model.remove(at);
                open.reschedule(entry.0, Service, deadline);
                model.push(entry);
            }
            assert_eq!(open.due(Service, end), model.first().map(|entry| entry.0));
        }
        while let Some(index) = open.due(Service, end) {
            assert_eq!((index, open.remove(index)), (model[0].0, Some(model.remove(0).1)));
        }
        assert!(open.next().is_none() && model.is_empty());
    }
}
