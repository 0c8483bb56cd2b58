//! What few lives have at a time: kept beside the cells.

use crate::engine::explain::Explanation;
use crate::engine::state::{Approval, Correction, Paused, Running, State, Undoable, Waiting};
use crate::plan::{ActionId, PortId, Setting, SwitchId};
use serde::{Deserialize, Serialize};

/// Fields of [`State`] that are at their first value in most lives. A field more is one line more.
macro_rules! rare {
    ($($field:ident: $ty:ty,)*) => {
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
        #[serde(default)]
        pub(super) struct Rare { $(#[serde(skip_serializing_if = "is_default")] $field: $ty,)* }

        impl Rare {
            /// Whether a life has none of it.
            #[inline]
            pub fn none_in(s: &State) -> bool {
                $(s.$field.is_first() &&)* true
            }

            /// A life's.
            pub fn of(s: &State) -> Self {
                Self { $($field: s.$field.clone(),)* }
            }

            /// Whether a life has just this.
            pub fn is_in(&self, s: &State) -> bool {
                $(self.$field == s.$field &&)* true
            }

            /// Gives it to a life.
            pub fn put(&self, s: &mut State) {
                $(s.$field.take_from(&self.$field);)*
            }

            /// Takes it from a life.
            #[inline]
            pub fn clear(s: &mut State) {
                $(s.$field.forget();)*
            }
        }
    };
}

rare! {
    paused: Option<Paused>,
    running: Vec<Running>,
    to_undo: Vec<Undoable>,
    undo_ran: bool,
    undo_tries: usize,
    undo_failed: Vec<ActionId>,
    killed: Vec<SwitchId>,
    anew: bool,
    kill_actions: Vec<ActionId>,
    kill_tries: usize,
    kill_failed: Vec<ActionId>,
    approvals: Vec<Approval>,
    ramp: Option<Setting>,
    waiting: Option<Waiting>,
    drifted: Vec<PortId>,
    corrected: Vec<Correction>,
    stuck: Option<u32>,
    slow_told: bool,
    explanation: Option<Explanation>,
}

fn is_default<T: First>(value: &T) -> bool {
    value.is_first()
}

/// A value that is mostly as it was at first. What it holds is reused, so that a check in which nothing happens allocates nothing.
trait First: Clone {
    fn is_first(&self) -> bool;
    fn forget(&mut self);
    fn take_from(&mut self, from: &Self);
}

impl First for bool {
    fn is_first(&self) -> bool {
        !*self
    }
    fn forget(&mut self) {
        *self = false;
    }
    fn take_from(&mut self, from: &Self) {
        *self = *from;
    }
}

impl First for usize {
    fn is_first(&self) -> bool {
        *self == 0
    }
    fn forget(&mut self) {
        *self = 0;
    }
    fn take_from(&mut self, from: &Self) {
        *self = *from;
    }
}

impl<T: Clone> First for Vec<T> {
    fn is_first(&self) -> bool {
        self.is_empty()
    }
    fn forget(&mut self) {
        self.clear();
    }
    fn take_from(&mut self, from: &Self) {
        self.clone_from(from);
    }
}

impl<T: Clone> First for Option<T> {
    fn is_first(&self) -> bool {
        self.is_none()
    }
    fn forget(&mut self) {
        *self = None;
    }
    fn take_from(&mut self, from: &Self) {
        self.clone_from(from);
    }
}
