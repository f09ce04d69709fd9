import type { Knex } from 'knex';

/**
 * The books: accounts, their journal, holds, refusals and the outbox.
 *
 * Every key starts with the account id, so that accounts could be spread over several databases. There are no foreign
 * keys between these tables: a batch locks the accounts it writes to and accounts are never deleted, so a foreign key
 * could catch nothing, and would be checked row by row.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TYPE account_status AS ENUM ('open', 'closed');
    CREATE TYPE entry_kind AS ENUM ('open', 'close', 'add', 'subtract', 'settle');
    CREATE TYPE hold_status AS ENUM ('pending', 'settled', 'released');
    CREATE TYPE due_action AS ENUM ('settle', 'release');
    CREATE TYPE outbox_topic AS ENUM ('event', 'due');

    -- What a value must be for itself alone is its domain's business, not a CHECK of the table: those are read out of their
    -- text by every statement that writes, and looked at also when other columns change.

    -- Amounts are whole minor units. 10^17 keeps any sum of a few of them far inside bigint.
    CREATE DOMAIN minor_units AS bigint CHECK (VALUE BETWEEN -100000000000000000 AND 100000000000000000);
    CREATE DOMAIN minor_units_from_zero AS minor_units CHECK (VALUE >= 0);
    CREATE DOMAIN count_from_one AS bigint CHECK (VALUE >= 1);
    CREATE DOMAIN currency_decimals AS smallint CHECK (VALUE BETWEEN 0 AND 8);
    CREATE DOMAIN currency_code AS text CHECK (VALUE ~ '^[A-Z0-9]{2,12}$');
    CREATE DOMAIN account_name AS text CHECK (char_length(VALUE) BETWEEN 1 AND 200);
    CREATE DOMAIN entry_hash AS bytea CHECK (octet_length(VALUE) = 32);
    CREATE DOMAIN command_fingerprint AS bytea CHECK (octet_length(VALUE) = 16);
    CREATE DOMAIN one_byte AS smallint CHECK (VALUE BETWEEN 1 AND 255);
    CREATE DOMAIN whole_second AS timestamptz CHECK (date_trunc('second', VALUE, 'UTC') = VALUE);

    CREATE TABLE accounts (
      id              uuid                  PRIMARY KEY,
      balance         minor_units           NOT NULL,
      held            minor_units_from_zero NOT NULL,
      overdraft_limit minor_units_from_zero NOT NULL,
      seq             count_from_one        NOT NULL,
      last_entry_at   timestamptz           NOT NULL,
      decimals        currency_decimals     NOT NULL,
      status          account_status        NOT NULL,
      chain_head      entry_hash            NOT NULL,
      currency        currency_code         NOT NULL,
      name            account_name          NOT NULL,
      metadata        json,
      CONSTRAINT holds_are_covered CHECK (balance + overdraft_limit >= held)
    )
    -- An update changes no indexed column, and finds room on its own page: no index is touched (a HOT update).
    WITH (fillfactor = 70);

    CREATE TABLE entries (
      account_id      uuid                  NOT NULL,
      seq             count_from_one        NOT NULL,
      command_id      uuid                  NOT NULL,
      amount          minor_units_from_zero NOT NULL,
      balance         minor_units           NOT NULL,
      held            minor_units_from_zero NOT NULL,
      overdraft_limit minor_units_from_zero NOT NULL,
      hold_id         uuid,
      at              timestamptz           NOT NULL,
      kind            entry_kind            NOT NULL,
      -- One byte of what is hashed.
      format_version  one_byte              NOT NULL,
      fingerprint     command_fingerprint   NOT NULL,
      hash            entry_hash            NOT NULL,
      -- json, not jsonb: the text is hashed and must come back byte for byte.
      details         json,
      PRIMARY KEY (account_id, seq),
      CONSTRAINT hold_entries_name_their_hold CHECK (kind NOT IN ('subtract', 'settle') OR hold_id IS NOT NULL),
      -- Exactly once: whatever the code does, a command id can't lead to a second entry of an account.
      CONSTRAINT one_entry_per_command UNIQUE (account_id, command_id),
      CONSTRAINT holds_are_covered CHECK (balance + overdraft_limit >= held)
    );

    CREATE TABLE holds (
      account_id      uuid                  NOT NULL,
      id              uuid                  NOT NULL,
      amount          minor_units_from_zero NOT NULL,
      remaining       minor_units_from_zero NOT NULL,
      due_at          whole_second          NOT NULL,
      command_id      uuid                  NOT NULL,
      to_account_id   uuid,
      version         integer               NOT NULL,
      status          hold_status           NOT NULL,
      on_due          due_action            NOT NULL,
      traceparent     text,
      reference       text,
      metadata        json,
      PRIMARY KEY (account_id, id),
      CONSTRAINT numbers_fit CHECK (version >= 1 AND amount > 0 AND remaining <= amount),
      CONSTRAINT pending_holds_hold CHECK ((status = 'pending') = (remaining > 0))
    );
    -- The only way from a due time to its holds. Partial, so that it stays as small as what is pending.
    CREATE INDEX holds_pending_by_due ON holds (due_at) WHERE status = 'pending';

    CREATE TABLE refusals (
      account_id      uuid                NOT NULL,
      command_id      uuid                NOT NULL,
      at              timestamptz         NOT NULL,
      fingerprint     command_fingerprint NOT NULL,
      code            text                NOT NULL,
      detail          json                NOT NULL,
      PRIMARY KEY (account_id, command_id)
    );
    -- For the sweep of old refusals: rows lie in time order, so a BRIN finds them at next to no cost per insert.
    CREATE INDEX refusals_by_time ON refusals USING brin (at) WITH (autosummarize = on);

    CREATE TABLE outbox (
      id              bigint         GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      topic           outbox_topic   NOT NULL,
      -- What the broker recognises a second sending by.
      message_id      text           NOT NULL,
      payload         text           NOT NULL,
      at              timestamptz    NOT NULL DEFAULT clock_timestamp()
    )
    -- Rows live for milliseconds: vacuum by count, not by share of the table.
    WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
    -- Not worth compressing for milliseconds.
    ALTER TABLE outbox ALTER COLUMN payload SET STORAGE EXTERNAL;

    -- One row: how far ahead due seconds have been announced by the once-a-minute turn, and since when the broker that
    -- they were announced to has its stream. A younger stream knows nothing of them.
    CREATE TABLE announcements (
      only_row        boolean        PRIMARY KEY DEFAULT true CHECK (only_row),
      announced_until timestamptz    NOT NULL,
      stream_since    timestamptz
    );
    INSERT INTO announcements (announced_until) VALUES (clock_timestamp());

    CREATE FUNCTION refuse_to_rewrite_the_journal() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'entries are append-only: % is not allowed', TG_OP USING ERRCODE = 'insufficient_privilege';
    END
    $$;
    CREATE TRIGGER entries_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite_the_journal();
  `);
}

export async function down(): Promise<void> {
  // The first migration holds the books. Nothing here may drop them.
  throw new Error('the first migration is not undone: drop the database by hand if its books are to go');
}
