//! The rules that bind (LANGUAGE §5), a file each, each sentence a test named after what it says, on virtual time through the real
//! engine; windows of civil time; and bugs of other tools that must not be ours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "semantics/peers.rs"]
mod peers;
#[path = "semantics/rule_01_one_engine.rs"]
mod rule_01_one_engine;
#[path = "semantics/rule_02_state_table.rs"]
mod rule_02_state_table;
#[path = "semantics/rule_02_unknown_never_helps.rs"]
mod rule_02_unknown_never_helps;
#[path = "semantics/rule_03_asymmetric_clocks.rs"]
mod rule_03_asymmetric_clocks;
#[path = "semantics/rule_04_missed_checks.rs"]
mod rule_04_missed_checks;
#[path = "semantics/rule_05_operators.rs"]
mod rule_05_operators;
#[path = "semantics/rule_06_one_tick_decides_once.rs"]
mod rule_06_one_tick_decides_once;
#[path = "semantics/rule_07_a_phase_ends.rs"]
mod rule_07_a_phase_ends;
#[path = "semantics/rule_08_rollback_restores.rs"]
mod rule_08_rollback_restores;
#[path = "semantics/rule_09_requested_read_back_observed.rs"]
mod rule_09_requested_read_back_observed;
#[path = "semantics/rule_10_decided_journalled_performed.rs"]
mod rule_10_decided_journalled_performed;
#[path = "semantics/rule_11_sequential_tests.rs"]
mod rule_11_sequential_tests;
#[path = "semantics/rule_12_explanations.rs"]
mod rule_12_explanations;
#[path = "semantics/rule_13_slices_and_ports.rs"]
mod rule_13_slices_and_ports;
#[path = "semantics/rule_14_offline.rs"]
mod rule_14_offline;
#[path = "engine/watch.rs"]
mod watch;
#[path = "semantics/windows.rs"]
mod windows;
#[allow(dead_code, reason = "shared with tests/engine, which uses the rest")]
#[path = "engine/world.rs"]
mod world;
