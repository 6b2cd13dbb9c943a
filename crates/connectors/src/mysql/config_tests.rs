//! URLs and options as a user writes them, and what is refused.

use super::*;
use crate::connection::ConnectionOptions;

fn parse(url: &str) -> Result<MysqlConfig> {
    MysqlConfig::parse(&ConnectionSpec {
        name: "shop".into(),
        url: url.into(),
        options: ConnectionOptions::default(),
    })
}

#[test]
fn reads_hosts_login_database_and_tls() {
    let c = parse("mysql://sync%40line:p%3Aw@rd@db1,[::1]:3307/shop?tls=true").unwrap();
    assert_eq!((c.user.as_str(), c.password.as_str()), ("sync@line", "p:w@rd"));
    assert_eq!(c.endpoints.iter().map(ToString::to_string).collect::<Vec<_>>(), ["db1:3306", "[::1]:3307"]);
    assert!(c.tls.is_some());
    assert!(!format!("{c:?}").contains("p:w"), "the password never prints");
    let c = parse("mysql://root@127.0.0.1:13306").unwrap();
    assert_eq!((c.user.as_str(), c.password.as_str(), c.tls), ("root", "", None));
}

#[test]
fn the_password_option_wins() {
    let options = ConnectionOptions { password: Some("from file".into()), ..ConnectionOptions::default() };
    let spec = ConnectionSpec { name: "shop".into(), url: "mysql://a:b@h/".into(), options };
    assert_eq!(MysqlConfig::parse(&spec).unwrap().password, "from file");
}

#[test]
fn refuses_what_it_cannot_read_and_shows_no_secret() {
    for url in [
        "mysql://",
        "mysql://u:secret@",
        "mysql://u:secret@h:0",
        "mysql://u:secret@h:x/",
        "mysql://u:sec%G0ret@h/",
        "mysql://u:secret@h/?tls=maybe",
        "mysql://u:secret@h/?ssl=true",
        "mysql://u:secret@[::1",
        "mysql://u:secret@h,,g",
    ] {
        let error = parse(url).unwrap_err();
        assert_eq!(error.code(), Code::ConfigBadValue, "{url}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
