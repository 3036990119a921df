/* SPDX-License-Identifier: MIT
 *
 * The moment at which a handle leaves a lease that others hold too. From then on the others may end the lease, and the record may be lent
 * to somebody else: whatever has to be done to the handle's cell must have been done.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "os/atomic.h"

/* The ends of leases in this program are compiled with this in the place of one of their steps. */
static uint32_t count_down(dbp_atomic_u32 *count, uint32_t by);
#define dbp_sub_acq_rel_u32 count_down
#include "core/checkin.c"
#undef dbp_sub_acq_rel_u32

#include "fake_driver.h"

static const dbpool_cell *leaving;
static int left;

static uint32_t count_down(dbp_atomic_u32 *count, uint32_t by) {
    if (leaving) {
        assert_int_equal(dbp_load_relaxed_u64(&leaving->number) & DBP_CELL_STATE, DBP_CELL_DEAD);
        left++;
    }
    return dbp_sub_acq_rel_u32(count, by);
}

struct fixture {
    fake_driver *fake;
    dbpool *pool;
    dbpool_conn conn, nested;
};

static void open_pool(struct fixture *self) {
    dbpool_config config = DBPOOL_CONFIG_INIT;
    config.size = 1;
    config.max_overflow = 0;
    self->fake = fake_driver_create();
    assert_int_equal(dbpool_open_driver(fake_driver_table(self->fake), self->fake, &config, &self->pool, NULL), DBPOOL_OK);
    assert_int_equal(dbpool_try_checkout(self->pool, &self->conn, NULL), DBPOOL_OK);
    assert_int_equal(dbpool_checkout_nested(self->conn, &self->nested, NULL), DBPOOL_OK);
}

static void close_pool(struct fixture *self) {
    dbpool_destroy(self->pool);
    fake_driver_destroy(self->fake);
}

static void expect_ended_before_it_leaves(dbpool_conn *first, dbpool_conn *last, dbpool_status (*end)(dbpool_conn *conn)) {
    left = 0;
    leaving = first->cell;
    assert_int_equal(end(first), DBPOOL_OK);
    leaving = NULL;
    assert_int_equal(left, 1);
    assert_true(dbpool_is_valid(*last));
    assert_int_equal(dbpool_checkin(last), DBPOOL_OK);
}

static void the_first_handle_has_ended_when_it_leaves(void **state) {
    (void)state;
    struct fixture self;
    open_pool(&self);
    expect_ended_before_it_leaves(&self.conn, &self.nested, dbpool_checkin);
    close_pool(&self);
}

static void a_nested_handle_has_ended_when_it_leaves(void **state) {
    (void)state;
    struct fixture self;
    open_pool(&self);
    expect_ended_before_it_leaves(&self.nested, &self.conn, dbpool_checkin_no_reset);
    close_pool(&self);
}

/* The next lease of the record is another one, whoever of the two left last. */
static void the_record_is_lent_again_under_another_number(void **state) {
    (void)state;
    struct fixture self;
    open_pool(&self);
    dbpool_conn old = self.conn, old_nested = self.nested;
    assert_int_equal(dbpool_checkin(&self.conn), DBPOOL_OK);
    assert_int_equal(dbpool_checkin(&self.nested), DBPOOL_OK);
    assert_int_equal(dbpool_try_checkout(self.pool, &self.conn, NULL), DBPOOL_OK);
    assert_ptr_equal(self.conn.cell, old.cell);
    assert_int_equal(dbpool_checkin(&old), DBPOOL_ESTALE);
    assert_int_equal(dbpool_checkin(&old_nested), DBPOOL_ESTALE);
    assert_int_equal(dbpool_checkin(&self.conn), DBPOOL_OK);
    close_pool(&self);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_handle_has_ended_when_it_leaves),
        cmocka_unit_test(a_nested_handle_has_ended_when_it_leaves),
        cmocka_unit_test(the_record_is_lent_again_under_another_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
