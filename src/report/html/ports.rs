//! The lane of a port: what was asked for as a line, what was read as steps.

use super::Made;
use super::markup::{Markup, left, name};
use crate::plan::{Setting, Time};
use crate::report::chart::at;
use crate::report::chart::time::Span;
use crate::sim::replay::outcome::PortTrack;

/// Two values nearer than this share of the axis are not both written.
const APART: f64 = 0.07;

/// The lane.
pub fn lane(m: &mut Markup, made: &Made<'_>, index: usize, port: &PortTrack) {
    let span = made.span;
    let top = at::largest(&port.requested, &port.observed);
    m.open("div", &[("class", "lane port")]);
    m.open("div", &[("class", "label")]);
    m.element("h3", &[], &name(&port.name));
    m.element("p", &[("class", "aside")], "asked for (line), read back (steps)");
    m.element("p", &[("class", "value scripted"), ("data-port", &index.to_string())], "");
    m.close();
    m.open("div", &[("class", "plot")]);
    let since = port.assumed_since.map(|t| span.share(t).min(1.0));
    if let Some(share) = since {
        let style = format!("{};right:0", left(share));
        m.element("div", &[("class", "assumed"), ("style", &style)], "assumed");
    }
    m.open(
        "svg",
        &[
            ("viewBox", "0 0 1000 100"),
            ("preserveAspectRatio", "none"),
            ("role", "img"),
            ("aria-label", &told(made, port)),
        ],
    );
    let split = port.assumed_since.unwrap_or(Time::MAX);
    for (class, from, to) in [("read", Time::MIN, split), ("read dashed", split, Time::MAX)] {
        let steps = part(&port.observed, from, to, span);
        let line = steps_path(&steps, span, top, to);
        if !line.is_empty() {
            if let (Some(first), false) = (steps.first(), class.contains("dashed")) {
                let d = format!("{line}V100H{:.1}Z", x(span, first.0));
                m.shape("path", &[("class", "filled"), ("d", &d)]);
            }
            m.shape("path", &[("class", class), ("d", &line)]);
        }
    }
    m.shape("path", &[("class", "asked"), ("d", &steps_path(&port.requested, span, top, Time::MAX))]);
    m.close();
    let mut last = f64::NEG_INFINITY;
    for (t, s) in &port.requested {
        let share = span.share(*t);
        if share - last >= APART {
            last = share;
            let high = 1.0 - s.size() / top;
            // written under the line where there is no room above it
            let class = if high < 0.3 { "level under" } else { "level" };
            let class = if share > 0.9 { format!("{class} last") } else { String::from(class) };
            let style = format!("{};top:{:.1}%", left(share), high * 100.0);
            m.element("span", &[("class", &class), ("style", &style), ("aria-hidden", "true")], &s.to_string());
        }
    }
    m.close();
    m.own("<div class=\"side\" aria-hidden=\"true\">");
    if port.requested.iter().chain(&port.observed).all(|(_, s)| matches!(s, Setting::Share(_))) {
        m.own("<span style=\"top:0\">100%</span><span style=\"top:100%\">0%</span>");
    } else {
        m.own("<span style=\"top:100%\">0</span>");
    }
    m.own("</div>");
    m.close();
}

fn x(span: Span, t: Time) -> f64 {
    span.share(t) * 1000.0
}

/// The changes within a stretch, beginning with what held when it began.
fn part(changes: &[(Time, Setting)], from: Time, to: Time, span: Span) -> Vec<(Time, Setting)> {
    if from >= span.to && from != Time::MIN {
        return Vec::new();
    }
    let held = at::last(changes, from).map(|s| (from, s));
    held.into_iter().chain(changes.iter().copied().filter(|(t, _)| *t > from && *t < to)).collect()
}

fn steps_path(steps: &[(Time, Setting)], span: Span, top: f64, to: Time) -> String {
    let mut d = String::new();
    for (i, (t, s)) in steps.iter().enumerate() {
        let y = 100.0 - (s.size() / top).clamp(0.0, 1.0) * 100.0;
        let x = x(span, *t);
        d.push_str(&if i == 0 { format!("M{x:.1} {y:.1}") } else { format!("H{x:.1}V{y:.1}") });
    }
    if !d.is_empty() {
        d.push_str(&format!("H{:.1}", x(span, to.min(span.to))));
    }
    d
}

/// The curve in words.
fn told(made: &Made<'_>, port: &PortTrack) -> String {
    let list = |changes: &[(Time, Setting)]| {
        let few = changes.iter().take(40).map(|(t, s)| format!("{s} at {}", made.span.since_start(*t)));
        let more = if changes.len() > 40 { format!(" and {} more changes", changes.len() - 40) } else { String::new() };
        few.collect::<Vec<_>>().join(", ") + &more
    };
    let assumed = port
        .assumed_since
        .map_or_else(String::new, |t| format!("; what was read is assumed since {}", made.span.since_start(t)));
    format!("{}: asked for {}; read {}{assumed}", name(&port.name), list(&port.requested), list(&port.observed))
}
