//! The contract of every bus, on NATS in each of its ways to publish, on the simulated bus, and on a product of the tests' own.

use crate::support::contract::clauses;
use crate::support::rig::{Nats, NatsInBatches, Sim};
use crate::support::toy::Toy;

clauses!(nats, super::Nats:
    the_first_event_is_seen,
    order_positions_and_answers_agree,
    every_group_hears_everything_once,
    a_full_client_refuses_and_never_blocks,
    open_events_are_bounded_in_bytes,
    an_event_of_more_bytes_than_all_may_have_is_open_alone,
    a_silent_broker_leaves_in_doubt_what_left_and_nothing_else,
    what_is_given_up_is_told_by_whether_it_left,
    everything_is_confirmed_after_a_stall,
    a_connection_that_ends_holds_no_place_in_the_window,
    one_at_a_time_when_publishing_is_synchronous,
    an_unacknowledged_event_comes_again_and_says_so,
    a_member_resumes_where_its_group_was,
    a_broker_that_restarts_loses_nothing_acknowledged,
    payloads_of_any_kind_and_size_pass,
    a_stranger_passes_untouched,
    all_ways_to_acknowledge_deliver_everything,
    partitions_keep_each_symbol_at_one_member,
    a_pinned_group_has_one_active_member,
    the_broker_tells_its_figures,
    nothing_is_left_behind,
);

// Fast ingest reports no positions, so what compares them is left out; driver.rs has the rest.
clauses!(nats_fast, super::NatsInBatches<false>:
    every_group_hears_everything_once,
    a_full_client_refuses_and_never_blocks,
    open_events_are_bounded_in_bytes,
    an_event_of_more_bytes_than_all_may_have_is_open_alone,
    what_is_given_up_is_told_by_whether_it_left,
    everything_is_confirmed_after_a_stall,
    a_connection_that_ends_holds_no_place_in_the_window,
    an_unacknowledged_event_comes_again_and_says_so,
    a_member_resumes_where_its_group_was,
    a_broker_that_restarts_loses_nothing_acknowledged,
    payloads_of_any_kind_and_size_pass,
    all_ways_to_acknowledge_deliver_everything,
    partitions_keep_each_symbol_at_one_member,
    nothing_is_left_behind,
);

clauses!(nats_atomic, super::NatsInBatches<true>:
    the_first_event_is_seen,
    order_positions_and_answers_agree,
    every_group_hears_everything_once,
    a_full_client_refuses_and_never_blocks,
    open_events_are_bounded_in_bytes,
    an_event_of_more_bytes_than_all_may_have_is_open_alone,
    a_silent_broker_leaves_in_doubt_what_left_and_nothing_else,
    what_is_given_up_is_told_by_whether_it_left,
    everything_is_confirmed_after_a_stall,
    a_connection_that_ends_holds_no_place_in_the_window,
    an_unacknowledged_event_comes_again_and_says_so,
    a_broker_that_restarts_loses_nothing_acknowledged,
    all_ways_to_acknowledge_deliver_everything,
    partitions_keep_each_symbol_at_one_member,
    nothing_is_left_behind,
);

clauses!(sim, super::Sim:
    the_first_event_is_seen,
    order_positions_and_answers_agree,
    every_group_hears_everything_once,
    a_full_client_refuses_and_never_blocks,
    open_events_are_bounded_in_bytes,
    an_event_of_more_bytes_than_all_may_have_is_open_alone,
    a_silent_broker_leaves_in_doubt_what_left_and_nothing_else,
    what_is_given_up_is_told_by_whether_it_left,
    everything_is_confirmed_after_a_stall,
    a_connection_that_ends_holds_no_place_in_the_window,
    one_at_a_time_when_publishing_is_synchronous,
    an_unacknowledged_event_comes_again_and_says_so,
    a_member_resumes_where_its_group_was,
    a_broker_that_restarts_loses_nothing_acknowledged,
    payloads_of_any_kind_and_size_pass,
    a_stranger_passes_untouched,
    all_ways_to_acknowledge_deliver_everything,
    partitions_keep_each_symbol_at_one_member,
    a_pinned_group_has_one_active_member,
    the_broker_tells_its_figures,
    nothing_is_left_behind,
);

// A product of the tests' own, on a server that it starts.
clauses!(toy, super::Toy:
    the_first_event_is_seen,
    order_positions_and_answers_agree,
    every_group_hears_everything_once,
    a_full_client_refuses_and_never_blocks,
    open_events_are_bounded_in_bytes,
    an_event_of_more_bytes_than_all_may_have_is_open_alone,
    a_silent_broker_leaves_in_doubt_what_left_and_nothing_else,
    what_is_given_up_is_told_by_whether_it_left,
    everything_is_confirmed_after_a_stall,
    a_connection_that_ends_holds_no_place_in_the_window,
    one_at_a_time_when_publishing_is_synchronous,
    an_unacknowledged_event_comes_again_and_says_so,
    a_member_resumes_where_its_group_was,
    a_broker_that_restarts_loses_nothing_acknowledged,
    payloads_of_any_kind_and_size_pass,
    a_stranger_passes_untouched,
    all_ways_to_acknowledge_deliver_everything,
    partitions_keep_each_symbol_at_one_member,
    a_pinned_group_has_one_active_member,
    the_broker_tells_its_figures,
    nothing_is_left_behind,
);
