//! The open connections, and which of them is due next.
//!
//! A slab with doubly linked lists through it, one for each class of deadline. Within a class all
//! deadlines lie equally far ahead when they are set, so the order of arrival is the order of the
//! deadlines: adding, finding the next one due and removing from the middle are O(1), where a heap
//! would cost O(log n) and keep the entries of connections that have long gone.

use std::collections::TryReserveError;
use std::time::Instant;

/// A class of deadlines; the order in it is the order of insertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Until the echo is sent.
    Serving,
    /// Until the peer ends its side too.
    Lingering,
}

/// No slot: the end of a list.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Slot<T> {
    value: Option<T>,
    deadline: Instant,
    class: Class,
    previous: u32,
    /// In a free slot, the next free one.
    next: u32,
}

#[derive(Debug, Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

/// Values by index, each with a deadline. An index is valid until its value is removed.
#[derive(Debug)]
pub struct Table<T> {
    slots: Vec<Slot<T>>,
    free: u32,
    lists: [List; 2],
    len: usize,
}

impl<T> Table<T> {
    pub fn new() -> Self {
        let empty = List { first: NONE, last: NONE };
        Self { slots: Vec::new(), free: NONE, lists: [empty; 2], len: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.len
    }

    /// Drops the value where there is no memory for one more.
    pub fn insert(
        &mut self,
        value: T,
        class: Class,
        deadline: Instant,
    ) -> Result<usize, TryReserveError> {
        let slot = Slot { value: Some(value), deadline, class, previous: NONE, next: NONE };
        let index = self.free;
        let index = if index == NONE {
            self.slots.try_reserve(1)?;
            self.slots.push(slot);
            self.slots.len() - 1
        } else {
            self.free = self.slots[index as usize].next;
            self.slots[index as usize] = slot;
            index as usize
        };
        self.len += 1;
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
        self.len -= 1;
        Some(value)
    }

    /// Gives a value another class and deadline, which comes last in that class.
    pub fn reschedule(&mut self, index: usize, class: Class, deadline: Instant) {
        self.unlink(index);
        self.slots[index].class = class;
        self.slots[index].deadline = deadline;
        self.link(index);
    }

    /// The value of a class that is due first.
    pub fn first(&self, class: Class) -> Option<(usize, Instant)> {
        let index = self.lists[class as usize].first as usize;
        self.slots.get(index).map(|slot| (index, slot.deadline))
    }

    /// All indices that may hold a value: O(n), for the end of the program.
    pub fn indices(&self) -> std::ops::Range<usize> {
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
    use super::{Class::*, Table};
    use std::time::{Duration, Instant};

    #[test]
    fn first_due_is_first_in() {
        let (mut table, start) = (Table::new(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let [a, b, c] = [("a", 1), ("b", 2), ("c", 3)]
            .map(|(value, seconds)| table.insert(value, Serving, at(seconds)).unwrap());
        assert_eq!(table.first(Serving), Some((a, at(1))));
        assert_eq!(table.remove(b), Some("b"));
        assert_eq!(table.remove(b), None);
        table.reschedule(a, Lingering, at(9));
        assert_eq!(table.first(Serving), Some((c, at(3))));
        assert_eq!(table.first(Lingering), Some((a, at(9))));
        assert_eq!(table.remove(c), Some("c"));
        assert_eq!(table.first(Serving), None);
        assert_eq!(table.len(), 1);
        assert_eq!(table.insert("d", Serving, at(4)), Ok(c), "a freed slot is used again");
        assert_eq!(table.insert("e", Serving, at(5)), Ok(b));
        assert_eq!(table.indices().len(), 3);
        assert_eq!(table.get_mut(a), Some(&mut "a"));
        assert_eq!(table.get_mut(7), None);
    }

    /// Against the plainest implementation there is.
    #[test]
    fn agrees_with_a_vector() {
        let (mut table, start) = (Table::new(), Instant::now());
        let mut model: Vec<(usize, u64)> = Vec::new();
        let mut random = 1u64;
        for step in 0..10_000 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let pick = (random >> 33) as usize;
            let deadline = start + Duration::from_millis(step);
            if pick % 3 != 0 || model.is_empty() {
                model.push((table.insert(step, Serving, deadline).unwrap(), step));
            } else if pick % 2 == 0 {
                let (index, value) = model.remove(pick % model.len());
                assert_eq!(table.remove(index), Some(value));
            } else {
                let at = pick % model.len();
                let entry = model.remove(at);
                table.reschedule(entry.0, Serving, deadline);
                model.push(entry);
            }
            assert_eq!(table.first(Serving).map(|(index, _)| index), model.first().map(|e| e.0));
            assert_eq!(table.len(), model.len());
        }
        while let Some((index, _)) = table.first(Serving) {
            assert_eq!((index, table.remove(index)), (model[0].0, Some(model.remove(0).1)));
        }
        assert!(table.is_empty() && model.is_empty());
    }
}
