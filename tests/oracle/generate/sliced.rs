//! The same policies per severity and tenant.

use super::Dice;

const DIMENSIONS: &str =
    "\nslice severity in [\"low\", \"medium\", \"high\"]\nslice tenant of load label \"tenant_id\"\n";
const PER: &str = " per severity, tenant";

/// A sliced policy's text.
pub fn sliced(seed: u64) -> String {
    let mut dice = Dice::new(seed ^ 0x51_1CED);
    let one = super::text(seed);
    let mut out = String::new();
    for line in one.lines() {
        let mut line = String::from(line);
        let first = line.split_whitespace().next().unwrap_or_default();
        match first {
            "edition" => line.push_str(DIMENSIONS),
            "traffic" if !line.contains('{') => line.push_str(PER),
            "flag" | "flags" => line.push_str(PER),
            // one for all
            "killswitch" if dice.percent(60) => {}
            "killswitch" | "rollout" => line = line.replacen(" {", &format!("{PER} {{"), 1),
            "metric" if line.contains("avg_over_time") => {
                line = line
                    .replace("avg_over_time(load{${where}}[2m])", "avg by (${by}) (avg_over_time(load{${where}}[2m]))");
            }
            "metric" if line.contains("max(pool") => line = line.replace("`max(", "`max by (${by}) ("),
            "metric" if line.contains("min(ready") => line = line.replace("`min(", "`min by (${by}) ("),
            "check" => {
                if dice.percent(60) {
                    let limit = dice.one(&["", " limit 1 per 1m", " limit 2 per 2m", " limit 1 per 30s"]);
                    line.push_str(&format!("\n  start slices by severity{limit}"));
                }
                if dice.percent(25) {
                    let happening = dice.one(&["promote", "breach", "pause"]);
                    line.push_str(&format!("\n  on {happening}: run smoke limit 2 per 5m"));
                }
                if dice.percent(20) {
                    line.push_str("\n  every 1m: run smoke limit 2 per 5m");
                }
            }
            "guard" if line.ends_with("else rollback") && dice.percent(60) => {
                line.push_str(", kill ");
                line.push_str(dice.one(&["stop", "quench"]));
            }
            "guard" if line.contains("else rollback to") && !line.contains("kill") && dice.percent(60) => {
                line.push_str(", kill ");
                line.push_str(dice.one(&["stop", "quench"]));
            }
            "guard" if line.ends_with("else pause") && dice.percent(70) => {
                line = line.replace("else pause", "else halt")
            }
            "guard" if line.ends_with("else hold") && dice.percent(30) => line = line.replace("else hold", "else halt"),
            _ => {}
        }
        for (key, quoted) in
            [("cache\"", "cache"), ("workers\"", "workers"), ("share\"", "share"), ("m4/${flag}\"", "m4/${flag}")]
        {
            line = line.replace(&format!("key: \"{key}"), &format!("key: \"{quoted}/${{severity}}/${{tenant}}\""));
        }
        out.push_str(&line);
        out.push('\n');
    }
    out
}
