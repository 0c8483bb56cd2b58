//! What people see of runs: event lines, the live view, reports, explanations. Reads the engine's records and nothing else.

pub mod approvals;
pub mod chart;
pub mod check_at;
pub mod deeds;
pub mod document;
pub mod html;
pub mod lines;
pub mod live;
pub mod observed;
pub mod picture;
pub mod provenance;
pub mod sliced;
pub mod style;
pub mod text;
pub mod timeline;
pub mod why;
