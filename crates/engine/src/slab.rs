//! [`Slab`]: values in a row, named by index and generation.

/// Values at places that are used again. A place has a generation, so that an old name does not
/// find a new value.
///
/// Places are handed out last in, first out: what was used last is still in the core's cache.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Place<T> {
    value: Option<T>,
    generation: u32,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    /// Values in it.
    pub(crate) const fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One more than the highest index ever used.
    pub(crate) const fn end(&self) -> usize {
        self.places.len()
    }

    /// `None`: there are 2³² already.
    pub(crate) fn insert(&mut self, value: T) -> Option<u32> {
        if let Some(index) = self.free.pop() {
            self.places[index as usize].value = Some(value);
            return Some(index);
        }
        let index = u32::try_from(self.places.len()).ok()?;
        self.places.push(Place { value: Some(value), generation: 0 });
        Some(index)
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let place = self.places.get_mut(index as usize)?;
        let value = place.value.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(index);
        Some(value)
    }

    /// What stands at `index` now.
    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.places.get_mut(index as usize)?.value.as_mut()
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.places.get(index as usize)?.value.as_ref()
    }

    /// The generation of the place at `index`.
    pub(crate) fn generation(&self, index: u32) -> Option<u32> {
        self.places.get(index as usize).map(|place| place.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_used_again_under_another_generation() {
        let mut slab = Slab::new();
        let a = slab.insert('a').unwrap();
        let b = slab.insert('b').unwrap();
        let before = slab.generation(a).unwrap();
        assert_eq!(slab.remove(a), Some('a'));
        assert_eq!((slab.remove(a), slab.get(a), slab.len()), (None, None, 1));
        assert_eq!(slab.insert('c'), Some(a));
        assert_ne!(slab.generation(a), Some(before));
        assert_eq!((slab.get(a), slab.end()), (Some(&'c'), 2));
        assert_eq!(slab.get_mut(b), Some(&mut 'b'));
    }
}
