//! Names that nothing reads.

use super::Cx;
use super::scope::Decl;
use crate::syntax::diagnostic::Diagnostic;

/// Warns of metrics, params and lets that nothing reads, and of kill switches that no rollout has. A file without a rollout is a part of something, and in
/// a policy with errors a use may not have been reached: nothing is said.
pub(super) fn warn(cx: &Cx<'_>) {
    let broken = cx.found.borrow().iter().any(Diagnostic::is_error);
    if broken || cx.scope().rollouts.is_empty() {
        return;
    }
    for (name, decl) in &cx.scope().names {
        if !super::scope::home(name).is_empty() {
            // a module brings what others may need
            continue;
        }
        let what = match decl {
            Decl::Metric(_) => "metric",
            Decl::Param(_) => "param",
            Decl::Let(_) => "let",
            Decl::Module(m) if !m.used => {
                let d = Diagnostic::warning("W0601", format!("module `{name}` is not used"), m.span, "");
                cx.push(d.help("use what it declares, or remove the line"));
                continue;
            }
            Decl::Slice(_) => "slice",
            Decl::Probe(_) => "probe",
            Decl::Load(_) => "load",
            Decl::Window(_) => "window",
            Decl::Signoff(_) => "signoff",
            Decl::Slo(_) => "objective",
            Decl::Score(_) => "score",
            // found at 3 am otherwise, by whoever has to throw it
            Decl::Switch(k) if !cx.used.borrow().contains(*name) => {
                let text = format!("kill switch `{name}` belongs to no rollout: it cannot be thrown");
                let help = "name it in a guard (`else rollback, kill NAME`), or let it set what a rollout sets";
                cx.push(Diagnostic::warning("W0601", text, k.name.span, "").help(help));
                continue;
            }
            _ => continue,
        };
        if !cx.used.borrow().contains(*name) {
            cx.push(
                Diagnostic::warning("W0601", format!("{what} `{name}` is not used"), decl.span(), "")
                    .help("use it or remove it"),
            );
        }
    }
}
