//! Rule 13: a port used under `per dims` is declared `per` the same dims; two rollouts never hold one port: a lease in the store. (That
//! slices are independent is the sliced engine's own tests' to say.)

use canary::check;
use canary::store::{Holder, Store, StoreError};
use canary::syntax::{self, source::SourceMap};

fn codes(declared: &str, rollout: &str) -> Vec<String> {
    let text = format!("{}\n{declared}\n{rollout}\n", include_str!("../engine/prelude.canary"));
    let mut map = SourceMap::default();
    let id = map.add("test.canary", text.clone());
    let (file, found) = syntax::parse(id, &text);
    assert!(found.is_empty(), "{found:#?}");
    let found = check::check_files(&[file], &map).diagnostics;
    found.into_iter().filter(|d| d.code.starts_with('E')).map(|d| d.code.to_string()).collect()
}

const SLICE: &str = "slice severity in [\"low\", \"high\"]";

#[test]
fn a_port_under_dims_is_declared_per_the_same_dims() {
    let rollout = |per: &str| {
        format!("rollout r {per} {{ guard g: load < 5 else rollback  phase one {{ flag mode = on  hold 10m }} }}")
    };
    let declared = |per: &str| format!("{SLICE}\nflag mode: bool {per}");
    assert_eq!(codes(&declared("per severity"), &rollout("per severity")), [""; 0]);
    assert_eq!(codes(&declared(""), &rollout("")), [""; 0]);
    // one slice would set it for all the others
    assert_eq!(codes(&declared(""), &rollout("per severity")), ["E0430"]);
    assert_eq!(codes(&declared("per severity"), &rollout("")), ["E0430"]);
}

#[test]
fn two_rollouts_never_hold_one_port() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = Store::open(&path).unwrap();
    let holder = Holder::this_process(0);
    let names = |rollout: &str| [format!("rollout/{rollout}"), String::from("port/production/checkout")];
    let first = store.lease(&names("one"), &holder).unwrap();
    let second = Store::open(&path).unwrap();
    let refused = second.lease(&names("two"), &holder).unwrap_err();
    let StoreError::Held { name, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(name, "port/production/checkout");
    // and the rollout that got nothing holds nothing
    assert_eq!(store.lease_holder("rollout/two").unwrap(), None);
    drop(first);
    second.lease(&names("two"), &holder).unwrap().confirm().unwrap();
}
