//! Settings of the server: whether its binlog holds every row of the captured tables, whole, and for how long.

use syncline_engine::error::{Code, Error, Result};

use crate::mysql::client::Session;
use crate::mysql::server::{Facts, no_binlog};

/// Shorter than this, a weekend's outage loses the checkpoint.
const MIN_RETENTION_SECONDS: u64 = 24 * 3600;

/// All findings about settings.
pub async fn findings(session: &mut Session) -> Result<Vec<Error>> {
    let replica = is_replica(session).await?;
    Ok(judge(session.facts(), session.shown(), replica))
}

fn judge(facts: &Facts, shown: &str, replica: bool) -> Vec<Error> {
    let mut out = Vec::new();
    if !facts.is_on("log_bin") {
        out.push(no_binlog(shown));
    }
    let setting =
        |message: String, fix: &str| Error::new(Code::MysqlSetting, format!("{shown}: {message}")).fix(fix);
    match facts.variable("binlog_format") {
        Some(format) if !format.eq_ignore_ascii_case("ROW") => {
            out.push(setting(format!("binlog_format is {format}"), "SET GLOBAL binlog_format = ROW, and binlog_format=ROW in the server's configuration; sessions that are open keep the old one"));
        }
        _ => {}
    }
    if facts.identity.server_id == 0 {
        out.push(setting(
            "server_id is 0".into(),
            "SET GLOBAL server_id = 1, or another number that no replica has",
        ));
    }
    if replica && !logs_what_it_replicates(facts) {
        let name = if facts.variable("log_replica_updates").is_some() {
            "log_replica_updates"
        } else {
            "log_slave_updates"
        };
        out.push(setting(
            format!("it is a replica and {name} is OFF, so its binlog lacks what it replicates"),
            &format!("start the server with --{}=ON, or read from its source", name.replace('_', "-")),
        ));
    }
    out.extend(retention(facts, shown));
    out
}

fn logs_what_it_replicates(facts: &Facts) -> bool {
    facts.is_on("log_replica_updates") || facts.is_on("log_slave_updates")
}

/// Whether it replicates from another server. Without the privilege to see that, it is taken for a primary.
async fn is_replica(session: &mut Session) -> Result<bool> {
    let facts = session.facts();
    let sql = if !facts.mariadb() && facts.number >= (8, 0, 22) {
        "SHOW REPLICA STATUS"
    } else if facts.mariadb() {
        "SHOW ALL SLAVES STATUS"
    } else {
        "SHOW SLAVE STATUS"
    };
    match session.texts(sql).await {
        Ok(rows) => Ok(!rows.is_empty()),
        Err(error) if error.code() == Code::MysqlGrant => Ok(false),
        Err(error) => Err(error),
    }
}

/// How long files are kept; nothing to say where they are kept for ever.
fn retention(facts: &Facts, shown: &str) -> Option<Error> {
    let seconds =
        facts.variable("binlog_expire_logs_seconds").and_then(|v| v.parse::<f64>().ok()).unwrap_or(0.0);
    let days = facts.variable("expire_logs_days").and_then(|v| v.parse::<f64>().ok()).unwrap_or(0.0);
    let kept = if seconds > 0.0 { seconds } else { days * 86_400.0 };
    (kept > 0.0 && kept < MIN_RETENTION_SECONDS as f64).then(|| {
        let fix = match facts.variable("binlog_expire_logs_seconds") {
            Some(_) => "SET GLOBAL binlog_expire_logs_seconds = 604800",
            None => "SET GLOBAL expire_logs_days = 7",
        };
        let message = format!("{shown}: the binlog is kept for {:.1} hours only; an outage longer than that needs a new backfill", kept / 3600.0);
        Error::new(Code::MysqlRetention, message).fix(fix)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(replica: bool, settings: &[(&str, &str)]) -> Vec<Code> {
        let good = [("version", "8.4.1"), ("log_bin", "ON"), ("binlog_format", "ROW"), ("server_id", "1")];
        let all = good.iter().chain(settings).map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        judge(&Facts::new(all), "shop", replica).iter().map(Error::code).collect()
    }

    #[test]
    fn each_setting_that_hides_rows_is_a_finding() {
        assert_eq!(found(false, &[("binlog_expire_logs_seconds", "2592000")]), []);
        for setting in [("log_bin", "OFF"), ("binlog_format", "MIXED"), ("server_id", "0")] {
            assert_eq!(found(false, &[setting]), [Code::MysqlSetting], "{setting:?}");
        }
        assert_eq!(found(true, &[("log_replica_updates", "OFF")]), [Code::MysqlSetting]);
        assert_eq!(found(true, &[("log_replica_updates", "ON")]), []);
        assert_eq!(found(false, &[("binlog_expire_logs_seconds", "3600")]), [Code::MysqlRetention]);
        assert_eq!(
            found(false, &[("binlog_format", "STATEMENT"), ("server_id", "0")]).len(),
            2,
            "all at once"
        );
    }
}
