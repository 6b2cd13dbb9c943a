//! Which targets collide, and which do not.

use super::*;
use crate::route::fixture::*;

fn found(pipelines: &[Vec<RouteSpec>]) -> Vec<String> {
    let pipelines: Vec<_> = pipelines.iter().map(|routes| pipeline(routes.clone())).collect();
    let show = |(pipeline, f): (usize, Finding)| {
        assert_eq!(f.error.code(), Code::RouteCollision);
        format!("{pipeline}.{}.{} {} | {}", f.route, f.target.unwrap(), f.error.message(), f.error.fix_text())
    };
    collisions(&pipelines, &|_, _| false).into_iter().map(show).collect()
}

fn index(table: &str, template: &str, id: Option<&str>) -> RouteSpec {
    let mut to = target("search", TargetKind::Search, template);
    to.id = id.map(str::to_owned);
    route(table, vec![to])
}

fn key(table: &str, template: &str) -> RouteSpec {
    route(table, vec![target("hot", TargetKind::Cache, template)])
}

#[test]
fn targets_that_cannot_meet_are_left_alone() {
    let good = [
        vec![index("shop.a", "a", None), index("shop.b", "b", None)],
        vec![index("shop.a", "a_{YYYY-MM}", None), index("shop.b", "a_{YYYY}", None)],
        vec![index("shop.a", "all", Some("{table}:{id}")), index("shop.b", "all", Some("{table}:{id}"))],
        vec![index("shop.*", "{table}_v1", None)],
        vec![index("*.users", "users", Some("{database}:{key}"))],
        vec![index("shop.a", "{table}_v1", None), index("shop.*", "{table}_v1", None)],
        vec![key("a.users", "{database}:{table}:{id}"), key("*.*", "{database}:{table}:{id}")],
        vec![key("shop.a", "user:{id}"), key("shop.b", "user:{id}:profile")],
        vec![key("shop.a", "a:{id}"), index("shop.b", "a", None)],
        vec![
            route("shop.a", vec![target("lake", TargetKind::Archive, "a")]),
            route("shop.b", vec![target("lake", TargetKind::Archive, "a")]),
        ],
    ];
    for routes in good {
        assert_eq!(found(std::slice::from_ref(&routes)), Vec::<String>::new(), "{routes:?}");
    }
}

#[test]
fn targets_that_can_meet_are_named_with_the_cure() {
    let same = found(&[vec![index("shop.a", "all", None), index("shop.b", "all", None)]]);
    let expected = "0.1.0 index \"all\" of shop.b and index \"all\" of shop.a can write the same address at search | give them different values of `index:`, or put {table} into `id:`";
    assert_eq!(same, [expected]);
    let keys = found(&[vec![key("shop.a", "x:{id}"), key("shop.b", "x:{name}")]]);
    assert_eq!(keys.len(), 1);
    let databases = found(&[vec![index("shop.a", "{table}", None), index("old.*", "{table}", None)]]);
    assert_eq!(databases.len(), 1, "old.a has the name of shop.a");
    let pattern = found(&[vec![index("shop.*", "all", None)]]);
    assert_eq!(
        pattern,
        [
            "0.0.0 tables that match shop.* can write the same address as index \"all\" of shop.* | put {table} into `index:` or `id:`"
        ]
    );
    let databases = found(&[vec![key("*.users", "{table}:{id}")]]);
    assert_eq!(
        databases,
        [
            "0.0.0 tables that match *.users can write the same address as key \"{table}:{id}\" of *.users | put {database} into the key"
        ]
    );
}

#[test]
fn pipelines_collide_too() {
    let one = || vec![index("shop.a", "all", None)];
    let found_between = found(&[one(), one()]);
    assert_eq!(found_between.len(), 1);
    assert!(found_between[0].starts_with("1.0.0"));
    let lake = || vec![route("shop.a", vec![target("lake", TargetKind::Archive, "a")])];
    let archives = found(&[lake(), lake()]);
    assert_eq!(
        archives,
        [
            "1.0.0 two pipelines write to the archive lake: it has one writer | give each pipeline an archive connection of its own"
        ]
    );
}
