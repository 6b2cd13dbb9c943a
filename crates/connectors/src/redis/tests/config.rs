//! URLs of Redis connections.

use super::super::config::{Topology, read};
use crate::testing::connection;

fn host(host: &str, port: u16) -> (String, u16) {
    (host.to_owned(), port)
}

#[test]
fn every_form_of_url_is_read() {
    let one = read(&connection("hot", "redis://cache.example/3")).unwrap();
    assert_eq!((one.topology, one.db, one.tls), (Topology::One(host("cache.example", 6379)), 3, false));

    let tls = read(&connection("hot", "rediss://u%40x:p%3A%2F@cache.example:7000")).unwrap();
    assert_eq!((tls.topology, tls.tls), (Topology::One(host("cache.example", 7000)), true));
    assert_eq!((tls.user.as_deref(), tls.password.as_deref()), (Some("u@x"), Some("p:/")));

    let plain = read(&connection("hot", "redis://:a@b/c@[::1]:7000")).unwrap();
    assert_eq!(plain.topology, Topology::One(host("::1", 7000)));
    assert_eq!((plain.user.as_deref(), plain.password.as_deref()), (None, Some("a@b/c")));

    let sentinel = read(&connection("hot", "redis-sentinel://s1,s2:5/main/2?tls=true")).unwrap();
    let sentinels = vec![host("s1", 26379), host("s2", 5)];
    assert_eq!(sentinel.topology, Topology::Sentinel { sentinels, master: "main".into() });
    assert_eq!((sentinel.db, sentinel.tls), (2, true));

    let cluster = read(&connection("hot", "redis-cluster://n1:1,n2:2")).unwrap();
    assert_eq!(cluster.topology, Topology::Cluster(vec![host("n1", 1), host("n2", 2)]));
}

#[test]
fn a_password_file_wins() {
    let mut spec = connection("hot", "redis://:old@h");
    spec.options.password = Some("new".into());
    assert_eq!(read(&spec).unwrap().password.as_deref(), Some("new"));
}

#[test]
fn a_bad_url_is_an_error_without_the_password() {
    let urls = [
        "redis:h",
        "redis://:secret@",
        "redis://:secret@h:port",
        "redis://:secret@h/x",
        "redis://:secret@h/-1",
        "redis://:secret@a,b",
        "redis://:secret@h?db=1",
        "redis-sentinel://:secret@h",
        "redis-cluster://:secret@h/1",
        "redis://:secret@[::1",
    ];
    for url in urls {
        let error = read(&connection("hot", url)).err().unwrap_or_else(|| panic!("{url} was taken"));
        assert!(error.to_string().contains("`hot`") && !error.to_string().contains("secret"), "{error}");
    }
}
