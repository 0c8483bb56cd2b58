//! Windows of civil time (LANGUAGE §3): half-open, in their own zone, overnight windows, hours that a change of the clocks skips or
//! repeats; and by the planned time of the check.

use super::world::{World, plan_with};
use canary::check;
use canary::plan::Plan;
use canary::sim;
use canary::syntax::{self, source::SourceMap};

#[test]
fn now_is_in_a_window_by_the_planned_time_of_the_check() {
    let window = "window night = thu 00:00..00:02 zone \"UTC\"";
    let body = "guard g: now in night else hold  phase one { traffic checkout = 5%  hold 15s }";
    let run = World::of_plan(plan_with(window, body)).run("10m");
    assert_eq!(run.course, ["0s entered one", "30s promoted"]);
    // in Berlin it is an hour later already
    let body = "guard g: now in night else rollback  phase one { traffic checkout = 5%  hold 5m }";
    let run =
        World::of_plan(plan_with(&window.replace("00:0", "01:0").replace("UTC", "Europe/Berlin"), body)).run("10m");
    assert_eq!(run.course[1], "2m rollback because g");
}

fn window(hours: &str, zone: &str) -> Plan {
    let body = "guard g: now in civil else hold  phase one { traffic checkout = 5%  hold 15s }";
    plan_with(&format!("window civil = {hours} zone \"{zone}\""), body)
}

/// `2026-03-29T00:59:59Z`
fn at(text: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
}

#[track_caller]
fn edges(plan: &Plan, expected: &[(&str, bool)]) {
    for (time, inside) in expected {
        assert_eq!(plan.windows[0].holds(at(time)), Some(*inside), "{time}");
    }
}

#[test]
fn working_hours_are_half_open_and_follow_the_zones_summer_time() {
    let office = window("mon..fri 09:00..17:00", "Europe/Berlin");
    edges(
        &office,
        &[
            // the Friday before the clocks go forward, at UTC+1, and the Monday after it, at UTC+2
            ("2026-03-27T07:59:59Z", false),
            ("2026-03-27T08:00:00Z", true),
            ("2026-03-27T15:59:59Z", true),
            ("2026-03-27T16:00:00Z", false),
            ("2026-03-28T10:00:00Z", false),
            ("2026-03-30T06:59:59Z", false),
            ("2026-03-30T07:00:00Z", true),
            ("2026-03-30T14:59:59Z", true),
            ("2026-03-30T15:00:00Z", false),
            // and back in autumn
            ("2026-10-23T07:00:00Z", true),
            ("2026-10-26T07:00:00Z", false),
            ("2026-10-26T08:00:00Z", true),
            ("2026-10-26T15:59:59Z", true),
        ],
    );
}

#[test]
fn an_hour_that_is_skipped_in_berlin() {
    // on 2026-03-29 the clock goes from 02:00 to 03:00 at 01:00Z
    let over = window("sun 01:30..02:30", "Europe/Berlin");
    edges(
        &over,
        &[
            ("2026-03-29T00:29:59Z", false),
            ("2026-03-29T00:30:00Z", true),
            ("2026-03-29T00:59:59Z", true),
            // 03:00: behind the end, which never was
            ("2026-03-29T01:00:00Z", false),
        ],
    );
    let inside = window("sun 02:00..03:00", "Europe/Berlin");
    for minute in 0..240 {
        let t = at("2026-03-28T23:00:00Z") + minute * 60_000;
        assert_eq!(inside.windows[0].holds(t), Some(false), "an hour that is not there has no minute");
    }
    let begins = window("sun 02:30..04:00", "Europe/Berlin");
    edges(&begins, &[("2026-03-29T00:59:59Z", false), ("2026-03-29T01:00:00Z", true), ("2026-03-29T02:00:00Z", false)]);
}

#[test]
fn an_hour_that_is_repeated_in_berlin() {
    // on 2026-10-25 the clock goes from 03:00 back to 02:00 at 01:00Z: 02:30 is at 00:30Z and at 01:30Z
    let night = window("sun 02:15..02:45", "Europe/Berlin");
    edges(
        &night,
        &[
            ("2026-10-25T00:14:59Z", false),
            ("2026-10-25T00:15:00Z", true),
            ("2026-10-25T00:44:59Z", true),
            ("2026-10-25T00:45:00Z", false),
            ("2026-10-25T01:14:59Z", false),
            ("2026-10-25T01:15:00Z", true),
            ("2026-10-25T01:44:59Z", true),
            ("2026-10-25T01:45:00Z", false),
        ],
    );
}

#[test]
fn a_zone_that_shifts_by_half_an_hour() {
    // Lord Howe Island: on 2026-04-05 from 02:00 (UTC+11) back to 01:30 (UTC+10:30) at 2026-04-04T15:00Z
    let repeated = window("sun 01:30..02:00", "Australia/Lord_Howe");
    edges(
        &repeated,
        &[
            ("2026-04-04T14:29:59Z", false),
            ("2026-04-04T14:30:00Z", true),
            ("2026-04-04T14:59:59Z", true),
            ("2026-04-04T15:00:00Z", true),
            ("2026-04-04T15:29:59Z", true),
            ("2026-04-04T15:30:00Z", false),
        ],
    );
    // on 2026-10-04 from 02:00 (UTC+10:30) to 02:30 (UTC+11) at 2026-10-03T15:30Z
    let skipped = window("sun 01:45..02:45", "Australia/Lord_Howe");
    edges(
        &skipped,
        &[
            ("2026-10-03T15:14:59Z", false),
            ("2026-10-03T15:15:00Z", true),
            ("2026-10-03T15:29:59Z", true),
            ("2026-10-03T15:30:00Z", true),
            ("2026-10-03T15:44:59Z", true),
            ("2026-10-03T15:45:00Z", false),
        ],
    );
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
    let night = window("fri 22:00..06:00", "Europe/Berlin");
    edges(
        &night,
        &[
            ("2026-01-09T20:59:59Z", false),
            ("2026-01-09T21:00:00Z", true),
            ("2026-01-10T04:59:59Z", true),
            ("2026-01-10T05:00:00Z", false),
            // the night from Thursday, and Saturday's own evening
            ("2026-01-09T03:00:00Z", false),
            ("2026-01-10T21:30:00Z", false),
        ],
    );
    // the night in which an hour is missing: 22:00 at UTC+1 to 06:00 at UTC+2, seven hours
    let saturday = window("sat 22:00..06:00", "Europe/Berlin");
    edges(
        &saturday,
        &[
            ("2026-03-28T20:59:59Z", false),
            ("2026-03-28T21:00:00Z", true),
            ("2026-03-29T03:59:59Z", true),
            ("2026-03-29T04:00:00Z", false),
            // and the one with an hour twice: nine hours
            ("2026-10-24T20:00:00Z", true),
            ("2026-10-25T04:59:59Z", true),
            ("2026-10-25T05:00:00Z", false),
        ],
    );
}

#[test]
fn the_engine_sees_the_repeated_hour_twice() {
    let text = format!(
        "{}
        window civil = sun 02:15..02:45 zone \"Europe/Berlin\"
        rollout shop {{
          check every 5m
          guard g: now in civil else tell
          phase one {{ traffic checkout = 5%  hold 3h }}
        }}
        test \"back\" for shop {{
          starts at 2026-10-25T00:00Z
          expect guard g is breached at 10m
          expect guard g is ok at 15m
          expect guard g is ok at 40m
          expect guard g is breached at 45m
          expect guard g is breached at 1h10m
          expect guard g is ok at 1h15m
          expect guard g is ok at 1h40m
          expect guard g is breached at 1h45m
        }}",
        include_str!("../engine/prelude.canary")
    );
    let mut map = SourceMap::default();
    let id = map.add("test.canary", text.clone());
    let (file, found) = syntax::parse(id, &text);
    assert!(found.is_empty(), "{found:#?}");
    let compiled = check::tests::compile(&[file], &map);
    let test = compiled.tests.first().unwrap_or_else(|| panic!("{:#?}", compiled.diagnostics));
    let trace = sim::run(test, &test.plan);
    assert_eq!(sim::judge(test, &test.plan, &trace), []);
}
