//! Groups of flags: set as one, and remembered, watched and restored member by member.

use super::world::{Is, World, plan};
use canary::plan::Setting::{Absent, Bool, Count};

const GROUP: &str = "guard load: load < 5 else rollback
    phase one { flag m4 = on, traffic checkout = 5%  hold 10m }";

#[test]
fn a_group_is_one_batch_and_each_member_goes_back_to_what_it_was() {
    let run = World::of(GROUP)
        .original("m4.failure_catalog", Absent)
        .original("m4.strict_golden", Bool(false))
        .from("load", "2m", Is(9.0))
        .run("1h");
    assert_eq!(
        run.requests(&plan(GROUP)),
        [
            "0s m4.failure_catalog on, m4.strict_golden on, checkout 5%",
            "2m checkout 0%, m4.strict_golden off, m4.failure_catalog absent"
        ]
    );
    assert_eq!(run.course[1..], ["2m rollback because load", "2m15s rolled back"]);
    assert_eq!(run.ports, [Some(Absent), Some(Bool(false)), Some(canary::plan::Setting::Share(0.0))]);
    // the same from counts that are above 0 before
    let body = GROUP.replace("m4 = on", "shards = 2");
    let world = World::of(&body).original("shards.north", Count(1)).original("shards.south", Count(0));
    let run = world.from("load", "2m", Is(9.0)).run("1h");
    assert_eq!(run.requests(&plan(&body))[1..], ["2m checkout 0%, shards.south 0, shards.north 1"]);
}

#[test]
fn one_member_that_is_on_already_refuses_the_start() {
    let run = World::of(GROUP).original("m4.strict_golden", Bool(true)).run("1h");
    assert_eq!(run.course, ["0s refused"]);
    assert!(
        run.refused.len() == 1 && run.refused[0].starts_with("m4.strict_golden is already at on"),
        "{:?}",
        run.refused
    );
}

#[test]
fn one_member_that_is_not_read_back_takes_all_back() {
    let run = World::of(GROUP).withholds("0s", "1m").run("1h");
    assert_eq!(run.course[1], "1m rollback because one");
}

#[test]
fn a_member_that_somebody_else_changes_has_drifted_by_itself() {
    let run = World::of(GROUP).drifts("m4.strict_golden", Bool(false), "2m").run("4m");
    assert_eq!(run.course[1..3], ["2m m4.strict_golden drifted to off", "2m paused because m4.strict_golden"]);
}
