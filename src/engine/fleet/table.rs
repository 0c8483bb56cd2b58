//! Columns: what all lives have, a row a life; and what few of them have, beside.

use super::cells::Cells;
use super::shards::SHARD;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// So many cells a life, one life behind the other.
///
/// In a journal it is a column a number, and neighbours that are equal are written once: what all lives share costs nothing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table<C> {
    width: usize,
    rows: usize,
    cells: Vec<C>,
}

impl<C: Cells + Default> Table<C> {
    pub fn new(width: usize) -> Self {
        Self { width, rows: 0, cells: Vec::new() }
    }

    /// How many cells a life has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// One life more.
    pub fn grow(&mut self) {
        self.rows += 1;
        let wanted = self.rows * self.width;
        if wanted > self.cells.capacity() {
            // a quarter more, not twice as much, and never more than the shard can come to hold
            let more = (self.rows / 4).min(SHARD.saturating_sub(self.rows));
            self.cells.reserve_exact(wanted - self.cells.len() + more * self.width);
        }
        self.cells.resize(wanted, C::default());
    }

    #[inline]
    pub fn row(&self, i: usize) -> &[C] {
        self.cells.get(i * self.width..(i + 1) * self.width).unwrap_or_default()
    }

    #[inline]
    pub fn row_mut(&mut self, i: usize) -> &mut [C] {
        self.cells.get_mut(i * self.width..(i + 1) * self.width).unwrap_or_default()
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<C>()
    }
}

/// A number, or so many equal ones.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
enum Run {
    One(i64),
    Many(i64, usize),
}

#[derive(Serialize, Deserialize)]
struct Wire {
    rows: usize,
    width: usize,
    columns: Vec<Vec<Run>>,
}

fn written(list: impl Iterator<Item = i64>) -> Vec<Run> {
    let mut out: Vec<Run> = Vec::new();
    for v in list {
        match out.last_mut() {
            Some(Run::Many(w, n)) if *w == v => *n += 1,
            Some(Run::One(w)) if *w == v => {
                out.pop();
                out.push(Run::Many(v, 2));
            }
            _ => out.push(Run::One(v)),
        }
    }
    out
}

impl<C: Cells> Serialize for Table<C> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let column = |k: usize, field: usize| {
            written(self.cells.iter().skip(k).step_by(self.width).map(|c| {
                let mut out = 0;
                c.each(&mut |i, v| {
                    if i == field {
                        out = v;
                    }
                });
                out
            }))
        };
        let columns = (0..self.width).flat_map(|k| (0..C::FIELDS).map(move |f| (k, f))).map(|(k, f)| column(k, f));
        Wire { rows: self.rows, width: self.width, columns: columns.collect() }.serialize(to)
    }
}

impl<'de, C: Cells + Default> Deserialize<'de> for Table<C> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(from)?;
        let lengths = wire.columns.iter().map(|c| c.iter().map(|r| if let Run::Many(_, n) = r { *n } else { 1 }).sum());
        if wire.columns.len() != wire.width * C::FIELDS || lengths.into_iter().any(|n: usize| n != wire.rows) {
            return Err(D::Error::custom("the columns of the slices' state do not fit together"));
        }
        let mut runs: Vec<_> = wire
            .columns
            .iter()
            .map(|c| {
                c.iter().flat_map(|r| match *r {
                    Run::One(v) => std::iter::repeat_n(v, 1),
                    Run::Many(v, n) => std::iter::repeat_n(v, n),
                })
            })
            .collect();
        let mut cells = Vec::with_capacity(wire.rows * wire.width);
        for _ in 0..wire.rows {
            for k in 0..wire.width {
                let made = C::made(&mut |f| runs.get_mut(k * C::FIELDS + f)?.next());
                cells.push(made.ok_or_else(|| D::Error::custom("a number of the slices' state is too large"))?);
            }
        }
        Ok(Self { width: wire.width, rows: wire.rows, cells })
    }
}

/// What few lives have.
#[derive(Debug, Clone)]
pub(super) struct Sparse<T>(Vec<Option<Box<T>>>);

impl<T> Sparse<T> {
    pub fn new() -> Self {
        Self(Vec::new())
    }

    /// Whether nobody has ever had any.
    #[inline]
    pub fn is_unused(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub fn get(&self, i: usize) -> Option<&T> {
        self.0.get(i)?.as_deref()
    }

    #[inline]
    pub fn get_mut(&mut self, i: usize) -> Option<&mut T> {
        self.0.get_mut(i)?.as_deref_mut()
    }

    pub fn set(&mut self, i: usize, value: T) {
        if self.0.len() <= i {
            self.0.resize_with(i + 1, || None);
        }
        if let Some(slot) = self.0.get_mut(i) {
            *slot = Some(Box::new(value));
        }
    }

    #[inline]
    pub fn remove(&mut self, i: usize) {
        if let Some(slot @ Some(_)) = self.0.get_mut(i) {
            *slot = None;
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.0.iter().enumerate().filter_map(|(i, t)| Some((i, t.as_deref()?)))
    }

    /// Bytes that it takes, without what its parts point to.
    pub fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<usize>() + self.iter().count() * size_of::<T>()
    }
}

impl<T: PartialEq> PartialEq for Sparse<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: Serialize> Serialize for Sparse<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Sparse<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let list: Vec<(u32, T)> = Vec::deserialize(from)?;
        let mut out = Self::new();
        for (i, value) in list {
            out.set(i as usize, value);
        }
        Ok(out)
    }
}

/// So many of the latest are looked through for an equal one: where lives differ, looking costs more than keeping.
const LATEST: usize = 256;

/// Values of which many lives have the same, each kept once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Shared<T>(Vec<T>);

impl<T: PartialEq + Clone> Shared<T> {
    pub fn new(first: T) -> Self {
        Self(vec![first])
    }

    #[inline]
    pub fn get(&self, i: u32) -> Option<&T> {
        self.0.get(i as usize)
    }

    /// The place of a value; `was` is where it probably is.
    #[inline]
    pub fn place(&mut self, was: u32, value: &T) -> u32 {
        if self.get(was) == Some(value) {
            return was;
        }
        if self.0.first() == Some(value) {
            return 0;
        }
        let latest = self.0.len().saturating_sub(LATEST);
        let found = self.0.iter().skip(latest).rposition(|v| v == value).map(|i| latest + i).unwrap_or_else(|| {
            self.0.push(value.clone());
            self.0.len() - 1
        });
        u32::try_from(found).unwrap_or(u32::MAX)
    }
}
