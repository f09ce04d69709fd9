/**
 * The time that the books go by, as SQL: the database's clock, and how far the test clock was moved. Deadlines, and rows
 * that wait for the broker, go by `clock_timestamp()` alone.
 *
 * Volatile as that is: in a sub-select, once, where it is to bound an index scan.
 */
export const booksNow = '(clock_timestamp() + (SELECT ahead FROM test_clock WHERE only_row))';
