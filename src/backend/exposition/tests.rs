use super::*;
use proptest::prelude::*;

fn one(line: &str, format: Format) -> Result<Exposed, String> {
    sample(line, format)
}

fn shown(e: &Exposed) -> String {
    format!("{} {:?} {} {:?}", e.labels.name, e.labels.rest, e.value, e.time)
}

#[test]
fn a_text_page() {
    let page = "# HELP http_requests_total The total.\n# TYPE http_requests_total counter\n\
        http_requests_total{method=\"post\",code=\"200\",} 1027 1395066363000\n\
        \n  # a comment\n\
        msdos{path=\"C:\\\\DIR\\\\F.TXT\",error=\"Cannot find:\\n\\\"F\\\" \\x\"} 1.458255915e9\n\
        metric_without_timestamp_and_labels 12.47\r\n\
        something_weird{problem=\"division by zero\"} +Inf -3982045\n\
        x:y { a = \"b\" , } -Inf\n\
        \tz{le=\"+Inf\"} NaN";
    let got = parse(page, Format::of("text/plain; version=0.0.4", page)).expect("a page");
    let got: Vec<_> = got.iter().map(shown).collect();
    assert_eq!(
        got,
        [
            "http_requests_total [(\"code\", \"200\"), (\"method\", \"post\")] 1027 Some(1395066363000)",
            "msdos [(\"error\", \"Cannot find:\\n\\\"F\\\" \\\\x\"), (\"path\", \"C:\\\\DIR\\\\F.TXT\")] 1458255915 None",
            "metric_without_timestamp_and_labels [] 12.47 None",
            "something_weird [(\"problem\", \"division by zero\")] inf Some(-3982045)",
            "x:y [(\"a\", \"b\")] -inf None",
            "z [(\"le\", \"+Inf\")] NaN None",
        ]
    );
}

#[test]
fn an_openmetrics_page() {
    let page = "# TYPE foo histogram\n# UNIT foo seconds\n\
        foo_bucket{le=\"0.01\"} 0\n\
        foo_bucket{le=\"1.0\"} 11 # {trace_id=\"KOO5S4vxi0o\"} 0.67\n\
        foo_bucket{le=\"+Inf\"} 17 1520879607.789 # {trace_id=\"oHg5SJ#YRHA0\"} 9.8 1520879607.789\n\
        foo_created 1520430000.123\n\
        {\"quoted.name\",\"a.b\"=\"c\"} 1e3\n# EOF\n";
    let got = parse(page, Format::of("", page)).expect("a page");
    let got: Vec<_> = got.iter().map(shown).collect();
    assert_eq!(
        got,
        [
            "foo_bucket [(\"le\", \"0.01\")] 0 None",
            "foo_bucket [(\"le\", \"1.0\")] 11 None",
            "foo_bucket [(\"le\", \"+Inf\")] 17 Some(1520879607789)",
            "foo_created [] 1520430000.123 None",
            "quoted.name [(\"a.b\", \"c\")] 1000 None",
        ]
    );
}

#[test]
fn malformed_pages_name_the_line() {
    for (page, format, want) in [
        ("a 1\nb", Format::Text, "line 2: `b` has no value"),
        ("a 1\n\n\nb x", Format::Text, "line 4: `x` is no number"),
        ("<html>", Format::Text, "line 1: a metric name is expected, not `<html>`"),
        ("1a 1", Format::Text, "line 1: a metric name is expected, not `1a`"),
        ("a{b=\"c} 1", Format::Text, "line 1: a text in quotes does not end on its line"),
        ("a{b=c} 1", Format::Text, "line 1: a text in quotes is expected, not `c}`"),
        ("a{b=\"c\" d=\"e\"} 1", Format::Text, "line 1: `,` or `}` is expected, not `d=\"e\"}`"),
        ("a{b=\"c\",b=\"d\"} 1", Format::Text, "line 1: the label `b` stands twice"),
        ("a{b} 1", Format::Text, "line 1: `=` or `}` is expected, not `}`"),
        ("a{", Format::Text, "line 1: `=` or `}` is expected, not the end of the line"),
        ("{a=\"b\"} 1", Format::Text, "line 1: a metric name is expected, not `1`"),
        ("a 1 2 3", Format::Text, "line 1: `3` follows the sample"),
        ("a 1 1.5", Format::Text, "line 1: `1.5` is no timestamp in whole milliseconds"),
        ("a 1 # {x=\"y\"} 1", Format::Text, "line 1: `#` follows the sample"),
        ("a 1 zz\n# EOF", Format::OpenMetrics, "line 1: `zz` is no timestamp in seconds"),
        ("a 1 NaN\n# EOF", Format::OpenMetrics, "line 1: `NaN` is no timestamp in seconds"),
        ("a 1 # 5\n# EOF", Format::OpenMetrics, "line 1: an exemplar's `{` is expected, not `5`"),
        ("a 1 # {} x\n# EOF", Format::OpenMetrics, "line 1: an exemplar's value `x` is no number"),
        ("a 1\nb 2\n", Format::OpenMetrics, "line 3: the page ends without `# EOF`: it was cut off"),
        ("# EOF\na 1", Format::OpenMetrics, "line 2: something follows `# EOF`"),
    ] {
        let e = parse(page, format).expect_err(page);
        assert_eq!(e.to_string(), want, "{page}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

proptest! {
    #[test]
    fn never_panics(text in "(?s).{0,200}", om in any::<bool>()) {
        let format = if om { Format::OpenMetrics } else { Format::Text };
        let _ = parse(&text, format);
    }

    #[test]
    fn never_panics_on_what_looks_like_a_sample(line in "[a-z0-9_{}=\",\\\\ #+.éI-]{0,60}") {
        let _ = one(&line, Format::Text);
        let _ = one(&line, Format::OpenMetrics);
    }

    #[test]
    fn what_is_written_is_read(
        name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,8}",
        labels in proptest::collection::btree_map("[a-zA-Z][a-zA-Z0-9_]{0,8}", "(?s).{1,12}", 0..4),
        value in any::<f64>(),
        time in proptest::option::of(-1_000_000_000_000_i64..4_000_000_000_000),
    ) {
        let list: Vec<_> = labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escaped(v))).collect();
        let stamp = time.map(|t| format!(" {t}")).unwrap_or_default();
        let page = format!("{name}{{{}}} {value}{stamp}\n", list.join(","));
        let got = parse(&page, Format::Text).expect(&page);
        prop_assert_eq!(got.len(), 1);
        let got = &got[0];
        prop_assert_eq!(&got.labels.name, &name);
        prop_assert_eq!(&got.labels.rest, &labels.into_iter().collect::<Vec<_>>());
        prop_assert!(got.value == value || (got.value.is_nan() && value.is_nan()));
        prop_assert_eq!(got.time, time);
    }
}
