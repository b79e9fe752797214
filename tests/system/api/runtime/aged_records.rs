//! Records that are older than a retention time.

use std::time::Duration;

use rusqlite::Connection;
use vm_system_tests::Daemon;

/// Longer than any retention time of the tests.
pub(crate) const DAYS_40: Duration = Duration::from_hours(40 * 24);

/// Moves timestamps of a stored record into the past.
pub(crate) fn age(daemon: &Daemon, table: &str, columns: &[&str], id: &str, by: Duration) {
    let connection = Connection::open(daemon.home().join("test.db")).unwrap();
    connection.busy_timeout(Duration::from_secs(30)).unwrap();
    for column in columns {
        let changed = connection
            .execute(
                &format!("UPDATE {table} SET {column} = {column} - ? WHERE id = ?"),
                (i64::try_from(by.as_micros()).unwrap(), id),
            )
            .unwrap();
        assert_eq!(changed, 1);
    }
}
