//! The pictures in a terminal.

use super::outcomes::{START, healthy, incident, outage, strip, sweep};
use canary::report::picture::{heat_map, timeline};
use canary::report::style::Style;

#[test]
fn an_incident_as_a_timeline() {
    insta::assert_snapshot!(timeline(&incident(), 120, Style::PLAIN));
}

#[test]
fn an_incident_on_a_narrow_terminal() {
    insta::assert_snapshot!(timeline(&incident(), 60, Style::PLAIN));
}

#[test]
fn an_outage_as_a_timeline() {
    insta::assert_snapshot!(timeline(&outage(), 100, Style::PLAIN));
}

#[test]
fn sweeps_as_letters() {
    let sweep = sweep();
    let two = heat_map(&sweep, START, 80, Style::PLAIN);
    let one = heat_map(&strip(&sweep), START, 80, Style::PLAIN);
    insta::assert_snapshot!(format!("{two}\n{one}"));
}

#[test]
fn every_width_is_kept_and_colour_is_only_where_it_is_asked_for() {
    for o in [incident(), healthy(), outage()] {
        for width in [40, 57, 79, 90, 133, 220] {
            let text = timeline(&o, width, Style::PLAIN);
            assert!(!text.contains('\x1b'));
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{} > {width}: {line}", line.chars().count());
            }
        }
    }
}
