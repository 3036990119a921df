/* SPDX-License-Identifier: MIT
 *
 * What travels with a connection and what with its record.
 */
#include "fixture.h"

#include "os/memory.h"

static int one, two;
static int freed;

static void count_free(void *value) {
    (void)value;
    freed++;
}

static dbpool_conn start(fixture *f) {
    freed = 0;
    fixture_open(f);
    return lent(f);
}

/* R-INFO-1 */
static void info_is_shared_by_record_and_lease(void **state) {
    fixture *f = *state;
    dbpool_conn conn = start(f);
    dbpool_record *record = dbpool_record_of(conn);
    assert_null(dbpool_get_info(conn, DBPOOL_SCOPE_CONNECTION, "key"));
    assert_int_equal(dbpool_set_info(conn, DBPOOL_SCOPE_CONNECTION, "key", &one, NULL), DBPOOL_OK);
    assert_ptr_equal(dbpool_record_get_info(record, DBPOOL_SCOPE_CONNECTION, "key"), &one);
    assert_null(dbpool_record_get_info(record, DBPOOL_SCOPE_RECORD, "key"));
    assert_int_equal(dbpool_record_set_info(record, DBPOOL_SCOPE_CONNECTION, "key", &two, NULL), DBPOOL_OK);
    assert_ptr_equal(dbpool_get_info(conn, DBPOOL_SCOPE_CONNECTION, "key"), &two);
    returned(&conn);
    conn = lent(f); /* the same connection */
    assert_ptr_equal(dbpool_get_info(conn, DBPOOL_SCOPE_CONNECTION, "key"), &two);
    returned(&conn);
}

/* R-INFO-1 */
static void a_value_is_freed_when_replaced_removed_or_dropped(void **state) {
    fixture *f = *state;
    dbpool_conn conn = start(f);
    assert_int_equal(dbpool_set_info(conn, DBPOOL_SCOPE_CONNECTION, "a", &one, count_free), DBPOOL_OK);
    assert_int_equal(dbpool_set_info(conn, DBPOOL_SCOPE_CONNECTION, "a", &two, count_free), DBPOOL_OK);
    assert_int_equal(freed, 1);
    assert_int_equal(dbpool_set_info(conn, DBPOOL_SCOPE_CONNECTION, "a", NULL, NULL), DBPOOL_OK);
    assert_int_equal(freed, 2);
    assert_null(dbpool_get_info(conn, DBPOOL_SCOPE_CONNECTION, "a"));
    assert_int_equal(dbpool_set_info(conn, DBPOOL_SCOPE_CONNECTION, "b", &one, count_free), DBPOOL_OK);
    assert_int_equal(dbpool_set_info(conn, DBPOOL_SCOPE_RECORD, "c", &one, count_free), DBPOOL_OK);
    assert_int_equal(dbpool_invalidate(&conn, NULL), DBPOOL_OK);
    assert_int_equal(freed, 3);
    fixture_close(f);
    assert_int_equal(freed, 4);
}

/* Stores what it is told to, and fails at the first call. */
static dbpool_status store_and_open(void *arg, dbpool_record *record, int64_t deadline_ns, void **native_out, dbpool_error *err) {
    fixture *f = arg;
    dbpool_status status = fake_driver_table(f->fake)->open(f->fake, deadline_ns, native_out, err);
    const char *key = status == DBPOOL_OK ? "creator" : "half";
    return dbpool_record_set_info(record, DBPOOL_SCOPE_CONNECTION, key, &one, count_free) == DBPOOL_OK ? status : DBPOOL_EBUG;
}

static void store_at_connect(fixture *f, const dbpool_event *event) {
    (void)f;
    (void)dbpool_record_set_info(event->record, DBPOOL_SCOPE_CONNECTION, "listener", &two, NULL);
}

/* R-INFO-1 */
static void what_creator_and_connect_listeners_store_stays(void **state) {
    fixture *f = *state;
    fixture_open(f);
    dbpool_creator creator = {.open_for = store_and_open, .arg = f};
    assert_int_equal(dbpool_set_creator(f->pool, &creator, NULL), DBPOOL_OK);
    fixture_listen_to(f, DBPOOL_ON_CONNECT);
    f->inside = store_at_connect;
    for (uint32_t i = 1; i <= 2; i++) {
        dbpool_conn conn = lent(f);
        assert_int_equal(number_of(conn), i);
        assert_ptr_equal(dbpool_get_info(conn, DBPOOL_SCOPE_CONNECTION, "creator"), &one);
        assert_ptr_equal(dbpool_get_info(conn, DBPOOL_SCOPE_CONNECTION, "listener"), &two);
        assert_int_equal(dbpool_invalidate_soft(conn, NULL), DBPOOL_OK);
        returned(&conn);
    }
}

/* R-INFO-1 */
static void what_a_failed_opening_stored_is_gone(void **state) {
    fixture *f = *state;
    freed = 0;
    fixture_open(f);
    dbpool_creator creator = {.open_for = store_and_open, .arg = f};
    assert_int_equal(dbpool_set_creator(f->pool, &creator, NULL), DBPOOL_OK);
    fake_driver_plan(f->fake, FAKE_OPEN, 1, 1, (fake_answer){.status = DBPOOL_ECONNECT});
    assert_int_equal(refused(f), DBPOOL_ECONNECT);
    dbpool_conn conn = lent(f);
    assert_null(dbpool_get_info(conn, DBPOOL_SCOPE_CONNECTION, "half"));
    assert_int_equal(freed, 1);
    returned(&conn);
}

/* R-INFO-1 */
static void an_empty_lease_is_not_read(void **state) {
    fixture *f = *state;
    dbpool_conn conn = start(f), copy = conn;
    assert_int_equal(dbpool_set_info(conn, DBPOOL_SCOPE_CONNECTION, "key", &one, NULL), DBPOOL_OK);
    assert_ptr_equal(dbpool_get_info(copy, DBPOOL_SCOPE_CONNECTION, "key"), &one);
    returned(&conn);
    assert_null(dbpool_get_info(copy, DBPOOL_SCOPE_CONNECTION, "key"));
    assert_null(dbpool_get_info(conn, DBPOOL_SCOPE_CONNECTION, "key"));
    assert_int_equal(dbpool_set_info(copy, DBPOOL_SCOPE_CONNECTION, "key", &two, NULL), DBPOOL_ESTALE);
}

/* R-INFO-2 */
static void record_info_lives_across_reconnections(void **state) {
    fixture *f = *state;
    dbpool_conn conn = start(f);
    assert_int_equal(dbpool_set_info(conn, DBPOOL_SCOPE_RECORD, "key", &one, count_free), DBPOOL_OK);
    assert_int_equal(dbpool_invalidate(&conn, NULL), DBPOOL_OK);
    conn = lent(f);
    assert_int_equal(number_of(conn), 2);
    assert_ptr_equal(dbpool_get_info(conn, DBPOOL_SCOPE_RECORD, "key"), &one);
    assert_ptr_equal(dbpool_record_get_info(dbpool_record_of(conn), DBPOOL_SCOPE_RECORD, "key"), &one);
    assert_int_equal(freed, 0);
    returned(&conn);
}

/* R-INFO-2, R-DET-1 */
static void a_detached_connection_has_info_but_no_record_info(void **state) {
    fixture *f = *state;
    dbpool_conn conn = start(f);
    assert_int_equal(dbpool_set_info(conn, DBPOOL_SCOPE_CONNECTION, "key", &one, count_free), DBPOOL_OK);
    assert_int_equal(dbpool_detach(&conn, NULL), DBPOOL_OK);
    assert_ptr_equal(dbpool_get_info(conn, DBPOOL_SCOPE_CONNECTION, "key"), &one);
    assert_int_equal(dbpool_set_info(conn, DBPOOL_SCOPE_CONNECTION, "more", &two, count_free), DBPOOL_OK);
    assert_ptr_equal(dbpool_get_info(conn, DBPOOL_SCOPE_CONNECTION, "more"), &two);
    assert_null(dbpool_get_info(conn, DBPOOL_SCOPE_RECORD, "key"));
    assert_int_equal(dbpool_set_info(conn, DBPOOL_SCOPE_RECORD, "key", &one, NULL), DBPOOL_EUNSUPPORTED);
    assert_int_equal(freed, 0);
    returned(&conn);
    assert_int_equal(freed, 2);
}

/* R-INFO-1 */
static void one_detached_before_it_had_info_can_be_given_some(void **state) {
    fixture *f = *state;
    dbpool_conn conn = start(f);
    assert_int_equal(dbpool_detach(&conn, NULL), DBPOOL_OK);
    assert_null(dbpool_get_info(conn, DBPOOL_SCOPE_CONNECTION, "key"));
    assert_int_equal(dbpool_set_info(conn, DBPOOL_SCOPE_CONNECTION, "key", &one, count_free), DBPOOL_OK);
    assert_ptr_equal(dbpool_get_info(conn, DBPOOL_SCOPE_CONNECTION, "key"), &one);
    returned(&conn);
    assert_int_equal(freed, 1);
}

static bool no_memory(size_t size) {
    (void)size;
    return false;
}

/* R-INFO-1 */
static void without_memory_nothing_changes(void **state) {
    fixture *f = *state;
    dbpool_conn conn = start(f);
    dbp_memory_hook = no_memory;
    dbpool_status unmade = dbpool_set_info(conn, DBPOOL_SCOPE_CONNECTION, "key", &one, NULL);
    dbp_memory_hook = NULL;
    assert_int_equal(unmade, DBPOOL_ENOMEM);
    assert_int_equal(dbpool_set_info(conn, DBPOOL_SCOPE_CONNECTION, "key", &one, count_free), DBPOOL_OK);
    dbp_memory_hook = no_memory;
    dbpool_status unreplaced = dbpool_set_info(conn, DBPOOL_SCOPE_CONNECTION, "key", &two, NULL);
    dbpool_status removed = dbpool_set_info(conn, DBPOOL_SCOPE_CONNECTION, "other", NULL, NULL);
    dbp_memory_hook = NULL;
    assert_int_equal(unreplaced, DBPOOL_ENOMEM);
    assert_int_equal(removed, DBPOOL_OK);
    assert_ptr_equal(dbpool_get_info(conn, DBPOOL_SCOPE_CONNECTION, "key"), &one);
    returned(&conn);
}

/* R-INFO-1, R-INFO-2 */
static void misuse_is_an_error(void **state) {
    fixture *f = *state;
    dbpool_conn conn = start(f);
    dbpool_record *record = dbpool_record_of(conn);
    dbpool_scope unknown = (dbpool_scope)7;
    assert_int_equal(dbpool_set_info(conn, unknown, "key", &one, NULL), DBPOOL_EINVAL);
    assert_int_equal(dbpool_set_info(conn, DBPOOL_SCOPE_RECORD, NULL, &one, NULL), DBPOOL_EINVAL);
    assert_int_equal(dbpool_record_set_info(record, unknown, "key", &one, NULL), DBPOOL_EINVAL);
    assert_int_equal(dbpool_record_set_info(NULL, DBPOOL_SCOPE_RECORD, "key", &one, NULL), DBPOOL_EINVAL);
    assert_null(dbpool_get_info(conn, unknown, "key"));
    assert_null(dbpool_get_info(conn, DBPOOL_SCOPE_RECORD, NULL));
    assert_null(dbpool_record_get_info(record, unknown, "key"));
    assert_null(dbpool_record_get_info(NULL, DBPOOL_SCOPE_RECORD, "key"));
    assert_null(dbpool_record_native(NULL));
    assert_false(dbpool_record_in_use(NULL));
    assert_true(dbpool_record_last_connect_ns(NULL) == 0);
    assert_int_equal(dbpool_record_on_checkin(NULL, NULL, NULL), DBPOOL_EINVAL);
    assert_int_equal(dbpool_on_checkin(conn, NULL, NULL), DBPOOL_EINVAL);
    returned(&conn);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(info_is_shared_by_record_and_lease),
        FIXTURE_TEST(a_value_is_freed_when_replaced_removed_or_dropped),
        FIXTURE_TEST(what_creator_and_connect_listeners_store_stays),
        FIXTURE_TEST(what_a_failed_opening_stored_is_gone),
        FIXTURE_TEST(an_empty_lease_is_not_read),
        FIXTURE_TEST(record_info_lives_across_reconnections),
        FIXTURE_TEST(a_detached_connection_has_info_but_no_record_info),
        FIXTURE_TEST(one_detached_before_it_had_info_can_be_given_some),
        FIXTURE_TEST(without_memory_nothing_changes),
        FIXTURE_TEST(misuse_is_an_error),
    };
    return cmocka_run_group_tests_name("info", tests, fixture_start, NULL);
}
