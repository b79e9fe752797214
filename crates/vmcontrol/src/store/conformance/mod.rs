//! The conformance suite, which each implementation of [`Store`](super::Store) runs.
//!
//! An implementation names a function that makes an empty store, with what has to be kept as long
//! as the store is used, and gets a test for each case:
//!
//! ```
//! use std::sync::Arc;
//!
//! use vmcontrol::store::Store;
//! use vmcontrol::store::memory::MemoryStore;
//!
//! fn make() -> (Arc<dyn Store>, ()) {
//!     (Arc::new(MemoryStore::default()), ())
//! }
//!
//! vmcontrol::store_conformance!(crate::make);
//! # fn main() {}
//! ```
//!
//! Durability, the search for damage and the checks when a store is opened are not in the suite:
//! each implementation tests its own.
//!
//! # Panics
//! The cases panic when the store does not conform.

#![allow(
    clippy::missing_panics_doc,
    reason = "every case is a test, and panics when it fails"
)]

pub mod executions;
pub mod logs;
mod records;
pub mod retention;
pub mod sessions;
pub mod templates;
pub mod writes;

/// Makes a test of each case of the suite, for the stores that a function makes: `fn() -> (Arc<dyn
/// Store>, T)`, by its path from the root of the crate.
#[macro_export]
macro_rules! store_conformance {
    ($make:path) => {
        $crate::store_conformance! { @groups $make;
            templates {
                a_new_template_is_empty_and_the_newest_is_listed_first
                a_name_that_is_taken_is_a_duplicate_and_changes_nothing
                an_update_is_applied_to_what_is_stored
                parts_and_names_have_their_orders
                a_part_that_is_there_is_a_duplicate_and_changes_nothing
                what_a_change_did_not_find_is_said
                a_deleted_template_leaves_the_sessions
            }
            sessions {
                a_session_goes_from_starting_to_ready_to_closed
                the_first_end_of_a_session_stays
                an_id_is_had_by_one_session
                open_sessions_are_closed_together
                sessions_are_paged_in_both_directions
                a_page_that_begins_nowhere_is_not_an_empty_one
                sessions_are_filtered
                starting_sessions_are_found_as_that_and_returned_as_stored
                a_portion_of_sessions_ends_before_it_is_too_large
            }
            executions {
                a_record_is_read_as_it_was_written
                a_record_is_read_if_it_is_small_enough
                an_execution_needs_an_id_of_its_own_and_a_session
                an_end_can_be_replaced
                executions_are_paged_in_both_directions
                executions_are_filtered
                executions_follow_each_other_in_their_session
                what_was_running_is_settled
                an_end_that_could_not_be_recorded_is_recorded_later
                ids_are_found_by_their_start
            }
            logs {
                events_are_read_by_number_in_portions
                a_portion_of_events_ends_before_it_is_too_large
                a_log_has_no_gap
                events_come_with_the_end_or_not_at_all
                the_room_of_events_is_given_back
            }
            writes {
                writes_are_done_in_the_order_of_submission
                a_write_that_was_waited_for_is_seen_by_later_reads
                a_write_that_is_not_waited_for_is_done
                a_write_that_fails_takes_no_other_along
                many_writers_are_all_answered
                a_closed_store_has_done_what_was_submitted_and_refuses_the_rest
            }
            retention {
                expired_executions_are_found_in_portions_and_removed
                executions_of_expired_sessions_are_left_out
                a_session_goes_with_its_executions
                a_sound_store_is_checked_copied_and_made_smaller
            }
        }
    };
    (@groups $make:path; $($group:ident { $($case:ident)* })*) => {
        $(mod $group {
            $(
                #[tokio::test]
                async fn $case() {
                    let (store, _kept) = $make();
                    $crate::store::conformance::$group::$case(&*store).await;
                }
            )*
        })*
    };
}
