//! JUnit's XML, as CI servers read it: a test case a test.

use super::Policy;
use crate::commands::findings::junit::escaped;
use crate::syntax::source::SourceMap;
use std::fmt::Write;
use std::time::Duration;

/// The report.
pub(super) fn junit(policies: &[Policy], map: &SourceMap, took: Duration) -> String {
    let (mut total, mut failed, mut refused) = (0, 0, 0);
    let mut suites = String::new();
    for p in policies {
        let here = p.done.len() + p.refused.len();
        let bad = p.done.iter().filter(|d| !d.failures.is_empty()).count();
        (total, failed, refused) = (total + here, failed + bad, refused + p.refused.len());
        if here == 0 {
            continue;
        }
        let name = escaped(&p.name);
        let _ = writeln!(
            suites,
            "  <testsuite name=\"{name}\" tests=\"{here}\" failures=\"{bad}\" errors=\"{}\" skipped=\"0\">",
            p.refused.len()
        );
        for d in &p.done {
            let class = escaped(&d.test.plan.rollout);
            let title = escaped(&d.test.title);
            let seconds = d.took.as_secs_f64();
            let _ = write!(suites, "    <testcase classname=\"{class}\" name=\"{title}\" time=\"{seconds:.6}\"");
            if d.failures.is_empty() {
                suites.push_str("/>\n");
                continue;
            }
            suites.push_str(">\n");
            for f in &d.failures {
                let place = escaped(&map.place(f.span));
                let _ = writeln!(suites, "      <failure message=\"{}\">{place}</failure>", escaped(&f.cause));
            }
            suites.push_str("    </testcase>\n");
        }
        for (t, why) in &p.refused {
            let (class, title) = (escaped(&t.plan.rollout), escaped(&t.title));
            let why = escaped(&why.join("\n"));
            let _ = writeln!(
                suites,
                "    <testcase classname=\"{class}\" name=\"{title}\">\n      <error message=\"not built yet\">{why}</error>\n    </testcase>"
            );
        }
        suites.push_str("  </testsuite>\n");
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{total}\" failures=\"{failed}\" \
         errors=\"{refused}\" time=\"{:.3}\">\n{suites}</testsuites>\n",
        took.as_secs_f64()
    )
}
