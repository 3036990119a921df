/* SPDX-License-Identifier: MIT
 *
 * The pool as a whole: how it is set up, who opens its connections, how it grows, shrinks and ends, what it tells of itself, and what it
 * answers to misuse.
 */
#include "fixture.h"

#include <string.h>

#include "os/thread.h"

static dbpool_status open_again(fixture *f) {
    f->err = (dbpool_error){.status = DBPOOL_OK};
    return dbpool_open_driver(fake_driver_table(f->fake), f->fake, &f->config, &f->pool, &f->err);
}

/* ---- Creators ---- */

static dbpool_status create_plain(void *arg, int64_t deadline_ns, void **native_out, dbpool_error *err) {
    fixture *f = arg;
    fixture_note(f, "plain");
    return fake_driver_table(f->fake)->open(f->fake, deadline_ns, native_out, err);
}

static dbpool_record *served;

static dbpool_status create_for(void *arg, dbpool_record *record, int64_t deadline_ns, void **native_out, dbpool_error *err) {
    fixture *f = arg;
    fixture_note(f, "for_record");
    served = record;
    return fake_driver_table(f->fake)->open(f->fake, deadline_ns, native_out, err);
}

/* R-CFG-1 */
static void a_creator_may_take_the_record_and_may_be_replaced(void **state) {
    fixture *f = *state;
    const dbpool_creator plain = {.open = create_plain, .arg = f}, with_record = {.open_for = create_for, .arg = f};
    fixture_open(f);
    assert_int_equal(dbpool_set_creator(f->pool, &plain, &f->err), DBPOOL_OK);
    dbpool_conn one = lent(f);
    assert_string_equal(trace(f), "plain open1");
    assert_int_equal(dbpool_set_creator(f->pool, &with_record, &f->err), DBPOOL_OK);
    dbpool_conn two = lent(f);
    assert_string_equal(trace(f), "for_record open2");
    assert_ptr_equal(served, dbpool_record_of(two));
    assert_int_equal(dbpool_set_creator(f->pool, &plain, &f->err), DBPOOL_OK);
    dbpool_conn three = lent(f);
    assert_string_equal(trace(f), "plain open3");
    returned(&one);
    returned(&two);
    returned(&three);
}

/* R-CFG-1 */
static void exactly_one_of_the_two_functions_is_set(void **state) {
    fixture *f = *state;
    const dbpool_creator none = {.arg = f}, both = {.open = create_plain, .open_for = create_for, .arg = f};
    dbpool *pool = NULL;
    fixture_open(f);
    assert_int_equal(dbpool_set_creator(f->pool, &none, &f->err), DBPOOL_EINVAL);
    assert_string_equal(f->err.message, "use creator: exactly one of open and open_for must be set");
    assert_int_equal(dbpool_set_creator(f->pool, &both, &f->err), DBPOOL_EINVAL);
    assert_int_equal(dbpool_set_creator(f->pool, NULL, &f->err), DBPOOL_EINVAL);
    assert_int_equal(dbpool_set_creator(NULL, &both, &f->err), DBPOOL_EINVAL);
    assert_int_equal(dbpool_open_creator("fake", &both, NULL, &pool, &f->err), DBPOOL_EINVAL);
    assert_int_equal(dbpool_open_creator("fake", NULL, NULL, &pool, &f->err), DBPOOL_EINVAL);
}

/* A driver that is known by its scheme, and whose connections are the fake's. */
static dbpool_status close_made(void *driver_arg, void *native, dbpool_error *err) {
    (void)driver_arg;
    fake_driver *fake = ((fake_native *)native)->driver;
    return fake_driver_table(fake)->close(fake, native, err);
}

static dbpool_status configure_none(const dbpool_param *params, size_t count, void **driver_arg_out, dbpool_error *err) {
    (void)params;
    (void)count;
    *driver_arg_out = NULL;
    return dbpool_error_set(err, DBPOOL_EUNSUPPORTED, "configure: only for creators");
}

static dbpool_status open_none(void *driver_arg, int64_t deadline_ns, void **native_out, dbpool_error *err) {
    (void)driver_arg;
    (void)deadline_ns;
    (void)native_out;
    return dbpool_error_set(err, DBPOOL_EUNSUPPORTED, "open: only for creators");
}

static const dbpool_driver made = {.struct_size = sizeof made,
                                   .name = "made",
                                   .schemes = "made,handmade",
                                   .configure = configure_none,
                                   .open = open_none,
                                   .close = close_made};

/* R-CFG-1, R-CFG-7 */
static void a_pool_is_made_from_a_creator_and_the_driver_of_a_scheme(void **state) {
    fixture *f = *state;
    const dbpool_creator creator = {.open = create_plain, .arg = f};
    assert_int_equal(dbpool_register_driver(&made, &f->err), DBPOOL_OK);
    assert_int_equal(dbpool_register_driver(&made, &f->err), DBPOOL_OK);
    assert_int_equal(dbpool_open_creator("nosuch", &creator, &f->config, &f->pool, &f->err), DBPOOL_EUNSUPPORTED);
    assert_int_equal(dbpool_open_creator(NULL, &creator, &f->config, &f->pool, &f->err), DBPOOL_EINVAL);
    assert_int_equal(dbpool_open_creator("handmade", &creator, &f->config, &f->pool, &f->err), DBPOOL_OK);
    dbpool_conn conn = lent(f);
    assert_ptr_equal(dbpool_native_of(conn, "made"), dbpool_native(conn));
    returned(&conn);
    assert_string_equal(trace(f), "plain open1");
    assert_int_equal(stats_of(f).idle, 1);
    dbpool *old = f->pool; /* a recreated pool has the creator too */
    assert_int_equal(dbpool_recreate(old, &f->pool, &f->err), DBPOOL_OK);
    conn = lent(f);
    returned(&conn);
    assert_string_equal(trace(f), "plain open2");
    assert_int_equal(dbpool_close(old, 0, NULL), DBPOOL_OK);
    dbpool_destroy(old);
}

static dbpool_status create_nothing(void *arg, int64_t deadline_ns, void **native_out, dbpool_error *err) {
    (void)arg;
    (void)deadline_ns;
    (void)native_out;
    (void)err;
    return DBPOOL_OK;
}

/* R-CFG-1, R-OUT-2 */
static void a_creator_that_gives_nothing_has_failed(void **state) {
    fixture *f = *state;
    const dbpool_creator creator = {.open = create_nothing};
    fixture_open(f);
    assert_int_equal(dbpool_set_creator(f->pool, &creator, NULL), DBPOOL_OK);
    assert_int_equal(refused(f), DBPOOL_ECONNECT);
    assert_string_equal(f->err.message, "open connection: the creator returned none");
    assert_int_equal(stats_of(f).open, 0);
}

/* ---- Settings ---- */

/* R-CFG-3 */
static void a_driver_without_ping_makes_pre_ping_an_error(void **state) {
    fixture *f = *state;
    assert_int_equal(f->config.pre_ping, 0);
    fake_driver_table(f->fake)->ping = NULL;
    f->config.pre_ping = 1;
    assert_int_equal(open_again(f), DBPOOL_EOPTION);
    assert_string_equal(f->err.message, "pool_pre_ping: the driver fake has no ping");
    assert_null(f->pool);
}

/* R-CFG-4 */
static void a_reset_that_is_none_is_named_and_full_needs_a_driver_that_has_it(void **state) {
    fixture *f = *state;
    f->config.reset_on_return = 4;
    assert_int_equal(open_again(f), DBPOOL_EOPTION);
    assert_non_null(strstr(f->err.message, "reset_on_return=4"));
    f->config.reset_on_return = DBPOOL_RESET_FULL;
    assert_int_equal(open_again(f), DBPOOL_OK);
    fixture_close(f);
    fake_driver_table(f->fake)->flags = 0;
    assert_int_equal(open_again(f), DBPOOL_EOPTION);
    assert_string_equal(f->err.message, "pool_reset_on_return=full: the driver fake has no full reset");
    assert_null(f->pool);
}

/* R-CFG-4 */
static void a_recreated_pool_takes_the_reset_of_the_old_one(void **state) {
    fixture *f = *state;
    f->config.reset_on_return = DBPOOL_RESET_COMMIT;
    fixture_open(f);
    dbpool *old = f->pool;
    assert_int_equal(dbpool_recreate(old, &f->pool, &f->err), DBPOOL_OK);
    dbpool_destroy(old);
    dbpool_conn conn = lent(f);
    fake_native_set_state(dbpool_native(conn), DBPOOL_NATIVE_DIRTY);
    returned(&conn);
    assert_int_equal(fake_driver_last_reset(f->fake), DBPOOL_RESET_COMMIT);
}

/* R-CFG-7 */
static void a_driver_that_can_only_open_and_close_is_enough(void **state) {
    fixture *f = *state;
    dbpool_driver *table = fake_driver_table(f->fake);
    table->look = NULL;
    table->state = NULL;
    table->ping = NULL;
    table->reset = NULL;
    table->describe = NULL;
    table->flags = DBPOOL_DRIVER_ASYNCHRONOUS;
    fixture_open(f);
    for (int i = 0; i < 3; i++) {
        dbpool_conn conn = lent(f);
        assert_int_equal(number_of(conn), 1);
        assert_int_equal(dbpool_describe(conn, 0, NULL, NULL, &f->err), DBPOOL_EINVAL);
        returned(&conn);
    }
    assert_string_equal(trace(f), "open1");
}

/* R-CFG-7 */
static void a_driver_that_does_not_tell_its_state_is_reset_at_each_return(void **state) {
    fixture *f = *state;
    fake_driver_table(f->fake)->state = NULL;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    returned(&conn);
    conn = lent(f);
    returned(&conn);
    assert_string_equal(trace(f), "open1 reset1 reset1");
}

/* R-CFG-7 */
static void a_table_without_what_is_required_is_refused(void **state) {
    fixture *f = *state;
    dbpool_driver table = *fake_driver_table(f->fake), wrong[5] = {table, table, table, table, table};
    wrong[0].name = NULL;
    wrong[1].close = NULL;
    wrong[2].open = NULL;
    wrong[3].struct_size = 8;
    wrong[4].struct_size = 100000;
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(dbpool_open_driver(&wrong[i], f->fake, &f->config, &f->pool, &f->err), DBPOOL_EINVAL);
    assert_int_equal(dbpool_open_driver(NULL, f->fake, &f->config, &f->pool, &f->err), DBPOOL_EINVAL);
    assert_int_equal(dbpool_open_driver(&table, f->fake, &f->config, NULL, &f->err), DBPOOL_EINVAL);
    assert_int_equal(dbpool_register_driver(NULL, &f->err), DBPOOL_EINVAL);
    assert_int_equal(dbpool_register_driver(&wrong[1], &f->err), DBPOOL_EINVAL);
    assert_null(f->pool);
}

/* R-CFG-7 */
static void a_driver_table_of_an_older_program_lacks_what_came_later(void **state) {
    fixture *f = *state;
    fake_driver_table(f->fake)->struct_size = offsetof(dbpool_driver, look);
    fixture_open(f);
    dbpool_conn conn = lent(f);
    returned(&conn);
    conn = lent(f);
    returned(&conn);
    assert_int_equal(fake_driver_calls(f->fake, FAKE_LOOK), 0);
    assert_int_equal(fake_driver_calls(f->fake, FAKE_STATE), 0);
}

/* ---- Closing ---- */

/* R-LEAK-4 */
static void a_close_says_how_many_are_out_and_they_close_at_their_return(void **state) {
    fixture *f = *state;
    fixture_open(f);
    fixture_listen(f);
    dbpool_conn one = lent(f), two = lent(f), idle = lent(f);
    returned(&idle);
    assert_int_equal(dbpool_close(f->pool, 0, &f->err), DBPOOL_ETIMEOUT);
    assert_string_equal(f->err.message, "close pool: 2 leases are still out, and 0 connections are being opened or closed");
    assert_int_equal(fake_driver_open_natives(f->fake), 2);
    assert_true(dbpool_is_valid(one));
    assert_int_equal(refused(f), DBPOOL_ECLOSED);
    assert_string_equal(f->err.message, "checkout: the pool is closed");
    fake_native_set_state(dbpool_native(one), DBPOOL_NATIVE_DIRTY);
    (void)trace(f);
    returned(&one);
    assert_string_equal(trace(f), "on_reset1 reset1 on_checkin1 on_close1 close1");
    returned(&two);
    assert_int_equal(dbpool_close(f->pool, 0, &f->err), DBPOOL_OK);
    assert_int_equal(dbpool_close(f->pool, -1, &f->err), DBPOOL_OK);
}

static void *close_pool(void *arg) { return dbpool_close(((fixture *)arg)->pool, -1, NULL) == DBPOOL_OK ? arg : NULL; }

/* R-LEAK-4 */
static void several_may_wait_for_the_last_lease(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    pthread_t closers[2] = {started(close_pool, f), started(close_pool, f)};
    await_asleep_on(&f->pool->drained, 2);
    returned(&conn);
    for (int i = 0; i < 2; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(closers[i], &result), 0);
        assert_ptr_equal(result, f);
    }
}

/* R-LEAK-4 */
static void a_close_waits_no_longer_than_told(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    pthread_t closer = started(close_pool, f);
    await_asleep_on(&f->pool->drained, 1);
    assert_int_equal(dbpool_close(f->pool, 0, &f->err), DBPOOL_ETIMEOUT);
    assert_int_equal(dbpool_close(f->pool, -2, &f->err), DBPOOL_EINVAL);
    assert_int_equal(dbpool_close(NULL, 0, &f->err), DBPOOL_EINVAL);
    returned(&conn);
    joined(closer);
}

/* R-LEAK-4 */
static void a_close_tells_those_who_wait(void **state) {
    fixture *f = *state;
    f->config.size = 1;
    f->config.max_overflow = 0;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    borrower b[2];
    for (int i = 0; i < 2; i++)
        borrow(f, &b[i], -1);
    await_waiting(f->pool, 2);
    assert_int_equal(dbpool_close(f->pool, 0, NULL), DBPOOL_ETIMEOUT);
    assert_int_equal(borrowed(&b[0]), DBPOOL_ECLOSED);
    assert_int_equal(borrowed(&b[1]), DBPOOL_ECLOSED);
    returned(&conn);
}

/* R-LEAK-4 */
static void an_opening_that_a_close_overtakes_is_closed(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    fake_driver_plan(f->fake, FAKE_OPEN, 1, 1, (fake_answer){.hang = true});
    borrower b;
    borrow(f, &b, -1);
    fake_driver_await_hanging(f->fake, FAKE_OPEN, 1);
    await_waiting(f->pool, 1);
    assert_int_equal(dbpool_close(f->pool, 0, NULL), DBPOOL_ETIMEOUT);
    assert_int_equal(borrowed(&b), DBPOOL_ECLOSED);
    returned(&conn);
    fake_driver_release(f->fake, FAKE_OPEN);
    assert_int_equal(dbpool_close(f->pool, -1, NULL), DBPOOL_OK);
    assert_int_equal(fake_driver_open_natives(f->fake), 0);
}

/* R-LEAK-4, R-LEAK-1 */
static void a_destroyed_pools_leases_are_returned_and_stale_handles_stay_stale(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f), nested, gone = lent(f), stale = gone;
    assert_int_equal(dbpool_checkout_nested(conn, &nested, NULL), DBPOOL_OK);
    returned(&gone);
    dbpool_destroy(f->pool);
    f->pool = NULL;
    assert_true(dbpool_is_valid(conn));
    dbpool_conn copy = conn, nested_copy = nested;
    returned(&conn);
    returned(&nested);
    assert_int_equal(fake_driver_open_natives(f->fake), 0);
    assert_int_equal(dbpool_checkin(&stale), DBPOOL_ESTALE);
    assert_int_equal(dbpool_checkin(&copy), DBPOOL_ESTALE);
    assert_int_equal(dbpool_checkin(&nested_copy), DBPOOL_ESTALE);
    fixture_open(f); /* its memory serves another pool */
    dbpool_conn other = lent(f);
    assert_false(dbpool_is_valid(copy));
    assert_false(dbpool_is_valid(stale));
    assert_int_equal(dbpool_checkin(&stale), DBPOOL_ESTALE);
    assert_true(dbpool_is_valid(other));
    returned(&other);
    dbpool_destroy(NULL);
}

/* R-LEAK-3 */
static void the_scope_helper_returns_the_lease(void **state) {
    fixture *f = *state;
    fixture_open(f);
    {
        DBPOOL_SCOPED dbpool_conn conn = lent(f);
        DBPOOL_SCOPED dbpool_conn none = DBPOOL_CONN_NONE;
        assert_int_equal(stats_of(f).leased, 1);
        assert_null(none.cell);
        assert_true(dbpool_is_valid(conn));
    }
    assert_int_equal(stats_of(f).leased, 0);
    {
        DBPOOL_SCOPED dbpool_conn early = lent(f);
        returned(&early); /* nothing is left to return */
    }
    assert_int_equal(stats_of(f).idle, 1);
}

struct racer {
    pthread_barrier_t *barrier;
    dbpool_conn conn;
    dbpool_status status;
};

static void *race_to_return(void *arg) {
    struct racer *racer = arg;
    pthread_barrier_wait(racer->barrier);
    racer->status = dbpool_checkin(&racer->conn);
    return NULL;
}

/* R-LEAK-1, R-REC-6 */
static void of_two_who_return_one_handle_one_succeeds(void **state) {
    fixture *f = *state;
    fixture_open(f);
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 2);
    for (int i = 0; i < 200; i++) {
        dbpool_conn conn = lent(f);
        struct racer one = {&barrier, conn, DBPOOL_OK}, two = one;
        pthread_t threads[2] = {started(race_to_return, &one), started(race_to_return, &two)};
        joined(threads[0]);
        joined(threads[1]);
        assert_int_equal((one.status == DBPOOL_OK) + (two.status == DBPOOL_OK), 1);
        assert_int_equal((one.status == DBPOOL_ESTALE) + (two.status == DBPOOL_ESTALE), 1);
        assert_int_equal(stats_of(f).idle, 1);
    }
    pthread_barrier_destroy(&barrier);
}

/* ---- Resizing ---- */

/* R-QUE-1 */
static void growing_serves_those_who_wait(void **state) {
    fixture *f = *state;
    f->config.size = 1;
    f->config.max_overflow = 0;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    borrower b[3];
    for (int i = 0; i < 3; i++)
        borrow(f, &b[i], -1);
    await_waiting(f->pool, 3);
    assert_int_equal(dbpool_resize(f->pool, 2, 2, &f->err), DBPOOL_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(borrowed(&b[i]), DBPOOL_OK);
    assert_int_equal(stats_of(f).open, 4);
    assert_int_equal(stats_of(f).size, 2);
    assert_int_equal(stats_of(f).max_overflow, 2);
    for (int i = 0; i < 3; i++)
        returned(&b[i].conn);
    returned(&conn);
    assert_int_equal(stats_of(f).idle, 2);
}

/* R-QUE-1, R-QUE-4 */
static void shrinking_closes_the_idle_now_and_the_lent_at_their_return(void **state) {
    fixture *f = *state;
    dbpool_conn conns[5];
    fixture_open(f);
    for (int i = 0; i < 5; i++)
        conns[i] = taken(f);
    for (int i = 0; i < 3; i++)
        returned(&conns[i]);
    assert_int_equal(dbpool_resize(f->pool, 1, 0, &f->err), DBPOOL_OK);
    assert_int_equal(fake_driver_open_natives(f->fake), 2);
    assert_int_equal(refused(f), DBPOOL_ETIMEOUT);
    returned(&conns[3]);
    assert_int_equal(stats_of(f).open, 1);
    assert_int_equal(stats_of(f).idle, 0);
    returned(&conns[4]);
    assert_int_equal(stats_of(f).idle, 1);
}

/* R-QUE-1 */
static void a_resize_to_what_cannot_be_changes_nothing(void **state) {
    fixture *f = *state;
    fixture_open(f);
    assert_int_equal(dbpool_resize(f->pool, -1, 0, &f->err), DBPOOL_EOPTION);
    assert_int_equal(dbpool_resize(f->pool, 1, -2, &f->err), DBPOOL_EOPTION);
    assert_int_equal(dbpool_resize(NULL, 1, 1, &f->err), DBPOOL_EINVAL);
    assert_int_equal(stats_of(f).size, 5);
    assert_int_equal(stats_of(f).max_overflow, 10);
    assert_int_equal(dbpool_close(f->pool, 0, NULL), DBPOOL_OK);
    assert_int_equal(dbpool_resize(f->pool, 1, 1, &f->err), DBPOOL_ECLOSED);
}

/* ---- What it tells of itself ---- */

/* R-LEAK-4, R-OUT-1 */
static void the_leases_that_are_out_are_listed(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn one = lent(f), two = lent(f), detached = lent(f);
    assert_int_equal(dbpool_detach(&detached, NULL), DBPOOL_OK);
    fake_clock_advance_ms(1500);
    assert_int_equal(dbpool_set_tag(one, "report"), DBPOOL_OK);
    assert_int_equal(dbpool_set_tag(two, "0123456789012345678901234567890123456789012345678901234567890"), DBPOOL_OK);
    dbpool_lease leases[4];
    size_t count = 0;
    assert_int_equal(dbpool_leases(f->pool, leases, 4, &count), DBPOOL_OK);
    assert_int_equal(count, 2);
    const dbpool_lease *first = leases[0].number == one.number ? &leases[0] : &leases[1];
    const dbpool_lease *second = first == leases ? &leases[1] : &leases[0];
    assert_true(first->number == one.number && second->number == two.number);
    assert_string_equal(first->tag, "report");
    assert_int_equal(strlen(second->tag), sizeof second->tag - 1);
    assert_true(first->age_ms == 1500);
    assert_int_equal(first->thread_id, dbp_thread_id());
    assert_int_equal(first->handles, 1);
    assert_int_equal(dbpool_leases(f->pool, leases, 1, &count), DBPOOL_OK);
    assert_int_equal(count, 2);
    assert_int_equal(dbpool_leases(f->pool, NULL, 0, &count), DBPOOL_OK);
    assert_int_equal(count, 2);
    returned(&one);
    one = lent(f);
    assert_int_equal(dbpool_leases(f->pool, leases, 4, &count), DBPOOL_OK);
    assert_string_equal(leases[0].number == one.number ? leases[0].tag : leases[1].tag, ""); /* it ended with its lease */
    returned(&one);
    returned(&two);
    returned(&detached);
}

/* R-QUE-6 */
static void waits_are_counted_with_their_time(void **state) {
    fixture *f = *state;
    f->config.size = 1;
    f->config.max_overflow = 0;
    f->config.fair_ns = 0;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    borrower b;
    borrow(f, &b, -1);
    await_waiting(f->pool, 1);
    fake_clock_advance_ns(5000); /* 5 us: in the bucket below 8 */
    returned(&conn);
    assert_int_equal(borrowed(&b), DBPOOL_OK);
    dbpool_stats stats = stats_of(f);
    assert_int_equal(stats.waits, 1);
    assert_int_equal(stats.handoffs, 1);
    assert_int_equal(stats.wait_ns, 5000);
    assert_int_equal(stats.wait_histogram[3], 1);
    assert_int_equal(stats.checkouts, 2);
    assert_int_equal(stats.checkins, 1);
    returned(&b.conn);
}

/* R-QUE-6 */
static void an_older_stats_struct_gets_what_it_has_room_for(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_stats stats;
    memset(&stats, 0x5a, sizeof stats);
    stats.struct_size = offsetof(dbpool_stats, checkouts);
    assert_int_equal(dbpool_get_stats(f->pool, &stats), DBPOOL_OK);
    assert_int_equal(stats.size, 5);
    assert_int_equal(stats.checkouts, 0x5a5a5a5a5a5a5a5a);
    stats.struct_size = 0;
    assert_int_equal(dbpool_get_stats(f->pool, &stats), DBPOOL_EINVAL);
    stats.struct_size = 100000;
    assert_int_equal(dbpool_get_stats(f->pool, &stats), DBPOOL_EINVAL);
}

static void note_row(void *arg, const char *key, const char *value) {
    fixture_note(arg, key);
    fixture_note(arg, value);
}

/* R-CFG-7 */
static void the_driver_describes_its_server(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f);
    assert_int_equal(dbpool_describe(conn, 250, note_row, f, &f->err), DBPOOL_OK);
    assert_string_equal(trace(f), "open1 describe1 server fake 1.0 role primary");
    assert_true(fake_driver_deadline(f->fake, FAKE_DESCRIBE) == fake_clock_now() + 250 * DBP_NS_PER_MS);
    returned(&conn);
    assert_int_equal(dbpool_describe(conn, 250, note_row, f, &f->err), DBPOOL_ESTALE);
}

/* R-CFG-7 */
static void every_status_has_a_name_and_a_meaning(void **state) {
    (void)state;
    assert_string_equal(dbpool_status_name(DBPOOL_ETIMEOUT), "DBPOOL_ETIMEOUT");
    assert_string_equal(dbpool_status_meaning(DBPOOL_OK), "success");
    assert_string_equal(dbpool_status_name((dbpool_status)999), "DBPOOL_E?");
    assert_string_equal(dbpool_status_meaning((dbpool_status)999), "unknown status");
    assert_string_equal(dbpool_version(), "0.1.0");
    assert_true(dbpool_now_ns() == fake_clock_now());
    dbpool_error err;
    assert_int_equal(dbpool_error_set(&err, DBPOOL_EDRIVER, "%s: %d", "query", 7), DBPOOL_EDRIVER);
    assert_string_equal(err.message, "query: 7");
    assert_int_equal(dbpool_error_set(NULL, DBPOOL_EDRIVER, "x"), DBPOOL_EDRIVER);
}

/* ---- Misuse ---- */

static void expect_no_lease(dbpool_conn conn) {
    dbpool_conn copy = conn, none = {.number = 1};
    assert_false(dbpool_is_valid(conn));
    assert_null(dbpool_native(conn));
    assert_null(dbpool_native_of(conn, "fake"));
    assert_null(dbpool_record_of(conn));
    assert_int_equal(dbpool_checkin(&copy), DBPOOL_ESTALE);
    assert_int_equal(dbpool_checkin_no_reset(&copy), DBPOOL_ESTALE);
    assert_int_equal(dbpool_invalidate(&copy, NULL), DBPOOL_ESTALE);
    assert_int_equal(dbpool_invalidate_soft(conn, NULL), DBPOOL_ESTALE);
    assert_int_equal(dbpool_detach(&copy, NULL), DBPOOL_ESTALE);
    assert_int_equal(dbpool_checkout_nested(conn, &none, NULL), DBPOOL_ESTALE);
    assert_null(none.cell);
    assert_int_equal(dbpool_set_tag(conn, "x"), DBPOOL_ESTALE);
    assert_int_equal(dbpool_set_info(conn, DBPOOL_SCOPE_RECORD, "x", &copy, NULL), DBPOOL_ESTALE);
    assert_null(dbpool_get_info(conn, DBPOOL_SCOPE_RECORD, "x"));
    assert_int_equal(dbpool_describe(conn, 0, note_row, NULL, NULL), DBPOOL_ESTALE);
}

/* R-LEAK-1 */
static void a_handle_that_is_no_lease_is_refused_everywhere(void **state) {
    fixture *f = *state;
    fixture_open(f);
    expect_no_lease(DBPOOL_CONN_NONE);
    dbpool_conn conn = lent(f);
    for (uint64_t change = 1; change <= 8; change++) {
        dbpool_conn forged = conn;
        forged.number += change;
        expect_no_lease(forged);
    }
    dbpool_conn stale = conn;
    returned(&conn);
    expect_no_lease(stale);
    expect_no_lease(conn);
    conn = lent(f);
    expect_no_lease(stale);
    assert_true(dbpool_is_valid(conn));
    returned(&conn);
}

/* R-LEAK-1 */
static void null_is_an_argument_error_everywhere(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_conn conn = lent(f), out = {.number = 1};
    dbpool_stats stats = DBPOOL_STATS_INIT;
    size_t count;
    assert_int_equal(dbpool_checkout(NULL, &out, &f->err), DBPOOL_EINVAL);
    assert_true(out.number == 0);
    assert_int_equal(dbpool_checkout(f->pool, NULL, &f->err), DBPOOL_EINVAL);
    assert_string_equal(f->err.message, "checkout: conn_out is NULL");
    assert_int_equal(dbpool_checkout_timeout(f->pool, -2, &out, &f->err), DBPOOL_EINVAL);
    assert_int_equal(dbpool_checkout_timeout(NULL, 0, &out, NULL), DBPOOL_EINVAL);
    assert_int_equal(dbpool_try_checkout(f->pool, NULL, NULL), DBPOOL_EINVAL);
    assert_int_equal(dbpool_checkout_nested(conn, NULL, &f->err), DBPOOL_EINVAL);
    assert_int_equal(dbpool_checkin(NULL), DBPOOL_EINVAL);
    assert_int_equal(dbpool_checkin_no_reset(NULL), DBPOOL_EINVAL);
    assert_int_equal(dbpool_invalidate(NULL, NULL), DBPOOL_EINVAL);
    assert_int_equal(dbpool_detach(NULL, &f->err), DBPOOL_EINVAL);
    assert_int_equal(dbpool_invalidate_pool(NULL, NULL, NULL), DBPOOL_EINVAL);
    assert_int_equal(dbpool_dispose(NULL), DBPOOL_EINVAL);
    assert_int_equal(dbpool_recreate(NULL, &f->pool, &f->err), DBPOOL_EINVAL);
    assert_int_equal(dbpool_recreate(f->pool, NULL, &f->err), DBPOOL_EINVAL);
    assert_int_equal(dbpool_get_stats(NULL, &stats), DBPOOL_EINVAL);
    assert_int_equal(dbpool_get_stats(f->pool, NULL), DBPOOL_EINVAL);
    assert_int_equal(dbpool_leases(NULL, NULL, 0, &count), DBPOOL_EINVAL);
    assert_int_equal(dbpool_leases(f->pool, NULL, 1, &count), DBPOOL_EINVAL);
    assert_int_equal(dbpool_leases(f->pool, NULL, 0, NULL), DBPOOL_EINVAL);
    assert_int_equal(dbpool_set_tag(conn, NULL), DBPOOL_EINVAL);
    assert_int_equal(dbpool_status_text(NULL, NULL, 0), 0);
    assert_int_equal(dbpool_timeout_ms(NULL), 0);
    assert_int_equal(dbpool_open(NULL, NULL, NULL, &f->err), DBPOOL_EINVAL);
    returned(&conn);
}

/* R-LEAK-1 */
static void a_pool_in_an_impossible_state_lends_no_more_and_still_ends(void **state) {
    fixture *f = *state;
    if (DBP_TRAP_BUGS)
        skip(); /* it ends the program at once */
    fixture_open(f);
    dbpool_conn conn = lent(f), idle = lent(f);
    returned(&idle);
    dbp_bug(f->pool, "the test says so");
    dbp_bug(f->pool, "and again");
    assert_int_equal(refused(f), DBPOOL_EBUG);
    assert_int_equal(refused(f), DBPOOL_EBUG);
    assert_int_equal(logged(f, DBPOOL_LOG_ERROR, "Impossible state, the pool lends no more: the test says so"), 1);
    assert_int_equal(logged_lines(f), 1);
    returned(&conn);
    assert_int_equal(stats_of(f).open, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_creator_may_take_the_record_and_may_be_replaced),
        FIXTURE_TEST(exactly_one_of_the_two_functions_is_set),
        FIXTURE_TEST(a_pool_is_made_from_a_creator_and_the_driver_of_a_scheme),
        FIXTURE_TEST(a_creator_that_gives_nothing_has_failed),
        FIXTURE_TEST(a_driver_without_ping_makes_pre_ping_an_error),
        FIXTURE_TEST(a_reset_that_is_none_is_named_and_full_needs_a_driver_that_has_it),
        FIXTURE_TEST(a_recreated_pool_takes_the_reset_of_the_old_one),
        FIXTURE_TEST(a_driver_that_can_only_open_and_close_is_enough),
        FIXTURE_TEST(a_driver_that_does_not_tell_its_state_is_reset_at_each_return),
        FIXTURE_TEST(a_table_without_what_is_required_is_refused),
        FIXTURE_TEST(a_driver_table_of_an_older_program_lacks_what_came_later),
        FIXTURE_TEST(a_close_says_how_many_are_out_and_they_close_at_their_return),
        FIXTURE_TEST(several_may_wait_for_the_last_lease),
        FIXTURE_TEST(a_close_waits_no_longer_than_told),
        FIXTURE_TEST(a_close_tells_those_who_wait),
        FIXTURE_TEST(an_opening_that_a_close_overtakes_is_closed),
        FIXTURE_TEST(a_destroyed_pools_leases_are_returned_and_stale_handles_stay_stale),
        FIXTURE_TEST(the_scope_helper_returns_the_lease),
        FIXTURE_TEST(of_two_who_return_one_handle_one_succeeds),
        FIXTURE_TEST(growing_serves_those_who_wait),
        FIXTURE_TEST(shrinking_closes_the_idle_now_and_the_lent_at_their_return),
        FIXTURE_TEST(a_resize_to_what_cannot_be_changes_nothing),
        FIXTURE_TEST(the_leases_that_are_out_are_listed),
        FIXTURE_TEST(waits_are_counted_with_their_time),
        FIXTURE_TEST(an_older_stats_struct_gets_what_it_has_room_for),
        FIXTURE_TEST(the_driver_describes_its_server),
        FIXTURE_TEST(every_status_has_a_name_and_a_meaning),
        FIXTURE_TEST(a_handle_that_is_no_lease_is_refused_everywhere),
        FIXTURE_TEST(null_is_an_argument_error_everywhere),
        FIXTURE_TEST(a_pool_in_an_impossible_state_lends_no_more_and_still_ends),
    };
    return cmocka_run_group_tests_name("pool", tests, fixture_start, NULL);
}
