/**
 * The time that the books go by, as SQL: the database's clock, and how far the test clock was moved. Deadlines, and rows
 * that wait for the broker, go by `clock_timestamp()` alone.
 *
 * Volatile as that is: in a sub-select, once, where it is to bound an index scan. The table has one row, so it is read as it lies:
 * 4 to 17 µs for a batch, where by its key it were 10 to 30 (pgbench, one client).
 */
export const booksNow = '(clock_timestamp() + (SELECT ahead FROM test_clock))';
