//! Rule 11: sequential tests take counts over disjoint increments, stratified by exposure. The engine cannot do them yet: a policy that
//! asks for one is refused by name, and never judged by something else.

use canary::check;
use canary::syntax::{self, source::SourceMap};

#[test]
fn what_cannot_be_judged_so_yet_is_refused_and_not_judged_otherwise() {
    let body = "guard harm: errors <= stable + 0.5pp confidence 99% or undecided else rollback
        phase one { traffic checkout = 5%  hold 10m }";
    let text = format!("{}\nrollout shop \"Shop\" {{\n{body}\n}}\n", include_str!("../engine/prelude.canary"));
    let mut map = SourceMap::default();
    let id = map.add("test.canary", text.clone());
    let (file, found) = syntax::parse(id, &text);
    assert!(found.is_empty(), "{found:#?}");
    let (made, found) = check::compile(&[file], &map, None, Some("here"), &[]);
    let plan = made.unwrap_or_else(|| panic!("{found:#?}")).0;
    assert!(plan.unbuilt.iter().any(|u| u.what.contains("confidence")), "{:?}", plan.unbuilt);
}

#[test]
fn increments_are_disjoint() {
    // each check's increment begins where the last answer ended: no event is counted twice, none is lost over a gap
    use super::world::{Failed, Is, World, ms};
    let body = "no data tolerate 1h else hold
        guard leaks: increase(leaks) < 1000 else hold
        phase all { traffic checkout = 100%  hold 10m }";
    let w = World::of(body).all("leaks", Is(1.0)).during("leaks", "2m", "3m", Failed);
    let run = w.run("5m");
    let id = super::world::Run::input(&w.plan, "leaks", canary::plan::Population::Canary);
    let mut covered = 0;
    for pair in run.states.windows(2) {
        let asked_from = canary::engine::since(&w.plan, &pair[0].1, id).unwrap();
        assert_eq!(asked_from, covered.max(asked_from), "an overlap at {}", pair[1].0);
        if !(ms("2m")..ms("3m")).contains(&pair[1].0) {
            assert!(covered == 0 || covered == asked_from, "a hole before {}", pair[1].0);
            covered = pair[1].0;
        }
    }
}
