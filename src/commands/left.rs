//! Notices that earlier runs of a rollout have left undelivered, when no run is begun that would take them up.

use super::connect::connect_to_tell;
use crate::plan::{Bindings, Plan};
use crate::runtime::executor::NOTICE_GRACE;
use crate::runtime::journal::Journal;
use crate::runtime::teller::Teller;
use crate::store::{LeaseGuard, Run, Store};
use std::sync::Arc;

/// Delivers them, as the end of a run does; `run` is the newest run of the rollout. Says on standard error what came of it.
pub async fn deliver(store: &Arc<Store>, run: &Run, lease: LeaseGuard, plan: Plan, bindings: &Bindings) {
    let open = store.open_notices(&run.rollout).unwrap_or_default();
    if !open.iter().any(|n| n.environment == run.environment) {
        return;
    }
    let (backends, without) = connect_to_tell(&plan, bindings);
    let say = |text: &str| eprintln!("canary: {text}");
    without.iter().for_each(|w| say(w));
    let mut journal = Journal::new(Arc::clone(store), run, lease, plan.check_every);
    let mut teller = Teller::new(&Arc::new(plan), &backends, &journal);
    teller.take_up(&journal).iter().for_each(|text| say(text));
    teller.finish(&mut journal, NOTICE_GRACE, say).await;
}
