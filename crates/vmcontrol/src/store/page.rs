//! Lists that are read in portions.

use uuid::Uuid;

/// Which portion of a list.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// The largest number of items.
    pub limit: u32,
    /// Only items that are older than this one; `None` for no such bound.
    pub before: Option<Uuid>,
    /// Only items that are newer than this one: the nearest of them, if more exist than fit. `None`
    /// for no such bound.
    pub after: Option<Uuid>,
}

impl Page {
    /// Whether the list is read from the older to the newer items. The portion still has the newest
    /// first.
    pub fn is_ascending(&self) -> bool {
        self.after.is_some() && self.before.is_none()
    }
}

/// The approximate largest size of a portion, in bytes. A larger item is a portion by itself.
const PORTION_BYTES: usize = 16 * 1024 * 1024;

/// A portion of a list.
#[derive(Clone, Debug)]
pub struct Portion<T> {
    /// Newest first; events by number.
    pub items: Vec<T>,
    /// Whether more items exist in the direction in which the list was read. A portion of large
    /// items ends before its limit.
    pub has_more: bool,
    /// The approximate size of the items, in bytes.
    pub bytes: usize,
    /// The size of the next item, which had no room, in bytes; `None` if the portion ends for
    /// another reason.
    pub left_out_bytes: Option<usize>,
}

impl<T> Default for Portion<T> {
    /// A portion without items.
    fn default() -> Self {
        Self {
            items: Vec::new(),
            has_more: false,
            bytes: 0,
            left_out_bytes: None,
        }
    }
}

impl<T> Portion<T> {
    /// The first `limit` of these items.
    pub(crate) fn cut(mut items: Vec<T>, limit: usize) -> Self {
        let has_more = items.len() > limit;
        items.truncate(limit);
        Self {
            items,
            has_more,
            ..Self::default()
        }
    }

    /// The same portion of what its items are made into.
    pub(crate) fn map<U>(self, make: impl FnMut(T) -> U) -> Portion<U> {
        Portion {
            items: self.items.into_iter().map(make).collect(),
            has_more: self.has_more,
            bytes: self.bytes,
            left_out_bytes: self.left_out_bytes,
        }
    }

    /// Whether an item of `item_bytes` has room within `limit` items and `max_bytes` bytes. If it
    /// has, its bytes are counted, otherwise it is recorded as left out.
    pub fn has_room(&mut self, item_bytes: usize, limit: usize, max_bytes: usize) -> bool {
        if self.items.len() >= limit {
            self.has_more = true;
        } else if self.bytes + item_bytes > max_bytes {
            self.has_more = true;
            self.left_out_bytes = Some(item_bytes);
        } else {
            self.bytes += item_bytes;
        }
        !self.has_more
    }

    /// The portion that was found, if one was; or how many bytes give a larger one.
    pub(crate) fn found_within(found: Option<Self>, max_bytes: usize) -> Within<Option<Self>> {
        found.map_or(Within::Fits(None), |portion| {
            portion.within(max_bytes).map(Some)
        })
    }

    /// The portion, unless more than `max_bytes` would have given a larger one.
    pub(crate) fn within(self, max_bytes: usize) -> Within<Self> {
        match self.left_out_bytes {
            Some(bytes) if self.items.is_empty() || max_bytes < PORTION_BYTES => {
                Within::Needs(bytes.max(PORTION_BYTES))
            }
            _ => Within::Fits(self),
        }
    }
}

/// What was read within a number of bytes.
#[derive(Debug)]
pub enum Within<T> {
    /// It fits.
    Fits(T),
    /// It was not read, and takes this many bytes: as it is stored and as it is sent together.
    Needs(usize),
}
