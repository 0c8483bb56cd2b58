//! `canary run --dry-run`: reads everything, shows what would happen, changes nothing: no store is made, no lease taken, no port
//! set, no action run, nobody told. `canary.dry_run/1` for machines; the text for people is made from the same document.

use super::Format;
use super::connect::connect;
use super::exit::{Refusal, Status};
use super::load::Compiled;
use super::query;
use super::run::store_path;
use crate::backend::Port;
use crate::lab::Lab;
use crate::plan::groups::together;
use crate::plan::{Act, ActionId, Consequence, Millis, PhaseId, Plan, PortId, Setting, Step, render, show};
use crate::report::document::baseline_values;
use crate::report::lines::Lines;
use crate::report::provenance::config_hash;
use crate::report::style::Style;
use crate::report::text::rfc3339;
use crate::runtime::preflight::{self, Ready};
use crate::runtime::{Backends, fetch};
use crate::store::Store;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::io::IsTerminal;
use tokio::sync::watch;

/// Shows.
///
/// # Errors
/// What stands in the way of reading; in JSON it is in the document as well.
pub async fn show(compiled: &Compiled, lab: Option<&Lab>, format: Format) -> Result<Status, Refusal> {
    let read = read(compiled, lab).await;
    let document = document(compiled, &read);
    match (format, &read) {
        (Format::Json, _) => outln!("{document}"),
        (Format::Human, Ok(_)) => {
            let style = Style::for_terminal(std::io::stdout().is_terminal());
            out!("{}", text(&document, style));
        }
        // without having read anything there is nothing to show that `canary plan` does not
        (Format::Human, Err(_)) => {}
    }
    // whatever else stands in the way is told beside it
    let (_, ready) = read.map_err(|why| Refusal::all(why.into_iter().chain(of_store(compiled)).collect()))?;
    Ok(if refusals(compiled, &ready).is_empty() { Status::Success } else { Status::Refused })
}

async fn read(compiled: &Compiled, lab: Option<&Lab>) -> Result<(Backends, Ready), Vec<String>> {
    let plan = &compiled.plan;
    let backends = connect(plan, &compiled.bindings, lab)?;
    let mut observer = Lines::new(std::io::stderr(), Style::PLAIN);
    let (_stop, mut never) = watch::channel(false);
    let ready = preflight::read(plan, &backends, &mut observer, &mut never, last_rollback(compiled), true).await?;
    ready.map(|r| (backends, r)).ok_or_else(|| vec![String::from("stopped")])
}

/// When this rollout was last rolled back, as far as its store can be read: what hinders that is told by [`of_store`].
fn last_rollback(compiled: &Compiled) -> Option<crate::plan::Time> {
    let path = store_path(&compiled.bindings);
    let store = path.exists().then(|| Store::peek(&path).ok()).flatten()?;
    super::run::last_rollback(&store, &compiled.plan).ok().flatten()
}

/// Why a run would be refused: by the rollout's own rules, or by what the store holds already.
fn refusals(compiled: &Compiled, ready: &Ready) -> Vec<String> {
    ready.refused.iter().cloned().chain(of_store(compiled)).collect()
}

/// By what the store holds already: latched kill switches, a run under way or unfinished.
fn of_store(compiled: &Compiled) -> Vec<String> {
    let mut out = Vec::new();
    let (plan, path) = (&compiled.plan, store_path(&compiled.bindings));
    if !path.exists() {
        return out;
    }
    match Store::peek(&path) {
        Err(crate::store::StoreError::NoRuns { .. }) => {}
        Err(e) => out.push(e.to_string()),
        Ok(store) => {
            match super::switches::latched(&store, plan, &compiled.bindings.environment) {
                Ok(latched) => out.extend(latched),
                Err(e) => out.push(e.to_string()),
            }
            if let Ok(Some(holder)) = store.lease_holder(&format!("rollout/{}", plan.rollout)) {
                out.push(format!("{} is being run: {holder}", plan.rollout));
            } else if let Ok(Some(run)) = store.unfinished_run(&plan.rollout) {
                out.push(format!("run {} of {} is not finished: resume or abort it", run.id, run.rollout));
            }
        }
    }
    out
}

fn document(compiled: &Compiled, read: &Result<(Backends, Ready), Vec<String>>) -> Value {
    let (plan, bindings) = (&compiled.plan, &compiled.bindings);
    let (backends, ready) = match read {
        Ok((b, r)) => (Some(b), Some(r)),
        Err(_) => (None, None),
    };
    let refused = match read {
        Ok((_, ready)) => refusals(compiled, ready),
        Err(reasons) => reasons.iter().cloned().chain(of_store(compiled)).collect(),
    };
    let world = World { plan, backends };
    let originals = ready.map(|r| r.originals.clone()).unwrap_or_default();
    let credentials = render::credentials(bindings).into_iter().map(|c| {
        let found = if c.secret {
            super::credentials::secret_value(&c.name).is_some()
        } else {
            std::env::var_os(&c.name).is_some_and(|v| !v.is_empty())
        };
        json!({ "name": c.name, "secret": c.secret, "used_by": c.used_by, "found": found })
    });
    let baseline = plan.baseline.map(|length| {
        let window = ready.and_then(|r| r.baseline_window);
        json!({
            "from": window.map(|w| rfc3339(w.0)),
            "to": window.map(|w| rfc3339(w.1)),
            "length_ms": length,
            "values": ready.filter(|_| window.is_some())
                .map_or_else(Vec::new, |r| baseline_values(plan, bindings, &r.baseline)),
        })
    });
    json!({
        "schema": "canary.dry_run/1",
        "rollout": plan.rollout,
        "title": plan.title,
        "environment": bindings.environment,
        "plan_hash": plan.hash,
        "bindings_hash": bindings.hash,
        "config_hash": config_hash(&plan.hash, &bindings.hash),
        "params": plan.params.iter().map(|(k, v)| (k.clone(), json!(v))).collect::<Map<_, _>>(),
        "would_start": refused.is_empty(),
        "refused": refused,
        "warnings": ready.map(|r| r.warnings.clone()).unwrap_or_default(),
        "now": originals.iter().map(|(p, s)| world.port(*p, json!({ "setting": s, "text": s.to_string() }))).collect::<Vec<_>>(),
        "phases": world.phases(&originals),
        "rollback": {
            "restores": world.restores(&originals),
            "undo": world.undo(),
        },
        "reactions": world.reactions(),
        "baseline": baseline,
        "inputs": ready.map(|r| query::inputs(plan, bindings, r)).unwrap_or_default(),
        "credentials": credentials.collect::<Vec<_>>(),
    })
}

/// The plan with what it is bound to, as far as it could be connected.
struct World<'a> {
    plan: &'a Plan,
    backends: Option<&'a Backends>,
}

impl World<'_> {
    fn backend(&self, port: PortId) -> Option<&dyn Port> {
        self.backends.and_then(|b| b.port(port)).map(|p| p.as_ref())
    }

    /// A port's name and what it is, before other members.
    fn port(&self, port: PortId, more: Value) -> Value {
        let mut out = json!({
            "port": self.plan.port_name(port),
            "backend": self.backend(port).map(|b| b.describe()),
        });
        if let (Some(o), Value::Object(more)) = (out.as_object_mut(), more) {
            o.extend(more);
        }
        out
    }

    /// What each phase would change, and do.
    fn phases(&self, originals: &[(PortId, Setting)]) -> Vec<Value> {
        let mut before: Vec<(PortId, Setting)> = originals.to_vec();
        let mut out = Vec::new();
        for (i, phase) in self.plan.phases.iter().enumerate() {
            let mut changes = Vec::new();
            for (port, to) in self.plan.settings_at(PhaseId::at(i)) {
                let slot = before.iter_mut().find(|(p, _)| *p == port);
                let from = slot.as_ref().map(|(_, s)| *s);
                if from.is_some_and(|f| f.same(to)) {
                    continue;
                }
                let accepted = self.backend(port).map_or(Ok(()), |b| b.accepts(to));
                changes.push(self.port(
                    port,
                    json!({
                        "from": from,
                        "to": to,
                        "text": format!("{} → {to}", from.map_or_else(|| String::from("?"), |f| f.to_string())),
                        "cannot": accepted.err().map(|e| fetch::with_help(&e)),
                    }),
                ));
                match slot {
                    Some(s) => s.1 = to,
                    None => before.push((port, to)),
                }
            }
            out.push(json!({
                "phase": phase.name,
                "purpose": phase.purpose,
                "changes": changes,
                "steps": phase.steps.iter().map(|s| self.step(s)).collect::<Vec<_>>(),
            }));
        }
        out
    }

    fn command(&self, action: ActionId) -> Option<String> {
        self.backends.and_then(|b| b.action(action)).map(|a| a.describe())
    }

    fn step(&self, step: &Step) -> Value {
        match step {
            Step::Run { action, otherwise } => json!({
                "run": self.plan.action_name(*action),
                "command": self.command(*action),
                "timeout_ms": self.plan.actions.get(action.index()).map(|a| a.timeout),
                "otherwise": self.consequence(*otherwise),
            }),
            Step::Hold(d) => json!({ "hold_ms": d }),
            Step::Promote { text, within, .. } => json!({
                "promote_when": text,
                "within_ms": within.as_ref().map(|w| w.0),
                "otherwise": within.as_ref().map(|w| self.consequence(w.1)),
            }),
            Step::HoldUntil { text, within, .. } => json!({
                "hold_until": text,
                "within_ms": within.as_ref().map(|w| w.0),
                "otherwise": within.as_ref().map(|w| self.consequence(w.1)),
            }),
            // refused before anything is read
            Step::HoldForever | Step::Ramp { .. } => json!({ "step": crate::engine::step_text(self.plan, step) }),
        }
    }

    fn consequence(&self, c: Consequence) -> String {
        match c {
            Consequence::Rollback(Some(p)) => format!("rollback to {}", self.plan.phase_name(p)),
            other => other.word().to_owned(),
        }
    }

    fn restores(&self, originals: &[(PortId, Setting)]) -> Vec<Value> {
        let touched = |p: PortId| self.plan.phases.iter().any(|ph| ph.settings.iter().any(|(q, _)| *q == p));
        let mut list: Vec<_> = originals.iter().filter(|(p, _)| touched(*p)).collect();
        // traffic first: whoever is taken off no longer needs the flags
        list.sort_by_key(|(p, _)| !self.plan.is_traffic(*p));
        let restored = |(p, s): &(PortId, Setting)| {
            let by_hand = self.backend(*p).map(|b| b.by_hand(*s));
            self.port(*p, json!({ "to": s, "text": s.to_string(), "by_hand": by_hand }))
        };
        list.into_iter().map(restored).collect()
    }

    fn undo(&self) -> Vec<Value> {
        let undone = |a: &crate::plan::Action| {
            let by = a.undo?;
            Some(json!({ "action": a.name, "run": self.plan.action_name(by), "command": self.command(by) }))
        };
        self.plan.actions.iter().filter_map(undone).collect()
    }

    fn reactions(&self) -> Vec<Value> {
        let told = |c: &crate::plan::ChannelId| {
            json!({
                "channel": self.plan.channels.get(c.index()),
                "to": self.backends.and_then(|b| b.channel(*c)).map(|n| n.describe()),
            })
        };
        let reaction = |r: &crate::plan::Reaction| {
            let (notify, run, snapshot) = match &r.act {
                Act::Notify(list) => (list.iter().map(told).collect(), None, false),
                Act::Run { action, .. } => {
                    let run = json!({ "action": self.plan.action_name(*action), "command": self.command(*action) });
                    (Vec::new(), Some(run), false)
                }
                Act::Snapshot => (Vec::new(), None, true),
            };
            json!({ "reaction": r.text, "notify": notify, "run": run, "snapshot": snapshot })
        };
        self.plan.reactions.iter().map(reaction).collect()
    }
}

fn text(d: &Value, style: Style) -> String {
    let mut out = String::new();
    let word = |v: &Value, name: &str| v.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let list = |v: &Value, name: &str| v.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let ms = |v: &Value, name: &str| v.get(name).and_then(Value::as_i64).map(|m: Millis| show::duration(m));
    let _ = writeln!(
        out,
        "{} dry run of {} on {}: nothing is changed",
        style.bold("canary"),
        word(d, "rollout"),
        word(d, "environment")
    );
    out.push_str("\nwhat is set now\n");
    let now = list(d, "now");
    for (name, setting) in together(&now.iter().map(|p| (word(p, "port"), word(p, "text"))).collect::<Vec<_>>()) {
        // the members of a group have a backend each
        let backend = now.iter().find(|p| word(p, "port") == name).map(|p| word(p, "backend"));
        let _ = writeln!(out, "  {name} = {setting}{}", backend.map_or(String::new(), |b| format!("   ({b})")));
    }
    out.push_str("\nwhat would be done\n");
    for phase in list(d, "phases") {
        let _ = writeln!(out, "  phase {}", word(&phase, "phase"));
        let changes: Vec<(String, (String, String))> =
            list(&phase, "changes").iter().map(|c| (word(c, "port"), (word(c, "text"), word(c, "cannot")))).collect();
        for (name, (change, cannot)) in together(&changes) {
            let _ = writeln!(out, "    set {name} {change}");
            if !cannot.is_empty() {
                let _ = writeln!(out, "      which its backend cannot take: {cannot}");
            }
        }
        for s in list(&phase, "steps") {
            let otherwise = word(&s, "otherwise");
            let line = if let Some(run) = s.get("run").and_then(Value::as_str) {
                let within = ms(&s, "timeout_ms").unwrap_or_default();
                format!("run {run} within {within} else {otherwise}: {}", word(&s, "command"))
            } else if let Some(hold) = ms(&s, "hold_ms") {
                format!("hold {hold}")
            } else {
                let within = ms(&s, "within_ms").map_or(String::new(), |w| format!(" within {w} else {otherwise}"));
                format!("promote when {}{within}", word(&s, "promote_when"))
            };
            let _ = writeln!(out, "    {line}");
        }
    }
    let rollback = d.get("rollback").cloned().unwrap_or_default();
    out.push_str("\nwhat a rollback would restore\n");
    for r in list(&rollback, "restores") {
        let _ = writeln!(out, "  {} = {}   (by hand: {})", word(&r, "port"), word(&r, "text"), word(&r, "by_hand"));
    }
    for u in list(&rollback, "undo") {
        let _ = writeln!(out, "  {} by {}: {}", word(&u, "action"), word(&u, "run"), word(&u, "command"));
    }
    let reactions = list(d, "reactions");
    if !reactions.is_empty() {
        out.push_str("\nwhat would follow from events\n");
    }
    for r in reactions {
        let _ = writeln!(out, "  {}", word(&r, "reaction"));
        for n in list(&r, "notify") {
            let _ = writeln!(out, "    tells {}: {}", word(&n, "channel"), word(&n, "to"));
        }
        if let Some(run) = r.get("run").filter(|r| r.is_object()) {
            let _ = writeln!(out, "    runs {}: {}", word(run, "action"), word(run, "command"));
        }
    }
    if let Some(b) = d.get("baseline").filter(|b| b.is_object()) {
        let length = ms(b, "length_ms").unwrap_or_default();
        match (b.get("from").and_then(Value::as_str), b.get("to").and_then(Value::as_str)) {
            (Some(from), Some(to)) => {
                let _ = writeln!(out, "\nwhat the baseline would be, read from {from} to {to}");
            }
            _ => {
                let _ =
                    writeln!(out, "\nthe baseline would be collected for {length} first: its source keeps no history");
            }
        }
        for v in list(b, "values") {
            let value = match v.get("value").and_then(Value::as_f64) {
                Some(n) => show::number(n),
                None => word(&v, "missing"),
            };
            let _ = writeln!(out, "  {} before: {value}\n    {}", word(&v, "metric"), word(&v, "query"));
        }
    }
    out.push_str("\nwhat is read now\n");
    for i in list(d, "inputs") {
        let _ = writeln!(out, "  {}", word(&i, "text"));
    }
    let credentials = list(d, "credentials");
    if !credentials.is_empty() {
        out.push_str("\nwhat it reads from outside\n");
    }
    for c in credentials {
        let flag = |name: &str| c.get(name).and_then(Value::as_bool) == Some(true);
        let users: Vec<String> = list(&c, "used_by").iter().filter_map(|u| u.as_str().map(str::to_owned)).collect();
        let what = if flag("secret") { "secret" } else { "variable" };
        let found = if flag("found") { "there" } else { "MISSING" };
        let _ = writeln!(out, "  {what} {} ({}): {found}", word(&c, "name"), users.join(", "));
    }
    for w in list(d, "warnings") {
        let _ = writeln!(out, "\nwarning: {}", w.as_str().unwrap_or(""));
    }
    let refused = list(d, "refused");
    out.push_str(if refused.is_empty() { "\nit would start\n" } else { "\nit would be refused:\n" });
    for r in refused {
        let _ = writeln!(out, "  - {}", r.as_str().unwrap_or(""));
    }
    out
}
