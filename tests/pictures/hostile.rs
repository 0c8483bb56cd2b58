//! Names from elsewhere, and more of everything than anybody wants to see.

use super::browser::Browser;
use super::outcomes::{START, healthy, incident};
use super::page::{WIDE, none};
use canary::engine::{Verdict, Word};
use canary::report::html::page;
use canary::report::picture::{heat_map, timeline};
use canary::report::style::Style;
use canary::sim::replay::outcome::{Assumption, Axis, AxisValue, Cell, Outcome, Point, Sweep};

const EVIL: &str =
    "\"><script>window.pwned=1</script><img src=x onerror=\"window.pwned=2\">' --> ]]> </style></script>&amp;\u{202e}";

fn evil() -> (Outcome, Sweep) {
    let mut o = incident();
    let long = format!("{EVIL}{}", "long ".repeat(20_000));
    for text in [&mut o.rollout, &mut o.policy] {
        *text = EVIL.to_owned();
    }
    for p in &mut o.phases {
        p.name.clone_from(&long);
    }
    for p in &mut o.ports {
        p.name.clone_from(&long);
    }
    for (i, g) in o.guards.iter_mut().enumerate() {
        g.name = format!("{i}{}", "x".repeat(10_000));
        g.condition.clone_from(&long);
        g.unit = EVIL.to_owned();
    }
    for d in &mut o.decisions {
        d.text = format!("{EVIL}\n{EVIL}");
        if let Some(e) = &mut d.explanation {
            e.rule = EVIL.to_owned();
            e.summary.clone_from(&long);
        }
    }
    o.assumptions.push(Assumption { since: None, text: long.clone() });
    let value = |i: u32| AxisValue { text: format!("{EVIL}{i}"), number: f64::from(i) };
    let axis = || Axis { name: EVIL.to_owned(), values: (0..3).map(value).collect(), now: Some(value(1)) };
    let cell =
        Cell { verdict: None, decided_at: None, phase: EVIL.to_owned(), rule: Some(EVIL.to_owned()), slices: None };
    (o, Sweep { axes: vec![axis(), axis(), axis()], cells: vec![cell; 27] })
}

#[test]
fn what_a_name_holds_stays_a_name() {
    let (o, sweep) = evil();
    let text = page(&o, Some(&sweep));
    // the two scripts of the page itself: its data and what reads it
    assert_eq!(text.matches("<script").count(), 2);
    assert!(!text.contains("<img") && !text.contains('\u{202e}'));
    let Some(mut b) = Browser::start() else { return };
    b.look(400, false);
    b.show(&text);
    assert_eq!(b.ask("typeof window.pwned"), "undefined");
    assert_eq!(b.ask("document.querySelector('h1').textContent"), EVIL.replace('\u{202e}', "\u{fffd}"));
    assert_eq!(b.ask("document.querySelectorAll('img').length"), 0);
    assert_eq!(b.ask("document.documentElement.scrollWidth <= 400"), true);
    assert_eq!(b.complaints(), [""; 0]);
    // and if there were a hole, the page's own policy would close it
    b.ask("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.pwned=3\">')");
    b.ask(
        "{ const s = document.createElement('script'); s.textContent = 'window.pwned = 4'; document.body.append(s); }",
    );
    b.ask("new Promise(done => setTimeout(done, 50))");
    assert_eq!(b.ask("typeof window.pwned"), "undefined");
}

#[test]
fn a_terminal_is_not_moved_by_names() {
    let (mut o, mut sweep) = evil();
    o.rollout = String::from("a\x1b[2Jb\rc\n\nd");
    o.phases[0].name = String::from("\x1b[31m日本語");
    o.guards[0].name = String::from("x\x1b]0;title\x07");
    sweep.axes[0].name = String::from("\x1b[2J\n");
    for text in [timeline(&o, 80, Style::PLAIN), heat_map(&sweep, START, 80, Style::PLAIN)] {
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

#[test]
fn a_month_of_checks_is_one_page_and_no_breach_disappears() {
    let mut o = healthy();
    let every = 15_000;
    o.end = START + 100_000 * every;
    o.phases[2].to = o.end;
    for (n, g) in (0..).zip(&mut o.guards) {
        g.points =
            (0..100_000).map(|i| Point { at: START + i * every, value: Some(0.001), limit: Some(0.01) }).collect();
        g.points[70_000 + n].value = Some(0.02);
        g.words = (0..100_000)
            .map(|i| {
                let word = if i == 70_000 + n as i64 {
                    Word::Breached
                } else if i % 2 == 0 {
                    Word::Ok
                } else {
                    Word::Thin
                };
                (START + i * every, Some(word))
            })
            .collect();
        g.below = true;
    }
    let one = o.decisions[3].clone();
    o.decisions.extend((0..20_000).map(|i| {
        let mut d = one.clone();
        d.at = START + i * every;
        d
    }));
    let text = page(&o, None);
    assert!(text.len() < 12_000_000, "{} bytes", text.len());
    assert!(text.contains("are listed"), "that something is left out has to be said");
    assert_eq!(
        text.matches("class=\"w-breached\"").count(),
        o.guards.len() + 1,
        "one in each strip, one in the legend"
    );
    let Some(mut b) = Browser::start() else { return };
    b.look(1200, false);
    b.show(&text);
    // the peak is where the curve is highest
    let highest = "Math.min(...document.querySelector('.guard path.line').getAttribute('d').split(/[ML]/).slice(1).map(p => +p.split(/[ h]/)[1]))";
    assert!(b.ask(highest).as_f64().unwrap() < 10.0);
    assert_eq!(b.complaints(), [""; 0]);
}

#[test]
fn nothing_and_extremes_are_pictures_too() {
    let mut empty = healthy();
    empty.decisions.clear();
    empty.phases.clear();
    empty.ports.clear();
    empty.guards.clear();
    empty.end = empty.start;
    let mut odd = incident();
    odd.verdict = Some(Verdict::Refused);
    for (i, g) in odd.guards.iter_mut().enumerate() {
        for (k, p) in g.points.iter_mut().enumerate() {
            let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e306, -1e306, -0.0, 5e-324];
            p.value = Some(values[(i + k) % values.len()]);
            p.limit = Some(values[(i * 3 + k / 7) % values.len()]);
        }
    }
    let mut far = healthy();
    far.start = i64::MIN + 1;
    far.end = i64::MAX - 1;
    let nothing = Sweep { axes: Vec::new(), cells: Vec::new() };
    let mut browser = Browser::start();
    for o in [&empty, &odd, &far] {
        for width in [0, 40, 80, 1_000] {
            let text = timeline(o, width, Style::PLAIN);
            assert!(text.lines().all(|l| l.chars().count() <= width.clamp(40, 220)), "{text}");
        }
        assert_eq!(heat_map(&nothing, o.start, 80, Style::PLAIN), "nothing was varied\n");
        let text = page(o, Some(&nothing));
        let told = text.split("<script").next().unwrap();
        for bad in ["NaN", "inf"] {
            let at = told.find(bad).map(|i| told[..i].chars().rev().take(90).collect::<Vec<_>>());
            let before: Option<String> = at.map(|c| c.into_iter().rev().collect());
            assert_eq!(before, None, "{bad} in a page");
        }
        let Some(b) = &mut browser else { continue };
        b.look(400, false);
        b.show(&text);
        assert_eq!(b.complaints(), [""; 0]);
        none(b, WIDE, &format!("{:?}", o.verdict));
    }
}
