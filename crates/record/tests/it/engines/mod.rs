//! One suite on every pair of engines: SQLite and PostgreSQL, a folder and a bucket. The engines
//! are real; `./test` installs them.

mod backup;
mod fence;
mod house;
mod moving;
#[path = "../../../../../tests/real/engines.rs"]
mod real;
mod suite;

use house::{Files, House, Sql};

macro_rules! on_engines {
    ($name:ident, $sql:expr, $files:expr, [$($test:ident),* $(,)?]) => {
        mod $name {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    suite::$test(House::new($sql, $files).await).await;
                }
            )*
        }
    };
}

macro_rules! every_record {
    ($name:ident, $sql:expr, $files:expr, [$($more:ident),* $(,)?]) => {
        on_engines!($name, $sql, $files, [
            what_goes_in_comes_out_and_verifies,
            a_message_is_sealed_once_and_a_version_written_once,
            an_old_copy_of_sql_rolls_forward,
            all_of_sql_lost_comes_back_from_the_vault,
            the_whole_vault_lost_is_written_again,
            what_was_erased_is_gone_and_may_be_made_again,
            what_was_altered_is_named,
            a_standby_on_it_follows_and_becomes_the_primary,
            a_standby_follows_a_record_on_it,
            $($more),*
        ]);
    };
}

every_record!(sqlite_and_folder, Sql::Sqlite, Files::Folder, []);
every_record!(postgres_and_folder, Sql::Postgres, Files::Folder, []);
every_record!(
    sqlite_and_bucket,
    Sql::Sqlite,
    Files::Bucket,
    [
        the_machine_lost_comes_back_from_the_bucket,
        nothing_unfinished_is_locked_away,
        an_object_that_was_replaced_is_named_and_heals
    ]
);
every_record!(
    postgres_and_bucket,
    Sql::Postgres,
    Files::Bucket,
    [
        the_machine_lost_comes_back_from_the_bucket,
        nothing_unfinished_is_locked_away,
        an_object_that_was_replaced_is_named_and_heals
    ]
);
