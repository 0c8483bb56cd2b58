//! The page in a browser, as people meet it: narrow, dark, on paper, by keyboard, without script.

use super::browser::Browser;
use super::outcomes::{healthy, incident, outage, strip, sweep};
use canary::report::html::page;
use serde_json::json;

/// Text whose contrast to what lies behind it is less than 4.5 : 1 (WCAG 2.2, 1.4.3), by what the browser has computed.
const PALE: &str = r#"(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (css) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const f = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b);
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = rgba(getComputedStyle(e).backgroundColor);
      if (c[3] === 255) return c;
    }
    return [255, 255, 255, 255];
  };
  const out = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !e.checkVisibility({ visibilityProperty: true }) || e.closest('script, style')) continue;
    seen += 1;
    const svg = e.closest('svg');
    // the letters of a strip have a rim in the strip's colour
    const front = rgba(svg ? getComputedStyle(e).fill : getComputedStyle(e).color);
    const back = svg ? rgba(getComputedStyle(e).stroke) : behind(e);
    const [a, b] = [light(front), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) out.push(ratio.toFixed(2) + ' ' + e.outerHTML.slice(0, 120));
  }
  if (seen < 50) out.push('only ' + seen + ' texts were seen');
  return out;
})()"#;

/// What sticks out of the page, but for what scrolls in itself.
const WIDE: &str = r#"(() => {
  const out = [];
  const room = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > room) out.push('the page is ' + document.documentElement.scrollWidth + ' wide');
  for (const e of document.querySelectorAll('main *')) {
    const box = e.getBoundingClientRect();
    // what is cut off where it stands
    if (e.closest('.scroll') && !e.matches('.scroll') || e.closest('.band, .paused') && !e.matches('.band, .paused')) continue;
    if (e.closest('svg') && !e.matches('svg')) continue;
    if (box.width > 0 && (box.right > room + 1 || box.left < -1) && e.checkVisibility()) out.push(box.left + ' to ' + box.right + ' ' + e.outerHTML.slice(0, 120));
  }
  return out;
})()"#;

fn none(b: &mut Browser, expression: &str, what: &str) {
    assert_eq!(b.ask(expression), json!([]), "{what}");
}

#[test]
fn the_page_is_quiet_fits_and_can_be_read_in_both_themes() {
    let Some(mut b) = Browser::start() else { return };
    let sweep = sweep();
    for (name, text) in [
        ("incident", page(&incident(), Some(&sweep))),
        ("healthy", page(&healthy(), Some(&strip(&sweep)))),
        ("outage", page(&outage(), None)),
    ] {
        let kept = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("report-{name}.html"));
        std::fs::write(kept, &text).unwrap();
        for (width, dark) in [(1200, false), (1200, true), (400, false), (400, true), (320, false)] {
            let what = format!("{name} at {width}, {}", if dark { "dark" } else { "light" });
            b.look(width, dark);
            b.show(&text);
            none(&mut b, WIDE, &what);
            none(&mut b, PALE, &what);
            assert_eq!(b.complaints(), [""; 0], "{what}");
            if width != 320 {
                b.picture(&format!("{name}-{width}-{}", if dark { "dark" } else { "light" }));
            }
        }
    }
}

#[test]
fn the_keyboard_moves_the_cursor_along_the_decisions() {
    let Some(mut b) = Browser::start() else { return };
    b.look(1200, false);
    b.show(&page(&incident(), None));
    let focus = "document.activeElement.id";
    // one stop of the Tab key for all marks
    let mut stops = Vec::new();
    for _ in 0..30 {
        b.press("Tab");
        stops.push(b.ask(focus).as_str().unwrap().to_owned());
    }
    let marks: Vec<&String> =
        stops.iter().filter(|s| s.strip_prefix('m').is_some_and(|n| n.parse::<u32>().is_ok())).collect();
    assert_eq!(marks.len(), 1, "{stops:?}");
    b.ask(&format!("document.getElementById('{}').focus()", marks[0]));
    // it begins at what sealed the run
    let now = "document.getElementById('now').textContent";
    assert!(b.ask(now).as_str().unwrap().contains("rollback"), "{}", b.ask(now));
    let visible = b.ask(
        "getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).outlineWidth",
    );
    assert_eq!(visible, "solid3px");
    let place = "getComputedStyle(document.getElementById('lanes')).getPropertyValue('--at')";
    b.press("Home");
    let (first, start) = (b.ask(now), b.ask(place));
    assert!(first.as_str().unwrap().starts_with("+0s 09:15:00 UTC"), "{first}");
    assert_eq!(start, "0");
    b.press("ArrowRight");
    b.press("ArrowRight");
    b.press("ArrowRight");
    let (second, moved) = (b.ask(now), b.ask(place));
    assert!(second != first && moved != start, "{second} {moved}");
    b.press("ArrowLeft");
    assert_ne!(b.ask(now), second);
    b.press("End");
    assert!(b.ask(now).as_str().unwrap().contains("rolled back"), "{}", b.ask(now));
    // what holds at the cursor is said in words, and said to those who cannot see it
    let told = b.ask(now);
    for part in ["checkout 0%", "errors", "slow", "(limit 95%)"] {
        assert!(told.as_str().unwrap().contains(part), "no {part} in {told}");
    }
    assert_eq!(b.ask("document.getElementById('now').getAttribute('aria-live')"), "polite");
    let mark = b.ask(focus);
    b.press("Enter");
    assert_eq!(b.ask("location.hash"), format!("#d{}", mark.as_str().unwrap().trim_start_matches('m')));
    assert_eq!(b.ask("document.querySelector('li:target').classList.contains('major')"), true);
    assert_eq!(b.complaints(), [""; 0]);
}

#[test]
fn the_theme_follows_the_system_until_it_is_chosen() {
    let Some(mut b) = Browser::start() else { return };
    b.show(&page(&healthy(), None));
    let paper = "getComputedStyle(document.documentElement).backgroundColor";
    b.look(1200, false);
    assert_eq!(b.ask(paper), "rgb(255, 255, 255)");
    b.look(1200, true);
    let dark = b.ask(paper);
    assert_eq!(dark, "rgb(18, 21, 24)");
    b.ask("document.getElementById('light').click()");
    assert_eq!(b.ask(paper), "rgb(255, 255, 255)");
    b.look(1200, false);
    b.ask("document.getElementById('dark').click()");
    assert_eq!(b.ask(paper), dark);
    // paper is white
    b.media("print", &[("prefers-color-scheme", "dark")]);
    assert_eq!(b.ask(paper), "rgb(255, 255, 255)");
    assert_eq!(b.ask("getComputedStyle(document.getElementById('now')).display"), "none");
    let pdf = b.call("Page.printToPDF", json!({ "printBackground": true }))["data"].as_str().unwrap().to_owned();
    assert!(super::browser::decoded(&pdf).starts_with(b"%PDF"));
}

#[test]
fn nothing_moves_where_motion_is_unwanted() {
    let Some(mut b) = Browser::start() else { return };
    b.show(&page(&healthy(), None));
    let transition = "getComputedStyle(document.querySelector('.guard .plot'), '::after').transitionDuration";
    assert_eq!(b.ask(transition), "0.12s");
    b.media("screen", &[("prefers-reduced-motion", "reduce")]);
    assert_eq!(b.ask(transition), "0s");
}

#[test]
fn without_script_everything_is_there() {
    let Some(mut b) = Browser::start() else { return };
    b.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    b.look(1200, false);
    let o = incident();
    b.show(&page(&o, None));
    let hidden = "[...document.querySelectorAll('main *')].filter(e => !e.checkVisibility() && !e.closest('.scripted')).map(e => e.outerHTML.slice(0, 90))";
    none(&mut b, hidden, "hidden without the script");
    let text = b.ask("document.body.innerText");
    let text = text.as_str().unwrap();
    for d in &o.decisions {
        assert!(text.contains(d.text.lines().next().unwrap()), "{}", d.text);
    }
    for a in &o.assumptions {
        assert!(text.contains(&a.text));
    }
    assert!(!text.contains("arrow keys"), "what needs the script is promised without it");
    assert_eq!(b.ask("document.querySelectorAll('.guard svg.curve path.line').length > 3"), true);
}

#[test]
fn headings_ids_and_links_hold_together() {
    let Some(mut b) = Browser::start() else { return };
    b.show(&page(&incident(), Some(&sweep())));
    let levels = b.ask("[...document.querySelectorAll('h1, h2, h3')].map(h => +h.tagName[1])");
    let levels: Vec<i64> = serde_json::from_value(levels).unwrap();
    assert_eq!(levels.iter().filter(|l| **l == 1).count(), 1);
    assert!(levels.windows(2).all(|w| w[1] <= w[0] + 1), "{levels:?}");
    none(
        &mut b,
        "[...document.querySelectorAll('[id]')].map(e => e.id).filter((id, i, all) => all.indexOf(id) !== i)",
        "ids twice",
    );
    none(
        &mut b,
        "[...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.hash.slice(1)).filter(id => !document.getElementById(id))",
        "links to nothing",
    );
    none(
        &mut b,
        "[...document.querySelectorAll('svg[role=img], [role=region], a.mark')].filter(e => !e.getAttribute('aria-label')).map(e => e.outerHTML.slice(0, 90))",
        "without a name",
    );
}
