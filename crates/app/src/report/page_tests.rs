//! The page: names that look like markup stay text, the picture shows what was found, and nothing comes from elsewhere.

use syncline_api as api;

use super::{page, percent, text};

fn report() -> api::ConsistencyReport {
    let nasty = "<script>alert('1')</script>&\"\u{1b}[2J";
    let point = |at: &str, missing, repaired| api::DriftPoint {
        at: at.to_owned(),
        why: nasty.to_owned(),
        mode: nasty.to_owned(),
        missing,
        repaired,
        ..Default::default()
    };
    let target = api::TargetReport {
        table: format!("main.{nasty}"),
        target: nasty.to_owned(),
        consistency_rate: Some(0.5),
        ..Default::default()
    };
    let pipeline = api::PipelineReport {
        pipeline: nasty.to_owned(),
        tables: vec![target],
        series: vec![point("2026-01-01T06:00:00Z", 4, 1), point("2026-01-01T12:00:00Z", 0, 0)],
        ..Default::default()
    };
    let (from, to) = ("2026-01-01T00:00:00Z".to_owned(), "2026-01-02T00:00:00Z".to_owned());
    api::ConsistencyReport { from, to, hours: 24, tenant: Some("<acme>".into()), pipelines: vec![pipeline] }
}

#[test]
fn names_stay_text() {
    let page = page(&report());
    assert!(!page.contains("<script") && !page.contains('\u{1b}'), "{page}");
    assert_eq!(page.matches("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;").count(), 3);
    assert!(page.contains(", tenant &lt;acme&gt;</p>") && text(&report()).contains(", tenant <acme>\n"));
    for elsewhere in ["http:", "https:", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    assert!(!text(&report()).contains('\u{1b}'));
}

#[test]
fn the_picture_shows_what_was_found() {
    let page = page(&report());
    let bars: Vec<&str> = page.lines().filter(|line| line.starts_with("<rect")).collect();
    // A quarter of the way from 60 to 717, a quarter of it put right.
    let expected = [
        "<rect x=\"224.2\" y=\"92.0\" width=\"3\" height=\"28.0\" class=\"repaired\"/>",
        "<rect x=\"224.2\" y=\"8.0\" width=\"3\" height=\"84.0\" class=\"open\"/>",
    ];
    assert_eq!(bars, expected);
    assert_eq!(page.matches("<circle").count(), 1, "nothing differed at noon");
    assert_eq!((page.matches("<svg").count(), page.matches("</svg>").count()), (1, 1));
    assert!(page.contains("50.0000 %"));
}

#[test]
fn only_all_is_a_hundred_per_cent() {
    let shown = [None, Some(1.0), Some(0.999_999_999), Some(0.25)].map(percent);
    assert_eq!(shown, ["never", "100 %", "99.9999 %", "25.0000 %"]);
}
